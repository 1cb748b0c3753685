// SPDX-License-Identifier: GPL-2.0-only
/*
 * module - loadable modules, from memory and from a file, that flip static keys
 * of one another; the host shares their directory (krrctl --share DIR:modules)
 */
#include <sys/mount.h>
#include <sys/stat.h>
#include "test.h"

static const char *const names[] = { "test_static_key_base", "test_static_keys" };

#define NR (int)(sizeof(names) / sizeof(*names))

static char dir[64];

static int open_module(const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s.ko", dir, name);
	return open(path, O_RDONLY | O_CLOEXEC);
}

static long load(const char *name, int from_file)
{
	int fd = open_module(name);
	off_t size = lseek(fd, 0, SEEK_END);
	long err;
	void *p;

	CHECK(fd >= 0 && size > 0);
	if (from_file) {
		err = syscall(SYS_finit_module, fd, "", 0);
	} else {
		p = malloc((size_t)size);
		CHECK(p && pread(fd, p, (size_t)size, 0) == size);
		err = syscall(SYS_init_module, p, size, "");
		free(p);
	}
	close(fd);
	return err;
}

static void once(int from_file)
{
	char path[64];

	for (int i = 0; i < NR; i++) {
		CHECK(!load(names[i], from_file));
		snprintf(path, sizeof(path), "/sys/module/%s", names[i]);
		CHECK(!access(path, F_OK));
	}
	CHECK(load(names[0], !from_file) < 0 && errno == EEXIST);
	CHECK(syscall(SYS_delete_module, names[0], O_NONBLOCK) < 0 && errno == EWOULDBLOCK);
	for (int i = NR; i--; )
		CHECK(!syscall(SYS_delete_module, names[i], O_NONBLOCK));
}

int main(int argc, char **argv)
{
	struct amount a = test_amount(argc, argv);

	test_alone();
	snprintf(dir, sizeof(dir), "/tmp/module-%d", getpid());
	CHECK(!mkdir(dir, 0700));
	if (mount("modules", dir, "9p", MS_RDONLY, "trans=virtio,version=9p2000.L")) {
		rmdir(dir);
		return test_skip("no share \"modules\"");
	}
	while (test_more(&a))
		once(a.rounds & 1);
	CHECK(!umount(dir) && !rmdir(dir));
	return test_ok(&a, "loaded and unloaded");
}
