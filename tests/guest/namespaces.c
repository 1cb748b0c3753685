// SPDX-License-Identifier: GPL-2.0-only
/*
 * namespaces - mounts, processes, names and a network of one's own; overlayfs
 */
#include <net/if.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include "test.h"

static void put(const char *path, const char *text)
{
	int fd = open(path, O_CREAT | O_WRONLY | O_TRUNC, 0600);

	CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
}

static void overlay(void)
{
	char text[8] = "";
	int fd;

	CHECK(!mount("t", "/mnt", "tmpfs", 0, NULL));
	CHECK(!mkdir("/mnt/l", 0755) && !mkdir("/mnt/u", 0755) && !mkdir("/mnt/w", 0755));
	CHECK(!mkdir("/mnt/m", 0755));
	put("/mnt/l/f", "lower");
	if (mount("o", "/mnt/m", "overlay", 0, "lowerdir=/mnt/l,upperdir=/mnt/u,workdir=/mnt/w")) {
		CHECK(errno == ENODEV || errno == EINVAL);
		return;
	}
	put("/mnt/m/f", "upper");
	fd = open("/mnt/l/f", O_RDONLY);
	CHECK(fd >= 0 && read(fd, text, 5) == 5 && !strcmp(text, "lower"));
	close(fd);
	fd = open("/mnt/u/f", O_RDONLY);
	CHECK(fd >= 0 && read(fd, text, 5) == 5 && !strcmp(text, "upper"));
	close(fd);
	CHECK(!umount("/mnt/m"));
}

static void child(void)
{
	char name[16];
	pid_t pid;

	CHECK(!unshare(CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWPID | CLONE_NEWNET));
	CHECK(!mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) || errno == EINVAL);
	CHECK(!sethostname("inside", 6) && !gethostname(name, sizeof(name)) && !strcmp(name, "inside"));
	CHECK(if_nametoindex("lo") == 1 && !if_nametoindex("eth0"));
	pid = fork();
	CHECK(pid >= 0);
	if (!pid)
		_exit(getpid() == 1 ? 5 : 6);
	test_wait(pid, 5);
	overlay();
	_exit(0);
}

int main(int argc, char **argv)
{
	struct amount a = test_amount(argc, argv);

	mkdir("/mnt", 0755);
	while (test_more(&a)) {
		pid_t pid = fork();

		CHECK(pid >= 0);
		if (!pid)
			child();
		test_wait(pid, 0);
	}
	return test_ok(&a, "%ld sets", a.rounds);
}
