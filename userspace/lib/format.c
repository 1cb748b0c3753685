// SPDX-License-Identifier: GPL-2.0-only
/* Decoder and encoder of the event stream. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/format.h"

/* Full kind bytes by id, to tell a known kind from a damaged one. */
static const uint8_t kinds[] = {
#define X(NAME, name, shape, id, desc) [id] = KRR_EV_##NAME,
	KRR_EVENTS(X)
#undef X
};
_Static_assert(sizeof(kinds) == KRR_NR_IDS, "ids are dense");

static uint8_t get_byte(struct krr_cursor *c)
{
	if (c->bad || c->p == c->end) {
		c->short_read |= !c->bad;
		c->bad = true;
		return 0;
	}
	return *c->p++;
}

/**
 * krr_get_varint() - take one varint
 * @c: cursor; c->bad is set when there is none
 *
 * Return: its value, 0 on failure.
 */
uint64_t krr_get_varint(struct krr_cursor *c)
{
	const uint8_t *from = c->p;
	uint64_t v;

	if (c->bad)
		return 0;
	if (!krr_varint_get(&c->p, c->end, &v))
		return v;
	c->bad = true;
	c->short_read = c->p == c->end && c->p - from < KRR_VARINT_MAX;
	return 0;
}

static const uint8_t *get_bytes(struct krr_cursor *c, uint64_t len)
{
	const uint8_t *p = c->p;

	if (c->bad)
		return NULL;
	if (len > (uint64_t)(c->end - c->p)) {
		c->bad = c->short_read = true;
		return NULL;
	}
	c->p += len;
	return p;
}

/** krr_decoder_init() - begin at the start of a stream */
void krr_decoder_init(struct krr_decoder *d)
{
	memset(d, 0, sizeof(*d));
}

static int bad(struct krr_decoder *d, const char *fmt, ...)
{
	char text[100];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	snprintf(d->error, sizeof(d->error), "event %llu at byte %llu: %s",
		 (unsigned long long)d->number, (unsigned long long)d->offset, text);
	return -EBADMSG;
}

static int decode_entry(struct krr_decoder *d, struct krr_event *ev)
{
	const uint8_t *p = ev->data, *end = p + ev->len;
	struct krr_entry now = { 0 };
	uint64_t error, *base;
	unsigned int i;

	if (krr_entry_get_head(&p, end, &now.vector, &now.slot))
		return bad(d, "entry of %u bytes with no vector or slot", ev->len);
	base = d->word[now.slot];
	memcpy(now.word, base, sizeof(now.word));
	if (krr_entry_get(p, end, now.word, now.vector, &error))
		return bad(d, "entry of %u bytes does not hold what it announces", ev->len);
	now.error = (int64_t)error;
	for (i = 0; i < KRR_NR_ENTRY_WORDS; i++)
		if (now.word[i] != base[i])
			now.changed |= 1u << i;
	memcpy(base, now.word, sizeof(now.word));
	d->entry[ev->cpu] = now;
	return 0;
}

/* UFAULT: pos+, error code, cr2, bytes left. */
static int decode_ufault(struct krr_decoder *d, struct krr_event *ev)
{
	struct krr_cursor c = { .p = ev->data, .end = ev->data + ev->len };
	uint64_t pos = krr_get_varint(&c);

	krr_get_varint(&c);
	krr_get_varint(&c);
	krr_get_varint(&c);
	if (c.bad || c.p != c.end)
		return bad(d, "ufault of %u bytes does not hold four numbers", ev->len);
	d->pos[ev->cpu] += pos;
	return 0;
}

/* UREAD: bytes not copied, then the bytes. */
static int decode_uread(struct krr_decoder *d, const struct krr_event *ev)
{
	const uint8_t *p = ev->data;
	uint64_t left;

	return krr_uread_get_head(&p, p + ev->len, &left) ?
	       bad(d, "uread without the number of bytes left") : 0;
}

/**
 * krr_event_annotation() - take a KRR_EV_ANNOTATE apart
 * @ev: event, its data still valid
 * @subsys: result, enum krr_subsys or one that is not known
 * @record: result, points into the event
 *
 * Return: bytes of the record, or -EBADMSG.
 */
int krr_event_annotation(const struct krr_event *ev, uint32_t *subsys, const uint8_t **record)
{
	struct krr_cursor c = { .p = ev->data, .end = ev->data + ev->len };
	uint64_t id = krr_get_varint(&c);

	if (c.bad || id > UINT32_MAX)
		return -EBADMSG;
	*subsys = (uint32_t)id;
	*record = c.p;
	return (int)(c.end - c.p);
}

static int decode_annotate(struct krr_decoder *d, const struct krr_event *ev)
{
	const uint8_t *record;
	uint32_t subsys;

	return krr_event_annotation(ev, &subsys, &record) < 0 ?
	       bad(d, "annotation without a subsystem") : 0;
}

/**
 * krr_event_keep() - take a KRR_EV_KEEP apart
 * @ev: event, its data still valid
 * @ms: result: milliseconds before it that are of interest, 0: all there is
 * @why: result, points into the event; no NUL at its end
 *
 * Return: bytes of @why, or -EBADMSG.
 */
int krr_event_keep(const struct krr_event *ev, uint64_t *ms, const char **why)
{
	struct krr_cursor c = { .p = ev->data, .end = ev->data + ev->len };

	*ms = krr_get_varint(&c);
	*why = (const char *)c.p;
	return c.bad ? -EBADMSG : (int)(c.end - c.p);
}

static int decode_keep(struct krr_decoder *d, const struct krr_event *ev)
{
	const char *why;
	uint64_t ms;

	return krr_event_keep(ev, &ms, &why) < 0 ? bad(d, "keep without a time") : 0;
}

