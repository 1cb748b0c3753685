/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What changed in guest RAM from one snapshot to the next, in a file:
 *
 *	file header
 *	group header, zstd frame	any number of times
 *
 * A group holds up to KRR_DELTA_GROUP pages: their numbers, then their bytes.  A page may
 * be there twice; the later one counts.
 *
 * A tracker has a hash of each page, and a page is taken for unchanged by mistake once in
 * 2^64.  Which pages it has to look at, the host's kernel can tell (vmm/writes.h); if it
 * cannot, those are all.
 */
#ifndef KRR_VMM_DELTA_H
#define KRR_VMM_DELTA_H

#include "lib/image.h"
#include "vmm/ram.h"
#include "vmm/reserve.h"
#include "vmm/writes.h"

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
	size_t settled;			/* groups whose pages were hashed */
	uint64_t pages;
	struct krr_reserve *reserve;	/* where their memory comes from, or NULL */
};

/* The hash of each page of RAM; 0 stands for a page of zeros. */
struct krr_tracker {
	uint64_t *hash;
	uint64_t pages;
	uint64_t skip, skip_end;	/* pages that are never looked at: the ring */
	struct krr_writes *writes;	/* NULL: all pages may have been written */
	struct krr_reserve *reserve;	/* for the deltas, or NULL */
	bool begun;			/* RAM was looked at once */
	bool spoilt;			/* after an error: @hash is not known any more */
	uint64_t *made;			/* pages that went to a file, one bit each, or NULL */
	/* called before @hash is used, if somebody else may use it: vmm/ahead.h; or NULL */
	void (*before_hashes)(void *arg);
	void *arg;
};

int krr_tracker_init(struct krr_tracker *t, const struct krr_ram *ram);
void krr_tracker_use(struct krr_tracker *t, struct krr_writes *w);
int krr_tracker_follow(struct krr_tracker *t, const struct krr_ram *ram, bool paused, int copy,
		       uint64_t *changed);
int krr_tracker_follow_some(struct krr_tracker *t, const struct krr_ram *ram,
			    const uint64_t *written, uint64_t from, uint64_t to, int copy,
			    uint64_t *changed);
int krr_tracker_scan(struct krr_tracker *t, const struct krr_ram *ram, bool paused, uint64_t most,
		     struct krr_delta *d);
void krr_tracker_settle(struct krr_tracker *t, struct krr_delta *d);
void krr_tracker_sum(const struct krr_tracker *t, char sum[KRR_SUM_TEXT]);
void krr_tracker_free(struct krr_tracker *t);

int krr_delta_write(const struct krr_delta *d, int dirfd, const char *name, uint64_t *bytes);
int krr_delta_put(const struct krr_delta *d, int to);
int krr_delta_apply(int dirfd, const char *name, int to);
void krr_delta_free(struct krr_delta *d);

#endif /* KRR_VMM_DELTA_H */
