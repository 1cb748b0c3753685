/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copies ahead of the end of a recording.
 *
 * The guest waits at its end, or at a panic, for all pages that were written since they
 * were copied last.  After minutes that may be all of its RAM.  So a thread looks, now and
 * then, which pages were written, and copies those that have not been written again since
 * it looked before.  What a guest writes all the time is left to the end, and costs nothing.
 *
 * The pages go where they belong in a file beside the first snapshot.  What this file lacks
 * is filled up from the snapshot when the recording has ended; then it is end.ram.
 *
 *	looks	the kernel's bits are added to krr_writes.bit
 *	copies	a window of pages: their bits are cleared, then they are copied
 *	left	krr_ahead_leave(): the bits of a window that is being copied are set again,
 *		and belong to the caller; hashes belong to the thread
 *	joined	all belongs to the caller
 */
#ifndef KRR_VMM_AHEAD_H
#define KRR_VMM_AHEAD_H

#include <pthread.h>

#include "vmm/delta.h"

#define KRR_AHEAD_FILE	"end.ram.tmp"

struct krr_ahead {
	struct krr_tracker *tracker;
	struct krr_writes *writes;	/* of @tracker, when it began */
	const struct krr_ram *ram;
	int dirfd, fd;			/* @fd: of the file, -1: there is none yet */
	bool cloned;			/* it began with all pages of the snapshot */
	uint64_t *cold;			/* to be copied, one bit a page */
	uint64_t *made;			/* in the file, one bit a page */
	uint64_t disk_ns;		/* that was waited for the disk */
	pthread_t thread;
	bool runs;			/* @thread is to be joined */
	pthread_mutex_t lock;		/* of what follows, and of writes->bit */
	pthread_cond_t wake;
	bool quit;
	uint64_t from, to;		/* the window that is being copied; from == to: none */
	uint64_t pending;		/* pages in writes->bit */
	uint64_t copied;		/* pages, in all */
};

void krr_ahead_init(struct krr_ahead *a, struct krr_tracker *t, const struct krr_ram *ram,
		    int dirfd);
int krr_ahead_start(struct krr_ahead *a);
int krr_ahead_look(struct krr_ahead *a, uint64_t *written);
int krr_ahead_copy(struct krr_ahead *a);
void krr_ahead_leave(struct krr_ahead *a);
int krr_ahead_open(struct krr_ahead *a);
int krr_ahead_fill(struct krr_ahead *a, const char *from);
uint64_t krr_ahead_pending(const struct krr_ahead *a);
void krr_ahead_free(struct krr_ahead *a);

#endif /* KRR_VMM_AHEAD_H */
