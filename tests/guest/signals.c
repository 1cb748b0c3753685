// SPDX-License-Identifier: GPL-2.0-only
/*
 * signals - frames on the user stack: SIGSEGV and longjmp, sigreturn with FPU
 * state, an interval timer, an alternate stack
 */
#include <setjmp.h>
#include <signal.h>
#include <sys/time.h>
#include "test.h"

static sigjmp_buf back;
static volatile sig_atomic_t ticks;
static volatile double scratch;

static void on_segv(int sig, siginfo_t *si, void *uc)
{
	(void)sig, (void)si, (void)uc;
	siglongjmp(back, 1);
}

static void on_usr1(int sig)
{
	(void)sig;
	scratch = scratch * 3.5 + 1;	/* uses the registers that must come back */
}

static void on_alarm(int sig)
{
	(void)sig;
	ticks++;
}

static void segv_round(volatile char *forbidden)
{
	volatile int stage = 0;

	if (!sigsetjmp(back, 1)) {
		stage = 1;
		*forbidden = 1;
		stage = 2;
	}
	CHECK(stage == 1);
}

static void fpu_round(double seed)
{
	double before[4], after[4];

	for (int i = 0; i < 4; i++)
		before[i] = seed + i * 0.25;
	asm volatile("movupd (%[in]), %%xmm6\n\t"
		     "movupd 16(%[in]), %%xmm7\n\t"
		     "syscall\n\t"
		     "movupd %%xmm6, (%[out])\n\t"
		     "movupd %%xmm7, 16(%[out])"
		     : : "a"(SYS_kill), "D"(getpid()), "S"(SIGUSR1),
		       [in] "r"(before), [out] "r"(after)
		     : "rcx", "r11", "xmm6", "xmm7", "memory");
	CHECK(!memcmp(before, after, sizeof(before)));
}

int main(int argc, char **argv)
{
	struct amount a = test_amount(argc, argv);
	struct sigaction segv = { .sa_sigaction = on_segv, .sa_flags = SA_SIGINFO | SA_ONSTACK };
	struct itimerval every = { { 0, 2000 }, { 0, 2000 } };
	stack_t stack = { .ss_size = 65536 };
	char *forbidden;

	stack.ss_sp = malloc(stack.ss_size);
	CHECK(stack.ss_sp && !sigaltstack(&stack, NULL));
	CHECK(!sigaction(SIGSEGV, &segv, NULL));
	CHECK(signal(SIGUSR1, on_usr1) != SIG_ERR);
	CHECK(signal(SIGALRM, on_alarm) != SIG_ERR);
	forbidden = mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(forbidden != MAP_FAILED);
	CHECK(!setitimer(ITIMER_REAL, &every, NULL));

	while (test_more(&a)) {
		segv_round(forbidden);
		fpu_round(a.rounds);
	}
	return test_ok(&a, "%d alarms", (int)ticks);
}
