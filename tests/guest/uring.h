/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * uring.h - an io_uring by raw system calls, for programs that look at what is shared
 */
#ifndef URING_H
#define URING_H

#include <linux/io_uring.h>
#include "test.h"

struct uring {
	int fd;
	struct io_uring_params par;
	uint8_t *sq, *cq;
	struct io_uring_sqe *sqes;
};

#define URING_SQ(r, field) ((unsigned int *)((r)->sq + (r)->par.sq_off.field))
#define URING_CQ(r, field) ((unsigned int *)((r)->cq + (r)->par.cq_off.field))

static inline void *uring_map(struct uring *r, size_t n, off_t off)
{
	void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, r->fd, off);

	CHECK(p != MAP_FAILED);
	return p;
}

/* uring_open() - 0 where the kernel has none */
static inline int uring_open(struct uring *r, unsigned int entries)
{
	memset(r, 0, sizeof(*r));
	r->fd = (int)syscall(SYS_io_uring_setup, entries, &r->par);
	if (r->fd < 0 && errno == ENOSYS)
		return 0;
	CHECK(r->fd >= 0);
	r->sq = uring_map(r, r->par.sq_off.array + r->par.sq_entries * 4, IORING_OFF_SQ_RING);
	r->cq = uring_map(r, r->par.cq_off.cqes + r->par.cq_entries * sizeof(struct io_uring_cqe),
			  IORING_OFF_CQ_RING);
	r->sqes = uring_map(r, r->par.sq_entries * sizeof(*r->sqes), IORING_OFF_SQES);
	return 1;
}

/* uring_next() - the next entry, zeroed; it is submitted by the uring_enter() after it */
static inline struct io_uring_sqe *uring_next(struct uring *r, unsigned int op, int fd, void *addr,
					      unsigned int len)
{
	unsigned int tail = *URING_SQ(r, tail), i = tail & *URING_SQ(r, ring_mask);
	struct io_uring_sqe *s = &r->sqes[i];

	memset(s, 0, sizeof(*s));
	s->opcode = (uint8_t)op;
	s->fd = fd;
	s->addr = (uintptr_t)addr;
	s->len = len;
	URING_SQ(r, array)[i] = i;
	__atomic_store_n(URING_SQ(r, tail), tail + 1, __ATOMIC_RELEASE);
	return s;
}

/* uring_enter() - submit what was queued, wait for @least completions; as the system call */
static inline int uring_enter(struct uring *r, unsigned int least)
{
	unsigned int n = *URING_SQ(r, tail) - __atomic_load_n(URING_SQ(r, head), __ATOMIC_ACQUIRE);

	return (int)syscall(SYS_io_uring_enter, r->fd, n, least, least ? IORING_ENTER_GETEVENTS : 0,
			    NULL, 0);
}

/* uring_reap() - take a completion; 0 if there is none */
static inline int uring_reap(struct uring *r, struct io_uring_cqe *out)
{
	struct io_uring_cqe *cqes = (void *)(r->cq + r->par.cq_off.cqes);
	unsigned int head = *URING_CQ(r, head);

	if (head == __atomic_load_n(URING_CQ(r, tail), __ATOMIC_ACQUIRE))
		return 0;
	*out = cqes[head & *URING_CQ(r, ring_mask)];
	__atomic_store_n(URING_CQ(r, head), head + 1, __ATOMIC_RELEASE);
	return 1;
}

#endif /* URING_H */
