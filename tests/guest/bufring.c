// SPDX-License-Identifier: GPL-2.0-only
/*
 * bufring - io_uring's rings of provided buffers, whose entries a thread changes while the
 * kernel takes them
 */
#include <pthread.h>
#include <sys/socket.h>
#include "uring.h"

#define BUFFERS	4u	/* as change_all() has it */
#define SIZE	128u
#define GROUP	1
#define BATCH	4u

static struct uring ring;
static struct io_uring_buf_ring *bufs;
static uint8_t *memory;
static volatile int ended;

/* Quick, since the kernel looks twice within a few instructions, if it does. */
static void *change_all(void *arg)
{
	volatile struct io_uring_buf *b = bufs->bufs;

	while (!ended) {
		b[0].len = b[1].len = b[2].len = b[3].len = SIZE;
		b[0].len = b[1].len = b[2].len = b[3].len = 1;
	}
	return arg;
}

/* The entries are always of use, whatever they say just now. */
static void provide(uint16_t *tail, unsigned int n)
{
	*tail += n;
	__atomic_store_n(&bufs->tail, *tail, __ATOMIC_RELEASE);
}

static void fill(void)
{
	for (unsigned int i = 0; i < BUFFERS; i++) {
		bufs->bufs[i].addr = (uintptr_t)memory + i * SIZE;
		bufs->bufs[i].len = SIZE;
		bufs->bufs[i].bid = (uint16_t)i;
	}
}

static int open_ring(void)
{
	struct io_uring_buf_reg reg = { .ring_entries = BUFFERS, .bgid = GROUP };

	if (!uring_open(&ring, 2 * BATCH))
		return 0;
	bufs = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(bufs != MAP_FAILED);
	memset(bufs, 0, 2 * PAGE);
	memory = (uint8_t *)bufs + PAGE;
	fill();
	reg.ring_addr = (uintptr_t)bufs;
	CHECK(!syscall(SYS_io_uring_register, ring.fd, IORING_REGISTER_PBUF_RING, &reg, 1));
	return 1;
}

int main(int argc, char **argv)
{
	struct amount a = test_amount(argc, argv);
	uint8_t text[SIZE] = "to whoever has a buffer";
	struct io_uring_cqe cqe;
	unsigned long bytes = 0;
	uint16_t tail = 0;
	pthread_t t;
	int sv[2];

	if (!open_ring())
		return test_skip("no io_uring");
	CHECK(!socketpair(AF_UNIX, SOCK_STREAM, 0, sv));
	CHECK(!pthread_create(&t, NULL, change_all, NULL));
	while (test_more(&a)) {
		provide(&tail, BATCH);
		for (unsigned int i = 0; i < BATCH; i++) {
			struct io_uring_sqe *s = uring_next(&ring, IORING_OP_RECV, sv[0], NULL, 0);

			CHECK(write(sv[1], text, sizeof(text)) == (ssize_t)sizeof(text));
			s->flags = IOSQE_BUFFER_SELECT;
			s->buf_group = GROUP;
		}
		CHECK(uring_enter(&ring, BATCH) == (int)BATCH);
		while (uring_reap(&ring, &cqe))
			bytes += cqe.res > 0 ? (unsigned int)cqe.res : 0;
		/* how much is left is what the kernel made of the lengths */
		while (recv(sv[0], text, sizeof(text), MSG_DONTWAIT) > 0)
			;
	}
	ended = 1;
	pthread_join(t, NULL);
	CHECK(bytes);
	return test_ok(&a, "%lu bytes", bytes);
}
