// SPDX-License-Identifier: GPL-2.0-only
/*
 * timed OUT COMMAND [ARGUMENTS...] - a command is the work of a load
 *
 * What the command prints goes to the file OUT, and to stderr if it fails.
 */
#include "bench.h"

static void show(const char *path)
{
	char buf[4096];
	int fd = open(path, O_RDONLY);
	ssize_t n;

	while (fd >= 0 && (n = read(fd, buf, sizeof(buf))) > 0)
		if (write(2, buf, (size_t)n) != n)
			return;
}

static void run(const char *out, char **command)
{
	int fd = open(out, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	CHECK(fd >= 0 && dup2(fd, 1) == 1 && dup2(fd, 2) == 2);
	execvp(command[0], command);
	fprintf(stderr, "timed: cannot run %s: %s\n", command[0], strerror(errno));
	_exit(127);
}

int main(int argc, char **argv)
{
	int status = 0;
	pid_t pid;

	if (argc < 3) {
		fprintf(stderr, "usage: timed OUT COMMAND [ARGUMENTS...]\n");
		return 2;
	}
	bench_begin();
	pid = fork();
	CHECK(pid >= 0);
	if (!pid)
		run(argv[1], argv + 2);
	CHECK(waitpid(pid, &status, 0) == pid);
	if (WIFEXITED(status) && !WEXITSTATUS(status)) {
		bench_end();
		return 0;
	}
	show(argv[1]);
	fprintf(stderr, "timed: %s failed, wait status %#x\n", argv[2], (unsigned int)status);
	return 1;
}
