// SPDX-License-Identifier: GPL-2.0-only
/*
 * compat - a 32-bit program: sysenter or syscall32 by way of the vDSO, int80,
 * 32-bit signal frames, threads' segment registers, fork
 */
#include <signal.h>
#include <sys/utsname.h>
#include "test.h"

static volatile sig_atomic_t seen;

static void on_usr1(int sig, siginfo_t *si, void *uc)
{
	(void)uc;
	seen += sig == SIGUSR1 && si->si_pid == getpid();
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
	int gs = gs_selector(), p[2], word;
	struct utsname u;
	pid_t pid;

	_Static_assert(sizeof(long) == 4, "build with -m32");
	CHECK(!sigaction(SIGUSR1, &sa, NULL) && !pipe(p));
	while (test_more(&a)) {
		CHECK(!uname(&u) && !strcmp(u.sysname, "Linux"));
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
	return test_ok(&a, "%d signals", (int)seen);
}
