// SPDX-License-Identifier: GPL-2.0-only
/*
 * memory - half of the free memory touched, dropped, and touched again
 */
#include "test.h"

static long available_kb(void)
{
	char line[128];
	long kb = 0;
	FILE *f = fopen("/proc/meminfo", "r");

	CHECK(f);
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "MemAvailable: %ld", &kb) == 1)
			break;
	fclose(f);
	CHECK(kb > 0);
	return kb;
}

int main(int argc, char **argv)
{
	struct amount a = test_amount(argc, argv);
	size_t pages = (size_t)available_kb() / 4 / 2;
	long *mem;

	mem = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	CHECK(mem != MAP_FAILED);
	while (test_more(&a)) {
		/* a slice a round, so that short runs are possible */
		size_t n = pages / 8, from = (size_t)a.rounds % 8 * n;

		for (size_t i = from; i < from + n; i++) {
			long *p = mem + i * PAGE / sizeof(long);

			CHECK(!*p);
			*p = (long)i;
		}
		for (size_t i = from; i < from + n; i++)
			CHECK(mem[i * PAGE / sizeof(long)] == (long)i);
		if (a.rounds % 8 == 7)
			CHECK(!madvise(mem, pages * PAGE, MADV_DONTNEED));
		else if (a.rounds % 2)
			CHECK(!madvise(mem + from * PAGE / sizeof(long), n * PAGE, MADV_DONTNEED));
		else
			CHECK(!munmap(mem + from * PAGE / sizeof(long), n * PAGE) &&
			      mmap(mem + from * PAGE / sizeof(long), n * PAGE, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) !=
			      MAP_FAILED);
	}
	return test_ok(&a, "%zu pages", pages);
}
