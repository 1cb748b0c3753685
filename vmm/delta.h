/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What changed in guest RAM from one snapshot to the next, in a file:
 *
 *	file header
 *	group header, zstd frame	any number of times
 *
 * A group holds up to KRR_DELTA_GROUP pages: their numbers, then their bytes.  Pages
 * that changed are found by a hash of each, so no help of QEMU or of the host's
 * kernel is needed; a page is taken for unchanged by mistake once in 2^64.
 */
#ifndef KRR_VMM_DELTA_H
#define KRR_VMM_DELTA_H

#include "lib/image.h"
#include "vmm/ram.h"

#define KRR_DELTA_MAGIC	"KRRdlt\r\n"
#define KRR_DELTA_VERSION 1
#define KRR_DELTA_GROUP	256u	/* pages */

struct krr_delta_header {
	char magic[8];
	uint32_t version;
	uint32_t groups;
	uint64_t pages;
	uint32_t pad;
	uint32_t crc;		/* of what stands before */
};

struct krr_delta_group {
	uint32_t pages, compressed;
	uint32_t pad;
	uint32_t crc;		/* of what stands before; the frame has its own */
};

_Static_assert(sizeof(struct krr_delta_header) == 32, "file layout");
_Static_assert(sizeof(struct krr_delta_group) == 16, "file layout");

/* Copies of pages, until they are written. */
struct krr_delta {
	struct group **group;
	size_t groups, room;
	uint64_t pages;
};

/* The hash of each page of RAM; 0 stands for a page of zeros. */
struct krr_tracker {
	uint64_t *hash;
	uint64_t pages;
	uint64_t skip, skip_end;	/* pages that are never looked at: the ring */
};

int krr_tracker_init(struct krr_tracker *t, const struct krr_ram *ram);
int krr_tracker_follow(struct krr_tracker *t, const struct krr_ram *ram, int copy,
		       uint64_t *changed);
int krr_tracker_scan(struct krr_tracker *t, const struct krr_ram *ram, uint64_t most,
		     struct krr_delta *d);
void krr_tracker_sum(const struct krr_tracker *t, char sum[KRR_SUM_TEXT]);
void krr_tracker_free(struct krr_tracker *t);

int krr_delta_write(const struct krr_delta *d, int dirfd, const char *name, uint64_t *bytes);
int krr_delta_put(const struct krr_delta *d, int to);
int krr_delta_apply(int dirfd, const char *name, int to);
void krr_delta_free(struct krr_delta *d);

#endif /* KRR_VMM_DELTA_H */
