// SPDX-License-Identifier: GPL-2.0-only
/*
 * krr: the border of the domain.  Entries from user mode, traps in kernel mode,
 * windows, idle, hand-over points; and the scalar and byte inputs.
 *
 * All functions here run on the recorder's stack with hardware IF 0, called by
 * entry.S or krr_call().
 */
#include <linux/export.h>
#include <linux/sched.h>
#include <asm/debugreg.h>
#include <asm/desc.h>
#include <asm/processor.h>
#include <asm/segment.h>
#include <asm/trapnr.h>

#include "krr.h"
#include "put.h"

/* constants in place of addresses, for events that entry.S makes */
#define SITE_WINDOW	0x100
#define SITE_IDLE	0x200
#define SITE_RELAX	0x300
#define SITE_DELAY	0x400
#define SITE_ENTRY	0x500
#define SITE_STOP	0x600
/* 0x700: SITE_EPOCH of epoch.c */
#define SITE_TRAP	0x800

#define DEVICE_VECTOR	0xffff		/* X86_TRAP_OTHER, known to assembly only */
#define WINDOW_FLAGS	0x246		/* see entry.S */

static_assert(KRR_EV_TSC == 0x45);	/* in entry.S, too */

DEFINE_PER_CPU(u32, krr_mode);
EXPORT_PER_CPU_SYMBOL_GPL(krr_mode);
DEFINE_PER_CPU(u64, krr_vif);
DEFINE_PER_CPU(u64, krr_pos);
DEFINE_PER_CPU(u64, krr_stack);
DEFINE_PER_CPU(u64, krr_sp);
DEFINE_PER_CPU(u64, krr_target);
DEFINE_PER_CPU(u32, krr_vector);
DEFINE_PER_CPU(u64, krr_error);
DEFINE_PER_CPU(u64, krr_cr2);
DEFINE_PER_CPU(u64, krr_dr6);
static DEFINE_PER_CPU(u64, krr_suspended_by);	/* its pt_regs */
static DEFINE_PER_CPU(u32, krr_suspended_mode);

/* --- entry from and return to user mode ------------------------------------ */

static __always_inline u64 raw_cr2(void)
{
	u64 v;

	asm volatile("movq %%cr2, %0" : "=r" (v));
	return v;
}

/* fs, gs, ds and es, lowest first. */
static __always_inline u64 raw_selectors(void)
{
	u16 fs, gs, ds, es;

	asm volatile("movw %%fs, %0\n\tmovw %%gs, %1\n\tmovw %%ds, %2\n\tmovw %%es, %3"
		     : "=r" (fs), "=r" (gs), "=r" (ds), "=r" (es));
	return fs | (u64)gs << 16 | (u64)ds << 32 | (u64)es << 48;
}

static __always_inline u32 current_vector(void)
{
	u32 vec = this_cpu_read(krr_vector);

	/* device interrupts have the vector where others have the error code */
	return vec == DEVICE_VECTOR ? (u8)this_cpu_read(krr_error) : vec;
}

/*
 * The timer and devices are waited for.  Who sent the interrupt of a wake-up has the RR
 * lock, and mostly is about to give it up.
 */
static __always_inline bool is_urgent(u32 vec)
{
	return vec >= FIRST_EXTERNAL_VECTOR && vec < KRR_VEC_SYSCALL && vec != IA32_SYSCALL_VECTOR &&
	       vec != RESCHEDULE_VECTOR;
}

/*
 * Registers are mostly what they were when the task came from the same place, so that is
 * what an entry is coded against.  For a system call it is the instruction, for others,
 * which happen anywhere, the vector.  Addresses of tasks are the same in replay.
 */
static __always_inline u8 entry_slot(u64 ip, u32 vec)
{
	u64 place = vec < KRR_VEC_SYSCALL ? vec : ip;

	BUILD_BUG_ON(KRR_ENTRY_SLOTS != 1 << 8);
	return (((u64)current >> 6) + place * 0x9e3779b97f4a7c15ull) * 0xd6e8feb86659fd93ull >> 56;
}

