/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * User accesses of the domain.
 *
 * In recording the access is made, then what was read is logged.  In replay
 * nothing is read from user memory: data, results and faults come from the log,
 * and writes go to user pages as far as they are there.
 *
 * A fault inside an access is an event of its own (krr_c_trap() logs it).  In
 * replay it is raised by building the frame that the CPU pushed in recording:
 * same instruction, same registers, same stack pointer.  So each access has
 * three addresses, listed in the table krr_ua_sites:
 *
 *	site	the instruction that touches user memory
 *	resume	where the handler's return goes instead of @site; decides by the
 *		mode whether to touch user memory again or to ask the log again
 *	fixup	as usual, from the exception table
 *
 * The frame's flags, which are of no consequence, are made constant by
 * krr_c_trap(); registers that the access does not need are 0.
 */
#include <linux/linkage.h>
#include <asm/alternative.h>
#include <asm/asm.h>
#include <asm/asm-offsets.h>
#include <asm/cpufeatures.h>
#include <asm/errno.h>
#include <asm/export.h>
#include <asm/krr.h>
#include <asm/processor-flags.h>
#include <asm/segment.h>
#include <asm/smap.h>
#include <asm/unwind_hints.h>

#include "calls.h"

/* as in lib/getuser.S: an address that is only checked speculatively reads nothing */
#define ASM_BARRIER_NOSPEC ALTERNATIVE "", "lfence", X86_FEATURE_LFENCE_RDTSC

.macro SITE site resume
	.pushsection .rodata.krr_ua_sites, "a"
	.quad	\site
	.quad	\resume
	.popsection
.endm

.pushsection .rodata.krr_ua_sites, "a"
	.balign 8
SYM_DATA_START(krr_ua_sites)
.popsection

/*
 * @resume is reached from the handler's return only, through krr_ua_sites.  A
 * branch that is never taken (test clears OF) lets objtool follow it.
 */
.macro RESUMED_AT resume
	testl	%eax, %eax
	jo	\resume
.endm

/* Calls fn(rdi, rsi, rdx, rcx, r8 = return address at \depth(%rsp)). */
.macro CALL_RECORDER fn depth
	movq	\depth(%rsp), %r8
	TO_RECORDER
	call	\fn
	TO_DOMAIN
.endm

/* fn(rax, rcx, rdx, size, return address), all registers kept but RAX. */
.macro CALL_KEEP fn size
	TO_RECORDER_SAVING
	movq	%rax, %rdi
	movq	%rcx, %rsi
	movl	$\size, %ecx
	movq	PER_CPU_VAR(krr_sp), %r8
	movq	(%r8), %r8
	call	\fn
	TO_DOMAIN_RESTORING
.endm

	.text

/*
 * Push the frame of a page fault and go to its handler.  krr_ua of this CPU
 * says which (struct krr_ua of krr.h); RSP and the callee-saved registers
 * are as they were in recording.
 */
#define UA_ip		(0*8)
#define UA_ax		(1*8)
#define UA_cx		(2*8)
#define UA_si		(3*8)
#define UA_di		(4*8)
#define UA_flags	(5*8)
#define UA_error	(6*8)
#define UA_left		(7*8)
#define UA_value	(8*8)
#define UA(f)		PER_CPU_VAR(krr_ua) + UA_##f

SYM_CODE_START_LOCAL(krr_raise_fault)
	UNWIND_HINT_EMPTY
	movq	%rsp, %rax
	andq	$-16, %rsp
	pushq	$__KERNEL_DS
	pushq	%rax
	pushq	UA(flags)
	pushq	$__KERNEL_CS
	pushq	UA(ip)
	pushq	UA(error)
	movq	UA(ax), %rax
	jmp	asm_exc_page_fault
SYM_CODE_END(krr_raise_fault)

SYM_CODE_START_LOCAL(krr_raise_copy)
	UNWIND_HINT_EMPTY
	movq	UA(cx), %rcx
	movq	UA(si), %rsi
	movq	UA(di), %rdi
	CLEAR_SCRATCH
	jmp	krr_raise_fault
SYM_CODE_END(krr_raise_copy)

/* unsigned long krr_copy_from_user(void *dst, const void *src, unsigned long n) */
SYM_FUNC_START(krr_copy_from_user)
	incq	PER_CPU_VAR(krr_pos)
	pushq	%rdi
	pushq	%rdx
	pushq	%rsi
	xorl	%eax, %eax
	CLEAR_SCRATCH
	cmpl	$KRR_MODE_REPLAY, PER_CPU_VAR(krr_mode)
	je	.Lfrom_replay
	movq	%rdx, %rcx
	shrq	$3, %rcx
	ASM_STAC
	RESUMED_AT .Lfrom_resume_q
