// SPDX-License-Identifier: GPL-2.0-only
/*
 * memcg - memory cgroups: charges that move up and down, reclaim of page cache
 * at memory.high and by memory.reclaim, events and statistics
 */
#include "test.h"

static char dir[64];

#define in(name) test_in(dir, name)

static long number(const char *name)
{
	char text[64];

	return atol(test_get(in(name), text, sizeof(text)));
}

/* more page cache than memory.high has room for */
static void file_pages(unsigned int seed)
{
	static uint8_t buf[65536];
	char path[128];
	int fd = test_file(path, 0);

	for (int i = 0; i < 32; i++) {
		test_fill(buf, sizeof(buf), seed + (unsigned int)i);
		CHECK(write(fd, buf, sizeof(buf)) == sizeof(buf));
	}
	CHECK(pread(fd, buf, sizeof(buf), 0) == sizeof(buf) && test_same(buf, sizeof(buf), seed));
	close(fd);
}

static void anonymous_pages(void)
{
	size_t size = 6ul << 20;
	uint8_t *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	long with;

	CHECK(p != MAP_FAILED);
	for (size_t i = 0; i < size; i += PAGE)
		p[i] = 1;
	with = number("memory.current");
	CHECK(with > (long)size / 2);
	CHECK(!munmap(p, size));
	CHECK(number("memory.current") < with);
}

static void member(unsigned int seed)
{
	char text[4096];

	CHECK(test_put(in("cgroup.procs"), "0"));
	file_pages(seed);
	anonymous_pages();
	test_put(in("memory.reclaim"), "1M");		/* EAGAIN if there is less */
	CHECK(strstr(test_get(in("memory.stat"), text, sizeof(text)), "anon "));
	CHECK(strstr(test_get(in("memory.events"), text, sizeof(text)), "high "));
	_exit(0);
}

int main(int argc, char **argv)
{
	struct amount a = test_amount(argc, argv);

	while (test_more(&a)) {
		pid_t pid;

		if (!test_cgroup(dir, a.rounds))
			return test_skip("no memory controller at " TEST_CGROUPS);
		CHECK(test_put(in("memory.high"), "8M") && test_put(in("memory.max"), "16M"));
		pid = fork();
		CHECK(pid >= 0);
		if (!pid)
			member((unsigned int)a.rounds);
		test_wait(pid, 0);
		test_cgroup_end(dir);
	}
	return test_ok(&a, "%ld groups", a.rounds);
}
