/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * log.krr: the event stream of a recording on disk.
 *
 *	file header
 *	chunk header, of a zstd frame		any number of times
 *	chunk header with KRR_LOG_END		when the recording was sealed
 *
 * A chunk holds whole events.  It begins a zstd frame, or goes on with that of the
 * chunk before it, whose events it may refer to: what an event brings is often much
 * like what another one brought a while ago.  So a log is read from its start.
 *
 * The header has a CRC-32 of its own, a checksum of the events and their place in the
 * stream, so that a chunk that is missing, doubled or moved is seen.  Chunks are only
 * appended; whatever is whole on disk stays readable when the writer dies.
 */
#ifndef KRR_LIB_LOG_H
#define KRR_LIB_LOG_H

#include "lib/format.h"

#define KRR_LOG_MAGIC		"KRRlog\r\n"
#define KRR_LOG_VERSION		2		/* 1: each chunk is a frame; can be read */
#define KRR_LOG_CHUNK		0x4b4e4843u	/* "CHNK": a frame begins here */
#define KRR_LOG_MORE		0x45524f4du	/* "MORE": it goes on */
#define KRR_LOG_END		0x20444e45u	/* "END " */
#define KRR_LOG_MAX_RAW		(4u << 20)	/* bytes of events in a chunk */

struct krr_log_header {
	char magic[8];
	uint32_t version;
	uint32_t header_bytes;
	uint32_t format;	/* KRR_FORMAT_VERSION of the events */
	uint32_t crc;		/* of what stands before */
};

struct krr_chunk_header {
	uint32_t magic;
	uint32_t raw, compressed;	/* bytes; 0 in the last header */
	uint32_t events;
	uint64_t first_event;		/* in the last header: all of them */
	uint64_t first_offset;
	uint32_t sum;			/* krr_log_sum(); 0: the frame has zstd's (version 1) */
	uint32_t crc;			/* of what stands before */
};

_Static_assert(sizeof(struct krr_log_header) == 24, "file layout");
_Static_assert(sizeof(struct krr_chunk_header) == 40, "file layout");

struct krr_log_writer;
struct krr_log_reader;

int krr_log_create(int dirfd, const char *name, struct krr_log_writer **out);
int krr_log_resume(int dirfd, const char *name, bool part, struct krr_decoder *d,
		   struct krr_log_writer **out);
int krr_log_append(struct krr_log_writer *w, const struct krr_decoder *before,
		   const struct krr_decoder *after, const uint8_t *raw, size_t len);
int krr_log_finish(struct krr_log_writer *w, const struct krr_decoder *d);
uint32_t krr_log_sum(const uint8_t *raw, size_t len);
uint64_t krr_log_written(const struct krr_log_writer *w);
void krr_log_writer_free(struct krr_log_writer *w);

int krr_log_open(int dirfd, const char *name, bool sealed, struct krr_log_reader **out);
int krr_log_open_part(int dirfd, const char *name, struct krr_log_reader **out);
int krr_log_next_chunk(struct krr_log_reader *r, const uint8_t **raw, size_t *len);
int krr_log_next(struct krr_log_reader *r, struct krr_event *ev);
const uint8_t *krr_log_event_bytes(const struct krr_log_reader *r, const struct krr_event *ev);
const struct krr_decoder *krr_log_decoder(const struct krr_log_reader *r);
void krr_log_totals(const struct krr_log_reader *r, uint64_t *events, uint64_t *bytes);
uint64_t krr_log_good_bytes(const struct krr_log_reader *r);
void krr_log_close(struct krr_log_reader *r);

#endif /* KRR_LIB_LOG_H */
