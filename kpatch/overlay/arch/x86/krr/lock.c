// SPDX-License-Identifier: GPL-2.0-only
/*
 * krr: the RR lock.  Whoever has it runs the kernel; everybody else is in user
 * mode, idle, or waits here.
 *
 * Recording: a ticket lock, so waiting is fair.  Each acquisition is an event,
 * which makes the log one total order.
 *
 * Replay: no lock at all.  Who gives up the lock looks at the next event, which
 * must be an acquisition, and passes the turn to its CPU.
 */
#include "krr.h"

static noinstr void took(void)
{
	krr_g->owner = krr_cpu_id();
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

		asm volatile("lock incl %0" : "+m" (g->contended));
		while (READ_ONCE(g->serving) != ticket) {
			if (krr_off_if_ended())
				return;
			krr_pause();
		}
		asm volatile("lock decl %0" : "+m" (g->contended));
		krr_hdr->lock_wait_tsc += krr_raw_tsc() - since;
	}
	smp_rmb();
	if (krr_off_if_ended())
		return;
	if (g->owner != krr_cpu_id())
		krr_hdr->lock_handovers++;
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
		smp_store_release(&g->serving, g->serving + 1);
	} else {
		g->turn = KRR_NOBODY;
		krr_lock_pass();
	}
}
