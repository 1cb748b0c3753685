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

static_assert(KRR_EV_RANDOM == KRR_K_RANDOM && KRR_EV_PORT == KRR_K_PORT &&
	      KRR_EV_MMIO == KRR_K_MMIO && KRR_EV_APIC == KRR_K_APIC &&
	      KRR_EV_MSR == KRR_K_MSR && KRR_EV_REG == KRR_K_REG &&
	      KRR_EV_VIRTIO == KRR_K_VIRTIO && KRR_EV_IODATA == KRR_K_IODATA &&
	      KRR_EV_VBUF == KRR_K_VBUF && KRR_EV_PAGEREAD == KRR_K_PAGEREAD &&
	      KRR_EV_SHARED == KRR_K_SHARED && KRR_EV_FPU == KRR_K_FPU);

/* --- producing ------------------------------------------------------------ */

static noinstr void give_up_if_abandoned(void)
{
	u64 now = krr_raw_tsc();

	if (!krr_g->dead_since)
		krr_g->dead_since = now;
	if (now - krr_g->dead_since < KRR_HOST_PATIENCE_MS * krr_hdr->tsc_khz)
		return;
	krr_g->muted = 1;
	WRITE_ONCE(krr_hdr->stop_reason, KRR_STOP_OVERRUN);
	smp_store_release(&krr_hdr->state, KRR_ST_LOST);
}

/*
 * Room for one more event.  A full ring is waited for: that is time, not an
 * input, so replay does not see it.  Nobody drains for long: the recording ends
 * here, cleanly, and the guest goes on.
 */
static noinstr bool make_room(u32 need)
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
		give_up_if_abandoned();
		if (g->muted)
			return false;
		krr_pause();
	}
	g->dead_since = 0;
	return true;
}

static __always_inline u8 fingerprint(u8 kind, u64 site)
{
	return krr_fingerprint(KRR_KIND_PLACED(kind) ? 0 : this_cpu_read(krr_pos), site);
}

static __always_inline u8 *begin(u8 kind, u64 site, u32 payload)
{
	struct krr_global *g = krr_g;
	u8 *p;

	if (unlikely(g->muted) || krr_is_unhooked(kind))
		return NULL;
	if (unlikely(g->pos_head + payload + 2 - g->pos_tail > krr_ring_mask + 1) &&
	    !make_room(payload + 2))
		return NULL;
	p = krr_ring + (g->pos_head & krr_ring_mask);
	*p++ = kind;
	*p++ = fingerprint(kind, site);
	return p;
}

static __always_inline void commit(const u8 *end)
{
	struct krr_global *g = krr_g;

	g->pos_head += end - (krr_ring + (g->pos_head & krr_ring_mask));
	g->events++;
	smp_store_release(&krr_hdr->head, g->pos_head);
}

/* What krr_pos has grown by since this was last asked on this CPU. */
noinstr u64 krr_pos_delta(void)
{
	struct krr_cpu *c = krr_this();
	u64 pos = this_cpu_read(krr_pos), d = pos - c->pos_logged;

	c->pos_logged = pos;
	return d;
}

noinstr void krr_put1(u8 kind, u64 site, u64 a)
{
	u8 *p = begin(kind, site, 10);

	if (p)
		commit(krr_varint_put(p, a));
}

noinstr void krr_put2(u8 kind, u64 site, u64 a, u64 b)
{
	u8 *p = begin(kind, site, 20);

	if (p)
		commit(krr_varint_put(krr_varint_put(p, a), b));
}

/* KRR_EV_ACQUIRE of this CPU. */
noinstr void krr_put_acquire(u32 how)
{
	u8 *p = begin(KRR_EV_ACQUIRE, how << 2, 11);

	if (!p)
		return;
	*p++ = krr_cpu_id() << 4 | how;		/* less than 128: a varint */
	commit(krr_varint_put(p, krr_pos_delta()));
}
static_assert(KRR_MAX_CPUS <= 8);

/**
 * krr_put_open() - an event of bytes that are made in the ring itself
 * @room: so many at most
 *
 * Return: where they go, up to krr_put_close(); NULL if nothing is logged any more.
 */
noinstr u8 *krr_put_open(u8 kind, u64 site, u32 room)
{
	u8 *p = begin(kind, site, room + 2);

	return p ? p + 1 : NULL;
}

/**
 * krr_put_close() - the end of krr_put_open()
 * @p: what that returned
 * @end: after the last byte, of less than 16384
 */
noinstr void krr_put_close(u8 *p, u8 *end)
{
	u32 len = end - p;
	u8 *q;

	if (len >= 0x80) {		/* seldom: the length has a second byte */
		for (q = end++; q > p; q--)
			q[0] = q[-1];
		*p = len >> 7;
	}
	p[-1] = len >= 0x80 ? len | 0x80 : len;
	commit(end);
}

/* An event whose bytes are @head then @p.  head_len + len <= KRR_MAX_BYTES. */
noinstr void krr_put_bytes(u8 kind, u64 site, const void *head, u32 head_len,
			   const void *bytes, u32 len)
{
	u8 *p = begin(kind, site, head_len + len + 10);

	if (!p)
		return;
	p = krr_varint_put(p, head_len + len);
	krr_copy(p, head, head_len);
	krr_copy(p + head_len, bytes, len);
	commit(p + head_len + len);
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
	d->want_fp = fingerprint(want, site);
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
	if (e->fp != fingerprint(kind, site))
		krr_diverge("same kind of event, other place or position", kind, site,
			    fingerprint(kind, site), e->fp);
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
