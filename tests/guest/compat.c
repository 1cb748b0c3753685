// SPDX-License-Identifier: GPL-2.0-only
/*
 * compat - a 32-bit program: sysenter by way of the vDSO, int80, syscall where the
 * CPU has it, 32-bit signal frames, threads' segment registers, fork
 */
#include <setjmp.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include "test.h"

static volatile sig_atomic_t seen;

static void on_usr1(int sig, siginfo_t *si, void *uc)
{
	(void)uc;
	seen += sig == SIGUSR1 && si->si_pid == getpid();
}

/*
 * What __kernel_vsyscall of the vDSO is on AMD's CPUs.  The kernel returns to the
 * vDSO's end of it, which pops the three registers.
 */
asm(".text\n"
    "by_syscall:\n"
    "	push %ecx\n"
    "	push %edx\n"
    "	push %ebp\n"
    "	mov %ecx, %ebp\n"
    "	syscall\n"
    "	ud2\n");

static pid_t getpid_by_syscall(void)
{
	pid_t pid = SYS_getpid;

	asm volatile("call by_syscall" : "+a"(pid) : : "memory", "cc");
	return pid;
}

static sigjmp_buf no_syscall;

static void on_sigill(int sig)
{
	siglongjmp(no_syscall, sig);
}

/* Intel's CPUs have none in 32-bit mode. */
static int has_syscall(void)
{
	if (sigsetjmp(no_syscall, 1))
		return 0;
	signal(SIGILL, on_sigill);
	getpid_by_syscall();
	signal(SIGILL, SIG_DFL);
	return 1;
}

static int gs_selector(void)
{
	int gs;

	asm volatile("movl %%gs, %0" : "=r"(gs));
	return gs;
}

int main(int argc, char **argv)
{
	struct amount a = test_amount(argc, argv);
	struct sigaction sa = { .sa_sigaction = on_usr1, .sa_flags = SA_SIGINFO };
	int gs = gs_selector(), p[2], word, syscall32 = has_syscall();
	struct utsname u;
	pid_t pid;

	_Static_assert(sizeof(long) == 4, "build with -m32");
	CHECK(!sigaction(SIGUSR1, &sa, NULL) && !pipe(p));
	while (test_more(&a)) {
		CHECK(!uname(&u) && !strcmp(u.sysname, "Linux"));
		CHECK(!syscall32 || getpid_by_syscall() == getpid());
		CHECK(!kill(getpid(), SIGUSR1) && seen == (int)a.rounds);
		pid = fork();
		CHECK(pid >= 0);
		if (!pid) {
			CHECK(write(p[1], &gs, sizeof(gs)) == sizeof(gs));
			_exit(gs_selector() == gs ? 9 : 1);
		}
		CHECK(read(p[0], &word, sizeof(word)) == sizeof(word) && word == gs);
		test_wait(pid, 9);
		CHECK(gs_selector() == gs);
	}
	return test_ok(&a, "%d signals%s", (int)seen, syscall32 ? ", syscall" : "");
}
