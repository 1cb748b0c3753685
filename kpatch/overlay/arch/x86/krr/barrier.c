// SPDX-License-Identifier: GPL-2.0-only
/*
 * krr: starting and stopping a recording.
 *
 * A recording starts and ends with all CPUs parked at one known place, inside
 * stop_machine(); the host takes its snapshot then.  The handshake stands in
 * <uapi/linux/krr.h>.  epoch.c has the barriers in between.
 */
#include <linux/delay.h>
#include <linux/init.h>
#include <linux/krr.h>
#include <linux/mutex.h>
#include <linux/nmi.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/stop_machine.h>
#include <asm/smp.h>

#include "krr.h"

#define HOLD_MAX_US		500	/* RR lock, while others wait */
#define HOLD_URGENT_US		50	/* and one of them for an interrupt */
#define TICK_MS			10
#define FILES_MS		60000	/* for the host to make a recording's files */

DEFINE_MUTEX(krr_control_mutex);	/* of whoever starts, stops, begins an epoch */
bool krr_start_pending;

/* A longer step between two looks is a pause of the VM, or of this CPU by the host. */
#define STEP_MS			10

/**
 * krr_out_of_patience() - has this CPU waited for the host for too long?
 * @p: all zero when the wait begins; the same at each look
 *
 * Return: true once it has executed for KRR_HOST_PATIENCE_MS since.
 */
noinstr bool krr_out_of_patience(struct krr_patience *p)
{
	u64 now = krr_raw_tsc();

	if (p->last)
		p->spent += min_t(u64, now - p->last, STEP_MS * krr_hdr->tsc_khz);
	p->last = now;
	return p->spent > KRR_HOST_PATIENCE_MS * krr_hdr->tsc_khz;
}

static noinstr void prepare(void)
{
	struct krr_global *g = krr_g;
	int i;

	g->locked = g->reserved = g->waiting = g->urgent = g->taken = 0;
	g->windows = 0;
	g->owner = g->turn = g->last = KRR_NOBODY;
	g->left = 0;
	g->muted = g->lock_only;
	g->epoch = 0;
	g->pos_head = g->pos_tail = g->tsc = g->events = 0;
	g->full = (struct krr_patience){ };
	g->peek.valid = false;
	g->hold_max = (u32)(krr_hdr->tsc_khz * HOLD_MAX_US / 1000);
	g->hold_urgent = (u32)(krr_hdr->tsc_khz * HOLD_URGENT_US / 1000);
	for (i = 0; i < KRR_MAX_CPUS; i++)
		g->cpu[i] = (struct krr_cpu){ .apicid = g->cpu[i].apicid };
	krr_forget_entries();
	krr_hdr->head = krr_hdr->tail = 0;
	krr_hdr->events = krr_hdr->throttled = 0;
	krr_hdr->lock_handovers = krr_hdr->lock_wait_tsc = 0;
	krr_hdr->lock_hold_tsc = krr_hdr->lock_hold_max = krr_hdr->windows = 0;
	krr_hdr->stop_reason = KRR_STOP_NONE;
	krr_hdr->owner = krr_hdr->epoch = 0;
	krr_hdr->start_tsc = krr_raw_tsc();
	krr_hdr->generation++;
}

/* Without a host, the last CPU to come is the one that commands. */
static noinstr u32 start_command(void)
{
	return krr_g->lock_only ? smp_load_acquire(&krr_g->go) :
				  smp_load_acquire(&krr_hdr->command);
}

/* The one place where CPUs stand while the host takes the snapshot. */
static noinstr u64 krr_c_park_start(unsigned long nr_cpus)
{
	struct krr_global *g = krr_g;
	struct krr_patience patience = { };
	u32 one = 1, cmd;

	this_cpu_write(krr_vif, 0);
	this_cpu_write(krr_pos, 0);
	asm volatile("lock xaddl %0, %1" : "+r" (one), "+m" (g->arrived) : : "memory");
	if (one + 1 == nr_cpus) {
		prepare();
		if (g->lock_only)
			smp_store_release(&g->go, KRR_CMD_RECORD);
		else
			smp_store_release(&krr_hdr->state, KRR_ST_PARKED_START);
	}
	while ((cmd = start_command()) == KRR_CMD_NONE) {
		/* the host's death is found by one CPU, for all; the host may answer just now */
		if (one + 1 == nr_cpus && krr_out_of_patience(&patience) &&
		    arch_cmpxchg(&krr_hdr->command, KRR_CMD_NONE, KRR_CMD_ABORT) == KRR_CMD_NONE)
			g->no_answer = 1;
		krr_pause();
	}
	if (cmd != KRR_CMD_RECORD && cmd != KRR_CMD_REPLAY)
		return 0;
	g->mode = cmd == KRR_CMD_RECORD ? KRR_MODE_RECORD : KRR_MODE_REPLAY;
	this_cpu_write(krr_mode, g->mode);
	krr_unwatch_user();
	if (cmd == KRR_CMD_REPLAY)
		krr_settle_cpu();
	if (one + 1 == nr_cpus && !g->lock_only) {
		smp_store_release(&krr_hdr->state, cmd == KRR_CMD_RECORD ? KRR_ST_RECORDING :
				  KRR_ST_REPLAYING);
		if (cmd == KRR_CMD_REPLAY)
			krr_lock_pass();
	}
	krr_lock_acquire(KRR_HOW_START, false);
	return 0;
}

