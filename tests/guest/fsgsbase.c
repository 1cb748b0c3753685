// SPDX-License-Identifier: GPL-2.0-only
/*
 * fsgsbase - user mode writes the bases of FS and GS itself (krrctl --cpu +fsgsbase), and
 * the kernel reads them: when it switches tasks, for fork, arch_prctl and ptrace
 */
#include <asm/prctl.h>
#include <signal.h>
#include <stddef.h>
#include <sys/auxv.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include "test.h"

#ifndef HWCAP2_FSGSBASE
#define HWCAP2_FSGSBASE 2
#endif

static unsigned long read_gs(void)
{
	unsigned long base;

	asm volatile("rdgsbase %0" : "=r"(base));
	return base;
}

static void write_gs(unsigned long base)
{
	asm volatile("wrgsbase %0" : : "r"(base));
}

/* The base of FS is the C library's again before this returns. */
static unsigned long fs_after_syscall(long number, unsigned long base)
{
	unsigned long old, after;

	asm volatile("rdfsbase %[old]\n\t"
		     "wrfsbase %[base]\n\t"
		     "syscall\n\t"
		     "rdfsbase %[after]\n\t"
		     "wrfsbase %[old]"
		     : [old] "=&r"(old), [after] "=&r"(after), "+a"(number)
		     : [base] "r"(base) : "rcx", "r11", "memory");
	return after;
}

static unsigned long some_base(unsigned long seed)
{
	return (seed * 0x9e3779b97f4a7c15ul) >> 18;	/* any address of user mode */
}

/* Bytes go to and fro; each time the other has run, with bases of its own. */
static void bounce(int in, int out, unsigned long seed, int first)
{
	char byte = 0;
	int i;

	for (i = 0; i < 16; i++) {
		write_gs(some_base(seed + i));
		if (i || !first)
			CHECK(read(in, &byte, 1) == 1);
		CHECK(fs_after_syscall(SYS_sched_yield, some_base(seed - i)) ==
		      some_base(seed - i));
		CHECK(read_gs() == some_base(seed + i));
		CHECK(write(out, &byte, 1) == 1 || !first);
	}
	write_gs(0);
}

static void two_tasks(unsigned long seed)
{
	int there[2], back[2];
	pid_t child;

	CHECK(!pipe(there) && !pipe(back));
	write_gs(some_base(seed));
	child = fork();
	CHECK(child >= 0 && read_gs() == some_base(seed));
	if (!child) {
		bounce(there[0], back[1], ~seed, 0);
		_exit(0);
	}
	bounce(back[0], there[1], seed, 1);
	close(there[1]);
	test_wait(child, 0);
	close(there[0]);
	close(back[0]);
	close(back[1]);
}

static void by_prctl(unsigned long seed)
{
	unsigned long base;

	write_gs(some_base(seed));
	CHECK(!syscall(SYS_arch_prctl, ARCH_GET_GS, &base) && base == some_base(seed));
	CHECK(!syscall(SYS_arch_prctl, ARCH_SET_GS, some_base(seed + 1)));
	CHECK(read_gs() == some_base(seed + 1));
	write_gs(0);
}

static void by_ptrace(unsigned long seed)
{
	pid_t child = fork();
	int status;

	CHECK(child >= 0);
	if (!child) {
		CHECK(!ptrace(PTRACE_TRACEME, 0, NULL, NULL));
		write_gs(some_base(seed));
		raise(SIGSTOP);
		_exit(read_gs() == some_base(seed + 1) ? 0 : 1);
	}
	CHECK(waitpid(child, &status, 0) == child && WIFSTOPPED(status));
	CHECK((unsigned long)ptrace(PTRACE_PEEKUSER, child,
				    offsetof(struct user_regs_struct, gs_base), NULL) ==
	      some_base(seed));
	CHECK(!ptrace(PTRACE_POKEUSER, child, offsetof(struct user_regs_struct, gs_base),
		      some_base(seed + 1)));
	CHECK(!ptrace(PTRACE_CONT, child, NULL, NULL));
	test_wait(child, 0);
}

int main(int argc, char **argv)
{
	struct amount a = test_amount(argc, argv);

	if (!(getauxval(AT_HWCAP2) & HWCAP2_FSGSBASE))
		return test_skip("the CPU has no wrfsbase");
	while (test_more(&a)) {
		two_tasks((unsigned long)a.rounds);
		by_prctl((unsigned long)a.rounds);
		by_ptrace((unsigned long)a.rounds);
	}
	return test_ok(&a, "bases by wrfsbase and wrgsbase");
}
