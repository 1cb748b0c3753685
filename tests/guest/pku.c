// SPDX-License-Identifier: GPL-2.0-only
/*
 * pku - memory with a protection key, whose rights user mode writes itself (krrctl --cpu
 * +pku): faults in user mode and in the kernel, signals, and the kernel's look at the register
 */
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include "test.h"

#define NO_ACCESS 1u
#define NO_WRITE 2u

static sigjmp_buf back;
static volatile int code, key_of_fault;
static int pkey;

/* wrpkru has no memory operand, so what was stored must be stored by then */
static void write_pkru(unsigned int v)
{
	asm volatile("wrpkru" : : "a"(v), "c"(0), "d"(0) : "memory");
}

static unsigned int read_pkru(void)
{
	unsigned int v, high;

	asm volatile("rdpkru" : "=a"(v), "=d"(high) : "c"(0));
	return v;
}

/* All rights to all memory, but for that with the key. */
static unsigned int rights(unsigned int r)
{
	return r << (2 * pkey);
}

static void on_segv(int sig, siginfo_t *si, void *uc)
{
	(void)sig, (void)uc;
	code = si->si_code;
	key_of_fault = (int)si->si_pkey;
	siglongjmp(back, 1);
}

static void on_usr1(int sig)
{
	(void)sig;
	write_pkru(rights(NO_WRITE));	/* until it returns */
}

static void faults(volatile char *page, unsigned int r, int write)
{
	code = 0;
	if (!sigsetjmp(back, 1)) {
		write_pkru(rights(r));
		if (write)
			*page = 1;
		else
			(void)*page;
	}
	CHECK(code == SEGV_PKUERR && key_of_fault == pkey);
}

static void in_kernel(char *page, int fd)
{
	write_pkru(rights(NO_WRITE));
	CHECK(pwrite(fd, page, PAGE, 0) == (ssize_t)PAGE);
	CHECK(pread(fd, page, PAGE, 0) == -1 && errno == EFAULT);
	write_pkru(rights(NO_ACCESS));
	CHECK(pwrite(fd, page, PAGE, 0) == -1 && errno == EFAULT);
	CHECK(access(page, F_OK) == -1 && errno == EFAULT);
	write_pkru(0);
	CHECK(pread(fd, page, PAGE, 0) == (ssize_t)PAGE);
}

/* Others run meanwhile, with other rights. */
static void after_switch(void)
{
	pid_t child = fork();

	CHECK(child >= 0);
	if (!child) {
		write_pkru(rights(NO_ACCESS | NO_WRITE));
		sched_yield();
		_exit(read_pkru() == rights(NO_ACCESS | NO_WRITE) ? 0 : 1);
	}
	write_pkru(rights(NO_WRITE));
	test_wait(child, 0);
	CHECK(read_pkru() == rights(NO_WRITE));
	write_pkru(rights(NO_ACCESS));
	CHECK(!raise(SIGUSR1));
	CHECK(read_pkru() == rights(NO_ACCESS));
	write_pkru(0);
}

int main(int argc, char **argv)
{
	struct amount a = test_amount(argc, argv);
	struct sigaction segv = { .sa_sigaction = on_segv, .sa_flags = SA_SIGINFO };
	char path[128], *page;
	int fd;

	pkey = pkey_alloc(0, 0);
	if (pkey < 0)
		return test_skip("the CPU has no protection keys");
	fd = test_file(path, 0);
	page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(page != MAP_FAILED && !pkey_mprotect(page, PAGE, PROT_READ | PROT_WRITE, pkey));
	CHECK(!sigaction(SIGSEGV, &segv, NULL) && signal(SIGUSR1, on_usr1) != SIG_ERR);
	while (test_more(&a)) {
		write_pkru(0);
		test_fill(page, PAGE, (unsigned int)a.rounds);
		faults(page, NO_ACCESS, 0);
		faults(page, NO_WRITE, 1);
		in_kernel(page, fd);
		CHECK(test_same(page, PAGE, (unsigned int)a.rounds));
		after_switch();
	}
	return test_ok(&a, "faults of key %d", pkey);
}
