// SPDX-License-Identifier: GPL-2.0-only
/*
 * clients - of krrd: noise, frames that lie, requests that are none, clients that do
 * not read and too many of them; each time krrd answers the next one
 */
#include <poll.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>
#include "test.h"

#define SOCKET		"/run/krrd.sock"
#define MAGIC		0x3152524bu
#define ROOM		65536u
#define ANSWER_MS	20000	/* krrd gives up on one who does not read, then answers others */
#define MANY		8	/* more than krrd serves at once */

enum {
	HELLO = 1, START = 3, STOP = 4, MARK = 8, ENABLE = 9, DISABLE = 10, SUBSYS = 12,
	HELLO_OK = 64, REPLY = 68,
};

struct frame {
	uint32_t magic, type, len, crc;
};

static uint32_t crc32(const void *buf, size_t len)
{
	const uint8_t *p = buf;
	uint32_t crc = ~0u;

	while (len--) {
		crc ^= *p++;
		for (int i = 0; i < 8; i++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
	}
	return ~crc;
}

static int client(void)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX, .sun_path = SOCKET };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	CHECK(fd >= 0);
	if (!connect(fd, (struct sockaddr *)&un, sizeof(un)))
		return fd;
	close(fd);
	return -1;
}

/* As much as goes: krrd may have hung up. */
static void put(int fd, const void *buf, size_t len)
{
	send(fd, buf, len, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void put_frame(int fd, uint32_t type, const void *payload, uint32_t len)
{
	struct frame f = { MAGIC, type, len, 0 };

	f.crc = crc32(&f, offsetof(struct frame, crc));
	put(fd, &f, sizeof(f));
	put(fd, payload, len);
}

/* Type of the next frame, what is in it is dropped; 0: krrd hung up. */
static uint32_t answer(int fd)
{
	struct pollfd p = { fd, POLLIN, 0 };
	struct frame f;
	char buf[4096];
	ssize_t n;

	CHECK(poll(&p, 1, ANSWER_MS) == 1);
	n = recv(fd, &f, sizeof(f), MSG_WAITALL);
	if (n <= 0)
		return 0;
	CHECK(n == sizeof(f) && f.magic == MAGIC);
	CHECK(f.crc == crc32(&f, offsetof(struct frame, crc)));
	for (; f.len; f.len -= (uint32_t)n) {
		n = recv(fd, buf, f.len < sizeof(buf) ? f.len : sizeof(buf), 0);
		CHECK(n > 0);
	}
	return f.type;
}

/* krrd answers somebody who behaves, when it has a place. */
static void check_answers(void)
{
	uint32_t type = 0;

	for (int i = 0; i < 200 && type != HELLO_OK; i++) {
		int fd = client();

		CHECK(fd >= 0);
		put_frame(fd, HELLO, "12345678", 8);
		type = answer(fd);
		close(fd);
		if (type != HELLO_OK)
			usleep(50000);
	}
	CHECK(type == HELLO_OK);
}

static void fill(uint8_t *buf, size_t n)
{
	for (size_t i = 0; i < n; i++)
		buf[i] = (uint8_t)rand();
}

static void noise(int fd, uint8_t *buf)
{
	static const uint32_t magic = MAGIC;

	fill(buf, ROOM);
	for (int i = 0; i < 20; i++)
		memcpy(buf + (unsigned int)rand() % (ROOM - 4), &magic, 4);
	put(fd, buf, (unsigned int)rand() % ROOM);
}

static void lies(int fd, uint8_t *buf)
{
	struct frame f = { MAGIC, HELLO, ROOM + 1 + (uint32_t)rand(), 0 };

	f.crc = crc32(&f, offsetof(struct frame, crc));
	put(fd, &f, sizeof(f));
	f.len = ROOM;		/* and half of it comes */
	f.crc = crc32(&f, offsetof(struct frame, crc));
	put(fd, &f, sizeof(f));
	fill(buf, ROOM / 2);
	put(fd, buf, ROOM / 2);
}

/* Of all types but those that would succeed. */
static void nonsense(int fd, uint8_t *buf)
{
	for (uint32_t type = 0; type < 100; type++) {
		uint32_t len = (uint32_t)rand() % 300;

		if (type == START || type == STOP || type == DISABLE || type == MARK)
			continue;
		fill(buf, len + 1);
		if (type == ENABLE && rand() & 1)
			memcpy(buf, "--when\0net.", 11);
		buf[len] = 0;
		put_frame(fd, type, buf, len + 1);
	}
}

/* Asks for long answers, and reads none. */
static void deaf(int fd, uint8_t *buf)
{
	(void)buf;
	for (int i = 0; i < 300; i++)
		put_frame(fd, SUBSYS, "", 0);
}

static void crowd(int fd, uint8_t *buf)
{
	int fds[MANY], refused = 0;

	(void)fd, (void)buf;
	for (int i = 0; i < MANY; i++) {
		fds[i] = client();
		CHECK(fds[i] >= 0);
		put_frame(fds[i], HELLO, "12345678", 8);
	}
	for (int i = 0; i < MANY; i++)
		refused += answer(fds[i]) == REPLY;
	CHECK(refused >= 1 && refused < MANY);
	for (int i = 0; i < MANY; i++)
		close(fds[i]);
}

int main(int argc, char **argv)
{
	static void (*const kinds[])(int fd, uint8_t *buf) = { noise, lies, nonsense, crowd, deaf };
	struct amount a = test_amount(argc, argv);
	static uint8_t buf[ROOM + 1];
	int fd = client();

	if (fd < 0)
		return test_skip("no krrd");
	close(fd);
	test_alone();
	while (test_more(&a)) {
		fd = client();
		CHECK(fd >= 0);
		kinds[(a.rounds - 1) % 5](fd, buf);
		check_answers();
		close(fd);
	}
	check_answers();
	return test_ok(&a, "krrd answers");
}
