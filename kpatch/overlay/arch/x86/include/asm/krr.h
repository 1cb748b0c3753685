/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * krr hooks, as the rest of the kernel sees them.
 *
 * This header is included by irqflags.h, msr.h and io.h, so it may include next
 * to nothing.  Every hook is guarded twice: a static key says that the recorder
 * may be on (one nop while it is not), and the per-CPU krr_mode says whether
 * this CPU is in the domain.  Outside of it a hook is the plain operation.
 *
 * With CONFIG_KRR=n, and in code that runs before or outside the kernel proper
 * (vDSO, real mode, decompressor), all of it compiles out.
 */
#ifndef _ASM_X86_KRR_H
#define _ASM_X86_KRR_H

/* krr_mode */
#define KRR_MODE_OFF	0
#define KRR_MODE_RECORD	1
#define KRR_MODE_REPLAY	2

#if defined(CONFIG_KRR) && defined(CONFIG_X86_64) && !defined(BUILD_VDSO) && !defined(_SETUP) &&	\
	!defined(__DISABLE_EXPORTS) && !defined(_WAKEUP)
#define KRR_HOOKS 1
#endif

/* Kinds that headers below <linux/krr.h> need; checked in arch/x86/krr/log.c. */
#define KRR_K_RANDOM	0x46
#define KRR_K_PORT	0x47
#define KRR_K_MMIO	0x48
#define KRR_K_APIC	0x49
#define KRR_K_MSR	0x4a
#define KRR_K_REG	0x4b
#define KRR_K_VIRTIO	0x50
#define KRR_K_IODATA	0xcc
#define KRR_K_VBUF	0xd1
#define KRR_K_PAGEREAD	0xd2

#ifndef __ASSEMBLY__

#include <linux/types.h>

struct pt_regs;

/* User accesses; arch/x86/krr/uaccess_64.S. */
unsigned long krr_copy_from_user(void *dst, const void *src, unsigned long n);
unsigned long krr_copy_to_user(void *dst, const void *src, unsigned long n);
unsigned long krr_clear_user(void *dst, unsigned long n);
int krr_cmpxchg_user4(u32 *uaddr, u32 old, u32 new, u32 *seen);
int krr_futex_op(int op, int oparg, int *oval, u32 *uaddr);

/* COM1 keeps its voice in replay, so that the console can be compared. */
#define krr_console_port(port)	((port) == 0x3f8)

#ifdef KRR_HOOKS
/* <linux/jump_label.h> would be an include cycle */
struct static_key;
struct static_key_false;
struct jump_entry;
#include <asm/asm.h>
#include <asm/jump_label.h>

extern struct static_key_false krr_key;

/* The recorder may be on: hooks must look at krr_mode. */
static __always_inline bool krr_armed(void)
{
	return arch_static_branch((struct static_key *)&krr_key, false);
}

static __always_inline u32 krr_mode_now(void)
{
	u32 mode;

	asm volatile("movl %%gs:krr_mode, %0" : "=r" (mode));
	return mode;
}

/*
 * Is krr_mode @mode?  The mode is never in a register of the domain: a dead value in
 * one that callees save would be on the stack of the next call, and differ in replay.
 */
static __always_inline bool krr_mode_is(const u32 mode)
{
	asm goto("cmpl %0, %%gs:krr_mode\n\tje %l[yes]" : : "i" (mode) : "cc", "memory" : yes);
	return false;
yes:
	return true;
}

/* This CPU is in the domain, recorded or replayed. */
static __always_inline bool krr_on(void)
{
	return krr_armed() && !krr_mode_is(KRR_MODE_OFF);
}

/* This CPU is in the domain and replays: outputs are to be suppressed. */
static __always_inline bool krr_replaying(void)
{
	return krr_armed() && krr_mode_is(KRR_MODE_REPLAY);
}

/*
 * Call fn(a, b, c, d, site) on the recorder's own stack.  Leaves no trace in
 * the domain but the result: the registers that fn may change are cleared.
 * Only when krr_on().
 */
