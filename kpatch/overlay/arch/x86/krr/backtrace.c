// SPDX-License-Identifier: GPL-2.0-only
/*
 * krr: backtraces of all CPUs, without an NMI.
 *
 * sysrq-l, RCU stalls, hung tasks and lockups have other CPUs print their stacks in
 * an NMI handler.  NMIs are outside the domain.  But while this CPU owns the RR lock,
 * each other one is in user mode, idle, or waits for the lock at a place where it
 * handed it over.  So this CPU prints all stacks itself, and a replay prints the same.
 *
 * To print is to hand the lock over now and then, and the other CPU goes on meanwhile.  In
 * user mode, its next entry writes to its stack without the lock.  So all that is to be
 * said of a CPU is noted with interrupts disabled, and printed after that.
 */
#include <linux/irqflags.h>
#include <linux/kallsyms.h>
#include <linux/kernel.h>
#include <linux/krr.h>
#include <linux/printk.h>
#include <linux/sched.h>
#include <linux/sched/debug.h>
#include <linux/smp.h>
#include <linux/stacktrace.h>
#include <linux/string.h>
#include <asm/krr-backtrace.h>
#include <asm/ptrace.h>
#include <asm/text-patching.h>

#include "krr.h"

#define SAVED_WORDS	1	/* at most, between the stack pointer and the return address */
#define MOST_LINES	48

/* What a CPU does. */
struct backtrace {
	bool outside, idle;
	pid_t pid;
	char comm[TASK_COMM_LEN];
	unsigned int lines;	/* 0: its stack cannot be unwound */
	unsigned long addr[MOST_LINES];
};

static bool backtrace_add(void *arg, unsigned long addr)
{
	struct backtrace *t = arg;

	if (t->lines == MOST_LINES)
		return false;
	t->addr[t->lines++] = addr;
	return true;
}

/* The instruction before @addr is a call of assembler in entry.S. */
static bool backtrace_is_return(unsigned long addr)
{
	return kernel_text_address(addr) &&
	       *(u8 *)(addr - CALL_INSN_SIZE) == CALL_INSN_OPCODE;
}

/*
 * Where @cpu called entry.S.  It left the domain's stack either right at the return
 * address or after it had pushed RAX.
 *
 * Return: false if no return address is there.
 */
static bool backtrace_find_start(int cpu, struct pt_regs *regs)
{
	unsigned long *sp = (unsigned long *)per_cpu(krr_sp, cpu);
	int i;

	for (i = 0; i <= SAVED_WORDS; i++, sp++) {
		if (!backtrace_is_return(READ_ONCE_NOCHECK(*sp)))
			continue;	/* RAX */
		*regs = (struct pt_regs){ .ip = READ_ONCE_NOCHECK(*sp), .cs = __KERNEL_CS,
					  .sp = (unsigned long)(sp + 1), .ss = __KERNEL_DS };
		return true;
	}
	return false;
}

static void backtrace_note(int cpu, struct backtrace *t)
{
	struct task_struct *task;
	struct pt_regs regs;
	unsigned long flags;

	local_irq_save(flags);
	task = per_cpu(current_task, cpu);
	t->outside = krr_g->cpu[cpu].outside;
	t->idle = is_idle_task(task);
	t->pid = task_pid_nr(task);
	memcpy(t->comm, task->comm, sizeof(t->comm));
	t->lines = 0;
	if (!t->outside && backtrace_find_start(cpu, &regs))
		arch_stack_walk(backtrace_add, t, task, &regs);
	local_irq_restore(flags);
}

static void backtrace_print_stack(int cpu, const struct backtrace *t)
{
	unsigned int i;

	pr_warn("NMI backtrace for cpu %d\n", cpu);
	pr_warn("CPU: %d PID: %d Comm: %s, waiting\n", cpu, t->pid, t->comm);
	pr_warn("Call Trace:\n");
	for (i = 0; i < t->lines; i++)
		pr_warn(" %pB\n", (void *)t->addr[i]);
	if (!t->lines)
		pr_warn(" (unknown)\n");
}

static void backtrace_other(int cpu)
{
	struct backtrace t;

	backtrace_note(cpu, &t);
	if (!t.outside)
		backtrace_print_stack(cpu, &t);
	else if (t.idle)
		pr_warn("NMI backtrace for cpu %d skipped: idling\n", cpu);
	else
		pr_warn("NMI backtrace for cpu %d skipped: PID: %d Comm: %s in user mode\n", cpu,
			t.pid, t.comm);
}

static void backtrace_self(void)
{
	pr_warn("NMI backtrace for cpu %d\n", smp_processor_id());
	dump_stack();
}

/**
 * krr_backtrace() - print the stacks of CPUs from this one, if it is in the domain
 * @mask: which CPUs
 * @exclude_self: but not this one
 *
 * Return: false if nothing was printed: no recording or replay is on.
 */
bool krr_backtrace(const struct cpumask *mask, bool exclude_self)
{
	int cpu, self;

	if (!krr_on())
		return false;
	self = get_cpu();
	if (!exclude_self && cpumask_test_cpu(self, mask))
		backtrace_self();
	for_each_cpu_and(cpu, mask, cpu_online_mask)
		if (cpu != self && cpu < KRR_MAX_CPUS)
			backtrace_other(cpu);
	put_cpu();
	return true;
}
