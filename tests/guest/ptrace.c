// SPDX-License-Identifier: GPL-2.0-only
/*
 * ptrace - a child single-stepped, its memory and registers read and written
 */
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include "test.h"

#define STEPS 200

static volatile long word = 1;

static void child(void)
{
	CHECK(!ptrace(PTRACE_TRACEME, 0, 0, 0));
	raise(SIGSTOP);
	for (volatile int i = 0; i < 1000000; i++)
		if (word == 42)
			_exit(7);
	_exit(8);
}

static void step(pid_t pid)
{
	int st;

	CHECK(!ptrace(PTRACE_SINGLESTEP, pid, 0, 0));
	CHECK(waitpid(pid, &st, 0) == pid);
	CHECK(WIFSTOPPED(st) && WSTOPSIG(st) == SIGTRAP);
}

static void look(pid_t pid, long want)
{
	struct iovec to = { &(long){ 0 }, sizeof(long) };
	struct iovec from = { (void *)&word, sizeof(long) };

	errno = 0;
	CHECK(ptrace(PTRACE_PEEKDATA, pid, &word, 0) == want && !errno);
	CHECK(process_vm_readv(pid, &to, 1, &from, 1, 0) == sizeof(long));
	CHECK(*(long *)to.iov_base == want);
}

int main(int argc, char **argv)
{
	struct amount a = test_amount(argc, argv);
	struct user_regs_struct regs;
	long moved = 0;
	int st;

	while (test_more(&a)) {
		unsigned long ip = 0;
		pid_t pid = fork();

		CHECK(pid >= 0);
		if (!pid)
			child();
		CHECK(waitpid(pid, &st, 0) == pid && WIFSTOPPED(st));
		look(pid, 1);
		for (int i = 0; i < STEPS; i++) {
			step(pid);
			CHECK(!ptrace(PTRACE_GETREGS, pid, 0, &regs));
			moved += regs.rip != ip;
			ip = regs.rip;
		}
		CHECK(!ptrace(PTRACE_POKEDATA, pid, &word, 42));
		look(pid, 42);
		CHECK(!ptrace(PTRACE_CONT, pid, 0, 0));
		test_wait(pid, 7);
	}
	CHECK(moved > a.rounds * STEPS / 2);
	return test_ok(&a, "%ld steps", a.rounds * STEPS);
}
