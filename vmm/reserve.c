// SPDX-License-Identifier: GPL-2.0-only
/* A thread that sees to it that there is as much memory as will be needed. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "lib/util.h"
#include "vmm/reserve.h"

#define HUGE_PAGE	(2u << 20)
#define PERIOD_MS	200u
#define REST		20u	/* times as long as it takes to find out what is wanted */

static void *new_slab(void)
{
	void *slab = aligned_alloc(HUGE_PAGE, KRR_SLAB_BYTES);

	/* faults of small pages take longer than copying does */
	if (slab)
		madvise(slab, KRR_SLAB_BYTES, MADV_HUGEPAGE);
	return slab;
}

static bool keep(struct krr_reserve *r, void *slab)
{
	size_t room = r->room ? 2 * r->room : 16;
	void **more;

	if (r->slabs == r->room) {
		more = realloc(r->slab, room * sizeof(*more));
		if (!more)
			return false;
		r->slab = more;
		r->room = room;
	}
	r->slab[r->slabs++] = slab;
	return true;
}

/**
 * krr_reserve_take() - memory for copies
 * @r: reserve, or NULL
 *
 * Return: KRR_SLAB_BYTES, new ones if there are no others, or NULL.
 */
void *krr_reserve_take(struct krr_reserve *r)
{
	void *slab = NULL;

	if (r) {
		pthread_mutex_lock(&r->lock);
		if (r->slabs)
			slab = r->slab[--r->slabs];
		pthread_mutex_unlock(&r->lock);
	}
	return slab ? slab : new_slab();
}

/**
 * krr_reserve_put() - give back what krr_reserve_take() returned
 * @r: the same reserve, or NULL
 * @slab: memory
 */
void krr_reserve_put(struct krr_reserve *r, void *slab)
{
	bool kept = false;

	if (r) {
		pthread_mutex_lock(&r->lock);
		kept = keep(r, slab);
		pthread_mutex_unlock(&r->lock);
	}
	if (!kept)
		free(slab);
}

static size_t count(struct krr_reserve *r)
{
	size_t n;

	pthread_mutex_lock(&r->lock);
	n = r->slabs;
	pthread_mutex_unlock(&r->lock);
	return n;
}

/* Rest for so long, in steps: krr_reserve_end() waits for one at most. */
static void rest(struct krr_reserve *r, uint64_t ms)
{
	uint64_t slept = 0;

	do {
		krr_sleep_ms(PERIOD_MS);
		slept += PERIOD_MS;
	} while (slept < ms && !__atomic_load_n(&r->quit, __ATOMIC_ACQUIRE));
}

static void *run(void *arg)
{
	struct krr_reserve *r = arg;
	uint64_t want, n, t0, rest_ms;
	void *slab;

	while (!__atomic_load_n(&r->quit, __ATOMIC_ACQUIRE)) {
		t0 = krr_now_ns();
		want = (r->wants(r->arg) + KRR_SLAB_BYTES - 1) / KRR_SLAB_BYTES;
		rest_ms = (krr_now_ns() - t0) / 1000000 * REST;
		for (n = count(r); n < want && !__atomic_load_n(&r->quit, __ATOMIC_ACQUIRE); n++) {
			slab = new_slab();
			if (!slab)
				break;
			memset(slab, 1, KRR_SLAB_BYTES);
			krr_reserve_put(r, slab);
		}
		/* nobody needs any: the host gets them back */
		while (!want && count(r))
			free(krr_reserve_take(r));
		rest(r, rest_ms);
	}
	return NULL;
}

/**
 * krr_reserve_start() - begin to fill a reserve
 * @r: result, ended by krr_reserve_end()
 * @wants: asked a few times a second: bytes to be there; 0: give all back
 * @arg: of it
 *
 * Return: 0 or -errno.  A reserve of zeros that was not started is an empty one.
 */
int krr_reserve_start(struct krr_reserve *r, uint64_t (*wants)(void *arg), void *arg)
{
	int err;

	memset(r, 0, sizeof(*r));
	pthread_mutex_init(&r->lock, NULL);
	r->wants = wants;
	r->arg = arg;
	err = -pthread_create(&r->thread, NULL, run, r);
	r->runs = !err;
	return err;
}

/** krr_reserve_end() - free it; all that was taken has been put back */
void krr_reserve_end(struct krr_reserve *r)
{
	__atomic_store_n(&r->quit, true, __ATOMIC_RELEASE);
	if (r->runs)
		pthread_join(r->thread, NULL);
	while (r->slabs)
		free(r->slab[--r->slabs]);
	free(r->slab);
	memset(r, 0, sizeof(*r));
}
