// SPDX-License-Identifier: GPL-2.0-only
/*
 * sqe - entries of an io_uring that a thread changes while they are submitted
 *
 * Whatever the kernel makes of them it has to make again.  Now and then the queue is
 * printed by /proc/self/fdinfo, while it holds entries.
 */
#include <pthread.h>
#include "uring.h"

#define ENTRIES	16u
#define CHUNK	256u

static struct uring ring;
static uint8_t data[ENTRIES * CHUNK];
static int files[2], null;
static volatile int ended;

static void change(struct io_uring_sqe *s, unsigned int dice)
{
	static const uint8_t ops[] = { IORING_OP_NOP, IORING_OP_READ, IORING_OP_WRITE, IORING_OP_URING_CMD };

	switch (dice % 6) {
	case 0:
		s->len = dice >> 8 & (CHUNK - 1);
		break;
	case 1:
		s->opcode = ops[dice >> 8 & 3];
		break;
	case 2:
		s->fd = dice & 0x100 ? null : files[dice >> 9 & 1];
		break;
	case 3:
		s->off = dice >> 8 & 0xff;
		break;
	case 4:
		s->addr = (uintptr_t)data + (dice >> 8) % (sizeof(data) - CHUNK);
		break;
	default:
		s->user_data = dice;
	}
}

static void *change_all(void *arg)
{
	unsigned int dice = 1;

	while (!ended) {
		dice = dice * 1664525 + 1013904223;
		change(&ring.sqes[dice >> 28], dice >> 4 & 0xffffff);
	}
	return arg;
}

static void look_at_queue(void)
{
	char path[64], text[4096];

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", ring.fd);
	CHECK(strstr(test_get(path, text, sizeof(text)), "SqTail:"));
}

static void queue(unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		struct io_uring_sqe *s = uring_next(&ring, i & 1 ? IORING_OP_READ : IORING_OP_WRITE,
						    files[i >> 1 & 1], data + i * CHUNK, CHUNK);

		/* a chain of a command and of a write behind it */
		if (i % 8 == 6) {
			s->opcode = IORING_OP_URING_CMD;
			s->fd = null;
			s->flags = IOSQE_IO_LINK;
		}
	}
}

int main(int argc, char **argv)
{
	struct amount a = test_amount(argc, argv);
	long done = 0, failed = 0;
	struct io_uring_cqe cqe;
	char path[128];
	pthread_t t;

	if (!uring_open(&ring, ENTRIES))
		return test_skip("no io_uring");
	files[0] = test_file(path, 0);
	files[1] = test_file(path, 0);
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	CHECK(null >= 0 && !ftruncate(files[0], PAGE) && !ftruncate(files[1], PAGE));
	CHECK(!pthread_create(&t, NULL, change_all, NULL));
	while (test_more(&a)) {
		queue(ENTRIES);
		if (a.rounds % 16 == 0)
			look_at_queue();
		while (*URING_SQ(&ring, tail) != __atomic_load_n(URING_SQ(&ring, head), __ATOMIC_ACQUIRE))
			CHECK(uring_enter(&ring, 1) > 0);
		for (int more = 1; more; ) {
			more = uring_reap(&ring, &cqe);
			done += more && cqe.res >= 0;
			failed += more && cqe.res < 0;
		}
	}
	ended = 1;
	pthread_join(t, NULL);
	CHECK(done);
	return test_ok(&a, "%ld requests done, %ld failed", done, failed);
}