/* The same at the end; the last CPU to come logs the last event. */
static noinstr u64 krr_c_park_end(unsigned long nr_cpus, unsigned long reason)
{
	struct krr_global *g = krr_g;

	if (++g->left == nr_cpus) {
		krr_finish(reason);
		return 0;
	}
	krr_lock_release();
	if (!krr_recording())
		krr_dead();
	while (!krr_off_if_ended())
		krr_pause();
	return 0;
}

/* The end without a barrier: the other CPUs find out when they want the RR lock. */
static noinstr u64 krr_c_end(unsigned long reason)
{
	krr_finish(reason);
	return 0;
}

static int park_start(void *unused)
{
	krr_call(krr_c_park_start, num_online_cpus(), 0, 0, 0);
	return 0;
}

static int park_end(void *reason)
{
	if (!krr_on())
		return 0;
	krr_list_inert();
	krr_call(krr_c_park_end, num_online_cpus(), reason, 0, 0);
	return 0;
}

/* End the recording from this CPU: others are locked up, and wait for the RR lock. */
static void end_without_others(enum krr_stop reason)
{
	unsigned long flags;

	local_irq_save(flags);
	if (krr_on()) {
		krr_list_inert();
		krr_call(krr_c_end, reason, 0, 0, 0);
	}
	local_irq_restore(flags);
}

/* Is a host there, and done with the last recording? */
static int find_host(void)
{
	u64 beat = READ_ONCE(krr_hdr->heartbeat);
	int ms;

	for (ms = 0; ms < 1000; ms += 20) {
		if (READ_ONCE(krr_hdr->heartbeat) != beat &&
		    READ_ONCE(krr_hdr->command) == KRR_CMD_NONE)
			return 0;
		msleep(20);
	}
	return -ENODEV;
}

/*
 * Say that a recording is about to begin, and let the host copy most of RAM while all
 * goes on.  A host that does not get ready in time has more to copy when it is asked.
 */
static int let_host_prepare(void)
{
	int ms;

	smp_store_release(&krr_hdr->state, KRR_ST_PREPARING);
	for (ms = 0; ms < KRR_HOST_PATIENCE_MS; ms += TICK_MS) {
		if (smp_load_acquire(&krr_hdr->host_flags) & KRR_HOST_READY)
			break;
		if (fatal_signal_pending(current))
			return -EINTR;
		msleep(TICK_MS);
	}
	return 0;
}

/* The recording is over, and the guest goes on; wait until the host has all of it on disk. */
static void let_host_finish(void)
{
	int ms;

	for (ms = 0; ms < FILES_MS && READ_ONCE(krr_hdr->command) == KRR_CMD_RESUME; ms += TICK_MS) {
		if (fatal_signal_pending(current))
			break;
		msleep(TICK_MS);
	}
}

/*
 * A task that was preempted between a hook's look at krr_mode and the plain
 * operation would do that operation inside the domain.  With preempt=full that can
 * be; from arm() on nobody is preempted at an interrupt's return until all CPUs
 * are parked (krr_settling()), and here those are waited for who were before.
 */
static void leave_hooks(void)
{
	if (preempt_model_full())
		synchronize_rcu_tasks();
}

/**
 * krr_forgive_pause() - the VM was paused at a barrier, and its clock went on
 *
 * Under KVM it does, and what watches for CPUs that are stuck would see them stuck.
 */
void krr_forgive_pause(void)
{
	touch_all_softlockup_watchdogs();
	rcu_cpu_stall_reset();
}

