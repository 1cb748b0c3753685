// SPDX-License-Identifier: GPL-2.0-only
/*
 * balloon - the memory balloon (krrctl --balloon), which the host makes larger
 * and smaller while this program takes and gives memory
 *
 * balloon AMOUNT TIMES waits until the size of RAM has changed so often.
 */
#include "test.h"

#define SIZE	(16ul << 20)
#define GIVE_UP	240.0	/* seconds */

static long total_kb(void)
{
	char text[256];

	return atol(test_get("/proc/meminfo", text, sizeof(text)) + strlen("MemTotal:"));
}

static void use_memory(unsigned int seed)
{
	uint8_t *p = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(p != MAP_FAILED);
	for (size_t i = 0; i < SIZE; i += 16 * PAGE)
		test_fill(p + i, 100, seed);
	for (size_t i = 0; i < SIZE; i += 16 * PAGE)
		CHECK(test_same(p + i, 100, seed));
	CHECK(!munmap(p, SIZE));
}

/* Let it come to rest: the balloon grows in many small steps. */
static long settled(long last, unsigned int seed)
{
	long now;

	for (;;) {
		use_memory(seed);
		usleep(200000);
		now = total_kb();
		if (now == last)
			return now;
		last = now;
	}
}

int main(int argc, char **argv)
{
	struct amount a = test_amount(argc, argv);
	int times = argc > 2 ? atoi(argv[2]) : 0, changes = 0;
	double until = test_now() + GIVE_UP;
	long last = total_kb(), now;

	if (!times)
		return test_skip("no number of changes given that the host will make");
	printf("balloon: %ld KiB\n", last);
	fflush(stdout);
	while (changes < times) {
		CHECK(test_now() < until);
		now = settled(last, (unsigned int)changes);
		if (now == last)
			continue;
		changes++;
		printf("balloon: %ld KiB\n", now);
		fflush(stdout);
		last = now;
	}
	while (test_more(&a))
		use_memory((unsigned int)a.rounds);
	return test_ok(&a, "%d changes", changes);
}
