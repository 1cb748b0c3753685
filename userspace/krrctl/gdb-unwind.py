# SPDX-License-Identifier: GPL-2.0-only
# For gdb: backtraces through what has no call frame information.
#
# A hook of arch/x86/krr switches to the recorder's stack in assembly, and keeps the
# stack pointer of the kernel in the per-CPU variable krr_sp; right above it are a
# few saved words and the return address.  BPF programs are translated by the kernel
# itself, with frame pointers.
import gdb
from gdb.unwinder import Unwinder, register_unwinder

STACK_BYTES = 16384
WORDS = 8       # between krr_sp and the return address, at most
JIT_START, JIT_END = 0xffffffffa0000000, 0xffffffffff000000


class FrameId:
    def __init__(self, sp, pc):
        self.sp = sp
        self.pc = pc


def number(expression):
    return int(gdb.parse_and_eval('(unsigned long)(%s)' % expression))


def word(address):
    return number('*(unsigned long *)%#x' % address)


def per_cpu(name, cpu):
    return word((number('&%s' % name) + number('__per_cpu_offset[%d]' % cpu)) % 2**64)


def kernel_sp(sp):
    """The stack pointer of the kernel, if sp is on the recorder's stack of some CPU."""
    for cpu in range(number('nr_cpu_ids')):
        top = per_cpu('krr_stack', cpu)
        if top - STACK_BYTES < sp <= top:
            return per_cpu('krr_sp', cpu)
    return None


def caller(pending, frame_sp, at, rbp):
    """The frame that called, whose return address is at an address."""
    ulong = gdb.lookup_type('unsigned long')
    pc = pending.read_register('rip')
    info = pending.create_unwind_info(FrameId(gdb.Value(frame_sp), pc))
    info.add_saved_register('rip', gdb.Value(word(at)).cast(ulong))
    info.add_saved_register('rsp', gdb.Value(at + 8).cast(ulong))
    info.add_saved_register('rbp', gdb.Value(rbp).cast(ulong))
    return info


def from_recorder(pending):
    sp = kernel_sp(int(pending.read_register('rsp')))
    if not sp:
        return None
    text, end = number('&_text'), number('&_etext')
    for at in range(sp, sp + 8 * WORDS, 8):
        if text <= word(at) < end:
            return caller(pending, at, at, int(pending.read_register('rbp')) % 2**64)
    return None


def from_program(pending):
    rbp = int(pending.read_register('rbp')) % 2**64
    return caller(pending, rbp + 16, rbp + 8, word(rbp))


class KrrUnwinder(Unwinder):
    def __init__(self):
        super().__init__('krr')

    def __call__(self, pending):
        pc = int(pending.read_register('rip')) % 2**64
        symtab = gdb.find_pc_line(pc - 1).symtab
        try:
            if symtab and symtab.filename.endswith(('krr/entry.S', 'krr/uaccess_64.S')):
                return from_recorder(pending)
            if not symtab and JIT_START <= pc < JIT_END:
                return from_program(pending)
        except gdb.error:
            pass
        return None


register_unwinder(None, KrrUnwinder(), True)
