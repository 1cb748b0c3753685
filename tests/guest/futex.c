// SPDX-License-Identifier: GPL-2.0-only
/*
 * futex - threads that contend for a mutex, a condition and a barrier
 */
#include <pthread.h>
#include "test.h"

#define THREADS 4
#define STEPS 500

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t turn_changed = PTHREAD_COND_INITIALIZER;
static pthread_barrier_t barrier;
static long counter, turn;

static void *worker(void *arg)
{
	long me = (long)arg;

	pthread_barrier_wait(&barrier);
	for (int i = 0; i < STEPS; i++) {
		pthread_mutex_lock(&lock);
		counter++;
		pthread_mutex_unlock(&lock);
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

int main(int argc, char **argv)
{
	struct amount a = test_amount(argc, argv);
	pthread_t t[THREADS];

	while (test_more(&a)) {
		counter = turn = 0;
		CHECK(!pthread_barrier_init(&barrier, NULL, THREADS));
		for (long i = 0; i < THREADS; i++)
			CHECK(!pthread_create(&t[i], NULL, worker, (void *)i));
		for (int i = 0; i < THREADS; i++)
			CHECK(!pthread_join(t[i], NULL));
		CHECK(counter == THREADS * STEPS);
		CHECK(turn == THREADS * (STEPS / 10));
		pthread_barrier_destroy(&barrier);
	}
	return test_ok(&a, "%d threads", THREADS);
}
