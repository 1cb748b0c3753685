// SPDX-License-Identifier: GPL-2.0-only
/*
 * krr: CPUs that are locked up in the kernel.
 *
 * stop_machine() waits for each CPU to run its stopper thread.  A CPU that spins with
 * preemption or interrupts off never does, and whoever waits for it cannot be woken.
 * So each CPU is asked first, with a time limit.
 *
 * The questions are works of the stopper threads.  One that was not answered stays
 * queued, so it is not asked again, and it counts as an answer when it is done at last.
 */
#define pr_fmt(fmt) "krr: " fmt

#include <linux/cpu.h>
#include <linux/cpumask.h>
#include <linux/jiffies.h>
#include <linux/kernel.h>
#include <linux/minmax.h>
#include <linux/krr.h>
#include <linux/mutex.h>
#include <linux/percpu.h>
#include <linux/printk.h>
#include <linux/smp.h>
#include <linux/stop_machine.h>
#include <linux/string.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "krr.h"

#define LOCKUP_MS		10000	/* a CPU that does not answer for so long is locked up */
#define DISARM_AGAIN_MS		5000

static DEFINE_PER_CPU(struct cpu_stop_work, lockup_question);
static struct cpumask lockup_asked;	/* CPUs that have not answered */
static unsigned long lockup_since;	/* jiffies when the first of them was asked */
static DECLARE_WAIT_QUEUE_HEAD(lockup_answers);

static int lockup_answer(void *unused)
{
	cpumask_clear_cpu(smp_processor_id(), &lockup_asked);
	wake_up(&lockup_answers);
	return 0;
}

/**
 * krr_find_lockup() - the CPU that would keep stop_machine() waiting
 *
 * Sleeps until all CPUs have answered: LOCKUP_MS at most, HZ if one is known not to.
 *
 * Return: a CPU, or -1 if all answer.
 */
int krr_find_lockup(void)
{
	long left;
	int cpu;

	if (cpumask_empty(&lockup_asked))
		lockup_since = jiffies;
	cpus_read_lock();
	for_each_online_cpu(cpu)
		if (!cpumask_test_and_set_cpu(cpu, &lockup_asked))
			stop_one_cpu_nowait(cpu, lockup_answer, NULL,
					    per_cpu_ptr(&lockup_question, cpu));
	cpus_read_unlock();
	left = lockup_since + msecs_to_jiffies(LOCKUP_MS) - jiffies;
	wait_event_timeout(lockup_answers, cpumask_empty(&lockup_asked), max_t(long, left, HZ));
	cpu = cpumask_first(&lockup_asked);
	return cpu < nr_cpu_ids ? cpu : -1;
}

/**
 * krr_tell_lockup() - say which CPU is locked up, in the log and to the host
 * @cpu: of krr_find_lockup()
 * @what: the consequence, in words
 */
void krr_tell_lockup(int cpu, const char *what)
{
	scnprintf(krr_hdr->message, sizeof(krr_hdr->message),
		  "CPU %d has run no other task for %u s, it is locked up in the kernel: %s",
		  cpu, LOCKUP_MS / 1000, what);
	pr_warn("%s\n", krr_hdr->message);
}

static void disarm_again(struct work_struct *work);
static DECLARE_DELAYED_WORK(disarm_work, disarm_again);

/* Nothing is recorded, but all hooks look at krr_mode: that ends when all CPUs answer. */
static void disarm_again(struct work_struct *work)
{
	mutex_lock(&krr_control_mutex);
	if (krr_armed() && krr_g->mode == KRR_MODE_OFF) {
		if (krr_find_lockup() < 0)
			krr_arm(false);
		else
			krr_disarm_later();
	}
	mutex_unlock(&krr_control_mutex);
}

/** krr_disarm_later() - krr_arm(false) when no CPU is locked up any more */
void krr_disarm_later(void)
{
	schedule_delayed_work(&disarm_work, msecs_to_jiffies(DISARM_AGAIN_MS));
}
