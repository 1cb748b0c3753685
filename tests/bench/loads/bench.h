/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * bench.h - what the loads of the benchmark share
 *
 * A load does a fixed amount of work, in all and not per vCPU, and prints
 *
 *	bench: begin
 *	bench: end SECONDS
 *
 * around it; what it needs is made ready before the first line.  SECONDS are by
 * the guest's monotonic clock.  The host looks at its own clock when the lines
 * arrive, since the clock of a guest that counts instructions is no clock.
 */
#ifndef BENCH_H
#define BENCH_H

#include "../../guest/test.h"

static double bench_began;

/* bench_amount() - the last argument: how much work there is */
static inline long bench_amount(int argc, char **argv)
{
	char *end = "";
	long n = argc > 1 ? strtol(argv[argc - 1], &end, 10) : 0;

	if (n > 0 && !*end)
		return n;
	fprintf(stderr, "%s: an amount of work, 1 or more, is expected\n", argv[0]);
	exit(2);
}

/* bench_begin() - what was written before is on disk, and the clock starts */
static inline void bench_begin(void)
{
	sync();
	printf("bench: begin\n");
	fflush(stdout);
	bench_began = test_now();
}

/* bench_end() - the work is done */
static inline void bench_end(void)
{
	double s = test_now() - bench_began;

	printf("bench: end %.6f\n", s);
	fflush(stdout);
}

/* bench_share() - what of @amount is done by process @i of @n */
static inline long bench_share(long amount, long i, long n)
{
	return amount / n + (i < amount % n);
}

/* bench_on_all() - @work, shared by as many processes as there are vCPUs */
static inline void bench_on_all(void (*work)(long amount), long amount)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN), i;
	pid_t pid[64];

	CHECK(n > 0 && n <= 64);
	for (i = 0; i < n; i++) {
		pid[i] = fork();
		CHECK(pid[i] >= 0);
		if (!pid[i]) {
			work(bench_share(amount, i, n));
			_exit(0);
		}
	}
	for (i = 0; i < n; i++)
		test_wait(pid[i], 0);
}

#endif /* BENCH_H */
