// SPDX-License-Identifier: GPL-2.0-only
/*
 * uring - io_uring by raw system calls: rings shared with the kernel
 */
#include <linux/io_uring.h>
#include "test.h"

#define ENTRIES 8

static int ring;
static struct io_uring_params par;
static uint8_t *sq, *cq;
static struct io_uring_sqe *sqes;

#define SQ(field) ((unsigned int *)(sq + par.sq_off.field))
#define CQ(field) ((unsigned int *)(cq + par.cq_off.field))

static void *map(size_t n, off_t off)
{
	void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring, off);

	CHECK(p != MAP_FAILED);
	return p;
}

static void submit(int op, int fd, void *addr, unsigned int len, uint64_t tag)
{
	unsigned int tail = *SQ(tail), i = tail & *SQ(ring_mask);

	memset(&sqes[i], 0, sizeof(sqes[i]));
	sqes[i].opcode = (uint8_t)op;
	sqes[i].fd = fd;
	sqes[i].addr = (uintptr_t)addr;
	sqes[i].len = len;
	sqes[i].user_data = tag;
	((unsigned int *)(sq + par.sq_off.array))[i] = i;
	__atomic_store_n(SQ(tail), tail + 1, __ATOMIC_RELEASE);
}

static void reap(unsigned int n, const int want[])
{
	struct io_uring_cqe *cqes = (void *)(cq + par.cq_off.cqes);

	CHECK(syscall(SYS_io_uring_enter, ring, n, n, IORING_ENTER_GETEVENTS, NULL, 0) == (long)n);
	for (unsigned int head; n--; ) {
		head = *CQ(head);
		CHECK(head != __atomic_load_n(CQ(tail), __ATOMIC_ACQUIRE));
		CHECK(cqes[head & *CQ(ring_mask)].res == want[cqes[head & *CQ(ring_mask)].user_data]);
		__atomic_store_n(CQ(head), head + 1, __ATOMIC_RELEASE);
	}
}

int main(int argc, char **argv)
{
	struct amount a = test_amount(argc, argv);
	struct __kernel_timespec ts = { .tv_nsec = 500000 };
	static uint8_t out[PAGE], in[PAGE];
	char path[128];
	int fd;

	ring = (int)syscall(SYS_io_uring_setup, ENTRIES, &par);
	if (ring < 0 && errno == ENOSYS)
		return test_skip("no io_uring");
	CHECK(ring >= 0);
	sq = map(par.sq_off.array + par.sq_entries * 4, IORING_OFF_SQ_RING);
	cq = map(par.cq_off.cqes + par.cq_entries * sizeof(struct io_uring_cqe), IORING_OFF_CQ_RING);
	sqes = map(par.sq_entries * sizeof(*sqes), IORING_OFF_SQES);
	fd = test_file(path, 0);

	while (test_more(&a)) {
		test_fill(out, sizeof(out), (unsigned int)a.rounds);
		submit(IORING_OP_NOP, -1, NULL, 0, 0);
		submit(IORING_OP_WRITE, fd, out, sizeof(out), 1);
		reap(2, (int[]){ 0, PAGE });
		submit(IORING_OP_READ, fd, in, sizeof(in), 0);
		submit(IORING_OP_TIMEOUT, -1, &ts, 1, 1);
		sqes[(*SQ(tail) - 1) & *SQ(ring_mask)].off = 100;
		reap(2, (int[]){ PAGE, -ETIME });
		CHECK(test_same(in, sizeof(in), (unsigned int)a.rounds));
	}
	return test_ok(&a, "%ld requests", 4 * a.rounds);
}
