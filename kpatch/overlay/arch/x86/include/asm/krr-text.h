/* SPDX-License-Identifier: GPL-2.0-only */
/* krr and text that is patched while the kernel runs. */
#ifndef _ASM_X86_KRR_TEXT_H
#define _ASM_X86_KRR_TEXT_H

#include <asm/text-patching.h>

/**
 * krr_text_again() - have QEMU forget a translation that came too late
 * @addr: text that was patched; all CPUs have synchronized since
 *
 * QEMU's TCG with a thread per CPU begins to watch a page when a translation of
 * it is complete.  What another CPU patches just before is missed, and an INT3
 * that is long gone is hit again and again: with interrupts off, for ever.  Once
 * the CPUs have synchronized each translation is complete, and one more write to
 * the same place drops it.
 */
static inline void krr_text_again(void *addr)
{
#ifdef CONFIG_KRR
	u8 same = *(u8 *)addr;

	text_poke(addr, &same, sizeof(same));
#endif
}

#ifdef CONFIG_KRR
/* Text was written: a CPU that gets the RR lock from now on synchronizes first. */
void krr_text_changed(void);
#else
static inline void krr_text_changed(void) { }
#endif

#endif
