// SPDX-License-Identifier: GPL-2.0-only
/*
 * watch - hardware watchpoints on a buffer that user mode and system calls write, by
 * ptrace and by perf
 *
 * What the kernel writes for a system call need not be seen, what user mode writes has to.
 */
#include <linux/hw_breakpoint.h>
#include <linux/perf_event.h>
#include <signal.h>
#include <stddef.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include "test.h"

#define WRITES	4		/* of user mode, a round */

static volatile uint64_t watched[8] __attribute__((aligned(64)));

/* The kernel reads and writes what is watched, user mode writes it. */
static void touch(long seed)
{
	uint64_t in[8] = { (uint64_t)seed };
	int p[2];

	CHECK(!pipe(p));
	for (int i = 0; i < WRITES; i++) {
		CHECK(write(p[1], in, sizeof(in)) == sizeof(in));
		CHECK(read(p[0], (void *)watched, sizeof(watched)) == sizeof(watched));
		CHECK(write(p[1], (void *)watched, sizeof(watched)) == sizeof(watched));
		CHECK(read(p[0], in, sizeof(in)) == sizeof(in));
		watched[1] = (uint64_t)i;
	}
	close(p[0]);
	close(p[1]);
}

static void tracee(long seed)
{
	CHECK(!ptrace(PTRACE_TRACEME, 0, NULL, NULL));
	raise(SIGSTOP);
	touch(seed);
	_exit(0);
}

static void set(pid_t pid, int nr, unsigned long v)
{
	CHECK(!ptrace(PTRACE_POKEUSER, pid, offsetof(struct user, u_debugreg[nr]), v));
}

/* Return: traps, of writes of 8 bytes to watched[1]. */
static long by_ptrace(long seed)
{
	long traps = 0;
	pid_t pid = fork();
	int st;

	CHECK(pid >= 0);
	if (!pid)
		tracee(seed);
	CHECK(waitpid(pid, &st, 0) == pid && WIFSTOPPED(st));
	set(pid, 0, (unsigned long)&watched[1]);
	set(pid, 7, 1 | 1ul << 16 | 2ul << 18);
	for (;;) {
		CHECK(!ptrace(PTRACE_CONT, pid, NULL, NULL));
		CHECK(waitpid(pid, &st, 0) == pid);
		if (WIFEXITED(st))
			break;
		CHECK(WIFSTOPPED(st) && WSTOPSIG(st) == SIGTRAP);
		CHECK(ptrace(PTRACE_PEEKUSER, pid, offsetof(struct user, u_debugreg[6]), NULL) & 1);
		set(pid, 6, 0);
		traps++;
	}
	CHECK(!WEXITSTATUS(st));
	return traps;
}

static int open_counter(void)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_BREAKPOINT, .size = sizeof(attr), .bp_type = HW_BREAKPOINT_W,
		.bp_addr = (uintptr_t)&watched[1], .bp_len = HW_BREAKPOINT_LEN_8,
	};

	return (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0);
}

int main(int argc, char **argv)
{
	struct amount a = test_amount(argc, argv);
	long traps = 0;
	uint64_t hits;
	int fd;

	while (test_more(&a)) {
		traps += by_ptrace(a.rounds);
		CHECK(traps >= a.rounds * WRITES);
		fd = open_counter();
		CHECK(fd >= 0);
		touch(a.rounds);
		CHECK(read(fd, &hits, sizeof(hits)) == sizeof(hits) && hits >= WRITES);
		close(fd);
	}
	return test_ok(&a, "%ld traps", traps);
}