/* krr_forget_entries() - what follows in the log is coded against nothing before it */
noinstr void krr_forget_entries(void)
{
	int i, k;

	for (i = 0; i < KRR_ENTRY_SLOTS; i++)
		for (k = 0; k < KRR_NR_ENTRY_WORDS; k++)
			WRITE_ONCE(krr_g->entry[i].word[k], 0);
}

static __always_inline void log_entry(const struct pt_regs *regs)
{
	u32 vec = current_vector();
	u8 slot = entry_slot(regs->ip, vec), *p;
	u64 *last = krr_g->entry[slot].word;
	u64 cr2 = last[KRR_ENTRY_CR2];

	p = krr_put_open(KRR_EV_ENTRY, SITE_ENTRY, KRR_ENTRY_MAX);
	if (!p)
		return;
	if (vec == X86_TRAP_PF)
		cr2 = raw_cr2();
	if (vec == X86_TRAP_DB)
		cr2 = this_cpu_read(krr_dr6);
	krr_put_close(p, krr_entry_put_regs(p, last, slot, (const u64 *)regs, cr2,
					    raw_selectors(), vec, this_cpu_read(krr_error)));
}

/* krr_enter_user() */
noinstr u64 krr_c_entry(unsigned long regs, unsigned long b, unsigned long c,
			unsigned long d, unsigned long site)
{
	this_cpu_write(krr_vif, 0);
	if (!krr_recording())
		return 0;		/* replay_entry() made it */
	krr_lock_acquire(KRR_HOW_USER, is_urgent(current_vector()));
	if (krr_recording()) {
		krr_unwatch_user();
		log_entry((struct pt_regs *)regs);
	}
	return 0;
}

static noinstr void __noreturn replay_entry(void)
{
	struct x86_hw_tss *tss = &this_cpu_ptr(&cpu_tss_rw)->x86_tss;
	const struct krr_event *e = krr_take(KRR_EV_ENTRY, SITE_ENTRY);
	const u8 *p = e->bytes, *end = p + e->bytes_len;
	struct krr_launch *l;
	u32 vec;
	u8 slot;

	if (krr_entry_get_head(&p, end, &vec, &slot))
		krr_diverge("an entry that can't be decoded", KRR_EV_ENTRY, SITE_ENTRY, 0,
			    e->bytes_len);
	l = &krr_g->entry[slot];
	if (krr_entry_get(p, end, l->word, vec, &l->error))
		krr_diverge("an entry that can't be decoded", KRR_EV_ENTRY, SITE_ENTRY, 0,
			    e->bytes_len);
	if (entry_slot(l->word[KRR_W_RIP], vec) != slot)
		krr_diverge("an entry of another task", KRR_EV_ENTRY, SITE_ENTRY,
			    entry_slot(l->word[KRR_W_RIP], vec), slot);
	if (vec == KRR_VEC_SYSCALL)
		krr_launch(krr_launch_syscall, l);
	if (vec == KRR_VEC_SYSENTER) {
		l->sp = tss->sp0;
		krr_launch(krr_launch_sysenter, l);
	}
	if (vec == KRR_VEC_SYSCALL32)
		krr_launch(krr_launch_syscall32, l);
	if (vec >= 256)
		krr_diverge("an entry that this version can't replay", KRR_EV_ENTRY, SITE_ENTRY,
			    0, vec);
	if (vec == X86_TRAP_PF)
		asm volatile("movq %0, %%cr2" : : "r" (l->word[KRR_ENTRY_CR2]));
	if (vec == X86_TRAP_DB)
		asm volatile("movq %0, %%db6" : : "r" (l->word[KRR_ENTRY_CR2]));
	l->handler = krr_idt[vec];
	l->sp = krr_ist[vec] ? tss->ist[krr_ist[vec] - 1] : tss->sp0;
	l->has_error = krr_has_error_code(vec);
	krr_launch(krr_launch_gate, l);
}

/* What is pushed below this point before the lock is taken is not in the log. */
static __always_inline void step_outside(void)
{
	struct krr_cpu *c = krr_this();

	c->outside_sp = this_cpu_read(krr_sp);
	c->outside = 1;
}

