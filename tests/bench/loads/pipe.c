// SPDX-License-Identifier: GPL-2.0-only
/*
 * pipe TIMES - one byte goes to another process and comes back
 */
#include "bench.h"

int main(int argc, char **argv)
{
	long times = bench_amount(argc, argv);
	int to[2], from[2];
	char c = 0;
	pid_t pid;

	CHECK(!pipe(to) && !pipe(from));
	pid = fork();
	CHECK(pid >= 0);
	if (!pid) {
		close(to[1]);
		while (read(to[0], &c, 1) == 1)
			CHECK(write(from[1], &c, 1) == 1);
		_exit(0);
	}
	bench_begin();
	while (times--)
		CHECK(write(to[1], &c, 1) == 1 && read(from[0], &c, 1) == 1);
	bench_end();
	close(to[1]);
	test_wait(pid, 0);
	return 0;
}
