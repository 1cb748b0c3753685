// SPDX-License-Identifier: GPL-2.0-only
/*
 * krr: what a host and rules ask for in the middle of a recording.
 *
 * The host asks by a word of the header.  The guest looks at it ten times a second,
 * by a timer and a worker of the kernel that is being recorded: the host needs no
 * process of the guest for it, and what was seen is an input like any other.
 *
 * An epoch begins where all CPUs are parked inside stop_machine(), as at the start of
 * the recording, and the stream begins anew: no delta reaches across.  The CPUs come
 * one by one, since each needs the RR lock to get here.  All but the last give it up
 * and wait outside the domain; the last one logs KRR_EV_EPOCH and waits for the host.
 * In a replay that began earlier all of them just go on, in the order of the log.  One
 * that begins here finds them waiting, and the host's command says REPLAY.
 */
#include <linux/init.h>
#include <linux/irq_work.h>
#include <linux/krr.h>
#include <linux/mutex.h>
#include <linux/stop_machine.h>
#include <linux/string.h>
#include <linux/workqueue.h>
#include <asm/smp.h>

#include "krr.h"
#include "put.h"

#define SITE_EPOCH	0x700		/* see domain.c */
#define KEEP_BYTES	256		/* of the reason */

/* --- the barrier ----------------------------------------------------------------- */

static noinstr void begin_stream(void)
{
	int i;

	krr_g->tsc = 0;
	for (i = 0; i < KRR_MAX_CPUS; i++)
		krr_g->cpu[i].pos_logged = 0;
	krr_forget_entries();
}

/* Recording: let the host take its snapshot.  Return: its command. */
static noinstr u32 ask_host(u32 nr)
{
	struct krr_patience patience = { };
	u32 cmd;

	if (krr_g->muted)
		return KRR_CMD_RECORD;
	krr_hdr->epoch = nr;
	krr_hdr->events = krr_g->events;
	smp_store_release(&krr_hdr->state, KRR_ST_PARKED_EPOCH);
	while ((cmd = smp_load_acquire(&krr_hdr->command)) == KRR_CMD_RECORD) {
		if (krr_out_of_patience(&patience))
			break;		/* no host: go on alone */
		krr_pause();
	}
	smp_store_release(&krr_hdr->state,
			  cmd == KRR_CMD_REPLAY ? KRR_ST_REPLAYING : KRR_ST_RECORDING);
	return cmd;
}

/* A replay begins here: what this CPU has of the recording is of no use. */
static noinstr void turn_to_replay(void)
{
	struct krr_global *g = krr_g;

	g->mode = KRR_MODE_REPLAY;
	this_cpu_write(krr_mode, KRR_MODE_REPLAY);
	krr_settle_cpu();
	g->pos_tail = g->pos_head;
	g->events = 0;
	g->peek.valid = false;
}

static noinstr void log_epoch(u32 nr)
{
	struct krr_global *g = krr_g;

	if (krr_recording())
		krr_put1(KRR_EV_EPOCH, SITE_EPOCH, nr);
	else if (krr_take(KRR_EV_EPOCH, SITE_EPOCH)->arg[0] != nr)
		krr_diverge("another epoch", KRR_EV_EPOCH, SITE_EPOCH, nr, 0);
	begin_stream();
	if (krr_recording() && ask_host(nr) == KRR_CMD_REPLAY)
		turn_to_replay();
	smp_store_release(&g->epoch, g->epoch + 1);
}

static noinstr void wait_for_epoch(u32 before)
{
	while (smp_load_acquire(&krr_g->epoch) == before && READ_ONCE(krr_g->mode))
		krr_pause();
	this_cpu_write(krr_mode, READ_ONCE(krr_g->mode));
	if (krr_mode_now() == KRR_MODE_REPLAY)
		krr_settle_cpu();
}

static noinstr u64 krr_c_park_epoch(unsigned long nr, unsigned long last)
{
	u32 before = krr_g->epoch;

	/* a place of its own: no cpu_relax() on the way here is at this position */
	this_cpu_write(krr_pos, this_cpu_read(krr_pos) + 1);
	if (!last) {
		if (krr_recording())
			krr_put1(KRR_EV_YIELD, SITE_EPOCH, krr_pos_delta());
		else if (!krr_next_is(KRR_EV_YIELD, SITE_EPOCH, NULL))
			krr_diverge("a CPU comes to the epoch's barrier", KRR_EV_YIELD,
				    SITE_EPOCH, 0, 0);
	}
	this_cpu_write(krr_pos, 0);
	if (last)
		log_epoch(nr);
	krr_lock_release();
	if (!last && krr_recording())
		wait_for_epoch(before);
	if (krr_mode_now() != KRR_MODE_OFF)
		krr_lock_acquire(KRR_HOW_START, false);
	return 0;
}

