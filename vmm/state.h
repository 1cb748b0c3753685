/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A saved device state (start.state): QEMU's migration stream, taken apart.
 *
 * The stream may come from any QEMU that krr can record with, and from anywhere: each length
 * in it is checked, and nothing of it reaches QEMU that was not understood.
 */
#ifndef KRR_VMM_STATE_H
#define KRR_VMM_STATE_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

/* One device, or one part of a CPU: a full section of the stream. */
struct krr_section {
	const char *name;	/* QEMU's idstr, with the device's path if it has one */
	uint32_t instance, version;
	size_t at, size;	/* bytes in the file, with header and footer */
	const json_t *description;
};

struct krr_saved {
	const char *path;	/* for messages */
	const uint8_t *data;
	size_t len;
	uint8_t *own;		/* @data, if it is to be freed */
	const uint8_t *machine;	/* QEMU's name of the machine type, @machine_len bytes */
	size_t machine_len;
	json_t *description;
	struct krr_section *section;
	unsigned int nr_sections;
};

int krr_state_parse(const uint8_t *data, size_t len, const char *path, struct krr_saved *s);
int krr_state_read(int fd, const char *path, struct krr_saved *s);
const uint8_t *krr_state_section(const struct krr_saved *s, const char *name, uint32_t version,
				 size_t *len);
int krr_state_filter(const struct krr_saved *s, uint64_t cpus, int fd);
char *krr_state_text(const struct krr_saved *s);
void krr_state_free(struct krr_saved *s);

#endif /* KRR_VMM_STATE_H */
