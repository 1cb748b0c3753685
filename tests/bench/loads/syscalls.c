// SPDX-License-Identifier: GPL-2.0-only
/*
 * syscalls CALLS - getppid(), the least that a system call can be, on all vCPUs
 */
#include "bench.h"

static void call(long calls)
{
	while (calls--)
		syscall(SYS_getppid);
}

int main(int argc, char **argv)
{
	long calls = bench_amount(argc, argv);

	bench_begin();
	bench_on_all(call, calls);
	bench_end();
	return 0;
}
