// SPDX-License-Identifier: GPL-2.0-only
/*
 * files - written, synced, read back, renamed, truncated, with O_DIRECT if the
 * file system has it
 */
#include <sys/stat.h>
#include "test.h"

#define SIZE (256 * 1024)

static uint8_t buf[SIZE] __attribute__((aligned(4096)));

static void buffered(int fd, unsigned int seed)
{
	struct stat st;

	test_fill(buf, SIZE, seed);
	CHECK(pwrite(fd, buf, SIZE, 0) == SIZE);
	CHECK(!fdatasync(fd));
	CHECK(!posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED));
	memset(buf, 0, SIZE);
	CHECK(pread(fd, buf, SIZE, 0) == SIZE && test_same(buf, SIZE, seed));
	CHECK(!ftruncate(fd, 1000) && !fsync(fd) && !fstat(fd, &st) && st.st_size == 1000);
}

static int direct(const char *path, unsigned int seed)
{
	int fd = open(path, O_RDWR | O_DIRECT);

	if (fd < 0)
		return 0;
	test_fill(buf, SIZE, seed);
	CHECK(pwrite(fd, buf, SIZE, 0) == SIZE);
	memset(buf, 0, SIZE);
	CHECK(pread(fd, buf, SIZE, 0) == SIZE && test_same(buf, SIZE, seed));
	close(fd);
	return 1;
}

int main(int argc, char **argv)
{
	struct amount a = test_amount(argc, argv);
	char path[128], other[140];
	int n_direct = 0;

	while (test_more(&a)) {
		unsigned int seed = (unsigned int)a.rounds;
		int fd = test_file(path, 1);

		buffered(fd, seed);
		n_direct += direct(path, seed + 1);
		snprintf(other, sizeof(other), "%s.renamed", path);
		CHECK(!rename(path, other) && access(path, F_OK) && !unlink(other));
		close(fd);
	}
	return test_ok(&a, "%d direct", n_direct);
}
