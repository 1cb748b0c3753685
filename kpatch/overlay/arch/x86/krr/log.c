// SPDX-License-Identifier: GPL-2.0-only
/*
 * krr: the event stream, as the guest writes it (recording) and reads it
 * (replay).  Whoever owns the RR lock is the only one here, so cursors need no
 * atomics; the one ordering that matters is bytes before cursor, see
 * <uapi/linux/krr.h>.
 *
 * Nothing in this directory may be instrumented, take a hook or sleep.
 */
#include <linux/build_bug.h>
#include <linux/krr.h>
#include <linux/string.h>

#include "krr.h"
#include "put.h"

static_assert(KRR_EV_RANDOM == KRR_K_RANDOM && KRR_EV_PORT == KRR_K_PORT &&
	      KRR_EV_MMIO == KRR_K_MMIO && KRR_EV_APIC == KRR_K_APIC &&
	      KRR_EV_MSR == KRR_K_MSR && KRR_EV_REG == KRR_K_REG &&
	      KRR_EV_VIRTIO == KRR_K_VIRTIO && KRR_EV_IODATA == KRR_K_IODATA &&
	      KRR_EV_VBUF == KRR_K_VBUF && KRR_EV_PAGEREAD == KRR_K_PAGEREAD &&
	      KRR_EV_SHARED == KRR_K_SHARED && KRR_EV_FPU == KRR_K_FPU);

/* --- producing ------------------------------------------------------------ */

/**
 * krr_give_up() - log nothing from now on; the host ends the recording there
 * @reason: why
 *
 * Any context, an NMI too: an event that is being written is the last one.
 */
noinstr void krr_give_up(enum krr_stop reason)
{
	krr_g->muted = 1;
	WRITE_ONCE(krr_hdr->stop_reason, reason);
	smp_store_release(&krr_hdr->state, KRR_ST_LOST);
}

/*
 * Room for one more event.  A full ring is waited for: that is time, not an
 * input, so replay does not see it.  Nobody drains for long: the recording ends
 * here, cleanly, and the guest goes on.
 */
noinstr bool krr_make_room(u32 need)
{
	struct krr_global *g = krr_g;
	bool counted = false;

	while (g->pos_head + need - g->pos_tail > krr_ring_mask + 1) {
		g->pos_tail = smp_load_acquire(&krr_hdr->tail);
		if (g->pos_head + need - g->pos_tail <= krr_ring_mask + 1)
			break;
		if (!counted) {
			counted = true;
			krr_hdr->throttled++;
		}
		if (krr_out_of_patience(&g->full))
			krr_give_up(KRR_STOP_OVERRUN);
		if (g->muted)
			return false;
		krr_pause();
	}
	g->full = (struct krr_patience){ };
	return true;
}

noinstr void krr_put1(u8 kind, u64 site, u64 a)
{
	u8 *p = krr_put_begin(kind, site, 10);

	if (p)
		krr_put_commit(krr_varint_put(p, a));
}

noinstr void krr_put2(u8 kind, u64 site, u64 a, u64 b)
{
	u8 *p = krr_put_begin(kind, site, 20);

	if (p)
		krr_put_commit(krr_varint_put(krr_varint_put(p, a), b));
}

/* An event whose bytes are @head then @p.  head_len + len <= KRR_MAX_BYTES. */
noinstr void krr_put_bytes(u8 kind, u64 site, const void *head, u32 head_len,
			   const void *bytes, u32 len)
{
	u8 *p = krr_put_begin(kind, site, head_len + len + 10);

	if (!p)
		return;
	p = krr_varint_put(p, head_len + len);
	krr_copy(p, head, head_len);
	krr_copy(p + head_len, bytes, len);
	krr_put_commit(p + head_len + len);
}

/* --- consuming ------------------------------------------------------------ */

/* What the host prints; see krr_diverge(). */
noinstr void krr_report_divergence(const char *what, u8 want, u64 site, u64 a, u64 b)
{
	struct krr_diverged *d = &krr_hdr->diverged;
	unsigned int i;

	d->event = krr_g->events;
	d->offset = krr_g->pos_tail;
	d->cpu = krr_cpu_id();
	d->want_kind = want;
	d->want_fp = krr_event_fingerprint(want, site);
	d->got_kind = krr_g->peek.valid ? krr_g->peek.kind : 0xffff;
	d->got_fp = krr_g->peek.valid ? krr_g->peek.fp : 0xffff;
	d->pos = this_cpu_read(krr_pos);
	d->site = site;
	d->value[0] = a;
	d->value[1] = b;
	d->sp = this_cpu_read(krr_sp);
	d->ip = d->sp ? *(u64 *)d->sp : 0;
	for (i = 0; i < sizeof(d->what) - 1 && what[i]; i++)
		d->what[i] = what[i];
	d->what[i] = 0;
	smp_store_release(&krr_hdr->state, KRR_ST_DIVERGED);
}

