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

/* Windows are opened where krr_pos is a multiple of it; a power of two up to 128. */
#define WINDOW_EVERY	8

#define KRR_K_TSC	0x45		/* KRR_EV_TSC, see domain.c */
#define TSC_EVENT_MAX	12		/* kind, fingerprint, varint */

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
	cmpq	$krr_c_tsc, %rax
	je	krr_tsc
.Lthunk:
	movq	(%rsp), %r8
	TO_RECORDER
	INSTRUMENTED instr_begin	/* fn is noinstr, but objtool can't see which it is */
	call	*%rax
	INSTRUMENTED instr_end
	TO_DOMAIN
	CLEAR_ARGUMENTS
	CLEAR_SCRATCH
	RET

/*
 * krr_c_tsc() in recording, without the way to it: most events are such ones.  Where
 * something is in the way, the log is full or over, C sees to it.
 */
SYM_INNER_LABEL(krr_tsc, SYM_L_LOCAL)
	cmpl	$KRR_MODE_RECORD, PER_CPU_VAR(krr_mode)
	jne	.Lthunk
	movq	krr_g(%rip), %rdi
	movq	krr_ring_mask(%rip), %r8
	movq	KRR_G_HEAD(%rdi), %rsi
	leaq	TSC_EVENT_MAX - 1(%rsi), %rcx
	subq	KRR_G_TAIL(%rdi), %rcx
	cmpq	%r8, %rcx
	ja	.Lthunk
	cmpl	$0, KRR_G_MUTED(%rdi)
	jne	.Lthunk
	rdtsc
	shlq	$32, %rdx
	orq	%rdx, %rax
	movq	%rax, %rcx
	subq	KRR_G_TSC(%rdi), %rcx
	movq	%rax, KRR_G_TSC(%rdi)
	movq	%rcx, %rdx		/* zigzag */
	sarq	$63, %rdx
	addq	%rcx, %rcx
	xorq	%rdx, %rcx
	movq	%rsi, %rdx
	andq	%r8, %rdx
	addq	krr_ring(%rip), %rdx
	movq	PER_CPU_VAR(krr_pos), %r9	/* krr_fingerprint() */
	imulq	$0x9d, %r9, %r9
	movq	(%rsp), %r10
	shrq	$2, %r10
	xorq	%r10, %r9
	shrq	$8, %r10
	xorq	%r10, %r9
	movb	$KRR_K_TSC, (%rdx)
	movb	%r9b, 1(%rdx)
	leaq	2(%rdx), %r8
1:	cmpq	$0x80, %rcx		/* krr_varint_put() */
	jb	2f
	movl	%ecx, %r9d
	orl	$0x80, %r9d
	movb	%r9b, (%r8)
	incq	%r8
	shrq	$7, %rcx
	jmp	1b
2:	movb	%cl, (%r8)
	incq	%r8
	subq	%rdx, %r8
	addq	%r8, %rsi
	movq	%rsi, KRR_G_HEAD(%rdi)
	incq	KRR_G_EVENTS(%rdi)
	movq	krr_hdr(%rip), %rdx
	movq	%rsi, KRR_HDR_HEAD(%rdx)	/* after the bytes */
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

/*
 * A place for a window.  sti and cli are dear, and so is a look at the log in replay,
 * so it is opened at one such place in WINDOW_EVERY, by the position.
 */
.macro WINDOW_PLACE
	incq	PER_CPU_VAR(krr_pos)
	testb	$(WINDOW_EVERY - 1), PER_CPU_VAR(krr_pos)
	jz	krr_do_window
	RET
.endm

/* arch_local_irq_enable(): a place for a window if vIF was 0. */
SYM_FUNC_START(krr_sti)
	cmpl	$KRR_MODE_OFF, PER_CPU_VAR(krr_mode)
	je	1f
	cmpq	$0, PER_CPU_VAR(krr_vif)
	jne	2f
	movq	$X86_EFLAGS_IF, PER_CPU_VAR(krr_vif)
	WINDOW_PLACE
1:	sti
2:	RET
SYM_FUNC_END(krr_sti)
EXPORT_SYMBOL_GPL(krr_sti)

/* krr_window(): a place for a window if vIF is 1. */
SYM_FUNC_START(krr_open_window)
	cmpl	$KRR_MODE_OFF, PER_CPU_VAR(krr_mode)
	je	1f
	cmpq	$0, PER_CPU_VAR(krr_vif)
	je	1f
	WINDOW_PLACE
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
	movq	krr_g(%rip), %rax
	incq	KRR_G_WINDOWS(%rax)
	cmpq	$0, KRR_G_WAITING(%rax)
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

/* After a wait for the lock: if the recording has ended meanwhile, IF is what vIF was. */
.macro STI_IF_ENDED
	cmpl	$KRR_MODE_OFF, PER_CPU_VAR(krr_mode)
	jne	.Lno_sti\@
	cmpq	$0, PER_CPU_VAR(krr_vif)
	je	.Lno_sti\@
	sti
.Lno_sti\@:
.endm

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
	STI_IF_ENDED
2:	RET
SYM_FUNC_END(krr_cpu_relax)
EXPORT_SYMBOL_GPL(krr_cpu_relax)

/* void krr_delay(unsigned long cycles): __delay() */
SYM_FUNC_START(krr_delay)
	movq	$krr_c_delay, %rax
	call	krr_thunk
	STI_IF_ENDED
	RET
SYM_FUNC_END(krr_delay)

/*
 * void krr_park(u32 *ringing)
 *
 * Sleep until an NMI, unless it rings already.  An NMI that comes before hlt is not
 * lost: krr_doorbell() moves the instruction pointer from anywhere in here on to
 * krr_park_end.
 */
SYM_FUNC_START(krr_park)
	cmpl	$0, (%rdi)
	jne	krr_park_end
	hlt
SYM_INNER_LABEL(krr_park_end, SYM_L_GLOBAL)
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
