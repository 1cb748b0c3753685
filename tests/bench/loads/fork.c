// SPDX-License-Identifier: GPL-2.0-only
/*
 * fork TIMES - fork, exec and wait, on all vCPUs
 */
#include "bench.h"

#define CHILD "child"

static char *self;

static void spawn(long times)
{
	while (times--) {
		pid_t pid = fork();

		CHECK(pid >= 0);
		if (!pid) {
			execl(self, self, CHILD, NULL);
			_exit(127);
		}
		test_wait(pid, 0);
	}
}

int main(int argc, char **argv)
{
	long times;

	if (argc == 2 && !strcmp(argv[1], CHILD))
		return 0;
	self = argv[0];
	times = bench_amount(argc, argv);
	bench_begin();
	bench_on_all(spawn, times);
	bench_end();
	return 0;
}
