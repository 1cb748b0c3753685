/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Lanes of a timeline: one for each thread, by its tid.
 *
 * A viewer takes slices of one lane for calls: two of them are one in the other, or
 * apart. What happened in the guest is so, but the length of a slice was measured by
 * another clock than the one its end is placed by, and the two differ a little.
 */
#ifndef KRR_LANES_H
#define KRR_LANES_H

#include <stdbool.h>
#include <stdint.h>

#define LANE_DEPTH	32	/* slices that a new one is compared with */

struct lane {
	struct lane *next;
	uint32_t pid, tid;
	char name[32];		/* what was said last; "" at first */
	int64_t done_begin[LANE_DEPTH], done_end[LANE_DEPTH];	/* ns */
	unsigned int done;	/* the last slices that are in no other one */
};

struct lanes {
	struct lane *bucket[256];
};

struct lane *lane_find(const struct lanes *lanes, uint32_t tid);
struct lane *lane_get(struct lanes *lanes, uint32_t pid, uint32_t tid);
bool lane_rename(struct lane *l, const char *name);
int64_t lane_fit(struct lane *l, int64_t begin, int64_t end);
void lanes_free(struct lanes *lanes);

#endif /* KRR_LANES_H */
