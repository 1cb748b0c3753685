/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The recorder's doors: soft interrupts, windows, the switch to the recorder's
 * stack, and the re-entry of events in replay.
 *
 * What runs here is on the border of the domain.  Two rules follow:
 *
 *  - The words left below the stack pointer, and every register at a point
 *    where a frame can be pushed, are the same in recording and in replay.
 *    That is why C runs on a stack of its own, and why both modes push alike.
 *  - Hardware IF is 0 throughout, but between sti and cli of a window and of
 *    idle.
 */
#include <linux/linkage.h>
#include <asm/asm.h>
#include <asm/asm-offsets.h>
#include <asm/export.h>
#include <asm/krr.h>
#include <asm/processor-flags.h>
#include <asm/segment.h>
#include <asm/unwind_hints.h>
#include <asm/nospec-branch.h>

#include "calls.h"

.section .noinstr.text, "ax"

/* EFLAGS in the frame of an interrupt at a window: IF, ZF, PF and the fixed bit. */
#define WINDOW_FLAGS	0x246

/* Call C with all registers kept; its result replaces RAX. */
.macro CALL_KEEP fn
	TO_RECORDER_SAVING
	call	\fn
	TO_DOMAIN_RESTORING
.endm

/*
 * As if the CPU took the interrupt whose handler is in RAX at \ip.  The frame is
 * what hardware would push, RAX is 0 as it is in recording at a window.
 */
.macro RAISE_AT ip
	movq	%rax, PER_CPU_VAR(krr_target)
	movq	%rsp, %rax
	andq	$-16, %rsp
	pushq	$__KERNEL_DS
	pushq	%rax
	pushq	$WINDOW_FLAGS
	pushq	$__KERNEL_CS
	pushq	$\ip
	xorl	%eax, %eax
	jmp	*PER_CPU_VAR(krr_target)
.endm

SYM_CODE_START_LOCAL(krr_raise_window)
	UNWIND_HINT_EMPTY
	RAISE_AT krr_window_ip
SYM_CODE_END(krr_raise_window)

SYM_CODE_START_LOCAL(krr_raise_idle)
	UNWIND_HINT_EMPTY
	RAISE_AT krr_idle_ip
SYM_CODE_END(krr_raise_idle)

.macro INSTRUMENTED mark
#ifdef CONFIG_NOINSTR_VALIDATION
.Lmark\@:
	nop
	.pushsection .discard.\mark
	.long	.Lmark\@ - .
	.popsection
#endif
.endm

/* u64 krr_thunk(RAX = fn, RDI, RSI, RDX, RCX): krr_call() of <asm/krr.h>. */
SYM_FUNC_START(krr_thunk)
	movq	(%rsp), %r8
	TO_RECORDER
	INSTRUMENTED instr_begin	/* fn is noinstr, but objtool can't see which it is */
	call	*%rax
	INSTRUMENTED instr_end
	TO_DOMAIN
	CLEAR_ARGUMENTS
	CLEAR_SCRATCH
	RET
SYM_FUNC_END(krr_thunk)
EXPORT_SYMBOL_GPL(krr_thunk)

/* arch_local_save_flags(): RAX = flags, as far as IF is concerned. */
SYM_FUNC_START(krr_save_fl)
	cmpl	$KRR_MODE_OFF, PER_CPU_VAR(krr_mode)
	je	1f
	movq	PER_CPU_VAR(krr_vif), %rax
	orq	$X86_EFLAGS_FIXED, %rax
	RET
1:	pushfq
	popq	%rax
	RET
SYM_FUNC_END(krr_save_fl)
EXPORT_SYMBOL_GPL(krr_save_fl)

/* arch_local_irq_disable() */
SYM_FUNC_START(krr_cli)
	cmpl	$KRR_MODE_OFF, PER_CPU_VAR(krr_mode)
	je	1f
	movq	$0, PER_CPU_VAR(krr_vif)
	RET
1:	cli
	RET
SYM_FUNC_END(krr_cli)
EXPORT_SYMBOL_GPL(krr_cli)

/* arch_local_irq_enable(): a window if vIF was 0. */
SYM_FUNC_START(krr_sti)
	cmpl	$KRR_MODE_OFF, PER_CPU_VAR(krr_mode)
	je	1f
	cmpq	$0, PER_CPU_VAR(krr_vif)
	jne	2f
	movq	$X86_EFLAGS_IF, PER_CPU_VAR(krr_vif)
	jmp	krr_do_window
1:	sti
2:	RET
SYM_FUNC_END(krr_sti)
EXPORT_SYMBOL_GPL(krr_sti)

/* krr_window(): a window if vIF is 1. */
SYM_FUNC_START(krr_open_window)
	cmpl	$KRR_MODE_OFF, PER_CPU_VAR(krr_mode)
	je	1f
	cmpq	$0, PER_CPU_VAR(krr_vif)
	jne	krr_do_window