#define krr_call(fn, a, b, c, d)					\
({									\
	unsigned long __krr_ax = (unsigned long)(fn);			\
	unsigned long __krr_di = (unsigned long)(a);			\
	unsigned long __krr_si = (unsigned long)(b);			\
	unsigned long __krr_dx = (unsigned long)(c);			\
	unsigned long __krr_cx = (unsigned long)(d);			\
	asm volatile("call krr_thunk"					\
		     : "+a" (__krr_ax), "+D" (__krr_di),		\
		       "+S" (__krr_si), "+d" (__krr_dx),		\
		       "+c" (__krr_cx), ASM_CALL_CONSTRAINT		\
		     : : "r8", "r9", "r10", "r11", "memory", "cc");	\
	__krr_ax;							\
})

/* The recorder's side of the hooks; called by krr_call() only. */
u64 krr_c_tsc(unsigned long a, unsigned long b, unsigned long c, unsigned long d,
	      unsigned long site);
u64 krr_c_value(unsigned long kind, unsigned long raw, unsigned long c, unsigned long d,
		unsigned long site);
u64 krr_c_bytes(unsigned long kind, unsigned long buf, unsigned long len, unsigned long d,
		unsigned long site);
u64 krr_c_entry(unsigned long regs, unsigned long b, unsigned long c, unsigned long d,
		unsigned long site);
u64 krr_c_leave(unsigned long b, unsigned long c, unsigned long d, unsigned long e,
		unsigned long site);
u64 krr_c_trap(unsigned long regs, unsigned long b, unsigned long c, unsigned long d,
	       unsigned long site);
u64 krr_c_trap_exit(unsigned long regs, unsigned long b, unsigned long c, unsigned long d,
		    unsigned long site);
u64 krr_c_delay(unsigned long cycles, unsigned long b, unsigned long c, unsigned long d,
		unsigned long site);
u64 krr_c_trap_flags(unsigned long flags, unsigned long b, unsigned long c, unsigned long d,
		     unsigned long site);
u64 krr_c_read_msr(unsigned long msr, unsigned long err, unsigned long c, unsigned long d,
		   unsigned long site);
u64 krr_c_write_msr(unsigned long msr, unsigned long v, unsigned long c, unsigned long d,
		    unsigned long site);
u64 krr_c_cpuid(unsigned long ax, unsigned long bx, unsigned long cx, unsigned long dx,
		unsigned long site);
u64 krr_c_write_cr3(unsigned long v, unsigned long b, unsigned long c, unsigned long d,
		    unsigned long site);
u64 krr_c_reload_cr3(unsigned long a, unsigned long b, unsigned long c, unsigned long d,
		     unsigned long site);
u64 krr_c_write_cr4(unsigned long v, unsigned long b, unsigned long c, unsigned long d,
		    unsigned long site);
u64 krr_c_invpcid(unsigned long pcid, unsigned long addr, unsigned long type, unsigned long d,
		  unsigned long site);
u64 krr_c_rdpkru(unsigned long a, unsigned long b, unsigned long c, unsigned long d,
		 unsigned long site);
u64 krr_c_wrpkru(unsigned long pkru, unsigned long b, unsigned long c, unsigned long d,
		 unsigned long site);
u64 krr_c_xgetbv(unsigned long index, unsigned long b, unsigned long c, unsigned long d,
		 unsigned long site);

/* Virtual interrupt flag; the functions stand in arch/x86/krr/entry.S. */
static __always_inline unsigned long krr_save_flags(void)
{
	unsigned long flags;

	asm volatile("call krr_save_fl" : "=a" (flags), ASM_CALL_CONSTRAINT : : "memory", "cc");
	return flags;
}

static __always_inline void krr_irq_disable(void)
{
	asm volatile("call krr_cli" : ASM_CALL_CONSTRAINT : : "memory", "cc");
}

static __always_inline void krr_irq_enable(void)
{
	asm volatile("call krr_sti" : ASM_CALL_CONSTRAINT : : "memory", "cc");
}

static __always_inline void krr_safe_halt(void)
{
	asm volatile("call krr_sti_hlt" : ASM_CALL_CONSTRAINT : : "memory", "cc");
}

