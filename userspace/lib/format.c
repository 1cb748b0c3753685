// SPDX-License-Identifier: GPL-2.0-only
/* Decoder and encoder of the event stream. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/format.h"

#define ENTRY_MASK ((1u << KRR_NR_ENTRY_WORDS) - 1)

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
	uint64_t v = 0;
	unsigned int i;
	uint8_t b;

	for (i = 0; i < KRR_VARINT_MAX; i++) {
		b = get_byte(c);
		if (c->bad)
			return 0;
		if (i == KRR_VARINT_MAX - 1 && b > 1)
			break;
		v |= (uint64_t)(b & 0x7f) << (7 * i);
		if (!(b & 0x80))
			return v;
	}
	c->bad = true;
	return 0;
}

/** krr_get_zigzag() - take one signed varint, as krr_get_varint() */
int64_t krr_get_zigzag(struct krr_cursor *c)
{
	return krr_unzigzag(krr_get_varint(c));
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

/**
 * krr_put_varint() - write one varint
 * @p: has room for KRR_VARINT_MAX bytes
 * @v: value
 *
 * Return: bytes written.
 */
size_t krr_put_varint(uint8_t *p, uint64_t v)
{
	size_t n = 0;

	for (; v > 0x7f; v >>= 7)
		p[n++] = (uint8_t)v | 0x80;
	p[n++] = (uint8_t)v;
	return n;
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
	struct krr_cursor c = { .p = ev->data, .end = ev->data + ev->len };
	struct krr_entry *e = &d->entry[ev->cpu];
	uint64_t vector = krr_get_varint(&c), delta[KRR_NR_ENTRY_WORDS] = { 0 };
	int64_t error = krr_get_zigzag(&c);
	uint64_t changed = krr_get_varint(&c);
	unsigned int i;

	if (!c.bad && (vector > KRR_VEC_SYSCALL32 || changed & ~(uint64_t)ENTRY_MASK))
		return bad(d, "entry with vector %llu, words %#llx", (unsigned long long)vector,
			   (unsigned long long)changed);
	for (i = 0; i < KRR_NR_ENTRY_WORDS; i++)
		if (changed & 1u << i)
			delta[i] = (uint64_t)krr_get_zigzag(&c);
	if (c.bad || c.p != c.end)
		return bad(d, "entry of %u bytes does not hold what it announces", ev->len);
	e->vector = (uint32_t)vector;
	e->error = error;
	e->changed = (uint32_t)changed;
	for (i = 0; i < KRR_NR_ENTRY_WORDS; i++)
		e->word[i] += delta[i];
	return 0;
}

/* UFAULT: pos+, error code, cr2, bytes left. */
static int decode_ufault(struct krr_decoder *d, struct krr_event *ev)
{
	struct krr_cursor c = { .p = ev->data, .end = ev->data + ev->len };

	d->pos[ev->cpu] += krr_get_varint(&c);
	krr_get_varint(&c);
	krr_get_varint(&c);
	krr_get_varint(&c);
	if (c.bad || c.p != c.end)
		return bad(d, "ufault of %u bytes does not hold four numbers", ev->len);
	return 0;
}

/* What the payload of each kind does to the state, and what it may not be. */
static int apply(struct krr_decoder *d, struct krr_event *ev)
{
	struct krr_cursor c = { .p = ev->data, .end = ev->data + ev->len };

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
		krr_get_varint(&c);
		return c.bad ? bad(d, "uread without the number of bytes left") : 0;
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
	uint8_t head[2 + 2 * KRR_VARINT_MAX];
	size_t n = 2, body = 0;

	head[0] = ev->kind;
	head[1] = ev->fp;
	switch (ev->kind & KRR_SHAPE_MASK) {
	case KRR_SHAPE_VV:
		n += krr_put_varint(head + n, ev->arg[0]);
		n += krr_put_varint(head + n, ev->arg[1]);
		break;
	case KRR_SHAPE_V:
		n += krr_put_varint(head + n, ev->arg[0]);
		break;
	case KRR_SHAPE_B:
		if (ev->len > KRR_MAX_BYTES)
			return -EINVAL;
		n += krr_put_varint(head + n, ev->len);
		body = ev->len;
		break;
	}
	if (n + body > room)
		return -ENOSPC;
	memcpy(buf, head, n);
	if (body)
		memcpy(buf + n, ev->data, body);
	return (int)(n + body);
}

/**
 * krr_encode_entry() - write the payload of an entry event
 * @buf: has room for (KRR_NR_ENTRY_WORDS + 3) * KRR_VARINT_MAX bytes
 * @vector: KRR_VEC_* or 0..255
 * @error: error code
 * @last: words of this CPU's last entry
 * @now: words of this one
 *
 * Return: bytes written.
 */
size_t krr_encode_entry(uint8_t *buf, uint32_t vector, int64_t error,
			const uint64_t *last, const uint64_t *now)
{
	uint32_t changed = 0;
	unsigned int i;
	size_t n;

	for (i = 0; i < KRR_NR_ENTRY_WORDS; i++)
		if (last[i] != now[i])
			changed |= 1u << i;
	n = krr_put_varint(buf, vector);
	n += krr_put_varint(buf + n, krr_zigzag(error));
	n += krr_put_varint(buf + n, changed);
	for (i = 0; i < KRR_NR_ENTRY_WORDS; i++)
		if (changed & 1u << i)
			n += krr_put_varint(buf + n, krr_zigzag((int64_t)(now[i] - last[i])));
	return n;
}