/* An epoch begins as the whole stream does. */
static void begin_epoch(struct krr_decoder *d)
{
	memset(d->pos, 0, sizeof(d->pos));
	memset(d->entry, 0, sizeof(d->entry));
	memset(d->word, 0, sizeof(d->word));
	d->cpu = 0;
}

/* What the payload of each kind does to the state, and what it may not be. */
static int apply(struct krr_decoder *d, struct krr_event *ev)
{
	switch (ev->kind) {
	case KRR_EV_ACQUIRE:
		if (ev->arg[0] >> 4 >= KRR_MAX_CPUS || (ev->arg[0] & 15) > KRR_HOW_YIELD)
			return bad(d, "acquire by cpu %llu, how %llu",
				   (unsigned long long)(ev->arg[0] >> 4),
				   (unsigned long long)(ev->arg[0] & 15));
		d->cpu = ev->cpu = (uint32_t)(ev->arg[0] >> 4);
		d->pos[d->cpu] += ev->arg[1];
		return 0;
	case KRR_EV_YIELD:
		d->pos[d->cpu] += ev->arg[0];
		return 0;
	case KRR_EV_IRQ:
		if (ev->arg[0] > 255)
			return bad(d, "irq with vector %llu", (unsigned long long)ev->arg[0]);
		d->pos[d->cpu] += ev->arg[1];
		return 0;
	case KRR_EV_STOP:
		d->stopped = true;
		d->stop_reason = (uint32_t)ev->arg[0];
		return 0;
	case KRR_EV_ENTRY:
		return decode_entry(d, ev);
	case KRR_EV_UFAULT:
		return decode_ufault(d, ev);
	case KRR_EV_UREAD:
		return decode_uread(d, ev);
	case KRR_EV_ANNOTATE:
		return decode_annotate(d, ev);
	case KRR_EV_KEEP:
		return decode_keep(d, ev);
	case KRR_EV_EPOCH:
		begin_epoch(d);
		return 0;
	default:
		return 0;
	}
}

/**
 * krr_decode() - take the next event
 * @d: state; moves on by one event, or stays as it is
 * @buf: untrusted bytes, from the event on
 * @len: how many there are
 * @ev: result; ev->data points into @buf
 *
 * Return: bytes that the event took, 0 when @buf ends inside of it, or
 * -EBADMSG with d->error set.
 */
int krr_decode(struct krr_decoder *d, const uint8_t *buf, size_t len, struct krr_event *ev)
{
	struct krr_cursor c = { .p = buf, .end = buf + len };
	unsigned int id;
	int err;

	memset(ev, 0, sizeof(*ev));
	ev->number = d->number;
	ev->offset = d->offset;
	ev->cpu = d->cpu;
	ev->kind = get_byte(&c);
	ev->fp = get_byte(&c);
	id = KRR_KIND_ID(ev->kind);
	if (c.bad)
		return 0;
	if (id < KRR_NR_IDS && kinds[id] != ev->kind)
		return bad(d, "kind 0x%02x: id %u has the shape 0x%02x", ev->kind, id,
			   kinds[id] & KRR_SHAPE_MASK);
	if (d->stopped)
		return bad(d, "kind 0x%02x after the stop event", ev->kind);
	switch (ev->kind & KRR_SHAPE_MASK) {
	case KRR_SHAPE_VV:
		ev->arg[0] = krr_get_varint(&c);
		ev->arg[1] = krr_get_varint(&c);
		break;
	case KRR_SHAPE_V:
		ev->arg[0] = krr_get_varint(&c);
		break;
	case KRR_SHAPE_B:
		ev->arg[0] = krr_get_varint(&c);
		if (!c.bad && ev->arg[0] > KRR_MAX_BYTES)
			return bad(d, "%s with %llu bytes, %u is the most",
				   krr_kind_name(ev->kind), (unsigned long long)ev->arg[0],
				   KRR_MAX_BYTES);
		ev->len = (uint32_t)ev->arg[0];
		ev->data = get_bytes(&c, ev->arg[0]);
		break;
	}
	if (c.bad)
		return c.short_read ? 0 : bad(d, "a number of more than 64 bits");
	err = apply(d, ev);
	if (err)
		return err;
	ev->pos = d->pos[ev->cpu];
	ev->size = (uint32_t)(c.p - buf);
	d->count[id]++;
	d->bytes[id] += ev->size;
	d->number++;
	d->offset += ev->size;
	return (int)ev->size;
}

/**
 * krr_encode() - write one event
 * @buf: where
 * @room: bytes there
 * @ev: kind, fp, and by shape arg[] or data and len
 *
 * Return: bytes written, -ENOSPC, or -EINVAL.
 */
int krr_encode(uint8_t *buf, size_t room, const struct krr_event *ev)
{
	uint8_t head[2 + 2 * KRR_VARINT_MAX], *p = head;
	size_t n, body = 0;

	*p++ = ev->kind;
	*p++ = ev->fp;
	switch (ev->kind & KRR_SHAPE_MASK) {
	case KRR_SHAPE_VV:
		p = krr_varint_put(krr_varint_put(p, ev->arg[0]), ev->arg[1]);
		break;
	case KRR_SHAPE_V:
		p = krr_varint_put(p, ev->arg[0]);
		break;
	case KRR_SHAPE_B:
		if (ev->len > KRR_MAX_BYTES)
			return -EINVAL;
		p = krr_varint_put(p, ev->len);
		body = ev->len;
		break;
	}
	n = (size_t)(p - head);
	if (n + body > room)
		return -ENOSPC;
	memcpy(buf, head, n);
	if (body)
		memcpy(buf + n, ev->data, body);
	return (int)(n + body);
}
