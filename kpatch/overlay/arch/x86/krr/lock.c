// SPDX-License-Identifier: GPL-2.0-only
/*
 * krr: the RR lock.  Whoever has it runs the kernel; everybody else is in user
 * mode, idle, or waits here.
 *
 * Recording: each acquisition is an event, which makes the log one total order.
 * A lock that is given up is free for whoever comes first, and mostly that is the
 * CPU that had it: a short time in user mode does not cost two changes of CPU.  But
 * who has waited for a while reserves it, so nobody waits for long; and who hands
 * it over in the kernel reserves it for the next one that waits.
 *
 * Hosts have fewer cores than guests have CPUs, so who has reserved the lock and still
 * does not get it parks in hlt, with interrupts off, and a CPU that gives the lock up
 * rings it with an NMI.  NMIs are outside the domain: krr_doorbell() swallows them
 * before the kernel's own handler sees anything.
 *
 * An interrupt that has come to a CPU and waits for the lock to be handled is urgent:
 * whoever has the lock yields early.
 *
 * Replay: no lock at all.  Who gives up the lock looks at the next event, which
 * must be an acquisition, and passes the turn to its CPU.
 */
#include <linux/init.h>
#include <linux/krr.h>
#include <asm/apic.h>
#include <asm/processor.h>
#include <asm/smp.h>
#include <asm/sync_core.h>

#include "krr.h"
#include "put.h"

/* Who has waited for so long reserves the lock and parks. */
#define US_OF_SPINNING		100

/*
 * Looks at the lock before each pause.  For TCG a pause is a way out of translated code
 * and through QEMU's big lock, which the owner needs for its interrupt controller.
 */
#define LOOKS_PER_PAUSE		1
#define LOOKS_PER_PAUSE_TCG	100

/* krr_lock_init() - while no recording runs */
void __init krr_lock_init(void)
{
	krr_g->looks = hypervisor_cpuid_base("TCGTCGTCGTCG", 0) ? LOOKS_PER_PAUSE_TCG :
								   LOOKS_PER_PAUSE;
}

static noinstr void send_nmi(u32 apicid)
{
	volatile u32 *icr2 = (volatile u32 *)(APIC_BASE + APIC_ICR2);
	volatile u32 *icr = (volatile u32 *)(APIC_BASE + APIC_ICR);

	if (x2apic_mode) {
		/* unlike the store below, this may overtake stores before it */
		asm volatile("mfence\n\tlfence\n\twrmsr"
			     : : "c" (APIC_BASE_MSR + (APIC_ICR >> 4)),
			       "a" (APIC_DM_NMI | APIC_DEST_PHYSICAL), "d" (apicid) : "memory");
		return;
	}
	*icr2 = SET_XAPIC_DEST_FIELD(apicid);
	*icr = APIC_DM_NMI | APIC_DEST_PHYSICAL;
}

/*
 * Wake a CPU that sleeps, once.  It takes the NMI before it sleeps again, so there is
 * never more than one on the way to a CPU.
 */
static noinstr void ring(u32 cpu)
{
	struct krr_cpu *c = &krr_g->cpu[cpu];

	if (!READ_ONCE(c->parked) || arch_xchg(&c->ringing, 1))
		return;
	c->rung++;
	send_nmi(c->apicid);
}

/* The CPU after this one, in a circle, of those that wait.  @waiting is not 0. */
static noinstr u32 next_waiting(u64 waiting)
{
	u64 after = waiting & ~((2ull << krr_cpu_id()) - 1);

	return __builtin_ctzll(after ? after : waiting);
}

/* krr_ring_all() - the recording is over: nobody may sleep on for the lock */
noinstr void krr_ring_all(void)
{
	u32 cpu;

	for (cpu = 0; cpu < KRR_MAX_CPUS; cpu++)
		ring(cpu);
}

