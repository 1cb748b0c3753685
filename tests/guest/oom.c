// SPDX-License-Identifier: GPL-2.0-only
/*
 * oom - a memory cgroup that is too small: reclaim, then the OOM killer
 */
#include <signal.h>
#include "test.h"

static char dir[64];

static void glutton(void)
{
	uint8_t *p;

	CHECK(test_put(test_in(dir, "cgroup.procs"), "0"));
	p = mmap(NULL, 64ul << 20, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	CHECK(p != MAP_FAILED);
	for (size_t i = 0; i < (64ul << 20); i += PAGE)
		p[i] = 1;
	_exit(0);
}

int main(int argc, char **argv)
{
	struct amount a = test_amount(argc, argv);
	int st;

	if (!test_cgroup(dir, 0))
		return test_skip("no memory controller at " TEST_CGROUPS);
	CHECK(test_put(test_in(dir, "memory.max"), "8388608"));
	test_put(test_in(dir, "memory.swap.max"), "0");		/* only with swap accounting */

	while (test_more(&a)) {
		pid_t pid = fork();

		CHECK(pid >= 0);
		if (!pid)
			glutton();
		CHECK(waitpid(pid, &st, 0) == pid);
		CHECK(WIFSIGNALED(st) && WTERMSIG(st) == SIGKILL);
	}
	test_cgroup_end(dir);
	return test_ok(&a, "%ld killed", a.rounds);
}
