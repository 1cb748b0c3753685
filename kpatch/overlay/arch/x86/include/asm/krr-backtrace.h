/* SPDX-License-Identifier: GPL-2.0-only */
/* krr and backtraces of other CPUs. */
#ifndef _ASM_X86_KRR_BACKTRACE_H
#define _ASM_X86_KRR_BACKTRACE_H

#include <linux/cpumask.h>
#include <linux/sched.h>
#include <asm/krr.h>

#ifdef CONFIG_KRR

bool krr_backtrace(const struct cpumask *mask, bool exclude_self);

/* The stack of a task that another CPU runs holds still: that CPU waits for the RR lock. */
static __always_inline bool krr_stands_still(struct task_struct *task)
{
	return task != current && krr_on();
}

#else

static inline bool krr_backtrace(const struct cpumask *mask, bool exclude_self) { return false; }
static __always_inline bool krr_stands_still(struct task_struct *task) { return false; }

#endif
#endif