.Lfrom_q:
	rep movsq
	movl	%edx, %ecx
	andl	$7, %ecx
	RESUMED_AT .Lfrom_resume_b
.Lfrom_b:
	rep movsb
.Lfrom_end:
	ASM_CLAC
	cmpl	$KRR_MODE_REPLAY, PER_CPU_VAR(krr_mode)
	je	.Lfrom_replay
	movq	%rcx, %rax
	cmpl	$KRR_MODE_OFF, PER_CPU_VAR(krr_mode)
	je	.Lfrom_done			/* ended in a fault of this access */
	movq	16(%rsp), %rdi
	movq	(%rsp), %rsi
	movq	8(%rsp), %rdx
	CALL_RECORDER krr_c_uread 24		/* RCX = left, returns it */
.Lfrom_done:
	CLEAR_ARGUMENTS
	CLEAR_SCRATCH
	addq	$24, %rsp
	RET
.Lfrom_resume_q:
	cmpl	$KRR_MODE_REPLAY, PER_CPU_VAR(krr_mode)
	jne	.Lfrom_q
	jmp	.Lfrom_again
.Lfrom_resume_b:
	cmpl	$KRR_MODE_REPLAY, PER_CPU_VAR(krr_mode)
	jne	.Lfrom_b
	jmp	.Lfrom_again
.Lfrom_fix_q:
	cmpl	$KRR_MODE_REPLAY, PER_CPU_VAR(krr_mode)
	je	.Lfrom_again
	shll	$3, %ecx
	movl	%edx, %eax
	andl	$7, %eax
	addl	%eax, %ecx
	xorl	%eax, %eax
	jmp	.Lfrom_b
.Lfrom_again:
	ASM_CLAC
.Lfrom_replay:
	movq	16(%rsp), %rdi
	movq	(%rsp), %rsi
	movq	8(%rsp), %rdx
	CALL_RECORDER krr_c_uread_replay 24
	testq	%rax, %rax
	movq	UA(left), %rax
	jz	.Lfrom_done
	movq	8(%rsp), %rdx
	UNWIND_HINT_EMPTY
	jmp	krr_raise_copy
	_ASM_EXTABLE_UA(.Lfrom_q, .Lfrom_fix_q)
	_ASM_EXTABLE_UA(.Lfrom_b, .Lfrom_end)
	SITE .Lfrom_q .Lfrom_resume_q
	SITE .Lfrom_b .Lfrom_resume_b
SYM_FUNC_END(krr_copy_from_user)
EXPORT_SYMBOL(krr_copy_from_user)

/*
 * Writes: name, string instruction for 8 bytes, for 1 byte, replay's function.
 * RDI = dst, RSI = src, RDX = n; returns what was not written.
 */
.macro USER_WRITE name insnq insnb replay
SYM_FUNC_START(\name)
	incq	PER_CPU_VAR(krr_pos)
	pushq	%rdi
	pushq	%rdx
	pushq	%rsi
	xorl	%eax, %eax
	CLEAR_SCRATCH
	cmpl	$KRR_MODE_REPLAY, PER_CPU_VAR(krr_mode)
	je	.L\name\()_replay
	movq	%rdx, %rcx
	shrq	$3, %rcx
	ASM_STAC
	RESUMED_AT .L\name\()_resume_q
.L\name\()_q:
	rep \insnq
	movl	%edx, %ecx
	andl	$7, %ecx
	RESUMED_AT .L\name\()_resume_b
.L\name\()_b:
	rep \insnb
.L\name\()_end:				/* in replay reached by the fixup only */
	ASM_CLAC
	movq	%rcx, %rax
.L\name\()_done:
	CLEAR_ARGUMENTS
	CLEAR_SCRATCH
	addq	$24, %rsp
	RET
.L\name\()_resume_q:
	cmpl	$KRR_MODE_REPLAY, PER_CPU_VAR(krr_mode)
	jne	.L\name\()_q
	jmp	.L\name\()_again
.L\name\()_resume_b:
	cmpl	$KRR_MODE_REPLAY, PER_CPU_VAR(krr_mode)
	jne	.L\name\()_b
	jmp	.L\name\()_again
.L\name\()_fix_q:
	cmpl	$KRR_MODE_REPLAY, PER_CPU_VAR(krr_mode)
	je	.L\name\()_again
	shll	$3, %ecx
	movl	%edx, %eax
	andl	$7, %eax
	addl	%eax, %ecx
	xorl	%eax, %eax
	jmp	.L\name\()_b
.L\name\()_again:
	ASM_CLAC
