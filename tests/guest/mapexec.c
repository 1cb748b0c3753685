// SPDX-License-Identifier: GPL-2.0-only
/*
 * mapexec - a program written through a shared mapping and then executed
 *
 * The kernel reads at exec what only user stores have put into the page cache.
 */
#include <sys/stat.h>
#include "test.h"

static void copy_self(int to)
{
	int from = open("/proc/self/exe", O_RDONLY);
	struct stat st;
	void *src, *dst;

	CHECK(from >= 0 && !fstat(from, &st));
	CHECK(!ftruncate(to, st.st_size));
	src = mmap(NULL, st.st_size, PROT_READ, MAP_PRIVATE, from, 0);
	dst = mmap(NULL, st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, to, 0);
	CHECK(src != MAP_FAILED && dst != MAP_FAILED);
	memcpy(dst, src, st.st_size);
	CHECK(!munmap(src, st.st_size) && !munmap(dst, st.st_size));
	close(from);
}

static void write_script(int to, const char *interpreter)
{
	char text[200], *dst;
	int n = snprintf(text, sizeof(text), "#!%s script\n", interpreter);

	CHECK(!ftruncate(to, n));
	dst = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, to, 0);
	CHECK(dst != MAP_FAILED);
	memcpy(dst, text, n);
	CHECK(!munmap(dst, PAGE));
}

static void run(char *path, int want)
{
	char *args[] = { TEST_NAME, "child", NULL };
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (!pid) {
		execv(path, args);
		_exit(127);
	}
	test_wait(pid, want);
}

static void executable(int fd)
{
	CHECK(!fchmod(fd, 0700));
	CHECK(!close(fd));
}

int main(int argc, char **argv)
{
	char program[128], script[128];
	struct amount a;
	int fd;

	if (argc > 1 && !strcmp(argv[1], "child"))
		return 42;
	if (argc > 1 && !strcmp(argv[1], "script"))
		return 43;
	a = test_amount(argc, argv);
	while (test_more(&a)) {
		fd = test_file(program, 1);
		copy_self(fd);
		executable(fd);
		run(program, 42);
		fd = test_file(script, 1);
		write_script(fd, program);
		executable(fd);
		run(script, 43);
		CHECK(!unlink(script) && !unlink(program));
	}
	return test_ok(&a, "%ld programs", 2 * a.rounds);
}