/* A point where the RR lock can be handed over, and a window if vIF is 1. */
static __always_inline void krr_relax(void)
{
	if (krr_armed())
		asm volatile("call krr_cpu_relax" : ASM_CALL_CONSTRAINT : : "memory", "cc");
}

/* A window, if vIF is 1. */
static __always_inline void krr_window(void)
{
	if (krr_armed())
		asm volatile("call krr_open_window" : ASM_CALL_CONSTRAINT : : "memory", "cc");
}

/* Entry from user mode: takes the RR lock.  Before anything of the domain. */
static __always_inline void krr_enter_user(struct pt_regs *regs)
{
	if (krr_on())
		krr_call(krr_c_entry, regs, 0, 0, 0);
}

/* Return to user mode: gives the RR lock up.  In replay it does not return. */
static __always_inline void krr_leave_user(void)
{
	if (krr_on())
		krr_call(krr_c_leave, 0, 0, 0, 0);
}

/* Entry from kernel mode: the frame's IF becomes the virtual one. */
static __always_inline void krr_enter_trap(struct pt_regs *regs)
{
	if (krr_on())
		krr_call(krr_c_trap, regs, 0, 0, 0);
}

static __always_inline void krr_leave_trap(struct pt_regs *regs)
{
	if (krr_on())
		krr_call(krr_c_trap_exit, regs, 0, 0, 0);
}

/* NMIs are outside the domain, whatever they interrupt. */
static __always_inline u32 krr_nmi_enter(void)
{
	u32 mode = krr_mode_now();

	asm volatile("movl $0, %%gs:krr_mode" : : : "memory");
	return mode;
}

static __always_inline void krr_nmi_exit(u32 mode)
{
	asm volatile("movl %0, %%gs:krr_mode" : : "r" (mode) : "memory");
}

/**
 * krr_logged() - pass a nondeterministic scalar through the log
 * @kind: KRR_EV_* of shape V
 * @v: what was read; does not matter in replay
 *
 * Only when krr_on().  Return: what was read in the recording.
 */
static __always_inline u64 krr_logged(u8 kind, u64 v)
{
	return krr_call(krr_c_value, kind, v, 0, 0);
}

/* The same for an expression that is to be evaluated in recording only. */
#define krr_input(kind, expr)						\
({									\
	u64 __krr_v = 0;						\
	if (krr_mode_is(KRR_MODE_RECORD))				\
		__krr_v = (u64)(expr);					\
	krr_logged(kind, __krr_v);					\
})

/*
 * After code that one of the modes leaves out: the registers that it may have changed hold
 * the same in both, since a frame that is pushed later has them.
 */
static __always_inline void krr_clear_scratch(void)
{
	if (krr_armed())
		asm volatile("xorl %%eax, %%eax\n\txorl %%ecx, %%ecx\n\txorl %%edx, %%edx\n\t"
			     "xorl %%esi, %%esi\n\txorl %%edi, %%edi\n\txorl %%r8d, %%r8d\n\t"
			     "xorl %%r9d, %%r9d\n\txorl %%r10d, %%r10d\n\txorl %%r11d, %%r11d"
			     : : : "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11",
			       "cc");
}

/* krr_input() for @len bytes at @buf, filled by the caller in recording. */
static __always_inline void krr_bytes(unsigned long kind, void *buf, unsigned long len)
{
	if (krr_on())
		krr_call(krr_c_bytes, kind, buf, len, 0);
}

/*
 * MSRs that each CPU has and that a replay needs: FS and GS base, which are written at
 * each switch of tasks.  Writes of them are no input.
 */
static __always_inline bool krr_plain_msr(u32 msr)
{
	return msr - 0xc0000100u <= 2;		/* MSR_FS_BASE, MSR_GS_BASE, MSR_KERNEL_GS_BASE */
}

void krr_warn_msr(u32 msr, bool write);

