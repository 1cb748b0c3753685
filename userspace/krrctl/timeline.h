/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who was in the kernel, and what for, as the events of a log tell it.
 *
 * The clock is the TSC as the kernel read it: it stands still between two reads, so
 * a slice is as long as what lies between its first and its last look at it. It
 * never goes back, whatever the TSC of another CPU says.
 */
#ifndef KRR_TIMELINE_H
#define KRR_TIMELINE_H

#include "lib/format.h"

/* From an acquisition of the RR lock until the CPU gives it up. */
struct slice {
	uint32_t cpu;
	uint64_t begin, end;	/* TSC: at least so long */
	uint64_t event;		/* number of the acquisition */
	char what[64];		/* system call, exception, or how the CPU came */
	char who[32];		/* task of the first annotation in it, or "" */
	uint32_t tid;		/* of that task */
};

struct timeline {
	void (*ended)(struct timeline *t, const struct slice *s);	/* or NULL */
	uint64_t tsc_khz, tsc, first_tsc;
	uint64_t tsc_coded;	/* what the next TSC event is coded against */
	uint64_t handovers;	/* acquisitions by another CPU than the last one */
	bool held, clocked;	/* somebody is in the kernel; it read the clock */
	struct slice now;
	char yielded[KRR_MAX_CPUS][64];	/* what a CPU did as it gave the lock up, or "" */
};

void timeline_take(struct timeline *t, const struct krr_decoder *d, const struct krr_event *ev);
void timeline_end(struct timeline *t);
double timeline_us(const struct timeline *t, uint64_t tsc);

#endif /* KRR_TIMELINE_H */
