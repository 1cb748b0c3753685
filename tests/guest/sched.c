// SPDX-License-Identifier: GPL-2.0-only
/*
 * sched - migrations, yields, priorities and a real-time thread
 */
#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>
#include "test.h"

static volatile int stop;
static volatile long spins;

static void *background(void *arg)
{
	struct sched_param rr = { .sched_priority = 1 };
	struct timespec nap = { .tv_nsec = 300000 };

	(void)arg;
	pthread_setschedparam(pthread_self(), SCHED_RR, &rr);
	while (!stop) {
		spins++;
		nanosleep(&nap, NULL);
	}
	return NULL;
}

static void go_to(int cpu)
{
	unsigned int here;
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	CHECK(!sched_setaffinity(0, sizeof(set), &set));
	CHECK(!syscall(SYS_getcpu, &here, NULL, NULL) && (int)here == cpu);
}

int main(int argc, char **argv)
{
	struct amount a = test_amount(argc, argv);
	int cpus = (int)sysconf(_SC_NPROCESSORS_ONLN);
	pthread_t t;

	CHECK(cpus > 0 && !pthread_create(&t, NULL, background, NULL));
	while (test_more(&a)) {
		go_to((int)(a.rounds % cpus));
		for (int i = 0; i < 8; i++)
			CHECK(!sched_yield());
		CHECK(!setpriority(PRIO_PROCESS, 0, (int)(a.rounds % 5)));
	}
	stop = 1;
	CHECK(!pthread_join(t, NULL));
	return test_ok(&a, "%d cpus, %ld wake-ups", cpus, spins);
}