/*
 * Where an NMI returns to if it must not be where it hit; 0: there.
 *
 * Anywhere in krr_park(): past the hlt, so that no ring is lost.  Between sti and
 * the instruction after it: past that one.  An NMI ends the shadow of sti, so an
 * interrupt could arrive there, and not where a window or idle expects it.  The
 * hlt of idle is not lost: without an interrupt, idle goes back to it.
 */
static noinstr u64 nmi_target(u64 ip)
{
	if (ip >= (u64)krr_park && ip < (u64)krr_park_end)
		return (u64)krr_park_end;
	if (ip == (u64)krr_window_shadow)
		return (u64)krr_window_ip;
	if (ip == (u64)krr_idle_shadow)
		return (u64)krr_idle_ip;
	return 0;
}

/**
 * krr_doorbell() - was this NMI rung by ring()?
 * @regs: its frame
 *
 * Return: true if there is nothing else to handle.
 */
noinstr bool krr_doorbell(struct pt_regs *regs)
{
	struct krr_cpu *c;
	u64 target;

	if (!krr_armed() || !krr_g)
		return false;
	target = nmi_target(regs->ip);
	if (target) {
		/*
		 * asm_exc_nmi returns through a second copy of the frame, which
		 * stands right above pt_regs; a nested NMI makes it from the
		 * first one again.
		 */
		regs->ip = target;
		*(u64 *)(regs + 1) = target;
	}
	c = krr_this();
	if (c->answered == READ_ONCE(c->rung))
		return false;
	c->answered++;
	return true;
}

/**
 * krr_foreign_nmi() - an NMI that was not rung is about to be handled
 *
 * Its handler runs outside the domain, at a position that no log could name, and writes
 * to the kernel's memory and console.  So the recording ends before it.
 */
noinstr void krr_foreign_nmi(void)
{
	static const char why[] = "an NMI that is not the recorder's";

	if (!krr_armed() || !krr_g || READ_ONCE(krr_g->mode) != KRR_MODE_RECORD ||
	    READ_ONCE(krr_g->muted))
		return;
	krr_copy(krr_hdr->message, why, sizeof(why));
	krr_give_up(KRR_STOP_NMI);
}

static __always_inline bool is_mine(void)
{
	u32 reserved = READ_ONCE(krr_g->reserved);

	return !reserved || reserved == krr_cpu_id() + 1;
}

static __always_inline bool try_lock(void)
{
	struct krr_global *g = krr_g;

	if (READ_ONCE(g->locked) || !is_mine() || arch_xchg(&g->locked, 1))
		return false;
	if (g->reserved == krr_cpu_id() + 1)
		WRITE_ONCE(g->reserved, 0);
	return true;
}

static noinstr void reserve(u32 cpu)
{
	arch_cmpxchg(&krr_g->reserved, 0, cpu + 1);
}

/* Nothing to wait for: the lock can be had, or the recording is over. */
static noinstr bool may_go_on(void)
{
	return (!READ_ONCE(krr_g->locked) && is_mine()) ||
	       READ_ONCE(krr_g->mode) == KRR_MODE_OFF;
}

static noinstr void park(void)
{
	struct krr_cpu *c = krr_this();
	u32 answered = c->answered;

	WRITE_ONCE(c->ringing, 0);
	arch_xchg(&c->parked, 1);		/* a full barrier: parked, then look */
	if (!may_go_on())
		krr_park(&c->ringing);
	WRITE_ONCE(c->parked, 0);
	/* from here on nobody rings; who has begun to is waited for */
	if (arch_xchg(&c->ringing, 1))
		while (READ_ONCE(c->answered) == answered)
			krr_pause();
}

/* Return: there is nothing to wait for, for now. */
static noinstr bool look_for_a_while(void)
{
	u32 n;

	for (n = krr_g->looks; n; n--)
		if (may_go_on())
			return true;
	krr_pause();
	return false;
}

/*
 * The lock is free, and reserved for a CPU that does not come: the host has descheduled
 * it.  Its reservation expires, or all CPUs would wait for the host's scheduler.
 */
