// SPDX-License-Identifier: GPL-2.0-only
/*
 * hugetlb - huge pages: a pool, private pages copied by fork, shared ones, and
 * system calls that read and write them
 */
#include "test.h"

#define POOL "/proc/sys/vm/nr_hugepages"
#define HUGE (2ul << 20)
#define PAGES 4

static uint8_t *map(int flags)
{
	uint8_t *p = mmap(NULL, PAGES * HUGE, PROT_READ | PROT_WRITE,
			  flags | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);

	CHECK(p != MAP_FAILED);
	return p;
}

/* the kernel reads huge pages at one end of a pipe and writes them at the other */
static void through_pipe(uint8_t *p)
{
	int fds[2];

	CHECK(!pipe(fds));
	for (size_t at = 0; at < PAGES * HUGE; at += HUGE / 2) {
		test_fill(p + at, 5000, (unsigned int)at);
		CHECK(write(fds[1], p + at, 5000) == 5000);
		memset(p + at, 0, 5000);
		CHECK(read(fds[0], p + at, 5000) == 5000);
		CHECK(test_same(p + at, 5000, (unsigned int)at));
	}
	close(fds[0]);
	close(fds[1]);
}

static void child(uint8_t *private, uint8_t *shared, unsigned int seed)
{
	CHECK(test_same(private, PAGE, seed) && test_same(shared, PAGE, seed));
	test_fill(private, PAGE, seed + 1);		/* copies the huge page */
	test_fill(shared, PAGE, seed + 2);
	CHECK(test_same(private, PAGE, seed + 1));
	_exit(0);
}

static void by_fork(uint8_t *private, uint8_t *shared, unsigned int seed)
{
	pid_t pid;

	test_fill(private, PAGE, seed);
	test_fill(shared, PAGE, seed);
	pid = fork();
	CHECK(pid >= 0);
	if (!pid)
		child(private, shared, seed);
	test_wait(pid, 0);
	CHECK(test_same(private, PAGE, seed) && test_same(shared, PAGE, seed + 2));
}

int main(int argc, char **argv)
{
	struct amount a = test_amount(argc, argv);
	char text[32], before[32];

	test_alone();
	test_get(POOL, before, sizeof(before));
	if (!test_put(POOL, "16\n"))
		return test_skip("no huge pages in this kernel");
	if (atoi(test_get(POOL, text, sizeof(text))) < 3 * PAGES) {
		test_put(POOL, before);
		return test_skip("too little free memory for huge pages");
	}
	while (test_more(&a)) {
		uint8_t *private = map(MAP_PRIVATE), *shared = map(MAP_SHARED);

		through_pipe(private);
		through_pipe(shared);
		by_fork(private, shared, (unsigned int)a.rounds);
		CHECK(!mprotect(private, PAGES * HUGE, PROT_READ) && private[HUGE] == 0);
		CHECK(!madvise(shared, HUGE, MADV_REMOVE) && shared[1] == 0);
		CHECK(!munmap(private, PAGES * HUGE) && !munmap(shared, PAGES * HUGE));
	}
	CHECK(test_put(POOL, *before ? before : "0"));
	return test_ok(&a, "%s huge pages", strtok(text, "\n"));
}
