// SPDX-License-Identifier: GPL-2.0-only
/*
 * disk - ext4 on a disk of its own (krrctl --disk): written, synced, read back
 * from the medium, directly and through the page cache, mapped, discarded
 */
#include <sys/mount.h>
#include "test.h"

#define SIZE (512 * 1024)

static uint8_t buf[SIZE] __attribute__((aligned(4096)));
static char dir[64];

#define in(name) test_in(dir, name)

static void write_file(const char *name, unsigned int seed)
{
	int fd = open(in(name), O_RDWR | O_CREAT | O_TRUNC, 0600);

	test_fill(buf, SIZE, seed);
	CHECK(fd >= 0 && write(fd, buf, SIZE) == SIZE && !fsync(fd));
	close(fd);
}

static void check_file(const char *name, unsigned int seed, int flags)
{
	int fd = open(in(name), O_RDONLY | flags);

	memset(buf, 0, SIZE);
	CHECK(fd >= 0 && read(fd, buf, SIZE) == SIZE && test_same(buf, SIZE, seed));
	close(fd);
}

static void write_direct(const char *name, unsigned int seed)
{
	int fd = open(in(name), O_RDWR | O_CREAT | O_DIRECT, 0600);

	test_fill(buf, SIZE, seed);
	CHECK(fd >= 0 && write(fd, buf, SIZE) == SIZE);
	close(fd);
}

/* pages that the device fills and user mode changes, written back by msync */
static void mapped(const char *name, unsigned int seed)
{
	int fd = open(in(name), O_RDWR);
	uint8_t *p = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	CHECK(p != MAP_FAILED && test_same(p, SIZE, seed));
	test_fill(p, SIZE, seed + 1);
	CHECK(!msync(p, SIZE, MS_SYNC) && !munmap(p, SIZE));
	close(fd);
}

static void small_files(void)
{
	char name[32];

	for (int i = 0; i < 40; i++) {
		snprintf(name, sizeof(name), "small.%d", i);
		close(open(in(name), O_RDWR | O_CREAT, 0600));
		CHECK(test_put(in(name), name));
	}
	for (int i = 0; i < 40; i++) {
		snprintf(name, sizeof(name), "small.%d", i);
		CHECK(!unlink(in(name)));
	}
}

static void once(const char *dev, unsigned int seed)
{
	CHECK(!mount(dev, dir, "ext4", 0, seed & 1 ? NULL : "discard"));
	write_file("a", seed);
	write_direct("b", seed + 1);
	small_files();
	CHECK(test_put("/proc/sys/vm/drop_caches", "3"));
	check_file("a", seed, 0);
	mapped("a", seed);
	CHECK(test_put("/proc/sys/vm/drop_caches", "1"));
	check_file("a", seed + 1, O_DIRECT);
	CHECK(!umount(dir));
	CHECK(!mount(dev, dir, "ext4", 0, NULL));
	check_file("a", seed + 1, 0);
	check_file("b", seed + 1, 0);
	sync();
	CHECK(!unlink(in("a")) && !unlink(in("b")) && !umount(dir));
}

int main(int argc, char **argv)
{
	struct amount a = test_amount(argc, argv);
	char path[32];
	const char *dev = test_device(1, path);

	if (!dev)
		return test_skip("no disk, krrctl --disk gives one");
	test_alone();
	snprintf(dir, sizeof(dir), "/tmp/disk-%d", getpid());
	CHECK(!mkdir(dir, 0700));
	while (test_more(&a))
		once(dev, (unsigned int)a.rounds);
	CHECK(!rmdir(dir));
	return test_ok(&a, "ext4 on %s", dev);
}