static noinstr void expire_reservation(u32 reserved)
{
	arch_cmpxchg(&krr_g->reserved, reserved, 0);
}

/* Return: the CPU + 1 that could have the lock right now and is not this one, or 0. */
static noinstr u32 absent_reserver(void)
{
	u32 reserved = READ_ONCE(krr_g->reserved);

	return READ_ONCE(krr_g->locked) || reserved == krr_cpu_id() + 1 ? 0 : reserved;
}

static noinstr void wait_for_lock(u64 since)
{
	u64 most = krr_hdr->tsc_khz * US_OF_SPINNING / 1000, free_since = 0;
	u32 absent = 0, now_absent, taken = 0;

	while (!try_lock()) {
		if (READ_ONCE(krr_g->mode) == KRR_MODE_OFF)
			return;
		if (look_for_a_while())
			continue;
		now_absent = absent_reserver();
		if (now_absent != absent || READ_ONCE(krr_g->taken) != taken) {
			absent = now_absent;
			taken = READ_ONCE(krr_g->taken);
			free_since = krr_raw_tsc();
		} else if (absent && krr_raw_tsc() - free_since > most) {
			expire_reservation(absent);
			continue;
		}
		if (absent || krr_raw_tsc() - since <= most)
			continue;
		reserve(krr_cpu_id());
		park();
		since = krr_raw_tsc();
	}
}

/*
 * Text was written since this CPU had the lock.  The interrupt that would make it
 * synchronize waits for a window, and the kernel must not run what it fetched before.
 */
static __always_inline void sync_text(void)
{
	u32 text = READ_ONCE(krr_g->text);

	if (krr_this()->text == text)
		return;
	krr_this()->text = text;
	sync_core();
}

static __always_inline void took(void)
{
	struct krr_global *g = krr_g;
	struct krr_cpu *c = krr_this();

	g->owner = krr_cpu_id();
	WRITE_ONCE(krr_hdr->owner, krr_cpu_id() + 1);
	c->outside = 0;
	c->hold_since = 0;
	c->sample = ++g->taken & (KRR_SAMPLE_EVERY - 1) ? 0 : krr_raw_tsc();
}

/* One in KRR_SAMPLE_EVERY is measured: rdtsc is not free everywhere. */
static noinstr void measure_hold(struct krr_cpu *c)
{
	u64 held = krr_raw_tsc() - c->sample;

	krr_hdr->lock_hold_tsc += held;
	krr_hdr->lock_hold_max = max(krr_hdr->lock_hold_max, held);
	krr_hdr->windows = krr_g->windows;
}

/*
 * krr_off_if_ended() - the recording ended while this CPU was out of the domain
 *
 * Return: true if this CPU is out of it for good; hooks are plain from now on.
 */
noinstr bool krr_off_if_ended(void)
{
	if (READ_ONCE(krr_g->mode) != KRR_MODE_OFF)
		return false;
	this_cpu_write(krr_mode, KRR_MODE_OFF);
	krr_watch_user();
	return true;
}

static noinstr void set_bits(u64 *word, u64 bits)
{
	asm volatile("lock orq %1, %0" : "+m" (*word) : "r" (bits) : "memory");
}

static noinstr void clear_bits(u64 *word, u64 bits)
{
	asm volatile("lock andq %1, %0" : "+m" (*word) : "r" (~bits) : "memory");
}

static noinstr void wait_in_line(bool urgent)
{
	struct krr_global *g = krr_g;
	u64 since = krr_raw_tsc();
	u64 me = 1ull << krr_cpu_id();

	if (urgent) {
		set_bits(&g->urgent, me);
		reserve(krr_cpu_id());
	}
	set_bits(&g->waiting, me);
	wait_for_lock(since);
	clear_bits(&g->waiting, me);
	if (urgent)
		clear_bits(&g->urgent, me);
	krr_hdr->lock_wait_tsc += krr_raw_tsc() - since;
}

