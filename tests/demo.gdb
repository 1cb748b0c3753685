# SPDX-License-Identifier: GPL-2.0-only
# demo.gdb - go to the panic and show both sides of the fault that led there
#
# Entry code has no DWARF unwind information, so gdb's backtrace ends at it.
# The registers that entry code saved are those of the fault; with them gdb
# goes on from there.  This replay ends here, so it may lose its own registers.

set filename-display basename
hbreak panic
continue

echo \n-- all CPUs\n
info threads

echo \n-- the CPU that panics, up to the fault\n
backtrace -frame-arguments none 5

echo \n-- and how it came to the fault\n
select-frame function page_fault_oops
set $at = regs
select-frame 0
set $rip = $at->ip
set $rsp = $at->sp
set $rbp = $at->bp
set $rbx = $at->bx
set $r12 = $at->r12
set $r13 = $at->r13
set $r14 = $at->r14
set $r15 = $at->r15
backtrace -frame-arguments scalars