/* krr_leave_user() */
noinstr u64 krr_c_leave(unsigned long a, unsigned long b, unsigned long c, unsigned long d,
			unsigned long site)
{
	step_outside();
	krr_lock_release();
	if (krr_recording()) {
		krr_watch_user();
		return 0;
	}
	krr_lock_wait_turn(KRR_HOW_USER);
	replay_entry();
}

/* --- traps and interrupts in kernel mode ----------------------------------- */

static noinstr const struct krr_ua_site *ua_site(u64 ip)
{
	const struct krr_ua_site *s;

	for (s = krr_ua_sites; s < krr_ua_sites_end; s++)
		if (s->site == ip)
			return s;
	return NULL;
}

static noinstr void log_fault(const struct pt_regs *regs, const struct krr_ua_site *s)
{
	u8 buf[40], *p = buf;

	p = krr_varint_put(p, krr_pos_delta());
	p = krr_varint_put(p, (u64)(s - krr_ua_sites) << 16 | (u16)this_cpu_read(krr_error));
	p = krr_varint_put(p, raw_cr2());
	p = krr_varint_put(p, regs->cx);
	krr_put_bytes(KRR_EV_UFAULT, s->site, buf, p - buf, NULL, 0);
}

/* Log @v, or take from the log what it was. */
static noinstr u64 log_reg(u64 v)
{
	return krr_c_value(KRR_EV_REG, v, 0, 0, SITE_TRAP);
}

/*
 * What a CPU says of an exception in the kernel depends on its make: RF and the flags
 * that an instruction leaves undefined, whether a locked instruction reads or writes
 * first, which byte of an access across two pages is at fault.
 */
static noinstr void log_trap(struct pt_regs *regs)
{
	u32 vec = this_cpu_read(krr_vector);

	regs->flags = log_reg(regs->flags);
	if (vec != X86_TRAP_PF)
		return;
	this_cpu_write(krr_error, log_reg(this_cpu_read(krr_error)));
	this_cpu_write(krr_cr2, log_reg(raw_cr2()));
}

static noinstr void trap_in_domain(struct pt_regs *regs)
{
	const struct krr_ua_site *s = NULL;

	if (this_cpu_read(krr_vector) == X86_TRAP_PF && raw_cr2() < TASK_SIZE_MAX)
		s = ua_site(regs->ip);
	if (s) {
		regs->flags = krr_fault_flags();
		this_cpu_write(krr_cr2, raw_cr2());
		if (krr_recording())
			log_fault(regs, s);
	} else {
		log_trap(regs);
	}
	regs->flags |= this_cpu_read(krr_vif);
}

/* krr_trap_flags(): of a trap that is handled before it is entered; outside the domain, as they are */
noinstr u64 krr_c_trap_flags(unsigned long flags, unsigned long b, unsigned long c,
			     unsigned long d, unsigned long site)
{
	return krr_this()->outside ? flags : log_reg(flags);
}

static noinstr void interrupt(struct pt_regs *regs)
{
	bool idle;

	/* sti holds interrupts off for one instruction, but where a hypervisor emulates it */
	if (regs->ip == (u64)krr_window_shadow)
		regs->ip = (u64)krr_window_ip;
	if (regs->ip == (u64)krr_idle_shadow)
		regs->ip = (u64)krr_idle_ip;
	idle = regs->ip == (u64)krr_idle_ip;
	if (!idle && regs->ip != (u64)krr_window_ip)
		krr_bug();	/* hardware IF was 1 in the domain */
	if (krr_recording()) {
		if (idle)
			krr_lock_acquire(KRR_HOW_IDLE, is_urgent(current_vector()));
		if (krr_recording())
			krr_put2(KRR_EV_IRQ, idle ? SITE_IDLE : SITE_WINDOW, current_vector(),
				 krr_pos_delta());
	}
	regs->ax = 1;			/* open the window again, leave hlt */
	regs->flags = WINDOW_FLAGS;
}

/* krr_enter_trap() */
noinstr u64 krr_c_trap(unsigned long r, unsigned long b, unsigned long c, unsigned long d,
		       unsigned long site)
{
	struct pt_regs *regs = (struct pt_regs *)r;

	if (regs->flags & X86_EFLAGS_IF)
		interrupt(regs);
	else
		trap_in_domain(regs);
	regs->ss = __KERNEL_DS;		/* 0 or this, by the history of the CPU */
	this_cpu_write(krr_vif, 0);
	return 0;
}

