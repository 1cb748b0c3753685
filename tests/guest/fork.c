// SPDX-License-Identifier: GPL-2.0-only
/*
 * fork - a storm of fork, copy on write, exec and wait
 */
#include "test.h"

#define PAGES 64

static void child_cow(uint8_t *mem, unsigned int seed)
{
	for (int i = 0; i < PAGES; i++) {
		if (mem[i * PAGE] != (uint8_t)i)
			_exit(1);
		mem[i * PAGE] = (uint8_t)(seed + i);
	}
	for (int i = 0; i < PAGES; i++)
		if (mem[i * PAGE] != (uint8_t)(seed + i))
			_exit(2);
	_exit(0);
}

static void child_exec(void)
{
	char *args[] = { TEST_NAME, "child", NULL };

	execv("/proc/self/exe", args);
	_exit(127);
}

/* a fresh frame, so that the vfork child can't clobber the caller's variables */
static __attribute__((noinline)) pid_t begin(int how, uint8_t *mem, unsigned int seed)
{
	pid_t pid = how == 1 ? vfork() : fork();

	if (!pid && how < 2)
		child_exec();
	if (!pid)
		child_cow(mem, seed);
	CHECK(pid > 0);
	return pid;
}

int main(int argc, char **argv)
{
	struct amount a;
	uint8_t *mem;
	pid_t pid[3];

	if (argc > 1 && !strcmp(argv[1], "child"))
		return 42;
	a = test_amount(argc, argv);
	mem = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(mem != MAP_FAILED);
	for (int i = 0; i < PAGES; i++)
		mem[i * PAGE] = (uint8_t)i;

	while (test_more(&a)) {
		for (int i = 0; i < 3; i++)
			pid[i] = begin(i, mem, (unsigned int)a.rounds);
		for (int i = 0; i < 3; i++)
			test_wait(pid[i], i < 2 ? 42 : 0);
		for (int i = 0; i < PAGES; i++)
			CHECK(mem[i * PAGE] == (uint8_t)i);
	}
	return test_ok(&a, "%ld children", a.rounds * 3);
}