1:	RET
SYM_FUNC_END(krr_open_window)
EXPORT_SYMBOL_GPL(krr_open_window)

/*
 * The window: the only place in the domain where interrupts arrive.  Window n of
 * a CPU, as counted by krr_pos, is the exact position of what arrived in it.
 * The handler's C side sets the frame's RAX to 1, so that the window is opened
 * again as long as something was there.
 */
SYM_FUNC_START_LOCAL(krr_do_window)
	pushq	%rax
.Lwindow:
	incq	PER_CPU_VAR(krr_pos)
	cmpl	$KRR_MODE_REPLAY, PER_CPU_VAR(krr_mode)
	je	.Lwindow_replay
	xorl	%eax, %eax
	sti
SYM_INNER_LABEL(krr_window_shadow, SYM_L_GLOBAL)
	nop
SYM_INNER_LABEL(krr_window_ip, SYM_L_GLOBAL)
	cli
	testl	%eax, %eax
	jnz	.Lwindow
	cmpl	$KRR_MODE_OFF, PER_CPU_VAR(krr_mode)
	je	.Lwindow_off
	movq	krr_contended(%rip), %rax
	cmpl	$0, (%rax)
	je	1f
	CALL_KEEP krr_c_window_yield
	cmpl	$KRR_MODE_OFF, PER_CPU_VAR(krr_mode)
	je	.Lwindow_off
1:	popq	%rax
	RET

.Lwindow_replay:
	CALL_KEEP krr_c_window_replay
	testq	%rax, %rax
	jz	1b
	UNWIND_HINT_EMPTY
	jmp	krr_raise_window

.Lwindow_off:				/* recording ended while we were in it */
	popq	%rax
	sti
	RET
SYM_FUNC_END(krr_do_window)

/* cpu_relax() */
SYM_FUNC_START(krr_cpu_relax)
	cmpl	$KRR_MODE_OFF, PER_CPU_VAR(krr_mode)
	je	2f
	cmpq	$0, PER_CPU_VAR(krr_vif)
	je	1f
	call	krr_do_window
	cmpl	$KRR_MODE_OFF, PER_CPU_VAR(krr_mode)
	je	2f
1:	pushq	%rax
	incq	PER_CPU_VAR(krr_pos)
	CALL_KEEP krr_c_relax
	popq	%rax
	cmpl	$KRR_MODE_OFF, PER_CPU_VAR(krr_mode)
	jne	2f
	cmpq	$0, PER_CPU_VAR(krr_vif)
	je	2f
	sti				/* recording ended while we waited */
2:	RET
SYM_FUNC_END(krr_cpu_relax)
EXPORT_SYMBOL_GPL(krr_cpu_relax)

/*
 * void krr_park(u32 *parked, u32 *serving, u32 ticket, u32 *mode)
 *
 * Sleep until an NMI, unless the ticket is served already or the recording is
 * over.  An NMI that comes before hlt is not lost: krr_doorbell() moves the
 * instruction pointer from anywhere in here on to krr_park_end.
 */
SYM_FUNC_START(krr_park)
	movl	$1, %eax
	xchgl	%eax, (%rdi)		/* a full barrier: parked, then look */
	cmpl	%edx, (%rsi)
	je	krr_park_end
	cmpl	$KRR_MODE_OFF, (%rcx)
	je	krr_park_end
	hlt
SYM_INNER_LABEL(krr_park_end, SYM_L_GLOBAL)
	movl	$0, (%rdi)
	RET
SYM_FUNC_END(krr_park)

/*
 * arch_safe_halt(): the window of idle, in which the RR lock is free.  The
 * interrupt that ends it takes the lock in krr_c_trap().
 */
SYM_FUNC_START(krr_sti_hlt)
	cmpl	$KRR_MODE_OFF, PER_CPU_VAR(krr_mode)
	je	.Lhlt_plain
	movq	$X86_EFLAGS_IF, PER_CPU_VAR(krr_vif)
	incq	PER_CPU_VAR(krr_pos)
	pushq	%rax
	CALL_KEEP krr_c_idle
	testq	%rax, %rax
	jnz	.Lidle_replay
.Lhlt:
	xorl	%eax, %eax
	sti
SYM_INNER_LABEL(krr_idle_shadow, SYM_L_GLOBAL)
	hlt
SYM_INNER_LABEL(krr_idle_ip, SYM_L_GLOBAL)
	cli
	testl	%eax, %eax
	jz	.Lhlt			/* no interrupt: an NMI */
	popq	%rax
	cmpl	$KRR_MODE_OFF, PER_CPU_VAR(krr_mode)
	jne	1f
	sti
1:	RET
.Lhlt_plain:
	sti
	hlt
	RET
