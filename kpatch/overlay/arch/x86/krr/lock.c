// SPDX-License-Identifier: GPL-2.0-only
/*
 * krr: the RR lock.  Whoever has it runs the kernel; everybody else is in user
 * mode, idle, or waits here.
 *
 * Recording: a ticket lock, so waiting is fair.  Each acquisition is an event,
 * which makes the log one total order.  Hosts have fewer cores than guests have
 * CPUs, so who waits for long parks in hlt, with interrupts off, and the CPU
 * that passes the lock on rings it with an NMI.  NMIs are outside the domain:
 * krr_doorbell() swallows them before the kernel's own handler sees anything.
 *
 * Replay: no lock at all.  Who gives up the lock looks at the next event, which
 * must be an acquisition, and passes the turn to its CPU.
 */
#include <linux/krr.h>
#include <asm/apic.h>
#include <asm/smp.h>

#include "krr.h"

#define SPINS_BEFORE_PARK	2000

static noinstr void ring(u32 cpu)
{
	volatile u32 *icr2 = (volatile u32 *)(APIC_BASE + APIC_ICR2);
	volatile u32 *icr = (volatile u32 *)(APIC_BASE + APIC_ICR);

	krr_g->cpu[cpu].rung++;
	*icr2 = SET_XAPIC_DEST_FIELD(krr_g->cpu[cpu].apicid);
	*icr = APIC_DM_NMI | APIC_DEST_PHYSICAL;
}

/* Wake who has the ticket that is served now, if it sleeps. */
static noinstr void ring_next(void)
{
	struct krr_global *g = krr_g;
	u32 cpu = READ_ONCE(g->waiter[g->serving & (KRR_WAITERS - 1)]);

	if (READ_ONCE(g->cpu[cpu].parked))
		ring(cpu);
}

/* krr_ring_all() - the recording is over: nobody may sleep on for the lock */
noinstr void krr_ring_all(void)
{
	u32 cpu;

	for (cpu = 0; cpu < KRR_MAX_CPUS; cpu++)
		if (READ_ONCE(krr_g->cpu[cpu].parked))
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

static noinstr void wait_for_ticket(u32 ticket)
{
	struct krr_global *g = krr_g;
	struct krr_cpu *c = krr_this();
	u32 spins = 0;

	while (READ_ONCE(g->serving) != ticket) {
		if (READ_ONCE(g->mode) == KRR_MODE_OFF)
			return;
		if (++spins < SPINS_BEFORE_PARK) {
			krr_pause();
			continue;
		}
		krr_park(&c->parked, &g->serving, ticket, &g->mode);
		spins = 0;
	}
}

static noinstr void took(void)
{
	krr_g->owner = krr_cpu_id();
	WRITE_ONCE(krr_hdr->owner, krr_cpu_id() + 1);
	krr_this()->outside = 0;
	krr_this()->hold_since = krr_raw_tsc();
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
	return true;
}

static noinstr void acquire_record(enum krr_how how)
{
	struct krr_global *g = krr_g;
	u32 ticket = 1;

	asm volatile("lock xaddl %0, %1" : "+r" (ticket), "+m" (g->next) : : "memory");
	if (READ_ONCE(g->serving) != ticket) {
		u64 since = krr_raw_tsc();

		WRITE_ONCE(g->waiter[ticket & (KRR_WAITERS - 1)], krr_cpu_id());
		asm volatile("lock incl %0" : "+m" (g->contended));
		wait_for_ticket(ticket);
		asm volatile("lock decl %0" : "+m" (g->contended));
		krr_hdr->lock_wait_tsc += krr_raw_tsc() - since;
	}
	smp_rmb();
	if (krr_off_if_ended())
		return;
	if (g->last != krr_cpu_id())
		krr_hdr->lock_handovers++;
	g->last = krr_cpu_id();
	took();
	krr_put2(KRR_EV_ACQUIRE, how << 2, krr_cpu_id() << 4 | how, krr_pos_delta());
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
 *
 * Returns with krr_mode off if the recording has ended meanwhile.
 */
noinstr void krr_lock_acquire(enum krr_how how)
{
	if (krr_recording())
		acquire_record(how);
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
		g->owner = KRR_NOBODY;
		WRITE_ONCE(krr_hdr->owner, 0);
		smp_store_release(&g->serving, g->serving + 1);
		smp_mb();
		if (READ_ONCE(g->next) != g->serving)
			ring_next();
	} else {
		g->turn = KRR_NOBODY;
		krr_lock_pass();
	}
}
