// SPDX-License-Identifier: GPL-2.0-only
/*
 * cpu ROUNDS - arithmetic and memory accesses in user mode, on all vCPUs
 */
#include "bench.h"

#define WORDS	(1u << 15)	/* a table of 128 KiB */
#define STEPS	(1u << 20)	/* in a round */

static void compute(long rounds)
{
	static uint32_t table[WORDS];
	uint32_t x = 2463534242u;

	while (rounds--) {
		for (unsigned int i = 0; i < STEPS; i++) {
			x ^= x << 13;
			x ^= x >> 17;
			x ^= x << 5;
			table[x % WORDS] += x;
			x += table[(x >> 7) % WORDS];
		}
	}
	/* a result that is looked at cannot be optimised away */
	if (x == 1)
		printf("%u\n", table[0]);
}

int main(int argc, char **argv)
{
	long rounds = bench_amount(argc, argv);

	bench_begin();
	bench_on_all(compute, rounds);
	bench_end();
	return 0;
}
