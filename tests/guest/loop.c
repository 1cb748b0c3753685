// SPDX-License-Identifier: GPL-2.0-only
/*
 * loop - a disk whose content user mode wrote through a mapping
 *
 * The loop device reads it from the page cache, and the kernel then parses it:
 * here a partition table.
 */
#include <linux/loop.h>
#include <sys/ioctl.h>

#include "test.h"

#define SIZE (1ul << 20)

/* one primary partition of Linux */
static void write_table(uint8_t *disk, uint8_t first, uint8_t sectors)
{
	uint8_t *entry = disk + 446;

	memset(disk, 0, 512);
	entry[4] = 0x83;
	entry[8] = first;
	entry[12] = sectors;
	disk[510] = 0x55;
	disk[511] = 0xaa;
}

static void check_partition(int n, unsigned int sectors)
{
	char path[64], text[32] = "";
	int fd;

	snprintf(path, sizeof(path), "/sys/block/loop%d/loop%dp1/size", n, n);
	fd = open(path, O_RDONLY);
	CHECK(fd >= 0);
	CHECK(read(fd, text, sizeof(text) - 1) > 0);
	CHECK(strtoul(text, NULL, 10) == sectors);
	close(fd);
}

static void round_trip(uint8_t *disk, int file, long round)
{
	struct loop_config c = { .fd = file, .info.lo_flags = LO_FLAGS_PARTSCAN };
	int control = open("/dev/loop-control", O_RDWR), n, fd;
	char path[32];

	write_table(disk, 8, 16 + round % 64);
	CHECK(control >= 0);
	n = ioctl(control, LOOP_CTL_GET_FREE);
	CHECK(n >= 0);
	snprintf(path, sizeof(path), "/dev/loop%d", n);
	fd = open(path, O_RDWR);
	CHECK(fd >= 0);
	CHECK(!ioctl(fd, LOOP_CONFIGURE, &c));
	check_partition(n, 16 + round % 64);
	CHECK(!ioctl(fd, LOOP_CLR_FD, 0));
	close(fd);
	close(control);
}

int main(int argc, char **argv)
{
	struct amount a = test_amount(argc, argv);
	char path[128];
	uint8_t *disk;
	int file;

	if (access("/dev/loop-control", F_OK))
		return test_skip("no loop devices");
	file = test_file(path, 0);
	CHECK(!ftruncate(file, SIZE));
	disk = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	CHECK(disk != MAP_FAILED);
	while (test_more(&a))
		round_trip(disk, file, a.rounds);
	return test_ok(&a, "partitions found");
}
