/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reading and writing the event stream that <linux/krr.h> defines.
 *
 * The bytes come from a guest or from a file, so nothing in them is trusted:
 * all reading goes through struct krr_cursor, which never passes its end.
 */
#ifndef KRR_LIB_FORMAT_H
#define KRR_LIB_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <linux/krr_code.h>

#define KRR_NR_KINDS	64		/* ids that six bits can tell apart */

/* A bounds-checked reader. After a failure every further read fails too. */
struct krr_cursor {
	const uint8_t *p, *end;
	bool short_read;	/* the bytes ended inside something */
	bool bad;		/* something that cannot be */
};

/* One event. @data points into the buffer that was decoded. */
struct krr_event {
	uint64_t number;	/* in the stream, from 0 */
	uint64_t offset;	/* stream offset of its first byte */
	uint8_t kind, fp;
	uint32_t cpu;		/* it belongs to */
	uint64_t pos;		/* position counter of that CPU, as far as known */
	uint64_t arg[2];	/* KRR_SHAPE_V, KRR_SHAPE_VV */
	const uint8_t *data;	/* KRR_SHAPE_B */
	uint32_t len;
	uint32_t size;		/* bytes in the stream */
};

/* The last entry from user of a CPU. */
struct krr_entry {
	uint32_t vector;
	uint8_t slot;
	uint32_t changed;	/* bitmap of the words that this entry changed */
	int64_t error;
	uint64_t word[KRR_NR_ENTRY_WORDS];
};

/* What a decoder knows between two events. */
struct krr_decoder {
	uint64_t number, offset;	/* of the next event */
	uint32_t cpu;
	bool stopped;			/* KRR_EV_STOP was seen */
	uint32_t stop_reason;
	uint64_t pos[KRR_MAX_CPUS];
	struct krr_entry entry[KRR_MAX_CPUS];
	uint64_t word[KRR_ENTRY_SLOTS][KRR_NR_ENTRY_WORDS];	/* of the last entry with it */
	uint64_t count[KRR_NR_KINDS];
	uint64_t bytes[KRR_NR_KINDS];
	char error[160];		/* in words, after -EBADMSG */
};

uint64_t krr_get_varint(struct krr_cursor *c);

void krr_decoder_init(struct krr_decoder *d);
int krr_decode(struct krr_decoder *d, const uint8_t *buf, size_t len, struct krr_event *ev);
int krr_encode(uint8_t *buf, size_t room, const struct krr_event *ev);

int krr_event_annotation(const struct krr_event *ev, uint32_t *subsys, const uint8_t **record);

int krr_event_keep(const struct krr_event *ev, uint64_t *ms, const char **why);

const char *krr_kind_name(uint32_t kind);
const char *krr_kind_description(uint32_t kind);
int krr_kind_by_name(const char *name);
const char *krr_stop_name(uint32_t reason);
const char *krr_how_name(uint32_t how);
const char *krr_vector_name(uint32_t vector);
const char *krr_state_name(uint32_t state);
size_t krr_event_text(const struct krr_decoder *d, const struct krr_event *ev,
		      char *buf, size_t room);

#endif /* KRR_LIB_FORMAT_H */
