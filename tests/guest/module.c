// SPDX-License-Identifier: GPL-2.0-only
/*
 * module - loadable modules, from memory and from a file, that flip static keys
 * of one another; the host shares their directory (krrctl --share DIR:modules)
 */
#include "test.h"

static const char *const names[] = { "test_static_key_base", "test_static_keys" };

#define NR (int)(sizeof(names) / sizeof(*names))

static char dir[64];

static long load(const char *name, int from_file)
{
	int fd = test_module_file(dir, name);
	off_t size = lseek(fd, 0, SEEK_END);
	long err;
	void *p;

	CHECK(size > 0);
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
	if (!test_modules(dir))
		return test_skip("no share \"modules\"");
	while (test_more(&a))
		once(a.rounds & 1);
	test_modules_end(dir);
	return test_ok(&a, "loaded and unloaded");
}