.L\name\()_replay:
	movq	16(%rsp), %rdi
	movq	(%rsp), %rsi
	movq	8(%rsp), %rdx
	CALL_RECORDER \replay 24
	testq	%rax, %rax
	jz	.L\name\()_done
	movq	8(%rsp), %rdx
	UNWIND_HINT_EMPTY
	jmp	krr_raise_copy
	_ASM_EXTABLE_UA(.L\name\()_q, .L\name\()_fix_q)
	_ASM_EXTABLE_UA(.L\name\()_b, .L\name\()_end)
	SITE .L\name\()_q .L\name\()_resume_q
	SITE .L\name\()_b .L\name\()_resume_b
SYM_FUNC_END(\name)
EXPORT_SYMBOL(\name)
.endm

USER_WRITE krr_copy_to_user movsq movsb krr_c_uwrite_replay
/* unsigned long krr_clear_user(void *dst, unsigned long n) */
USER_WRITE krr_clear_user3 stosq stosb krr_c_uclear_replay

/*
 * get_user(): RAX = address; returns RDX = value, RAX = 0 or -EFAULT, keeps all
 * other registers.  Reached by a jump from lib/getuser.S.
 */
.macro GET_USER size insn reg
SYM_FUNC_START(krr_get_user_\size)
	cmpl	$KRR_MODE_OFF, PER_CPU_VAR(krr_mode)
	je	.Lget\size\()_plain
	incq	PER_CPU_VAR(krr_pos)
	xorl	%edx, %edx
	cmpl	$KRR_MODE_REPLAY, PER_CPU_VAR(krr_mode)
	je	.Lget\size\()_replay
	ASM_STAC
	ASM_BARRIER_NOSPEC
	RESUMED_AT .Lget\size\()_resume
.Lget\size\():
	\insn	(%rax), \reg
	ASM_CLAC
	cmpl	$KRR_MODE_RECORD, PER_CPU_VAR(krr_mode)
	jne	1f
	CALL_KEEP krr_c_get \size
1:	xorl	%eax, %eax
	RET
.Lget\size\()_resume:
	cmpl	$KRR_MODE_REPLAY, PER_CPU_VAR(krr_mode)
	jne	.Lget\size
	jmp	.Lget\size\()_again
.Lget\size\()_fix:
	cmpl	$KRR_MODE_REPLAY, PER_CPU_VAR(krr_mode)
	je	.Lget\size\()_again
	ASM_CLAC
	cmpl	$KRR_MODE_RECORD, PER_CPU_VAR(krr_mode)
	jne	1f
	CALL_KEEP krr_c_get_failed \size
1:	xorl	%edx, %edx
	movq	$-EFAULT, %rax
	RET
.Lget\size\()_again:
	ASM_CLAC
.Lget\size\()_replay:
	CALL_KEEP krr_c_get_replay \size
	testq	%rax, %rax
	UNWIND_HINT_FUNC
	jnz	krr_raise_fault
	movq	UA(value), %rdx
	movq	UA(left), %rax
	RET
.Lget\size\()_plain:				/* armed, but not in the domain */
	ASM_STAC
	ASM_BARRIER_NOSPEC
.Lget\size\()_plain_site:
	\insn	(%rax), \reg
	ASM_CLAC
	xorl	%eax, %eax
	RET
	_ASM_EXTABLE_UA(.Lget\size, .Lget\size\()_fix)
	_ASM_EXTABLE_UA(.Lget\size\()_plain_site, .Lget\size\()_fix)
	SITE .Lget\size .Lget\size\()_resume
SYM_FUNC_END(krr_get_user_\size)
.endm

GET_USER 1 movzbl %edx
GET_USER 2 movzwl %edx
GET_USER 4 movl %edx
GET_USER 8 movq %rdx

/*
 * put_user(): RCX = address, RAX = value; returns ECX = 0 or -EFAULT, RBX may
 * change, nothing else.  Reached by a jump from lib/putuser.S.
 */
.macro PUT_USER size insn reg
SYM_FUNC_START(krr_put_user_\size)
	cmpl	$KRR_MODE_OFF, PER_CPU_VAR(krr_mode)
	je	.Lput\size\()_plain
	incq	PER_CPU_VAR(krr_pos)
	cmpl	$KRR_MODE_REPLAY, PER_CPU_VAR(krr_mode)
	je	.Lput\size\()_replay
	ASM_STAC
	RESUMED_AT .Lput\size\()_resume
.Lput\size\():
	\insn	\reg, (%rcx)
	ASM_CLAC
	xorl	%ecx, %ecx
	RET
.Lput\size\()_resume:
	cmpl	$KRR_MODE_REPLAY, PER_CPU_VAR(krr_mode)
	jne	.Lput\size
	jmp	.Lput\size\()_again
