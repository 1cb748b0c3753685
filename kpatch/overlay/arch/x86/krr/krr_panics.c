// SPDX-License-Identifier: GPL-2.0-only
/*
 * krr_panics - a module that panics in ways that lkdtm has not
 *
 * A write to a file below /sys/module/krr_panics/parameters does it.
 * tests/guest/panics.c is the user.
 */
#include <linux/bug.h>
#include <linux/console.h>
#include <linux/kdebug.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/panic.h>
#include <asm/desc.h>
#include <trace/events/power.h>

static int set_module(const char *val, const struct kernel_param *kp)
{
	panic("krr_panics: as it was told");
}

static void bug_in_idle(void *unused, unsigned int state, unsigned int cpu)
{
	BUG();
}

/* The next CPU that goes to sleep. */
static int set_idle(const char *val, const struct kernel_param *kp)
{
	return register_trace_cpu_idle(bug_in_idle, NULL);
}

static bool written;

static void bug_in_console(struct console *con, const char *text, unsigned int len)
{
	if (oops_in_progress && !xchg(&written, true))
		BUG();
}

static struct console bad_console = {
	.name = "krrbad", .write = bug_in_console, .flags = CON_ENABLED | CON_ANYTIME, .index = -1,
};

/* panic() prints, and what it prints by has a bug. */
static int set_nested(const char *val, const struct kernel_param *kp)
{
	register_console(&bad_console);
	panic("krr_panics: with a bad console");
}

static int bug_in_die(struct notifier_block *nb, unsigned long action, void *data)
{
	if (action == DIE_OOPS && !xchg(&written, true))
		BUG();
	return NOTIFY_DONE;
}

static struct notifier_block bad_die = { .notifier_call = bug_in_die };

/* An oops in an oops. */
static int set_oops(const char *val, const struct kernel_param *kp)
{
	int err = register_die_notifier(&bad_die);

	if (err)
		return err;
	BUG();
}

/* With no IDT any exception is a triple fault: the machine resets, and no kernel sees it. */
static int set_triple(const char *val, const struct kernel_param *kp)
{
	static const struct desc_ptr none;

	load_idt(&none);
	asm volatile("ud2");
	unreachable();
}

#define PANIC(name, desc)							\
	static const struct kernel_param_ops name##_ops = { .set = set_##name };	\
	module_param_cb(name, &name##_ops, NULL, 0200);				\
	MODULE_PARM_DESC(name, desc)

PANIC(module, "panic()");
PANIC(idle, "BUG in an idle task");
PANIC(nested, "BUG while panic() prints");
PANIC(oops, "BUG while an oops is handled");
PANIC(triple, "a triple fault");

MODULE_DESCRIPTION("krr: panics for tests");
MODULE_LICENSE("GPL");
