// SPDX-License-Identifier: GPL-2.0-only
/*
 * clock - time stamps: rdtsc in user mode, every clock by system call
 */
#include <sys/time.h>
#include <sys/times.h>
#include "test.h"

static uint64_t tsc(void)
{
	uint32_t lo, hi;

	asm volatile("rdtsc" : "=a"(lo), "=d"(hi));
	return (uint64_t)hi << 32 | lo;
}

static int64_t clock_ns(int id)
{
	struct timespec ts;

	CHECK(!syscall(SYS_clock_gettime, id, &ts));
	return ts.tv_sec * 1000000000ll + ts.tv_nsec;
}

int main(int argc, char **argv)
{
	static const int ids[] = {
		CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW, CLOCK_BOOTTIME,
		CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID, CLOCK_MONOTONIC_COARSE,
	};
	struct amount a = test_amount(argc, argv);
	struct timespec nap = { .tv_nsec = 200000 };
	struct timeval tv;
	struct tms tms;

	while (test_more(&a)) {
		uint64_t t = tsc();

		for (size_t i = 0; i < sizeof(ids) / sizeof(*ids); i++) {
			int64_t before = clock_ns(ids[i]);

			CHECK(clock_ns(ids[i]) >= before);
		}
		CHECK(!syscall(SYS_gettimeofday, &tv, NULL));
		CHECK(times(&tms) != (clock_t)-1);
		if (a.rounds % 16 == 0) {
			int64_t before = clock_ns(CLOCK_MONOTONIC);

			CHECK(!syscall(SYS_nanosleep, &nap, NULL));
			CHECK(clock_ns(CLOCK_MONOTONIC) >= before + nap.tv_nsec);
		}
		CHECK(tsc() >= t);
	}
	return test_ok(&a, "%zu clocks", sizeof(ids) / sizeof(*ids));
}
