// SPDX-License-Identifier: GPL-2.0-only
/*
 * bigmem - memory in use, and some of it rewritten once a second
 *
 * bigmem [AMOUNT [IN_USE [CHANGED [STEP]]]]: MiB in use (64), and MiB rewritten a second (16),
 * from its start to its end and evenly in time.  What is rewritten begins STEP MiB further on
 * each second (0), around all that is in use.  Prints a line when all of it is in use.
 */
#include "test.h"

#define SLICES 100	/* a second */

static volatile uint64_t *mem;
static uint32_t *last;		/* when each page was rewritten */
static size_t pages, changed, step;

static volatile uint64_t *word(size_t page)
{
	return mem + page * PAGE / sizeof(*mem);
}

static size_t mib(const char *arg)
{
	long n = atol(arg);

	CHECK(n >= 0);
	return (size_t)n << 20;
}

/* One second's worth, a slice at a time. */
static void rewrite(uint32_t round)
{
	double begun = test_now(), rest;
	size_t i, page;
	int s;

	for (s = 1; s <= SLICES; s++) {
		for (i = changed * (size_t)(s - 1) / SLICES; i < changed * (size_t)s / SLICES; i++) {
			page = (step * (round - 1) + i) % pages;
			*word(page) = page ^ (uint64_t)round << 32;
			last[page] = round;
		}
		rest = begun + (double)s / SLICES - test_now();
		if (rest > 0)
			usleep((useconds_t)(rest * 1e6));
	}
}

int main(int argc, char **argv)
{
	struct amount a = test_amount(argc, argv);
	uint32_t round = 0;
	size_t i;

	pages = (argc > 2 ? mib(argv[2]) : 64u << 20) / PAGE;
	changed = (argc > 3 ? mib(argv[3]) : 16u << 20) / PAGE;
	step = argc > 4 ? mib(argv[4]) / PAGE : 0;
	CHECK(pages && changed && changed <= pages);
	last = calloc(pages, sizeof(*last));
	CHECK(last);
	mem = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(mem != MAP_FAILED);
	for (i = 0; i < pages; i++)
		*word(i) = i;
	printf("bigmem: %zu MiB in use\n", pages * PAGE >> 20);
	fflush(stdout);
	while (test_more(&a))
		rewrite(++round);
	for (i = 0; i < pages; i++)
		CHECK(*word(i) == (i ^ (uint64_t)last[i] << 32));
	return test_ok(&a, "%zu MiB in use", pages * PAGE >> 20);
}
