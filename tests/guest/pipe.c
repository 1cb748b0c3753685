// SPDX-License-Identifier: GPL-2.0-only
/*
 * pipe - ping-pong of small messages and streams of large ones
 */
#include "test.h"

#define BIG (256 * 1024)

static void all(ssize_t (*io)(int, void *, size_t), int fd, uint8_t *buf, size_t n)
{
	for (size_t done = 0; done < n; ) {
		ssize_t r = io(fd, buf + done, n - done);

		CHECK(r > 0);
		done += (size_t)r;
	}
}

static ssize_t put(int fd, void *buf, size_t n)
{
	return write(fd, buf, n);
}

static void echo(int in, int out)
{
	static uint8_t buf[BIG];
	uint32_t n;

	while (read(in, &n, sizeof(n)) == sizeof(n)) {
		all(read, in, buf, n);
		all(put, out, buf, n);
	}
	_exit(0);
}

int main(int argc, char **argv)
{
	struct amount a = test_amount(argc, argv);
	static uint8_t buf[BIG];
	int to[2], from[2];
	long bytes = 0;
	pid_t pid;

	CHECK(!pipe(to) && !pipe(from));
	pid = fork();
	CHECK(pid >= 0);
	if (!pid) {
		close(to[1]);
		echo(to[0], from[1]);
	}
	while (test_more(&a)) {
		uint32_t n = a.rounds % 32 ? 64 : 48 * 1024;

		test_fill(buf, n, (unsigned int)a.rounds);
		all(put, to[1], (uint8_t *)&n, sizeof(n));
		all(put, to[1], buf, n);
		memset(buf, 0, n);
		all(read, from[0], buf, n);
		CHECK(test_same(buf, n, (unsigned int)a.rounds));
		bytes += n;
	}
	close(to[1]);
	test_wait(pid, 0);
	return test_ok(&a, "%ld bytes", bytes);
}