static noinstr void wait_for_bytes(void)
{
	struct krr_global *g = krr_g;

	while (g->pos_head == g->pos_tail) {
		u32 eof = READ_ONCE(krr_hdr->host_flags) & KRR_HOST_EOF;

		smp_rmb();
		g->pos_head = smp_load_acquire(&krr_hdr->head);
		if (g->pos_head != g->pos_tail)
			return;
		if (eof) {
			smp_store_release(&krr_hdr->state, KRR_ST_CUT);
			krr_dead();
		}
		krr_pause();
	}
}

/* The host has checked every event; one that is cut off reads as far as it goes. */
static __always_inline u64 get(const u8 **p, const u8 *end)
{
	u64 v;

	krr_varint_get(p, end, &v);
	return v;
}

/**
 * krr_peek() - the next event of the stream, not yet taken
 *
 * Waits for the host to bring it.  Only the owner of the RR lock may ask.
 */
noinstr const struct krr_event *krr_peek(void)
{
	struct krr_global *g = krr_g;
	struct krr_event *e = &g->peek;
	const u8 *p, *start, *end;

	if (e->valid)
		return e;
	/* only now may the host overwrite the event taken last */
	smp_store_release(&krr_hdr->tail, g->pos_tail);
	wait_for_bytes();
	start = krr_ring + (g->pos_tail & krr_ring_mask);
	end = start + min_t(u64, g->pos_head - g->pos_tail, KRR_RING_OVERLAP);
	p = start;
	e->kind = *p++;
	e->fp = *p++;
	e->arg[0] = e->arg[1] = 0;
	e->bytes_len = 0;
	switch (e->kind & KRR_SHAPE_MASK) {
	case KRR_SHAPE_VV:
		e->arg[0] = get(&p, end);
		e->arg[1] = get(&p, end);
		break;
	case KRR_SHAPE_V:
		e->arg[0] = get(&p, end);
		break;
	case KRR_SHAPE_B:
		e->bytes_len = get(&p, end);
		e->bytes = p;
		p += e->bytes_len;
		break;
	}
	e->next = g->pos_tail + (p - start);
	e->valid = true;
	return e;
}

static noinstr void consume(void)
{
	struct krr_global *g = krr_g;

	g->peek.valid = false;
	g->pos_tail = g->peek.next;
	g->events++;
	krr_hdr->events = g->events;
}

/**
 * krr_take() - the next event, which must be of @kind and made at @site
 *
 * Return: the event; its bytes stay valid until the next call.  Does not return
 * when the log holds something else.
 */
noinstr const struct krr_event *krr_take(u8 kind, u64 site)
{
	static const struct krr_event nothing = { .bytes = (const u8 *)"" };
	const struct krr_event *e;

	if (krr_is_unhooked(kind))
		return &nothing;
	e = krr_peek();
	if (e->kind != kind)
		krr_diverge("the log holds another kind of event here", kind, site, 0, 0);
	if (e->fp != krr_event_fingerprint(kind, site))
		krr_diverge("same kind of event, other place or position", kind, site,
			    krr_event_fingerprint(kind, site), e->fp);
	consume();
	return e;
}

/* Is the next event of @kind, at this very position?  Its last argument is pos+. */
noinstr bool krr_next_is(u8 kind, u64 site, u64 *arg0)
{
	const struct krr_event *e = krr_peek();
	struct krr_cpu *c = krr_this();
	bool one = (kind & KRR_SHAPE_MASK) == KRR_SHAPE_V;
	u64 delta, pos = this_cpu_read(krr_pos);

	if (e->kind != kind)
		return false;
	delta = one ? e->arg[0] : e->arg[1];
	if (c->pos_logged + delta > pos)
		return false;
	if (c->pos_logged + delta < pos)
		krr_diverge("an event's position was passed without it", kind, site,
			    c->pos_logged + delta, pos);
	if (arg0)
		*arg0 = e->arg[0];
	c->pos_logged = pos;
	krr_take(kind, site);
	return true;
}
