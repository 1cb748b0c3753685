// SPDX-License-Identifier: GPL-2.0-only
/* Names of what stands in the event stream, and an event as a line of text. */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/format.h"
#include "lib/record.h"
#include "lib/text.h"
#include "lib/util.h"

#define BYTES_SHOWN 16

/* error code of a page fault */
#define PF_PROTECTION	1u
#define PF_WRITE	2u

static const char *const names[] = {
#define X(NAME, name, shape, id, desc) [id] = #name,
	KRR_EVENTS(X)
#undef X
};

static const char *const descriptions[] = {
#define X(NAME, name, shape, id, desc) [id] = desc,
	KRR_EVENTS(X)
#undef X
};

static const char *const stops[] = {
	[KRR_STOP_NONE] = "none",
	[KRR_STOP_REQUEST] = "request",
	[KRR_STOP_PANIC] = "panic",
	[KRR_STOP_OVERRUN] = "overrun",
	[KRR_STOP_UNSUPPORTED] = "unsupported",
	[KRR_STOP_REBOOT] = "reboot",
	[KRR_STOP_DROP] = "dropped",
	[KRR_STOP_NMI] = "nmi",
	[KRR_STOP_LOCKUP] = "lockup",
};

static const char *const hows[] = {
	[KRR_HOW_START] = "start",
	[KRR_HOW_USER] = "user",
	[KRR_HOW_IDLE] = "idle",
	[KRR_HOW_YIELD] = "yield",
};

static const char *const states[] = {
	[KRR_ST_IDLE] = "idle",
	[KRR_ST_PARKED_START] = "parked at the start",
	[KRR_ST_RECORDING] = "recording",
	[KRR_ST_REPLAYING] = "replaying",
	[KRR_ST_PARKED_END] = "parked at the end",
	[KRR_ST_DIVERGED] = "diverged",
	[KRR_ST_CUT] = "log ended",
	[KRR_ST_LOST] = "recording given up",
	[KRR_ST_PARKED_EPOCH] = "parked between epochs",
	[KRR_ST_PREPARING] = "about to record",
};

static const char *const registers[KRR_NR_ENTRY_WORDS] = {
	"r15", "r14", "r13", "r12", "rbp", "rbx", "r11", "r10", "r9", "r8", "rax", "rcx",
	"rdx", "rsi", "rdi", "orig_rax", "rip", "cs", "eflags", "rsp", "ss", "cr2", "segs",
};

static const char *const exceptions[] = {
	"#DE", "#DB", "NMI", "#BP", "#OF", "#BR", "#UD", "#NM", "#DF", "vec9", "#TS", "#NP",
	"#SS", "#GP", "#PF", "vec15", "#MF", "#AC", "#MC", "#XM", "#VE", "#CP",
};

static const char *lookup(const char *const *table, size_t n, uint32_t i)
{
	return i < n && table[i] ? table[i] : "?";
}

/** krr_kind_name() - name of a kind byte, "?" for one that is not known */
const char *krr_kind_name(uint32_t kind)
{
	return lookup(names, ARRAY_SIZE(names), kind > 255 ? UINT32_MAX : KRR_KIND_ID(kind));
}

/** krr_kind_description() - a few words on a kind byte */
const char *krr_kind_description(uint32_t kind)
{
	return lookup(descriptions, ARRAY_SIZE(descriptions), KRR_KIND_ID(kind));
}

/** krr_kind_by_name() - id of the kind with this name, or -1 */
int krr_kind_by_name(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(names); i++)
		if (names[i] && !strcmp(names[i], name))
			return (int)i;
	return -1;
}

/** krr_stop_name() - name of an enum krr_stop */
const char *krr_stop_name(uint32_t reason)
{
	return lookup(stops, ARRAY_SIZE(stops), reason);
}

/** krr_how_name() - name of an enum krr_how */
const char *krr_how_name(uint32_t how)
{
	return lookup(hows, ARRAY_SIZE(hows), how);
}

/** krr_state_name() - name of an enum krr_state */
const char *krr_state_name(uint32_t state)
{
	return lookup(states, ARRAY_SIZE(states), state);
}

/** krr_vector_name() - name of an entry's vector; "irq" above the exceptions */
const char *krr_vector_name(uint32_t vector)
{
	switch (vector) {
	case KRR_VEC_SYSCALL:
		return "syscall";
	case KRR_VEC_SYSENTER:
		return "sysenter";
	case KRR_VEC_SYSCALL32:
		return "syscall32";
	}
	if (vector == 0x80)
		return "int80";
	return vector < ARRAY_SIZE(exceptions) ? exceptions[vector] : "irq";
}

static void add_bytes(struct krr_text *o, const uint8_t *p, size_t len)
{
	size_t i, shown = len < BYTES_SHOWN ? len : BYTES_SHOWN;

	for (i = 0; i < shown; i++)
		krr_text_add(o, "%s%02x", i ? " " : "", p[i]);
	krr_text_add(o, "%s |", len > shown ? " .." : "");
	for (i = 0; i < shown; i++)
		krr_text_add(o, "%c", isprint(p[i]) ? p[i] : '.');
	krr_text_add(o, "|");
}