.Lidle_replay:
	UNWIND_HINT_EMPTY
	jmp	krr_raise_idle
SYM_FUNC_END(krr_sti_hlt)

/*
 * Enter the kernel from user mode, as the log says.  RDI = struct krr_launch of
 * krr.h, hardware IF is 0, GS and CR3 are the kernel's.  The entry code finds
 * what hardware would have left.
 */
#define KRR_LAUNCH_sp		(23*8)
#define KRR_LAUNCH_handler	(24*8)
#define KRR_LAUNCH_error	(25*8)
#define KRR_LAUNCH_has_error	(26*8)

.macro LOAD_SEGMENT seg
	movw	%\seg, %cx
	cmpw	%ax, %cx
	je	.Lsame\@
	movw	%ax, %\seg
.Lsame\@:
	shrq	$16, %rax
.endm

/*
 * User's selectors and GS base: the last look at per-CPU variables is before.  SS is what
 * the CPU leaves in it, 0 by a gate: each frame that is pushed in the kernel has it.
 */
.macro USER_SEGMENTS ss:req
	movl	$\ss, %eax
	movl	%eax, %ss
	movq	(22*8)(%rdi), %rax
	LOAD_SEGMENT fs
	swapgs
	LOAD_SEGMENT gs
	LOAD_SEGMENT ds
	LOAD_SEGMENT es
.endm

/* All registers but RSP and RDI. */
.macro LOAD_WORDS r11=6 rax=10 rcx=11
	movq	(0*8)(%rdi), %r15
	movq	(1*8)(%rdi), %r14
	movq	(2*8)(%rdi), %r13
	movq	(3*8)(%rdi), %r12
	movq	(4*8)(%rdi), %rbp
	movq	(5*8)(%rdi), %rbx
	movq	(\r11*8)(%rdi), %r11
	movq	(7*8)(%rdi), %r10
	movq	(8*8)(%rdi), %r9
	movq	(9*8)(%rdi), %r8
	movq	(\rax*8)(%rdi), %rax
	movq	(\rcx*8)(%rdi), %rcx
	movq	(12*8)(%rdi), %rdx
	movq	(13*8)(%rdi), %rsi
.endm

SYM_CODE_START(krr_launch_gate)
	UNWIND_HINT_EMPTY
	USER_SEGMENTS ss=0
	movq	KRR_LAUNCH_sp(%rdi), %rsp	/* TSS.sp0 or an IST */
	pushq	(20*8)(%rdi)			/* ss */
	pushq	(19*8)(%rdi)			/* sp */
	pushq	(18*8)(%rdi)			/* flags */
	pushq	(17*8)(%rdi)			/* cs */
	pushq	(16*8)(%rdi)			/* ip */
	cmpq	$0, KRR_LAUNCH_has_error(%rdi)
	je	1f
	pushq	KRR_LAUNCH_error(%rdi)
1:	pushq	KRR_LAUNCH_handler(%rdi)
	jmp	krr_launch_regs
SYM_CODE_END(krr_launch_gate)

/* The instruction left ip and flags in RCX and R11, for 64-bit and 32-bit code alike. */
.macro LAUNCH_SYSCALL name entry
SYM_CODE_START(\name)
	UNWIND_HINT_EMPTY
	USER_SEGMENTS ss=__KERNEL_DS
	LOAD_WORDS r11=18 rax=15 rcx=16		/* flags, orig_ax, ip */
	movq	(19*8)(%rdi), %rsp
	movq	(14*8)(%rdi), %rdi
	jmp	\entry
SYM_CODE_END(\name)
.endm

LAUNCH_SYSCALL krr_launch_syscall entry_SYSCALL_64
#ifdef CONFIG_IA32_EMULATION
LAUNCH_SYSCALL krr_launch_syscall32 entry_SYSCALL_compat
#endif

/* sysenter: the C side has put bp into sp and lost ip, both on its own. */
SYM_CODE_START(krr_launch_sysenter)
	UNWIND_HINT_EMPTY
	USER_SEGMENTS ss=__KERNEL_DS
	movq	KRR_LAUNCH_sp(%rdi), %rsp
	movq	(18*8)(%rdi), %rax
	andq	$~(X86_EFLAGS_IF | X86_EFLAGS_TF), %rax
	pushq	%rax
	popfq
	LOAD_WORDS rax=15			/* orig_ax */
	movq	(14*8)(%rdi), %rdi
	jmp	entry_SYSENTER_compat
SYM_CODE_END(krr_launch_sysenter)

/* RSP points at the address to go to; RDI at the words. */
SYM_CODE_START_LOCAL(krr_launch_regs)
	UNWIND_HINT_EMPTY
	LOAD_WORDS
	movq	(14*8)(%rdi), %rdi
	RET
SYM_CODE_END(krr_launch_regs)
