// SPDX-License-Identifier: GPL-2.0-only
/*
 * sendfile - data moved inside the kernel: sendfile, splice, tee, copy_file_range
 *
 * The file's pages are written by user stores through a shared mapping, so the
 * kernel sees bytes that no system call ever brought in.
 */
#include <sys/sendfile.h>
#include <sys/socket.h>
#include "test.h"

#define SIZE 32768

static uint8_t buf[SIZE];

static void drain(int fd, unsigned int seed)
{
	size_t got = 0;

	memset(buf, 0, SIZE);
	while (got < SIZE) {
		ssize_t n = read(fd, buf + got, SIZE - got);

		CHECK(n > 0);
		got += (size_t)n;
	}
	CHECK(test_same(buf, SIZE, seed));
}

static void by_socket(int file, unsigned int seed)
{
	off_t off = 0;
	int sv[2];

	CHECK(!socketpair(AF_UNIX, SOCK_STREAM, 0, sv));
	CHECK(sendfile(sv[0], file, &off, SIZE) == SIZE);
	drain(sv[1], seed);
	close(sv[0]);
	close(sv[1]);
}

static void by_pipes(int file, unsigned int seed)
{
	int p[2], q[2];
	loff_t off = 0;

	CHECK(!pipe(p) && !pipe(q));
	CHECK(splice(file, &off, p[1], NULL, SIZE, 0) == SIZE);
	CHECK(tee(p[0], q[1], SIZE, 0) == SIZE);
	drain(p[0], seed);
	drain(q[0], seed);
	for (int i = 0; i < 2; i++) {
		close(p[i]);
		close(q[i]);
	}
}

static void by_copy(int file, unsigned int seed)
{
	char path[128];
	int to = test_file(path, 0);
	loff_t a = 0, b = 0;

	if (copy_file_range(file, &a, to, &b, SIZE, 0) == SIZE) {
		CHECK(!lseek(to, 0, SEEK_SET));
		drain(to, seed);
	}
	close(to);
}

int main(int argc, char **argv)
{
	struct amount a = test_amount(argc, argv);
	char path[128];
	int fd = test_file(path, 0);
	uint8_t *map;

	CHECK(!ftruncate(fd, SIZE));
	map = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(map != MAP_FAILED);
	while (test_more(&a)) {
		unsigned int seed = (unsigned int)a.rounds;

		test_fill(map, SIZE, seed);
		by_socket(fd, seed);
		by_pipes(fd, seed);
		by_copy(fd, seed);
	}
	return test_ok(&a, "%ld bytes", 4l * SIZE * a.rounds);
}