static void add_entry(struct krr_text *o, const struct krr_entry *e)
{
	unsigned int i;

	krr_text_add(o, "%s", krr_vector_name(e->vector));
	if (e->vector < KRR_VEC_SYSCALL)
		krr_text_add(o, " %u err %" PRId64, e->vector, e->error);
	else
		krr_text_add(o, " nr %" PRId64, (int64_t)e->word[15]);
	krr_text_add(o, " rip %#" PRIx64, e->word[16]);
	if (e->vector == 14)
		krr_text_add(o, " cr2 %#" PRIx64, e->word[KRR_ENTRY_CR2]);
	for (i = 0; i < KRR_NR_ENTRY_WORDS; i++)
		if (e->changed & 1u << i && i != 15 && i != 16 && i != KRR_ENTRY_CR2)
			krr_text_add(o, " %s=%#" PRIx64, registers[i], e->word[i]);
}

static void add_user_fault(struct krr_text *o, struct krr_cursor *c)
{
	uint64_t what;

	krr_get_varint(c);		/* pos+ */
	what = krr_get_varint(c);
	krr_text_add(o, "access %" PRIu64 " %s", what >> 16, what & PF_WRITE ? "write" : "read");
	krr_text_add(o, " %s", what & PF_PROTECTION ? "not allowed" : "not present");
	krr_text_add(o, " err %#" PRIx64, what & 0xffff);
	krr_text_add(o, " cr2 %#" PRIx64, krr_get_varint(c));
	krr_text_add(o, " rcx %#" PRIx64, krr_get_varint(c));
}

static void add_annotation(struct krr_text *o, const struct krr_event *ev)
{
	const uint8_t *record;
	uint32_t subsys;
	int len = krr_event_annotation(ev, &subsys, &record);

	if (len >= 0 && o->n < o->room)
		o->n += krr_record_text(subsys, record, (size_t)len, o->buf + o->n,
					o->room - o->n);
}

static void add_blob(struct krr_text *o, const struct krr_decoder *d, const struct krr_event *ev)
{
	struct krr_cursor c = { .p = ev->data, .end = ev->data + ev->len };
	uint64_t left;

	switch (ev->kind) {
	case KRR_EV_ENTRY:
		add_entry(o, &d->entry[ev->cpu]);
		return;
	case KRR_EV_UREAD:
		krr_uread_get_head(&c.p, c.end, &left);
		krr_text_add(o, "%zu bytes", (size_t)(c.end - c.p));
		if (left)
			krr_text_add(o, ", %" PRIu64 " not copied", left);
		krr_text_add(o, "  ");
		add_bytes(o, c.p, (size_t)(c.end - c.p));
		return;
	case KRR_EV_UFAULT:
		add_user_fault(o, &c);
		return;
	case KRR_EV_ANNOTATE:
		add_annotation(o, ev);
		return;
	case KRR_EV_KEEP:
		left = krr_get_varint(&c);
		krr_text_add(o, left ? "the last %" PRIu64 " ms " : "all ", left);
		/* fall through */
	case KRR_EV_PANIC:
	case KRR_EV_MARK:
		krr_text_add(o, "\"");
		for (; c.p < c.end && *c.p; c.p++)
			krr_text_add(o, "%c", isprint(*c.p) ? *c.p : '.');
		krr_text_add(o, "\"");
		return;
	}
	krr_text_add(o, "%u bytes  ", ev->len);
	add_bytes(o, ev->data, ev->len);
}

/**
 * krr_event_text() - payload of an event in words
 * @d: decoder, right after it gave @ev
 * @ev: event, its data still valid
 * @buf: result, always ended
 * @room: bytes there, at least 1
 *
 * Return: length of the text.
 */
size_t krr_event_text(const struct krr_decoder *d, const struct krr_event *ev,
		      char *buf, size_t room)
{
	struct krr_text o = { buf, room, 0 };

	buf[0] = '\0';
	switch (ev->kind) {
	case KRR_EV_STOP:
		krr_text_add(&o, "%s", krr_stop_name((uint32_t)ev->arg[0]));
		return o.n;
	case KRR_EV_ACQUIRE:
		krr_text_add(&o, "cpu %u, %s", ev->cpu, krr_how_name(ev->arg[0] & 15));
		return o.n;
	case KRR_EV_IRQ:
		krr_text_add(&o, "vector %" PRIu64, ev->arg[0]);
		return o.n;
	case KRR_EV_YIELD:
		return o.n;
	case KRR_EV_EPOCH:
		krr_text_add(&o, "%" PRIu64, ev->arg[0]);
		return o.n;
	case KRR_EV_TSC:
		krr_text_add(&o, "%+" PRId64, krr_unzigzag(ev->arg[0]));
		return o.n;
	case KRR_EV_UATOMIC:
		krr_text_add(&o, "result %" PRId64 " old %#" PRIx64, krr_unzigzag(ev->arg[0]), ev->arg[1]);
		return o.n;
	}
	switch (ev->kind & KRR_SHAPE_MASK) {
	case KRR_SHAPE_V:
		krr_text_add(&o, "%#" PRIx64, ev->arg[0]);
		break;
	case KRR_SHAPE_VV:
		krr_text_add(&o, "%#" PRIx64 " %#" PRIx64, ev->arg[0], ev->arg[1]);
		break;
	case KRR_SHAPE_B:
		add_blob(&o, d, ev);
		break;
	}
	return o.n;
}
