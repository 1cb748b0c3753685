// SPDX-License-Identifier: GPL-2.0-only
/*
 * oom - a memory cgroup that is too small: reclaim, then the OOM killer
 */
#include <signal.h>
#include <sys/stat.h>
#include "test.h"

#define CG "/sys/fs/cgroup"

static int put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY), ok;

	if (fd < 0)
		return 0;
	ok = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	close(fd);
	return ok;
}

static void glutton(const char *dir)
{
	char path[160];
	uint8_t *p;

	snprintf(path, sizeof(path), "%s/cgroup.procs", dir);
	CHECK(put(path, "0"));
	p = mmap(NULL, 64ul << 20, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	CHECK(p != MAP_FAILED);
	for (size_t i = 0; i < (64ul << 20); i += PAGE)
		p[i] = 1;
	_exit(0);
}

int main(int argc, char **argv)
{
	struct amount a = test_amount(argc, argv);
	char dir[128], path[160];
	int st;

	if (!put(CG "/cgroup.subtree_control", "+memory"))
		return test_skip("no memory controller at " CG);
	snprintf(dir, sizeof(dir), CG "/oom-%d", getpid());
	CHECK(!mkdir(dir, 0755));
	snprintf(path, sizeof(path), "%s/memory.max", dir);
	CHECK(put(path, "8388608"));
	snprintf(path, sizeof(path), "%s/memory.swap.max", dir);
	put(path, "0");			/* only there with swap accounting */

	while (test_more(&a)) {
		pid_t pid = fork();

		CHECK(pid >= 0);
		if (!pid)
			glutton(dir);
		CHECK(waitpid(pid, &st, 0) == pid);
		CHECK(WIFSIGNALED(st) && WTERMSIG(st) == SIGKILL);
	}
	/* the last one may still be on its way out */
	for (int i = 0; rmdir(dir) && i < 100; i++)
		usleep(10000);
	return test_ok(&a, "%ld killed", a.rounds);
}