static __always_inline void acquire_record(enum krr_how how, bool urgent)
{
	struct krr_global *g = krr_g;

	if (!try_lock())
		wait_in_line(urgent);
	if (krr_off_if_ended())
		return;
	if (g->last != krr_cpu_id())
		krr_hdr->lock_handovers++;
	g->last = krr_cpu_id();
	took();
	sync_text();
	krr_put_acquire(how);
}

/* Replay: wait until the log says that it is this CPU's turn, for @how. */
noinstr void krr_lock_wait_turn(enum krr_how how)
{
	struct krr_global *g = krr_g;
	struct krr_cpu *c = krr_this();
	const struct krr_event *e;
	u64 pos = this_cpu_read(krr_pos);

	while (smp_load_acquire(&g->turn) != krr_cpu_id())
		krr_pause();
	took();
	e = krr_peek();
	if ((e->arg[0] & 15) != how)
		krr_diverge("the RR lock is taken in another way", KRR_EV_ACQUIRE, how << 2,
			    how, e->arg[0] & 15);
	if (c->pos_logged + e->arg[1] != pos)
		krr_diverge("the RR lock is taken at another position", KRR_EV_ACQUIRE,
			    how << 2, pos, c->pos_logged + e->arg[1]);
	c->pos_logged = pos;
	krr_take(KRR_EV_ACQUIRE, how << 2);
}

/**
 * krr_lock_acquire() - enter the domain
 * @how: from where
 * @urgent: somebody may be waiting for what comes next
 *
 * Returns with krr_mode off if the recording has ended meanwhile.
 */
noinstr void krr_lock_acquire(enum krr_how how, bool urgent)
{
	if (krr_recording())
		acquire_record(how, urgent);
	else
		krr_lock_wait_turn(how);
}

/* Replay: let the CPU of the next acquisition go on. */
noinstr void krr_lock_pass(void)
{
	const struct krr_event *e = krr_peek();

	if (e->kind != KRR_EV_ACQUIRE)
		krr_diverge("the RR lock is given up, the log goes on", KRR_EV_ACQUIRE, 0,
			    krr_cpu_id(), 0);
	if (e->arg[0] >> 4 >= KRR_MAX_CPUS)
		krr_diverge("no such CPU", KRR_EV_ACQUIRE, 0, 0, e->arg[0] >> 4);
	krr_g->owner = KRR_NOBODY;
	smp_store_release(&krr_g->turn, (u32)(e->arg[0] >> 4));
}

static __always_inline void release_record(void)
{
	struct krr_global *g = krr_g;
	u64 waiting;
	u32 reserved;

	if (krr_this()->sample)
		measure_hold(krr_this());
	g->owner = KRR_NOBODY;
	WRITE_ONCE(krr_hdr->owner, 0);
	arch_xchg(&g->locked, 0);		/* a full barrier: free, then look who sleeps */
	waiting = READ_ONCE(g->waiting);
	if (!waiting)
		return;
	reserved = READ_ONCE(g->reserved);
	ring(reserved ? reserved - 1 : next_waiting(waiting));
}

/**
 * krr_lock_release() - leave the domain
 *
 * Dies when this CPU is not the owner.
 */
noinstr void krr_lock_release(void)
{
	struct krr_global *g = krr_g;

	if (unlikely(g->owner != krr_cpu_id())) {
		if (krr_recording())
			krr_bug();
		krr_diverge("RR lock released by another CPU than its owner", 0xff, 0,
			    g->owner, krr_cpu_id());
	}
	if (krr_recording()) {
		release_record();
	} else {
		g->turn = KRR_NOBODY;
		krr_lock_pass();
	}
}

/**
 * krr_lock_hand_over() - krr_lock_release(), and another CPU that waits is the next owner
 */
noinstr void krr_lock_hand_over(void)
{
	u64 waiting = READ_ONCE(krr_g->waiting), urgent = waiting & READ_ONCE(krr_g->urgent);

	if (krr_recording() && waiting)
		reserve(next_waiting(urgent ? urgent : waiting));
	krr_lock_release();
}
