/* SPDX-License-Identifier: GPL-2.0-only */
/* gdb-unwind.py as bytes; krrctl gdb puts it where gdb can read it. */
	.section .rodata
	.globl	gdb_unwind_py, gdb_unwind_py_end
gdb_unwind_py:
	.incbin	"userspace/krrctl/gdb-unwind.py"
gdb_unwind_py_end:
	.section .note.GNU-stack, "", @progbits
