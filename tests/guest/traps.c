// SPDX-License-Identifier: GPL-2.0-only
/*
 * traps - every exception that user mode can raise, seen as a signal
 */
#include <setjmp.h>
#include <signal.h>
#include "test.h"

static sigjmp_buf back;
static volatile int got;

static void on_trap(int sig)
{
	got = sig;
	siglongjmp(back, 1);
}

static void divide(void)
{
	asm volatile("xorl %%edx, %%edx; movl $1, %%eax; xorl %%ecx, %%ecx; divl %%ecx"
		     ::: "eax", "ecx", "edx");
}

static void store(unsigned long where)
{
	asm volatile("movb $1, (%0)" : : "r"(where) : "memory");
}

static void breakpoint(void)	{ asm volatile("int3"); }
static void invalid(void)	{ asm volatile("ud2"); }
static void privileged(void)	{ asm volatile("hlt"); }
static void noncanonical(void)	{ store(0x8000000000000000ul); }
static void null_page(void)	{ store(8); }
static void kernel_page(void)	{ store(0xffffffff81000000ul); }
static void step(void)		{ asm volatile("pushf; orl $0x100, (%%rsp); popf; nop; nop" ::: "memory"); }

static void x87(void)
{
	asm volatile("fninit; pushq $0x37b; fldcw (%%rsp); popq %%rax; fldz; fld1; fdivp; fwait"
		     ::: "rax", "memory");
}

static void sse(void)
{
	unsigned int csr = 0x1d80;	/* division by zero unmasked */
	volatile double zero = 0;

	asm volatile("ldmxcsr %0" :: "m"(csr));
	zero = 1 / zero;
}

/* the last may do nothing: QEMU's emulator raises no SSE exceptions */
static const struct { void (*raise)(void); int sig; } traps[] = {
	{ divide, SIGFPE }, { breakpoint, SIGTRAP }, { invalid, SIGILL }, { privileged, SIGSEGV },
	{ noncanonical, SIGSEGV }, { null_page, SIGSEGV }, { kernel_page, SIGSEGV },
	{ step, SIGTRAP }, { x87, SIGFPE }, { sse, SIGFPE },
};

static void clean_fpu(void)
{
	unsigned int csr = 0x1f80;

	asm volatile("fninit; ldmxcsr %0" :: "m"(csr));
}

int main(int argc, char **argv)
{
	static const int sigs[] = { SIGFPE, SIGTRAP, SIGILL, SIGSEGV, SIGBUS };
	struct amount a = test_amount(argc, argv);
	volatile long missing = 0;

	for (size_t i = 0; i < sizeof(sigs) / sizeof(*sigs); i++)
		CHECK(signal(sigs[i], on_trap) != SIG_ERR);
	while (test_more(&a)) {
		for (volatile size_t i = 0; i < sizeof(traps) / sizeof(*traps); i++) {
			got = 0;
			if (!sigsetjmp(back, 1))
				traps[i].raise();
			clean_fpu();
			missing += !got && traps[i].raise == sse;
			if (got == traps[i].sig || (!got && traps[i].raise == sse))
				continue;
			fprintf(stderr, "%s: trap %zu: expected signal %d, found %d\n",
				TEST_NAME, i, traps[i].sig, got);
			return 1;
		}
	}
	return test_ok(&a, "%zu kinds%s", sizeof(traps) / sizeof(*traps) - !!missing,
		       missing ? ", no SSE exceptions here" : "");
}
