// SPDX-License-Identifier: GPL-2.0-only
/*
 * pipe same|two|any TIMES - one byte goes to another process and comes back
 *
 * Both are on the same vCPU, or on two if there are so many.  With "any" the
 * scheduler chooses, and the times differ several times over.
 */
#include <sched.h>
#include "bench.h"

static void stay_on(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	CHECK(!sched_setaffinity(0, sizeof(set), &set));
}

int main(int argc, char **argv)
{
	long times = bench_amount(argc, argv);
	const char *where = argc == 3 ? argv[1] : "";
	int pinned = strcmp(where, "any"), to[2], from[2];
	char c = 0;
	pid_t pid;

	CHECK(!strcmp(where, "same") || !strcmp(where, "two") || !strcmp(where, "any"));
	CHECK(!pipe(to) && !pipe(from));
	pid = fork();
	CHECK(pid >= 0);
	if (!pid) {
		if (pinned)
			stay_on(!strcmp(where, "two") && sysconf(_SC_NPROCESSORS_ONLN) > 1);
		close(to[1]);
		while (read(to[0], &c, 1) == 1)
			CHECK(write(from[1], &c, 1) == 1);
		_exit(0);
	}
	if (pinned)
		stay_on(0);
	bench_begin();
	while (times--)
		CHECK(write(to[1], &c, 1) == 1 && read(from[0], &c, 1) == 1);
	bench_end();
	close(to[1]);
	test_wait(pid, 0);
	return 0;
}
