/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * krr: how an event comes into the ring.  Inline, since that is much of what a recording
 * executes, and each call and return is another look-up of translated code for TCG.
 */
#ifndef _ARCH_X86_KRR_PUT_H
#define _ARCH_X86_KRR_PUT_H

#include "krr.h"

static __always_inline u8 krr_event_fingerprint(u8 kind, u64 site)
{
	return krr_fingerprint(KRR_KIND_PLACED(kind) ? 0 : this_cpu_read(krr_pos), site);
}

static __always_inline u8 *krr_put_begin(u8 kind, u64 site, u32 payload)
{
	struct krr_global *g = krr_g;
	u8 *p;

	if (unlikely(g->muted) || krr_is_unhooked(kind))
		return NULL;
	if (unlikely(g->pos_head + payload + 2 - g->pos_tail > krr_ring_mask + 1) &&
	    !krr_make_room(payload + 2))
		return NULL;
	p = krr_ring + (g->pos_head & krr_ring_mask);
	*p++ = kind;
	*p++ = krr_event_fingerprint(kind, site);
	return p;
}

static __always_inline void krr_put_commit(const u8 *end)
{
	struct krr_global *g = krr_g;

	g->pos_head += end - (krr_ring + (g->pos_head & krr_ring_mask));
	g->events++;
	smp_store_release(&krr_hdr->head, g->pos_head);
}

/* What krr_pos has grown by since this was last asked on this CPU. */
static __always_inline u64 krr_pos_delta(void)
{
	struct krr_cpu *c = krr_this();
	u64 pos = this_cpu_read(krr_pos), d = pos - c->pos_logged;

	c->pos_logged = pos;
	return d;
}

/* KRR_EV_ACQUIRE of this CPU. */
static __always_inline void krr_put_acquire(u32 how)
{
	u8 *p = krr_put_begin(KRR_EV_ACQUIRE, how << 2, 12);
	u32 v = krr_cpu_id() << 4 | how;

	if (!p)
		return;
	if (v >= 0x80) {		/* a varint of two bytes */
		*p++ = v | 0x80;
		v >>= 7;
	}
	*p++ = v;
	krr_put_commit(krr_varint_put(p, krr_pos_delta()));
}
static_assert(KRR_MAX_CPUS << 4 <= 1 << 14);

/**
 * krr_put_open() - an event of bytes that are made in the ring itself
 * @room: so many at most
 *
 * Return: where they go, up to krr_put_close(); NULL if nothing is logged any more.
 */
static __always_inline u8 *krr_put_open(u8 kind, u64 site, u32 room)
{
	u8 *p = krr_put_begin(kind, site, room + 2);

	return p ? p + 1 : NULL;
}

/**
 * krr_put_close() - the end of krr_put_open()
 * @p: what that returned
 * @end: after the last byte, of less than 16384
 */
static __always_inline void krr_put_close(u8 *p, u8 *end)
{
	u32 len = end - p;
	u8 *q;

	if (len >= 0x80) {		/* seldom: the length has a second byte */
		for (q = end++; q > p; q--)
			q[0] = q[-1];
		*p = len >> 7;
	}
	p[-1] = len >= 0x80 ? len | 0x80 : len;
	krr_put_commit(end);
}

#endif
