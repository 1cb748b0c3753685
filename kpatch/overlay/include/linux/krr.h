/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * krr: hooks for generic code.  <asm/krr.h> has the mechanism.
 */
#ifndef _LINUX_KRR_H
#define _LINUX_KRR_H

#ifdef CONFIG_KRR
#include <asm/krr.h>

/* checked in arch/x86/krr/log.c */
#define KRR_K_SHARED	0x58
#define KRR_K_FPU	0xd6

struct page;

void krr_reserve(void);
void krr_share(struct page **pages, unsigned int n);
void krr_unshare(struct page **pages, unsigned int n);
bool krr_doorbell(struct pt_regs *regs);
void krr_inert(const void *p, u32 len);
void krr_virtio_inert(void);

/* The debug exception reads and clears DR6 before its entry is logged. */
static __always_inline void krr_note_dr6(unsigned long dr6)
{
	asm volatile("movq %0, %%gs:krr_dr6" : : "r" (dr6));
}

/* A scalar that a device may have written, read from shared memory. */
#define krr_device_word(expr)						\
({									\
	typeof(expr) __krr_w;						\
	if (krr_on())							\
		__krr_w = (__force typeof(expr))krr_input(KRR_K_VIRTIO,	\
					(__force u64)(expr));		\
	else								\
		__krr_w = (expr);					\
	__krr_w;							\
})

/* The same for what a user mapping may have written. */
#define krr_user_word(expr)						\
({									\
	typeof(expr) __krr_w = (expr);					\
	if (krr_on())							\
		__krr_w = (typeof(expr))krr_logged(KRR_K_SHARED, (u64)__krr_w);\
	__krr_w;							\
})

/*
 * The reschedule IPI folds TIF_NEED_RESCHED into the preempt count of its CPU.
 * While recording it waits for a window, and with preempt=full a loop may have
 * none but spin on need_resched().  That CPU is not in the kernel right now, so
 * its count can be written from here.
 */
#define krr_resched_remote(cpu)						\
do {									\
	if (krr_on())							\
		per_cpu(__preempt_count, cpu) &= ~PREEMPT_NEED_RESCHED;	\
} while (0)

#else /* !CONFIG_KRR */

#include <linux/types.h>

struct page;
struct pt_regs;

#ifdef CONFIG_X86
#include <asm/krr.h>		/* all of it compiled out */
#else
static __always_inline bool krr_on(void) { return false; }
static __always_inline bool krr_replaying(void) { return false; }
static __always_inline void krr_window(void) { }
static __always_inline void krr_enter_user(struct pt_regs *regs) { }
static __always_inline void krr_leave_user(void) { }
static __always_inline void krr_enter_trap(struct pt_regs *regs) { }
static __always_inline void krr_leave_trap(struct pt_regs *regs) { }
static __always_inline void krr_bytes(unsigned long kind, void *buf, unsigned long len) { }
static inline void krr_panic(const char *msg) { }
#define KRR_K_PAGEREAD	0
#define KRR_K_VBUF	0
#endif

#define KRR_K_FPU	0
static inline void krr_reserve(void) { }
static __always_inline void krr_note_dr6(unsigned long dr6) { }
static inline bool krr_doorbell(struct pt_regs *regs) { return false; }
static inline void krr_share(struct page **pages, unsigned int n) { }
static inline void krr_unshare(struct page **pages, unsigned int n) { }
#define krr_device_word(expr)	(expr)
#define krr_user_word(expr)	(expr)
#define krr_resched_remote(cpu)	do { } while (0)

#endif /* CONFIG_KRR */
#endif /* _LINUX_KRR_H */
