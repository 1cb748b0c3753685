/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Memory for copies of pages, that was touched before a guest has to wait for it: the
 * host may need longer to find memory than to copy.
 */
#ifndef KRR_VMM_RESERVE_H
#define KRR_VMM_RESERVE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KRR_SLAB_BYTES	(8u << 20)

struct krr_reserve {
	pthread_mutex_t lock;
	void **slab;
	size_t slabs, room;
	pthread_t thread;
	bool runs, quit;
	uint64_t (*wants)(void *arg);
	void *arg;
};

int krr_reserve_start(struct krr_reserve *r, uint64_t (*wants)(void *arg), void *arg);
void krr_reserve_end(struct krr_reserve *r);
void *krr_reserve_take(struct krr_reserve *r);
void krr_reserve_put(struct krr_reserve *r, void *slab);

#endif /* KRR_VMM_RESERVE_H */
