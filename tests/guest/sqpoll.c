// SPDX-License-Identifier: GPL-2.0-only
/*
 * sqpoll - io_uring's submission thread, which polls the ring in the kernel
 *
 * While it polls it neither sleeps nor relaxes the CPU, so a recorder that lets
 * nobody else into the kernel meanwhile would never see the poll end.
 */
#include <linux/io_uring.h>

#include "test.h"

struct ring {
	int fd;
	unsigned int *tail, *flags, *array;
	struct io_uring_sqe *sqes;
	unsigned int *cq_tail;
};

static void ring_open(struct ring *r)
{
	struct io_uring_params p = { .flags = IORING_SETUP_SQPOLL, .sq_thread_idle = 20 };
	char *sq, *cq;

	r->fd = syscall(__NR_io_uring_setup, 4, &p);
	CHECK(r->fd >= 0);
	sq = mmap(NULL, p.sq_off.array + 4 * sizeof(int), PROT_READ | PROT_WRITE,
		  MAP_SHARED | MAP_POPULATE, r->fd, IORING_OFF_SQ_RING);
	cq = mmap(NULL, p.cq_off.cqes, PROT_READ | PROT_WRITE,
		  MAP_SHARED | MAP_POPULATE, r->fd, IORING_OFF_CQ_RING);
	r->sqes = mmap(NULL, 4 * sizeof(*r->sqes), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_POPULATE, r->fd, IORING_OFF_SQES);
	CHECK(sq != MAP_FAILED && cq != MAP_FAILED && r->sqes != MAP_FAILED);
	r->tail = (unsigned int *)(sq + p.sq_off.tail);
	r->flags = (unsigned int *)(sq + p.sq_off.flags);
	r->array = (unsigned int *)(sq + p.sq_off.array);
	r->cq_tail = (unsigned int *)(cq + p.cq_off.tail);
}

/* one request without content; the thread finds it, or is woken if it sleeps */
static void submit(struct ring *r)
{
	unsigned int tail = *r->tail, done = __atomic_load_n(r->cq_tail, __ATOMIC_ACQUIRE);

	memset(&r->sqes[tail % 4], 0, sizeof(*r->sqes));
	r->sqes[tail % 4].opcode = IORING_OP_NOP;
	r->array[tail % 4] = tail % 4;
	__atomic_store_n(r->tail, tail + 1, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(r->flags, __ATOMIC_SEQ_CST) & IORING_SQ_NEED_WAKEUP)
		CHECK(!syscall(__NR_io_uring_enter, r->fd, 0, 0, IORING_ENTER_SQ_WAKEUP, NULL, 0));
	while (__atomic_load_n(r->cq_tail, __ATOMIC_ACQUIRE) == done)
		usleep(100);
}

int main(int argc, char **argv)
{
	struct amount a = test_amount(argc, argv);
	struct ring r;

	ring_open(&r);
	while (test_more(&a)) {
		/* nobody reaps: the queue has room for 8, then it overflows */
		if (a.rounds % 8 == 0) {
			close(r.fd);
			ring_open(&r);
		}
		submit(&r);
		/* now and then long enough for the thread to fall asleep */
		usleep(a.rounds % 4 ? 1000 : 40000);
	}
	return test_ok(&a, "polled");
}
