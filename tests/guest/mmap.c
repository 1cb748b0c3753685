// SPDX-License-Identifier: GPL-2.0-only
/*
 * mmap - mappings made, split, moved, protected and dropped; hugetlb if any
 */
#include "test.h"

#define N 32

static void *anon(size_t pages, int flags)
{
	return mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
}

static void split_and_move(unsigned int seed)
{
	uint8_t *p = anon(N, 0), *q;

	CHECK(p != MAP_FAILED);
	test_fill(p, N * PAGE, seed);
	CHECK(!mprotect(p + PAGE, PAGE, PROT_READ));
	CHECK(!munmap(p + 4 * PAGE, PAGE));
	CHECK(!mprotect(p + PAGE, PAGE, PROT_READ | PROT_WRITE));
	CHECK(test_same(p, 4 * PAGE, seed));
	q = mremap(p, 4 * PAGE, 8 * PAGE, MREMAP_MAYMOVE);
	CHECK(q != MAP_FAILED && test_same(q, 4 * PAGE, seed) && !q[5 * PAGE]);
	CHECK(!madvise(q, PAGE, MADV_DONTNEED) && !q[0]);
	CHECK(!munmap(q, 8 * PAGE));
	CHECK(!munmap(p + 5 * PAGE, (N - 5) * PAGE));
}

static void file_backed(unsigned int seed)
{
	char path[128];
	int fd = test_file(path, 0);
	uint8_t *p, byte;

	CHECK(!ftruncate(fd, N * PAGE));
	p = mmap(NULL, N * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(p != MAP_FAILED);
	test_fill(p, N * PAGE, seed);
	CHECK(!msync(p, N * PAGE, MS_SYNC));
	CHECK(pread(fd, &byte, 1, 3 * PAGE) == 1 && byte == p[3 * PAGE]);
	CHECK(pwrite(fd, "\xaa", 1, PAGE) == 1 && p[PAGE] == 0xaa);
	CHECK(!munmap(p, N * PAGE));
	close(fd);
}

int main(int argc, char **argv)
{
	struct amount a = test_amount(argc, argv);
	unsigned char in_core[N];
	long huge = 0;
	void *p;

	while (test_more(&a)) {
		split_and_move((unsigned int)a.rounds);
		file_backed((unsigned int)a.rounds);
		p = anon(N, MAP_POPULATE);
		CHECK(p != MAP_FAILED && !mincore(p, N * PAGE, in_core) && (in_core[N - 1] & 1));
		CHECK(!munmap(p, N * PAGE));
		p = anon(512, MAP_HUGETLB);
		if (p != MAP_FAILED) {
			memset(p, 1, 512 * PAGE);
			huge++;
			CHECK(!munmap(p, 512 * PAGE));
		}
	}
	return test_ok(&a, "%ld huge", huge);
}
