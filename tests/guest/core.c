// SPDX-License-Identifier: GPL-2.0-only
/*
 * core - core dumps: user pages and FPU registers that the kernel writes out
 */
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "test.h"

#define PATTERN "/proc/sys/kernel/core_pattern"

static void set_pattern(const char *s)
{
	int fd = open(PATTERN, O_WRONLY | O_TRUNC);

	CHECK(fd >= 0);
	CHECK(write(fd, s, strlen(s)) == (ssize_t)strlen(s));
	close(fd);
}

/* dies with a number in the FPU that the kernel has not seen before */
static void die(double number)
{
	struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };

	CHECK(!setrlimit(RLIMIT_CORE, &all));
	asm volatile("movsd %0, %%xmm5" : : "m"(number) : "xmm5");
	raise(SIGABRT);
}

int main(int argc, char **argv)
{
	struct amount a = test_amount(argc, argv);
	char path[128], old[128] = "";
	int fd = open(PATTERN, O_RDONLY), status;
	struct stat st;

	CHECK(fd >= 0 && read(fd, old, sizeof(old) - 1) > 0);
	close(fd);
	close(test_file(path, 1));
	set_pattern(path);
	while (test_more(&a)) {
		pid_t pid = fork();

		CHECK(pid >= 0);
		if (!pid) {
			die(a.rounds * 1.5);
			_exit(1);
		}
		CHECK(waitpid(pid, &status, 0) == pid);
		CHECK(WIFSIGNALED(status) && WCOREDUMP(status));
		CHECK(!stat(path, &st) && st.st_size > 0);
	}
	set_pattern(old);
	CHECK(!unlink(path));
	return test_ok(&a, "%ld bytes each", (long)st.st_size);
}
