// SPDX-License-Identifier: GPL-2.0-only
/*
 * seccomp - a filter that fails one system call, traps one and kills for one
 */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include "test.h"

static volatile sig_atomic_t trapped;

static void on_sys(int sig, siginfo_t *si, void *uc)
{
	(void)sig, (void)uc;
	trapped += si->si_syscall == SYS_getuid;
}

static void child(void)
{
	struct sock_filter f[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 77),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getuid, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getgid, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { sizeof(f) / sizeof(*f), f };
	struct sigaction sa = { .sa_sigaction = on_sys, .sa_flags = SA_SIGINFO };

	CHECK(!sigaction(SIGSYS, &sa, NULL));
	CHECK(!prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	CHECK(!prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog));
	CHECK(syscall(SYS_getppid) == -1 && errno == 77);
	syscall(SYS_getuid);
	CHECK(trapped == 1);
	CHECK(syscall(SYS_getpid) > 0);
	syscall(SYS_getgid);
	_exit(1);
}

int main(int argc, char **argv)
{
	struct amount a = test_amount(argc, argv);
	int st;

	while (test_more(&a)) {
		pid_t pid = fork();

		CHECK(pid >= 0);
		if (!pid)
			child();
		CHECK(waitpid(pid, &st, 0) == pid);
		CHECK(WIFSIGNALED(st) && WTERMSIG(st) == SIGSYS);
	}
	return test_ok(&a, "%ld filtered", a.rounds);
}