/* Arm the hooks, park all CPUs, and go on as the one who gets the command says. */
static int begin(void)
{
	int err;

	krr_hdr->message[0] = 0;
	krr_hdr->nr_cpus = num_online_cpus();
	krr_g->arrived = krr_g->no_answer = krr_g->go = 0;
	WRITE_ONCE(krr_start_pending, true);
	err = krr_arm(true);
	if (err)
		goto out;
	leave_hooks();
	krr_settle_pages();
	stop_machine(park_start, NULL, cpu_online_mask);
	krr_forgive_pause();
	if (krr_g->mode == KRR_MODE_OFF) {
		krr_arm(false);
		krr_hdr->state = KRR_ST_IDLE;
		err = krr_g->no_answer ? -ETIMEDOUT : -ECANCELED;
	}
out:
	WRITE_ONCE(krr_start_pending, false);
	return err;
}

static int check_lockup(void)
{
	int cpu = krr_find_lockup();

	if (cpu < 0)
		return 0;
	krr_tell_lockup(cpu, "nothing can be recorded; reboot");
	return -EOPNOTSUPP;
}

/**
 * krr_start_recording() - park all CPUs for the snapshot, and record from then on
 * @name: what to call it; empty: as the host likes
 * @flight: keep only what is recent: hdr.keep_ms, hdr.budget_mib
 *
 * With krr_control_mutex.
 *
 * Return: 0 when it is on; -EBUSY, -ENODEV (no host), -EOPNOTSUPP (hdr.message says
 * why), -ETIMEDOUT, -ECANCELED (the host could not), -EINTR.
 */
int krr_start_recording(const char *name, bool flight)
{
	int err;

	if (krr_g->mode != KRR_MODE_OFF)
		return -EBUSY;
	err = krr_check_supported() ?: check_lockup() ?: find_host();
	if (err)
		return err;
	strscpy(krr_hdr->name, name, sizeof(krr_hdr->name));
	krr_hdr->flight = flight;
	krr_g->lock_only = 0;
	err = let_host_prepare() ?: krr_check_supported() ?: begin();
	if (!err)
		krr_watch_host(true);
	else
		krr_hdr->state = KRR_ST_IDLE;
	return err;
}

/**
 * krr_start_serializing() - soft interrupts and the RR lock, and nothing logged
 *
 * For measurements; needs no host.  Otherwise as krr_start_recording().
 */
int krr_start_serializing(void)
{
	int err;

	if (krr_g->mode != KRR_MODE_OFF)
		return -EBUSY;
	err = krr_check_supported() ?: check_lockup();
	if (err)
		return err;
	krr_g->lock_only = 1;
	krr_hdr->flight = 0;
	return begin();
}

/**
 * krr_stop_recording() - park all CPUs for the host to copy memory, record no longer
 * @reason: why
 *
 * Where a CPU is locked up in the kernel, the others are not parked: it waits for the RR
 * lock, and so does whoever else enters the kernel.  With krr_control_mutex.
 *
 * Return: 0, or -EINVAL when nothing is recorded.
 */
int krr_stop_recording(enum krr_stop reason)
{
	int stuck;

	if (krr_g->mode == KRR_MODE_OFF)
		return -EINVAL;
	krr_watch_host(false);
	krr_list_shared();
	stuck = krr_find_lockup();
	if (stuck < 0) {
		stop_machine(park_end, (void *)(long)reason, cpu_online_mask);
		krr_arm(false);
	} else {
		krr_tell_lockup(stuck, "the recording ends where the others are");
		end_without_others(reason);
		krr_disarm_later();
	}
	let_host_finish();
	return 0;
}

/* --- panic ------------------------------------------------------------------------ */

static noinstr u64 krr_c_panic(unsigned long msg, unsigned long len, unsigned long c,
			       unsigned long d, unsigned long site)
{
	u32 i;

	krr_c_bytes(KRR_EV_PANIC, msg, len, 0, site);
	for (i = 0; i < len && i < sizeof(krr_hdr->message) - 1; i++)
		krr_hdr->message[i] = ((char *)msg)[i];
	krr_hdr->message[i] = 0;
	krr_finish(KRR_STOP_PANIC);
	return 0;
}

/**
 * krr_panic() - the kernel panics: seal the recording
 * @msg: what panic() was given, formatted
 *
 * Called when the oops and the backtrace have been printed.
 */
void krr_panic(const char *msg)
{
	if (!krr_on())
		return;
	krr_list_inert();
	krr_call(krr_c_panic, msg, strlen(msg), 0, 0);
}
