// SPDX-License-Identifier: GPL-2.0-only
/*
 * dirty - accessed and dirty bits of page tables, which hardware sets: memory given away
 * and reclaimed, shared mappings, what was referenced
 */
#include "test.h"

#define PAGES 64

static uint8_t *map(int flags, int fd)
{
	uint8_t *p = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, flags, fd, 0);

	CHECK(p != MAP_FAILED);
	return p;
}

/* Of what was given away, nothing that was written since may be lost by reclaim. */
static void given_away(void)
{
	uint8_t *p = map(MAP_PRIVATE | MAP_ANONYMOUS, -1);
	unsigned int i;

	for (i = 0; i < PAGES; i++)
		test_fill(p + i * PAGE, PAGE, i);
	CHECK(!madvise(p, PAGES * PAGE, MADV_FREE));
	for (i = 1; i < PAGES; i += 2)
		p[i * PAGE] = 0x5a;
	CHECK(!madvise(p, PAGES * PAGE, MADV_PAGEOUT));
	for (i = 1; i < PAGES; i += 2)
		CHECK(p[i * PAGE] == 0x5a);
	for (i = 0; i < PAGES; i += 2)
		CHECK(test_same(p + i * PAGE, PAGE, i) || !memcmp(p + i * PAGE, p + i * PAGE + 1, PAGE - 1));
	CHECK(!munmap(p, PAGES * PAGE));
}

/* Pages that were mapped by reading and then written: nobody but hardware knows. */
static void shared(void)
{
	char path[128];
	uint8_t *p, sum = 0, byte;
	int fd = test_file(path, 0);
	unsigned int i;

	CHECK(!ftruncate(fd, PAGES * PAGE));
	p = map(MAP_SHARED, fd);
	for (i = 0; i < PAGES; i++)
		sum |= *(volatile uint8_t *)(p + i * PAGE);
	CHECK(!sum);
	for (i = 0; i < PAGES; i += 3)
		p[i * PAGE] = 0x33;
	CHECK(!msync(p, PAGES * PAGE, MS_SYNC));
	for (i = 1; i < PAGES; i += 3)
		p[i * PAGE] = 0x44;
	CHECK(!munmap(p, PAGES * PAGE));
	for (i = 0; i < PAGES; i++) {
		CHECK(pread(fd, &byte, 1, (off_t)(i * PAGE)) == 1);
		CHECK(byte == (i % 3 == 0 ? 0x33 : i % 3 == 1 ? 0x44 : 0));
	}
	close(fd);
}

/* KiB that /proc/self/smaps says were referenced */
static long referenced_kb(void)
{
	FILE *f = fopen("/proc/self/smaps", "re");
	long sum = 0, kb;
	char line[512];

	CHECK(f);
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "Referenced: %ld kB", &kb) == 1)
			sum += kb;
	fclose(f);
	return sum;
}

static void referenced(void)
{
	uint8_t *p = map(MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1);
	unsigned int i;

	CHECK(test_put("/proc/self/clear_refs", "1"));
	for (i = 0; i < PAGES; i += 2)
		p[i * PAGE] = 1;
	CHECK(referenced_kb() >= PAGES / 2 * (long)(PAGE >> 10));
	CHECK(!munmap(p, PAGES * PAGE));
}

int main(int argc, char **argv)
{
	struct amount a = test_amount(argc, argv);

	while (test_more(&a)) {
		given_away();
		shared();
		referenced();
	}
	return test_ok(&a, "%d pages each", PAGES);
}