/* krr_enter_nmi() */
noinstr u64 krr_c_trap_anywhere(unsigned long r, unsigned long b, unsigned long c,
				unsigned long d, unsigned long site)
{
	if (!krr_this()->outside)
		return krr_c_trap(r, b, c, d, site);
	this_cpu_write(krr_suspended_by, r);
	this_cpu_write(krr_suspended_mode, this_cpu_read(krr_mode));
	this_cpu_write(krr_mode, KRR_MODE_OFF);
	return 0;
}

/* krr_come_back() - the end of what krr_c_trap_anywhere() kept out of the domain */
noinstr void krr_come_back(struct pt_regs *regs)
{
	if (this_cpu_read(krr_suspended_by) != (u64)regs)
		return;
	this_cpu_write(krr_mode, this_cpu_read(krr_suspended_mode));
	this_cpu_write(krr_suspended_by, 0);	/* no trace: replay has none of this */
	this_cpu_write(krr_suspended_mode, 0);
}

/* krr_leave_trap() */
noinstr u64 krr_c_trap_exit(unsigned long r, unsigned long b, unsigned long c,
			    unsigned long d, unsigned long site)
{
	struct pt_regs *regs = (struct pt_regs *)r;
	const struct krr_ua_site *s;

	this_cpu_write(krr_vif, regs->flags & X86_EFLAGS_IF);
	regs->flags &= ~X86_EFLAGS_IF;
	s = ua_site(regs->ip);
	if (s)
		regs->ip = s->resume;
	return 0;
}

/* --- windows, idle, hand-over ----------------------------------------------- */

static noinstr void hand_over(u64 site)
{
	krr_put1(KRR_EV_YIELD, site, krr_pos_delta());
	krr_lock_hand_over();
	krr_lock_acquire(KRR_HOW_YIELD, false);
}

static noinstr void hand_over_if_logged(u64 site)
{
	if (!krr_next_is(KRR_EV_YIELD, site, NULL))
		return;
	krr_lock_release();
	krr_lock_acquire(KRR_HOW_YIELD, false);
}

/* A window in recording while others wait: they are let in after a while. */
noinstr void krr_c_window_yield(void)
{
	struct krr_cpu *c = krr_this();
	u64 now = krr_raw_tsc();

	if (!c->hold_since)
		c->hold_since = now;
	else if (now - c->hold_since >
		 (READ_ONCE(krr_g->urgent) ? krr_g->hold_urgent : krr_g->hold_max))
		hand_over(SITE_WINDOW);
}

/* A window in replay.  Return: the handler of the interrupt that is due, or 0. */
noinstr u64 krr_c_window_replay(void)
{
	u64 vec;

	if (krr_next_is(KRR_EV_IRQ, SITE_WINDOW, &vec))
		return krr_idt[vec & 0xff];
	hand_over_if_logged(SITE_WINDOW);
	return 0;
}

/* cpu_relax(): somebody else has to run for us to get on. */
noinstr void krr_c_relax(void)
{
	if (!krr_recording())
		hand_over_if_logged(SITE_RELAX);
	else if (READ_ONCE(krr_g->waiting))
		hand_over(SITE_RELAX);
	else
		krr_pause();
}

/* Idle gives up the lock.  Return: replay: the handler that ends it. */
noinstr u64 krr_c_idle(void)
{
	u64 vec;

	step_outside();
	krr_lock_release();
	if (krr_recording())
		return 0;
	krr_lock_wait_turn(KRR_HOW_IDLE);
	if (!krr_next_is(KRR_EV_IRQ, SITE_IDLE, &vec))
		krr_diverge("idle ended without an interrupt", KRR_EV_IRQ, SITE_IDLE, 0, 0);
	return krr_idt[vec & 0xff];
}

