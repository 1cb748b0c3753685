/* SPDX-License-Identifier: GPL-2.0-only */
/* Assembler: the way to the recorder's stack and back. */
#ifndef _ARCH_X86_KRR_CALLS_H
#define _ARCH_X86_KRR_CALLS_H

#include <asm/percpu.h>

/* Offsets in struct krr_global; region.c checks them. */
#define KRR_G_WAITING	8
#define KRR_G_HEAD	64
#define KRR_G_TAIL	72
#define KRR_G_TSC	80
#define KRR_G_EVENTS	88
#define KRR_G_WINDOWS	96
#define KRR_G_MUTED	104
/* and in struct krr_hdr */
#define KRR_HDR_HEAD	640

#ifdef __ASSEMBLY__

.macro TO_RECORDER
	movq	%rsp, PER_CPU_VAR(krr_sp)
	movq	PER_CPU_VAR(krr_stack), %rsp
.endm

.macro TO_DOMAIN
	movq	PER_CPU_VAR(krr_sp), %rsp
.endm

/* What a C function may change, but for RAX: to the recorder's stack, and back. */
.macro TO_RECORDER_SAVING
	TO_RECORDER
	pushq	%rcx
	pushq	%rdx
	pushq	%rsi
	pushq	%rdi
	pushq	%r8
	pushq	%r9
	pushq	%r10
	pushq	%r11
.endm

.macro TO_DOMAIN_RESTORING
	popq	%r11
	popq	%r10
	popq	%r9
	popq	%r8
	popq	%rdi
	popq	%rsi
	popq	%rdx
	popq	%rcx
	TO_DOMAIN
.endm

.macro CLEAR_ARGUMENTS
	xorl	%ecx, %ecx
	xorl	%edx, %edx
	xorl	%esi, %esi
	xorl	%edi, %edi
.endm

.macro CLEAR_SCRATCH
	xorl	%r8d, %r8d
	xorl	%r9d, %r9d
	xorl	%r10d, %r10d
	xorl	%r11d, %r11d
.endm

#endif /* __ASSEMBLY__ */
#endif
