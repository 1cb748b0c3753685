/* SPDX-License-Identifier: GPL-2.0-only */
/* The BTF of bpf/records.h. */
	.section .rodata
	.balign	8
	.globl	krr_records_btf
krr_records_btf:
	.incbin	KRR_RECORDS_BTF
	.globl	krr_records_btf_end
krr_records_btf_end:
	.section .note.GNU-stack, "", @progbits