/* Epochs of this recording, and CPUs at the barrier: both of the domain. */
static u32 epoch_nr, parked_cpus;

static int park_epoch(void *unused)
{
	bool last;

	/* a reboot has stopped it meanwhile */
	if (!krr_on())
		return 0;
	last = ++parked_cpus == num_online_cpus();
	if (last) {
		parked_cpus = 0;
		krr_list_inert();
	}
	krr_call(krr_c_park_epoch, epoch_nr, last, 0, 0);
	return 0;
}

/* --- the host's word --------------------------------------------------------------- */

static void poll_host(struct work_struct *work);
static DECLARE_DELAYED_WORK(poll_work, poll_host);
static struct workqueue_struct *poll_wq;	/* unbound: a CPU may be locked up */

static int __init make_poll_wq(void)
{
	poll_wq = alloc_workqueue("krr_poll", WQ_UNBOUND | WQ_HIGHPRI, 1);
	return poll_wq ? 0 : -ENOMEM;
}
subsys_initcall(make_poll_wq);

static void poll_again(void)
{
	queue_delayed_work(poll_wq, &poll_work, msecs_to_jiffies(KRR_POLL_MS));
}

/* Without an epoch now and then the flight recorder would forget nothing: it ends instead. */
static void begin_epoch(u32 nr)
{
	if (krr_find_lockup() >= 0) {
		krr_stop_recording(KRR_STOP_LOCKUP);
		return;
	}
	epoch_nr = nr;
	krr_list_shared();
	stop_machine(park_epoch, NULL, cpu_online_mask);
	krr_forgive_pause();
}

/* Not under way any more, or a stop has the mutex: then there is nothing to do. */
static void poll_host(struct work_struct *work)
{
	u32 wanted;

	if (!mutex_trylock(&krr_control_mutex)) {
		poll_again();
		return;
	}
	if (krr_on()) {
		wanted = krr_input(KRR_K_SHARED, READ_ONCE(krr_hdr->wanted));
		if (wanted == KRR_WANT_STOP)
			krr_stop_recording(KRR_STOP_REQUEST);
		else if (wanted > epoch_nr)
			begin_epoch(wanted);
	}
	if (krr_on())
		poll_again();
	mutex_unlock(&krr_control_mutex);
}

/**
 * krr_watch_host() - look at the host's word from now on, or no longer
 * @on: which; at the start of each recording, in the domain
 */
void krr_watch_host(bool on)
{
	if (!on) {
		cancel_delayed_work(&poll_work);
		return;
	}
	epoch_nr = 0;
	poll_again();
}

/* --- keep, and what rules ask for ---------------------------------------------------- */

/**
 * krr_keep() - the flight recorder is to keep what it has
 * @ms: how much of it, 0 for all
 * @why: in words
 *
 * The host sees the event as it drains the ring.
 */
void krr_keep(u64 ms, const char *why)
{
	u8 buf[KRR_VARINT_MAX + KEEP_BYTES];
	u8 *end = krr_varint_put(buf, ms);
	size_t n = strnlen(why, KEEP_BYTES);

	memcpy(end, why, n);
	krr_bytes(KRR_EV_KEEP, buf, end + n - buf);
}

static atomic_t acts;			/* KRR_ACT_* not done yet */

static void do_acts(struct work_struct *work)
{
	int todo = atomic_xchg(&acts, 0);

	mutex_lock(&krr_control_mutex);
	if (todo & KRR_ACT_STOP && krr_on())
		krr_stop_recording(KRR_STOP_REQUEST);
	else if (todo & KRR_ACT_START && !krr_on())
		krr_start_recording("", false);
	mutex_unlock(&krr_control_mutex);
}

static DECLARE_WORK(act_work, do_acts);

static void queue_acts(struct irq_work *work)
{
	schedule_work(&act_work);
}

static DEFINE_IRQ_WORK(act_irq_work, queue_acts);

/**
 * krr_request() - start or stop a recording soon
 * @actions: KRR_ACT_*
 *
 * Any context, that of a scheduler's tracepoint included.
 */
void krr_request(u32 actions)
{
	atomic_or(actions, &acts);
	irq_work_queue(&act_irq_work);
}
