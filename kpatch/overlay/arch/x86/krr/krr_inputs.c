// SPDX-License-Identifier: GPL-2.0-only
/*
 * krr_inputs - a module that reads what few drivers do
 *
 * Each parameter below /sys/module/krr_inputs/parameters reads its input anew.  What was
 * read leaves a trace in memory, so that `krrctl verify` sees it even where nothing depends
 * on it.
 * tests/guest/inputs.c is the user.
 */
#include <linux/bug.h>
#include <linux/cpu.h>
#include <linux/delay.h>
#include <linux/i8253.h>
#include <linux/io.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/pci.h>
#include <linux/sched/task.h>
#include <linux/smp.h>
#include <linux/sysfs.h>
#include <asm/apic.h>
#include <asm/apicdef.h>
#include <asm/fixmap.h>
#include <asm/msr.h>
#include <asm/segment.h>

#define NOWHERE		0xffff8fff00001000ul	/* no kernel maps anything there */
#define MSR_NOWHERE	0x400000ff	/* no processor has it; a hypervisor may answer 0 */

/* All that was read counts, the order too. */
static int show(char *buf, int at, const struct kernel_param *kp, u64 v)
{
	u64 *seen = kp->arg;

	*seen = *seen * 31 + v;
	return sysfs_emit_at(buf, at, "%llu ", v);
}

/* User mode changes its GS base by loading the selector, and no kernel is told. */
static int get_msr(char *buf, const struct kernel_param *kp)
{
	u64 base;

	rdmsrl(MSR_KERNEL_GS_BASE, base);
	return show(buf, 0, kp, base);
}

static int get_msr_safe(char *buf, const struct kernel_param *kp)
{
	u64 base, nothing;
	int len, err = rdmsrl_safe(MSR_KERNEL_GS_BASE, &base);

	if (err)
		return err;
	len = show(buf, 0, kp, base);
	return len + show(buf, len, kp, rdmsrl_safe(MSR_NOWHERE, &nothing) ? 1 : 0);
}

/* Whether these fault is the processor's to say. */
static int get_wrmsr(char *buf, const struct kernel_param *kp)
{
	int len = show(buf, 0, kp, wrmsrl_safe(MSR_NOWHERE, 1) ? 1 : 0);
	u64 nothing;

	wrmsrl(MSR_NOWHERE, 1);
	rdmsrl(MSR_NOWHERE, nothing);
	return len + show(buf, len, kp, nothing);
}

/* Flags that the instruction leaves undefined, and RF, are in the frame and on the console. */
static int get_warn(char *buf, const struct kernel_param *kp)
{
	u64 a = *(u64 *)kp->arg | 1;

	asm volatile("imulq %0, %0\n\tshlq $7, %0" : "+r" (a) : : "cc");
	WARN(1, "krr_inputs: a warning, %llx", a & 1);
	return show(buf, 0, kp, a);
}

/* A locked instruction reads and writes; which of both faults is the processor's to say. */
static int bad_increment(void *nowhere)
{
	atomic_inc(nowhere);
	return 0;
}

/* In a thread of its own: whatever it holds is lost. */
static int get_oops(char *buf, const struct kernel_param *kp)
{
	struct task_struct *t = kthread_create(bad_increment, (void *)NOWHERE, "krr_oops");

	if (IS_ERR(t))
		return PTR_ERR(t);
	get_task_struct(t);
	wake_up_process(t);
	while (!READ_ONCE(t->exit_state))
		msleep(1);
	put_task_struct(t);
	return show(buf, 0, kp, 1);
}

/* The counter of the PIT, as long as nobody else latches it. */
static int get_ins(char *buf, const struct kernel_param *kp)
{
	unsigned long flags;
	u8 count[2];

	raw_spin_lock_irqsave(&i8253_lock, flags);
	outb_p(0, PIT_MODE);
	insb(PIT_CH0, count, sizeof(count));
	raw_spin_unlock_irqrestore(&i8253_lock, flags);
	return show(buf, 0, kp, count[0] | count[1] << 8);
}

/* What is left until the next interrupt of the local APIC's timer; x2APIC has no memory. */
static int get_fromio(char *buf, const struct kernel_param *kp)
{
	u32 left;

	if (x2apic_enabled())
		return -ENODEV;
	memcpy_fromio(&left, (const void __iomem *)(APIC_BASE + APIC_TMCCT), sizeof(left));
	return show(buf, 0, kp, left);
}

/* The bridge to ISA may do DMA from now on, and does none. */
static int get_dma(char *buf, const struct kernel_param *kp)
{
	struct pci_dev *dev = pci_get_class(PCI_CLASS_BRIDGE_ISA << 8, NULL);

	if (!dev)
		return -ENODEV;
	pci_set_master(dev);
	pci_dev_put(dev);
	return show(buf, 0, kp, 1);
}

static void read_ss(void *ss)
{
	savesegment(ss, *(u16 *)ss);
}

/*
 * What the way in has left in SS of each CPU.  A system call loads it, an interrupt of user
 * mode makes it null.  It is no input, but iret_to_self() pushes it when text was patched.
 */
static int get_ss(char *buf, const struct kernel_param *kp)
{
	int cpu, len = 0;
	u16 ss = 0;

	cpus_read_lock();
	for_each_online_cpu(cpu) {
		smp_call_function_single(cpu, read_ss, &ss, true);
		len += show(buf, len, kp, ss);
	}
	cpus_read_unlock();
	return len;
}

#define INPUT(name, desc)							\
	static u64 seen_##name;							\
	static const struct kernel_param_ops name##_ops = { .get = get_##name };	\
	module_param_cb(name, &name##_ops, &seen_##name, 0400);			\
	MODULE_PARM_DESC(name, desc)

INPUT(msr, "the GS base of user mode, by rdmsr");
INPUT(msr_safe, "the same where rdmsr may fail; then, whether it does for one that is not there");
INPUT(wrmsr, "whether wrmsr to a register that is not there fails; the same, where it must not");
INPUT(warn, "a warning, with flags that are undefined");
INPUT(oops, "an oops by a locked instruction, in a thread");
INPUT(ins, "the PIT's counter, by ins");
INPUT(fromio, "the count of the local APIC's timer, by memcpy_fromio()");
INPUT(dma, "none: a device without driver gets bus mastering");
INPUT(ss, "SS of each CPU, in an interrupt on all but this one");

MODULE_DESCRIPTION("krr: reads of devices for tests");
MODULE_LICENSE("GPL");
