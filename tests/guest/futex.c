// SPDX-License-Identifier: GPL-2.0-only
/*
 * futex - threads that contend for a mutex, a condition and a barrier; words that
 * the kernel itself changes: priority inheritance, dead owners, FUTEX_WAKE_OP
 */
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "test.h"

#define THREADS 4
#define STEPS 500

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t turn_changed = PTHREAD_COND_INITIALIZER;
static pthread_barrier_t barrier;
static long counter, turn, inherited;
static pthread_mutex_t heir, orphan;

static void *worker(void *arg)
{
	long me = (long)arg;

	pthread_barrier_wait(&barrier);
	for (int i = 0; i < STEPS; i++) {
		pthread_mutex_lock(&lock);
		counter++;
		pthread_mutex_unlock(&lock);
		pthread_mutex_lock(&heir);
		inherited++;
		pthread_mutex_unlock(&heir);
	}
	for (int i = 0; i < STEPS / 10; i++) {
		pthread_mutex_lock(&lock);
		while (turn % THREADS != me)
			pthread_cond_wait(&turn_changed, &lock);
		turn++;
		pthread_cond_broadcast(&turn_changed);
		pthread_mutex_unlock(&lock);
	}
	return NULL;
}

/* Die with the mutex held. */
static void *owner(void *arg)
{
	(void)arg;
	pthread_mutex_lock(&orphan);
	return NULL;
}

static void make_mutexes(void)
{
	pthread_mutexattr_t attr;

	pthread_mutexattr_init(&attr);
	CHECK(!pthread_mutexattr_setprotocol(&attr, PTHREAD_PRIO_INHERIT));
	CHECK(!pthread_mutex_init(&heir, &attr));
	CHECK(!pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST));
	CHECK(!pthread_mutex_init(&orphan, &attr));
	pthread_mutexattr_destroy(&attr);
}

static void owner_dies(void)
{
	pthread_t t;

	CHECK(!pthread_create(&t, NULL, owner, NULL));
	CHECK(!pthread_join(t, NULL));
	CHECK(pthread_mutex_lock(&orphan) == EOWNERDEAD);
	CHECK(!pthread_mutex_consistent(&orphan));
	CHECK(!pthread_mutex_unlock(&orphan));
}

/* The kernel adds 3 to a word, and wakes nobody. */
static void wake_op(void)
{
	uint32_t from = 0, to = 40;

	CHECK(!syscall(SYS_futex, &from, FUTEX_WAKE_OP | FUTEX_PRIVATE_FLAG, 1, 1, &to,
		       FUTEX_OP(FUTEX_OP_ADD, 3, FUTEX_OP_CMP_EQ, 40)));
	CHECK(to == 43);
}

int main(int argc, char **argv)
{
	struct amount a = test_amount(argc, argv);
	pthread_t t[THREADS];

	make_mutexes();
	while (test_more(&a)) {
		counter = turn = inherited = 0;
		CHECK(!pthread_barrier_init(&barrier, NULL, THREADS));
		for (long i = 0; i < THREADS; i++)
			CHECK(!pthread_create(&t[i], NULL, worker, (void *)i));
		for (int i = 0; i < THREADS; i++)
			CHECK(!pthread_join(t[i], NULL));
		CHECK(counter == THREADS * STEPS && inherited == counter);
		owner_dies();
		wake_op();
		CHECK(turn == THREADS * (STEPS / 10));
		pthread_barrier_destroy(&barrier);
	}
	return test_ok(&a, "%d threads", THREADS);
}