.Lput\size\()_fix:
	ASM_CLAC
	movl	$-EFAULT, %ecx
	RET
.Lput\size\()_again:
	ASM_CLAC
.Lput\size\()_replay:
	movq	%rax, UA(ax)
	CALL_KEEP krr_c_put_replay \size
	testq	%rax, %rax
	UNWIND_HINT_FUNC
	jnz	krr_raise_fault
	movq	UA(ax), %rax
	xorl	%ecx, %ecx
	RET
.Lput\size\()_plain:
	ASM_STAC
.Lput\size\()_plain_site:
	\insn	\reg, (%rcx)
	ASM_CLAC
	xorl	%ecx, %ecx
	RET
	_ASM_EXTABLE_UA(.Lput\size, .Lput\size\()_fix)
	_ASM_EXTABLE_UA(.Lput\size\()_plain_site, .Lput\size\()_fix)
	SITE .Lput\size .Lput\size\()_resume
SYM_FUNC_END(krr_put_user_\size)
.endm

PUT_USER 1 movb %al
PUT_USER 2 movw %ax
PUT_USER 4 movl %eax
PUT_USER 8 movq %rax

/* int krr_cmpxchg_user4(u32 *uaddr, u32 old, u32 new, u32 *seen): 0 or -EFAULT */
SYM_FUNC_START(krr_cmpxchg_user4)
	incq	PER_CPU_VAR(krr_pos)
	movl	%esi, %eax
	CLEAR_SCRATCH
	cmpl	$KRR_MODE_REPLAY, PER_CPU_VAR(krr_mode)
	je	.Lcmpxchg_replay
	ASM_STAC
	RESUMED_AT .Lcmpxchg_resume
.Lcmpxchg:
	lock cmpxchgl %edx, (%rdi)
	ASM_CLAC
	movl	%eax, (%rcx)
	xorl	%edi, %edi
	movl	%eax, %esi
	cmpl	$KRR_MODE_RECORD, PER_CPU_VAR(krr_mode)
	jne	1f
	CALL_RECORDER krr_c_uatomic 0
1:	xorl	%eax, %eax
	jmp	.Lcmpxchg_done
.Lcmpxchg_fix:
	cmpl	$KRR_MODE_REPLAY, PER_CPU_VAR(krr_mode)
	je	.Lcmpxchg_again
	ASM_CLAC
	movl	$0, (%rcx)
	movq	$-EFAULT, %rdi
	xorl	%esi, %esi
	cmpl	$KRR_MODE_RECORD, PER_CPU_VAR(krr_mode)
	jne	1f
	CALL_RECORDER krr_c_uatomic 0
1:	movq	$-EFAULT, %rax
	jmp	.Lcmpxchg_done
.Lcmpxchg_resume:
	cmpl	$KRR_MODE_REPLAY, PER_CPU_VAR(krr_mode)
	jne	.Lcmpxchg
.Lcmpxchg_again:
	ASM_CLAC
.Lcmpxchg_replay:
	movl	%esi, %eax
	CALL_KEEP krr_c_uatomic_replay 4
	testq	%rax, %rax
	UNWIND_HINT_FUNC
	jnz	krr_raise_fault
	movq	UA(value), %rax
	movl	%eax, (%rcx)
	movq	UA(left), %rax
.Lcmpxchg_done:
	CLEAR_ARGUMENTS
	CLEAR_SCRATCH
	RET
	_ASM_EXTABLE_UA(.Lcmpxchg, .Lcmpxchg_fix)
	SITE .Lcmpxchg .Lcmpxchg_resume
SYM_FUNC_END(krr_cmpxchg_user4)

.pushsection .noinstr.text, "ax"
/*
 * Replay's writes into user pages: void krr_poke(void *dst, const void *src, n).
 * On the recorder's stack; a fault ends it without a trace (krr_skip_fault()).
 */
SYM_FUNC_START(krr_poke)
	movq	%rdx, %rcx
	shrq	$3, %rcx
	andl	$7, %edx
	ASM_STAC
SYM_INNER_LABEL(krr_poke_site, SYM_L_GLOBAL)
	rep movsq
	movl	%edx, %ecx
.Lpoke_bytes:
	rep movsb
SYM_INNER_LABEL(krr_poke_end, SYM_L_GLOBAL)
	ASM_CLAC
	RET
	_ASM_EXTABLE_UA(krr_poke_site, krr_poke_end)
	_ASM_EXTABLE_UA(.Lpoke_bytes, krr_poke_end)
SYM_FUNC_END(krr_poke)
.popsection

.pushsection .rodata.krr_ua_sites, "a"
SYM_DATA_END_LABEL(krr_ua_sites, SYM_L_GLOBAL, krr_ua_sites_end)
.popsection
