/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * krr: hooks for generic code.  <asm/krr.h> has the mechanism.
 */
#ifndef _LINUX_KRR_H
#define _LINUX_KRR_H

#ifdef CONFIG_KRR
#include <linux/compiler.h>
#include <asm/krr.h>

/* checked in arch/x86/krr/log.c */
#define KRR_K_SHARED	0x58
#define KRR_K_FPU	0xd6

struct page;
struct pci_dev;

void krr_reserve(void);
void krr_share(struct page **pages, unsigned int n);
void krr_unshare(struct page **pages, unsigned int n);
void krr_share_mem(const void *p, size_t len);
void krr_unshare_mem(const void *p, size_t len);
bool krr_doorbell(struct pt_regs *regs);
void krr_foreign_nmi(void);
void krr_inert(const void *p, u32 len);
void krr_virtio_inert(void);
void krr_unsupported(const char *what);
void krr_come_back(struct pt_regs *regs);
bool krr_pmu_active(void);
void krr_bus_master(struct pci_dev *dev);
unsigned long krr_domain_dr7(unsigned long dr7);
u64 krr_c_trap_anywhere(unsigned long regs, unsigned long b, unsigned long c, unsigned long d,
			unsigned long site);

/* __delay() in the domain */
void krr_delay(unsigned long cycles);

/* An NMI waits in exc_nmi() while text of hooks is written. */
void krr_hold_nmi(void);

extern bool krr_start_pending;

/* No task may be preempted just anywhere: see leave_hooks(). */
static __always_inline bool krr_settling(void)
{
	return krr_armed() && READ_ONCE(krr_start_pending);
}

/*
 * Exceptions that hit anywhere (#DB, #DF, #MC): also where this CPU is outside the
 * domain, as on its way in before the RR lock is taken.  Then the handler is outside, too.
 */
static __always_inline void krr_enter_nmi(struct pt_regs *regs)
{
	if (krr_on())
		krr_call(krr_c_trap_anywhere, regs, 0, 0, 0);
}

static __always_inline void krr_leave_nmi(struct pt_regs *regs)
{
	if (!krr_armed())
		return;
	if (krr_mode_is(KRR_MODE_OFF))
		krr_come_back(regs);
	else
		krr_leave_trap(regs);
}

/*
 * QEMU's TCG executes syscall in 32-bit code whatever the CPU model, so that it
 * must lead somewhere.
 */
static __always_inline bool krr_cstar(void) { return true; }

/* The debug exception reads and clears DR6 before its entry is logged. */
static __always_inline void krr_note_dr6(unsigned long dr6)
{
	asm volatile("movq %0, %%gs:krr_dr6" : : "r" (dr6));
}

/* What is written to DR7: the kernel's own accesses to user memory are not watched. */
static __always_inline unsigned long krr_dr7(unsigned long dr7)
{
	return krr_on() ? krr_domain_dr7(dr7) : dr7;
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

/* The same for @len bytes that were copied to @buf. */
#define krr_user_bytes(buf, len)	krr_bytes(KRR_K_PAGEREAD, buf, len)

/* The same for @len bytes that were copied to @buf and summed up on the way. */
#define krr_user_csum(buf, len, csum)					\
({									\
	void *__krr_buf = (buf);					\
	int __krr_len = (len);						\
	__wsum __krr_sum = (csum);					\
									\
	if (krr_on()) {							\
		krr_user_bytes(__krr_buf, __krr_len);			\
		__krr_sum = csum_partial(__krr_buf, __krr_len, 0);	\
	}								\
	__krr_sum;							\
})

/* A copy out of a page that user mode may have written, made by the kernel itself. */
#define krr_memcpy(dst, src, n)						\
({									\
	void *__krr_dst = (dst);					\
	size_t __krr_n = (n);						\
									\
	memcpy(__krr_dst, src, __krr_n);				\
	krr_user_bytes(__krr_dst, __krr_n);			\
	__krr_dst;							\
})

/*
 * The reschedule IPI folds TIF_NEED_RESCHED into the preempt count of its CPU.
 * While recording it waits for a window, and with preempt=full a loop may have
 * none but spin on need_resched().  That CPU is not in the kernel right now, so
 * its count can be written from here; an NMI of its own may write it, too.
 */
#define krr_resched_remote(cpu)						\
do {									\
	if (krr_on())							\
		asm volatile("lock andl %1, %0"				\
			     : "+m" (per_cpu(__preempt_count, cpu))	\
			     : "i" (~PREEMPT_NEED_RESCHED) : "memory");	\
} while (0)

#else /* !CONFIG_KRR */

#include <linux/types.h>

struct page;
struct pci_dev;
struct pt_regs;

#ifdef CONFIG_X86
#include <asm/krr.h>		/* all of it compiled out */
#else
static __always_inline bool krr_on(void) { return false; }
static __always_inline bool krr_replaying(void) { return false; }
static __always_inline void krr_window(void) { }
static __always_inline void krr_relax(void) { }
#define krr_logged(kind, v)	(v)
static __always_inline void krr_enter_user(struct pt_regs *regs) { }
static __always_inline void krr_leave_user(void) { }
static __always_inline void krr_enter_trap(struct pt_regs *regs) { }
static __always_inline void krr_leave_trap(struct pt_regs *regs) { }
static __always_inline void krr_bytes(unsigned long kind, void *buf, unsigned long len) { }
static inline void krr_panic(const char *msg) { }
#define KRR_K_VBUF	0
#endif

#define KRR_K_FPU	0
static inline void krr_reserve(void) { }
static __always_inline void krr_note_dr6(unsigned long dr6) { }
static inline bool krr_doorbell(struct pt_regs *regs) { return false; }
static inline void krr_foreign_nmi(void) { }
static inline void krr_hold_nmi(void) { }
static inline void krr_delay(unsigned long cycles) { }
static inline void krr_share(struct page **pages, unsigned int n) { }
static inline void krr_unshare(struct page **pages, unsigned int n) { }
static inline void krr_share_mem(const void *p, size_t len) { }
static inline void krr_unshare_mem(const void *p, size_t len) { }
static inline void krr_unsupported(const char *what) { }
static inline void krr_bus_master(struct pci_dev *dev) { }
static __always_inline unsigned long krr_dr7(unsigned long dr7) { return dr7; }
static __always_inline bool krr_settling(void) { return false; }
static __always_inline bool krr_cstar(void) { return false; }
static __always_inline void krr_enter_nmi(struct pt_regs *regs) { }
static __always_inline void krr_leave_nmi(struct pt_regs *regs) { }
#define krr_device_word(expr)	(expr)
#define krr_user_word(expr)	(expr)
#define krr_user_bytes(buf, len)	do { } while (0)
#define krr_user_csum(buf, len, csum)	(csum)
#define krr_memcpy(dst, src, n)	memcpy(dst, src, n)
#define krr_resched_remote(cpu)	do { } while (0)

#endif /* CONFIG_KRR */
#endif /* _LINUX_KRR_H */