/* __delay(): passes in recording, is skipped in replay. */
noinstr u64 krr_c_delay(unsigned long cycles, unsigned long b, unsigned long c,
			unsigned long d, unsigned long site)
{
	u64 since = krr_raw_tsc();

	this_cpu_write(krr_pos, this_cpu_read(krr_pos) + 1);
	if (!krr_recording()) {
		hand_over_if_logged(SITE_DELAY);
		return 0;
	}
	if (READ_ONCE(krr_g->waiting))
		hand_over(SITE_DELAY);
	while (krr_raw_tsc() - since < cycles)
		krr_pause();
	return 0;
}

/* --- scalar and byte inputs -------------------------------------------------- */

noinstr u64 krr_c_tsc(unsigned long a, unsigned long b, unsigned long c, unsigned long d,
		      unsigned long site)
{
	struct krr_global *g = krr_g;
	u64 v;

	if (krr_recording() || krr_is_unhooked(KRR_EV_TSC)) {
		v = krr_raw_tsc();
		krr_put1(KRR_EV_TSC, site, krr_zigzag(v - g->tsc));
	} else {
		v = g->tsc + krr_unzigzag(krr_take(KRR_EV_TSC, site)->arg[0]);
	}
	g->tsc = v;
	return v;
}
EXPORT_SYMBOL_GPL(krr_c_tsc);

/* krr_input() */
noinstr u64 krr_c_value(unsigned long kind, unsigned long raw, unsigned long c,
			unsigned long d, unsigned long site)
{
	if (!krr_recording())
		return krr_take(kind, site)->arg[0];
	krr_put1(kind, site, raw);
	return raw;
}
EXPORT_SYMBOL_GPL(krr_c_value);

/* krr_bytes() */
noinstr u64 krr_c_bytes(unsigned long kind, unsigned long buf, unsigned long len,
			unsigned long d, unsigned long site)
{
	const struct krr_event *e;
	u8 *p = (u8 *)buf;
	u32 n;

	if (krr_is_unhooked(kind))
		return 0;
	for (; len; p += n, len -= n) {
		n = min_t(unsigned long, len, KRR_MAX_BYTES / 2);
		if (krr_recording()) {
			krr_put_bytes(kind, site, NULL, 0, p, n);
			continue;
		}
		e = krr_take(kind, site);
		if (e->bytes_len != n)
			krr_diverge("an input of another length", kind, site, n, e->bytes_len);
		krr_copy(p, e->bytes, n);
	}
	return 0;
}
EXPORT_SYMBOL_GPL(krr_c_bytes);

/* --- the end ------------------------------------------------------------------ */

static noinstr void wait_for_resume(void)
{
	u64 beat = READ_ONCE(krr_hdr->heartbeat), now;
	struct krr_patience patience = { };

	while (READ_ONCE(krr_hdr->command) != KRR_CMD_RESUME) {
		now = READ_ONCE(krr_hdr->heartbeat);
		if (now != beat)
			patience = (struct krr_patience){ };
		beat = now;
		if (krr_out_of_patience(&patience))
			break;		/* no host: go on alone */
		krr_pause();
	}
}

/**
 * krr_finish() - the last event of the recording
 * @reason: why
 *
 * Recording: returns out of the domain, after the host has copied memory.
 * Replay: does not return.
 */
noinstr void krr_finish(enum krr_stop reason)
{
	if (!krr_recording()) {
		const struct krr_event *e = krr_take(KRR_EV_STOP, SITE_STOP);

		krr_hdr->stop_reason = e->arg[0];
		krr_hdr->stop_tsc = krr_raw_tsc();
		smp_store_release(&krr_hdr->state, KRR_ST_PARKED_END);
		krr_dead();
	}
	krr_put1(KRR_EV_STOP, SITE_STOP, reason);
	krr_hdr->events = krr_g->events;
	krr_hdr->stop_tsc = krr_raw_tsc();
	if (!krr_g->muted) {
		krr_hdr->stop_reason = reason;
		smp_store_release(&krr_hdr->state, KRR_ST_PARKED_END);
		wait_for_resume();
	}
	smp_store_release(&krr_hdr->state, KRR_ST_IDLE);
	this_cpu_write(krr_mode, KRR_MODE_OFF);
	krr_watch_user();
	smp_store_release(&krr_g->mode, KRR_MODE_OFF);
	smp_mb();
	krr_ring_all();
}
