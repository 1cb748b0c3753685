// SPDX-License-Identifier: GPL-2.0-only
/*
 * perf - software events: counts, and samples through the mapped ring, whose
 * tail the program writes
 */
#include <linux/perf_event.h>
#include <sys/ioctl.h>
#include "test.h"

#define RING_PAGES 8

static int open_event(uint64_t config, uint64_t period)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE, .size = sizeof(attr), .config = config,
		.sample_period = period, .disabled = 1,
		.sample_type = PERF_SAMPLE_IP | PERF_SAMPLE_TID | PERF_SAMPLE_TIME,
	};

	return (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0);
}

static long consume(struct perf_event_mmap_page *ring)
{
	uint64_t head = __atomic_load_n(&ring->data_head, __ATOMIC_ACQUIRE);
	uint64_t tail = ring->data_tail, size = RING_PAGES * PAGE;
	long n = 0;

	while (tail < head) {
		struct perf_event_header h;

		memcpy(&h, (uint8_t *)ring + PAGE + tail % size, sizeof(h));
		CHECK(h.size && h.size <= head - tail);
		n += h.type == PERF_RECORD_SAMPLE;
		tail += h.size;
	}
	__atomic_store_n(&ring->data_tail, tail, __ATOMIC_RELEASE);
	return n;
}

int main(int argc, char **argv)
{
	struct amount a = test_amount(argc, argv);
	int faults = open_event(PERF_COUNT_SW_PAGE_FAULTS, 4), sw;
	struct perf_event_mmap_page *ring;
	long samples = 0;
	uint64_t count;
	uint8_t *mem;

	if (faults < 0)
		return test_skip("no perf events");
	sw = open_event(PERF_COUNT_SW_TASK_CLOCK, 0);
	CHECK(sw >= 0);
	ring = mmap(NULL, (1 + RING_PAGES) * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, faults, 0);
	mem = mmap(NULL, 64 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(ring != MAP_FAILED && mem != MAP_FAILED);
	CHECK(!ioctl(faults, PERF_EVENT_IOC_ENABLE, 0) && !ioctl(sw, PERF_EVENT_IOC_ENABLE, 0));
	while (test_more(&a)) {
		for (int i = 0; i < 64; i++)
			mem[(size_t)i * PAGE] = 1;
		CHECK(!madvise(mem, 64 * PAGE, MADV_DONTNEED));
		samples += consume(ring);
	}
	CHECK(read(faults, &count, 8) == 8 && count >= (uint64_t)a.rounds * 64);
	CHECK(read(sw, &count, 8) == 8 && count > 0);
	CHECK(samples >= a.rounds * 8);
	return test_ok(&a, "%ld samples", samples);
}
