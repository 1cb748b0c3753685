// SPDX-License-Identifier: GPL-2.0-only
/*
 * vectors - registers of AVX2 and AVX-512 (krrctl --cpu MODEL) that have to be the same after
 * another task has run, in the child of a fork, and after a signal
 */
#include <signal.h>
#include "test.h"

#define REGS 16
#define YMM 32
#define ZMM 64

static int width;		/* bytes of the registers */
static uint8_t want[REGS * ZMM];

#define EACH(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7)				\
		X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15)
#define LOAD(n)		"vmovdqu " #n "*32(%[in]), %%ymm" #n "\n\t"
#define STORE(n)	"vmovdqu %%ymm" #n ", " #n "*32(%[out])\n\t"
#define LOAD512(n)	"vmovdqu64 " #n "*64(%[in]), %%zmm" #n "\n\t"
#define STORE512(n)	"vmovdqu64 %%zmm" #n ", " #n "*64(%[out])\n\t"
#define CLOBBERS "rcx", "r11", "memory", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5",	\
		 "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14",	\
		 "xmm15"

/* A system call with @in in the registers; @out gets what is in them after it. */
static long with_registers(const void *in, void *out, long number, long a, long b)
{
	if (width == ZMM)
		asm volatile(EACH(LOAD512) "syscall\n\t" EACH(STORE512) "vzeroupper"
			     : "+a"(number) : "D"(a), "S"(b), [in] "r"(in), [out] "r"(out)
			     : CLOBBERS);
	else
		asm volatile(EACH(LOAD) "syscall\n\t" EACH(STORE) "vzeroupper"
			     : "+a"(number) : "D"(a), "S"(b), [in] "r"(in), [out] "r"(out)
			     : CLOBBERS);
	return number;
}

static void on_usr1(int sig)
{
	(void)sig;
	asm volatile("vzeroall" : : : CLOBBERS);
}

static void survive(unsigned int seed, long number, long a, long b)
{
	uint8_t got[sizeof(want)];

	test_fill(want, sizeof(want), seed);
	with_registers(want, got, number, a, b);
	CHECK(!memcmp(want, got, (size_t)(REGS * width)));
}

static void by_fork(unsigned int seed)
{
	uint8_t got[sizeof(want)];
	long pid;

	test_fill(want, sizeof(want), seed);
	pid = with_registers(want, got, SYS_fork, 0, 0);
	CHECK(pid >= 0 && !memcmp(want, got, (size_t)(REGS * width)));
	if (!pid) {
		survive(~seed, SYS_sched_yield, 0, 0);
		_exit(0);
	}
	survive(seed + 1, SYS_sched_yield, 0, 0);
	test_wait((pid_t)pid, 0);
}

int main(int argc, char **argv)
{
	struct amount a = test_amount(argc, argv);

	if (!__builtin_cpu_supports("avx2"))
		return test_skip("the CPU has no AVX2");
	width = __builtin_cpu_supports("avx512f") ? ZMM : YMM;
	CHECK(signal(SIGUSR1, on_usr1) != SIG_ERR);
	while (test_more(&a)) {
		survive((unsigned int)a.rounds, SYS_kill, getpid(), SIGUSR1);
		by_fork((unsigned int)a.rounds);
	}
	return test_ok(&a, "registers of %d bytes", width);
}