/* rdmsr and wrmsr while krr_on(); one that faults is reported, as without krr. */
static __always_inline u64 krr_read_msr(u32 msr)
{
	int err = 0;
	u64 v = krr_call(krr_c_read_msr, msr, &err, 0, 0);

	if (err)
		krr_warn_msr(msr, false);
	return v;
}

static __always_inline void krr_write_msr(u32 msr, u64 v)
{
	if (krr_call(krr_c_write_msr, msr, v, 0, 0))
		krr_warn_msr(msr, true);
}

/* An exception is handled before it is entered: its flags are an input, as krr_enter_trap() has it. */
#define krr_trap_flags(regs)						\
do {									\
	if (krr_on())							\
		(regs)->flags = krr_call(krr_c_trap_flags, (regs)->flags, 0, 0, 0);\
} while (0)

/* Error code and CR2 of the exception in the kernel that krr_enter_trap() has logged. */
static __always_inline unsigned long krr_trap_error(void)
{
	unsigned long v;

	asm volatile("movq %%gs:krr_error, %0" : "=r" (v));
	return v;
}

static __always_inline unsigned long krr_trap_cr2(void)
{
	unsigned long v;

	asm volatile("movq %%gs:krr_cr2, %0" : "=r" (v));
	return v;
}

bool krr_skip_fault(struct pt_regs *regs, unsigned long address);
void krr_panic(const char *msg);

#else /* !KRR_HOOKS */

static __always_inline bool krr_armed(void) { return false; }
static __always_inline bool krr_on(void) { return false; }
static __always_inline bool krr_replaying(void) { return false; }
static __always_inline void krr_relax(void) { }
static __always_inline void krr_window(void) { }
static __always_inline void krr_clear_scratch(void) { }
static __always_inline void krr_enter_user(struct pt_regs *regs) { }
static __always_inline void krr_leave_user(void) { }
static __always_inline void krr_enter_trap(struct pt_regs *regs) { }
static __always_inline void krr_leave_trap(struct pt_regs *regs) { }
static __always_inline u32 krr_nmi_enter(void) { return 0; }
static __always_inline void krr_nmi_exit(u32 mode) { }
static __always_inline void krr_irq_disable(void) { }
static __always_inline void krr_irq_enable(void) { }
static __always_inline void krr_safe_halt(void) { }
static __always_inline unsigned long krr_save_flags(void) { return 0; }
static __always_inline void krr_bytes(unsigned long kind, void *buf, unsigned long len) { }
static __always_inline bool krr_plain_msr(u32 msr) { return true; }
static __always_inline u64 krr_read_msr(u32 msr) { return 0; }
static __always_inline void krr_write_msr(u32 msr, u64 v) { }
static __always_inline unsigned long krr_trap_error(void) { return 0; }
static __always_inline unsigned long krr_trap_cr2(void) { return 0; }
#define krr_trap_flags(regs)	do { } while (0)
static inline bool krr_skip_fault(struct pt_regs *regs, unsigned long address) { return false; }
static inline void krr_panic(const char *msg) { }
static __always_inline unsigned long krr_no_call(void) { return 0; }
#define krr_input(kind, expr)	({ u64 __krr_v = (u64)(expr); __krr_v; })
#define krr_logged(kind, v)	(v)
#define krr_call(fn, a, b, c, d)	krr_no_call()

#endif /* KRR_HOOKS */
#else /* __ASSEMBLY__ */

/*
 * Go to \target while the recorder may be on.  KRR_BRANCH_END stands before the
 * end of the same function, once, since objtool wants the jump to stay inside.
 */
.macro KRR_BRANCH target:req
#ifdef CONFIG_KRR
.Lkrr_branch\@:
	.byte	0x0f, 0x1f, 0x44, 0x00, 0x00
	.pushsection __jump_table, "aw"
	.balign	8
	.long	.Lkrr_branch\@ - .
	.long	771f - .
	.quad	krr_key - .
	.popsection
#endif
.endm

.macro KRR_BRANCH_END target:req
#ifdef CONFIG_KRR
771:	jmp	\target
#endif
.endm

#endif /* __ASSEMBLY__ */
#endif /* _ASM_X86_KRR_H */
