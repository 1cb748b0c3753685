// SPDX-License-Identifier: GPL-2.0-only
/*
 * 9p - a directory of the host (krrctl --share): mounted, read, written, listed
 */
#include <dirent.h>
#include <sys/mount.h>
#include "test.h"

#define SIZE 300000

static uint8_t buf[SIZE];
static char dir[64];

#define in(name) test_in(dir, name)

static void write_read(const char *name, unsigned int seed)
{
	int fd = open(in(name), O_RDWR | O_CREAT | O_EXCL, 0600);
	struct stat st;

	test_fill(buf, SIZE, seed);
	CHECK(fd >= 0 && write(fd, buf, SIZE) == SIZE && !fsync(fd));
	memset(buf, 0, SIZE);
	CHECK(pread(fd, buf, SIZE, 0) == SIZE && test_same(buf, SIZE, seed));
	memset(buf, 0, 10);
	CHECK(pread(fd, buf, 10, 0) == 10 && test_same(buf, 10, seed));
	CHECK(!fstat(fd, &st) && st.st_size == SIZE);
	close(fd);
}

static int listed(const char *name)
{
	DIR *d = opendir(dir);
	struct dirent *de;
	int found = 0;

	CHECK(d);
	while ((de = readdir(d)))
		found |= !strcmp(de->d_name, name);
	closedir(d);
	return found;
}

static void once(const char *options, unsigned int seed)
{
	char name[32];

	snprintf(name, sizeof(name), "file.%u", seed);
	CHECK(!mount("krr", dir, "9p", 0, options));
	write_read(name, seed);
	CHECK(listed(name) && !listed("nothing"));
	CHECK(open(in("nothing"), O_RDONLY) < 0 && errno == ENOENT);
	CHECK(!rename(in(name), in("other")) && !unlink(in("other")));
	CHECK(!umount(dir));
}

/* Is there a share? Its tag is in sysfs. */
static int shared(void)
{
	char path[80], tag[16];

	for (int i = 0; i < 16; i++) {
		snprintf(path, sizeof(path), "/sys/bus/virtio/devices/virtio%d/mount_tag", i);
		if (!strncmp(test_get(path, tag, sizeof(tag)), "krr", 3))
			return 1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct amount a = test_amount(argc, argv);

	if (!shared())
		return test_skip("no share \"krr\", krrctl --share gives one");
	test_alone();
	snprintf(dir, sizeof(dir), "/tmp/9p-%d", getpid());
	CHECK(!mkdir(dir, 0700));
	while (test_more(&a))
		once(a.rounds & 1 ? "trans=virtio,version=9p2000.L" :
		     "trans=virtio,version=9p2000.L,cache=mmap,msize=131072",
		     (unsigned int)a.rounds);
	CHECK(!rmdir(dir));
	return test_ok(&a, "files of the host");
}
