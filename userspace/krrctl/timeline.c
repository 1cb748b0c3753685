// SPDX-License-Identifier: GPL-2.0-only
/* Slices of kernel time, out of the events of a log. */
#include <stdio.h>
#include <string.h>

#include "krrctl/timeline.h"
#include "lib/names.h"
#include "lib/record.h"

#define ORIG_AX 15	/* among the words of an entry */

/** timeline_us() - microseconds from the first TSC in the log to @tsc */
double timeline_us(const struct timeline *t, uint64_t tsc)
{
	return t->tsc_khz ? (double)(int64_t)(tsc - t->first_tsc) * 1000 / (double)t->tsc_khz : 0;
}

/** timeline_end() - nobody is in the kernel any more */
void timeline_end(struct timeline *t)
{
	if (!t->held)
		return;
	t->held = false;
	t->now.end = t->tsc;
	if (t->ended)
		t->ended(t, &t->now);
}

static void acquired(struct timeline *t, const struct krr_event *ev)
{
	uint32_t how = ev->arg[0] & 15;
	const char *what = krr_how_name(how);

	timeline_end(t);
	if (how == KRR_HOW_YIELD && *t->yielded[ev->cpu])
		what = t->yielded[ev->cpu];
	else if (how == KRR_HOW_IDLE)
		what = "irq";	/* it follows */
	t->handovers += t->now.cpu != ev->cpu;
	t->held = true;
	t->clocked = false;
	memset(&t->now, 0, sizeof(t->now));
	t->now.cpu = ev->cpu;
	t->now.begin = t->tsc;
	t->now.event = ev->number;
	snprintf(t->now.what, sizeof(t->now.what), "%s", what);
}

/* It goes on with that when it comes back. */
static void yielded(struct timeline *t)
{
	if (t->held)
		snprintf(t->yielded[t->now.cpu], sizeof(t->yielded[0]), "%s", t->now.what);
	timeline_end(t);
}

static void clocked(struct timeline *t, uint64_t tsc)
{
	t->tsc_coded = tsc;
	if (tsc > t->tsc)
		t->tsc = tsc;
	if (!t->first_tsc)
		t->first_tsc = t->tsc;
	/* what passed before was user mode, or idle */
	if (!t->clocked)
		t->now.begin = t->tsc;
	t->clocked = true;
}

/* Who is current in the kernel? An annotation knows. */
static void annotated(struct timeline *t, const struct krr_event *ev)
{
	struct krr_record r;
	const uint8_t *bytes;
	const struct krr_field *comm, *tid;
	char name[UINT8_MAX + 2];
	int len = krr_event_annotation(ev, &r.subsys, &bytes);

	if (len < 0 || !t->held || *t->now.who)
		return;
	r.schema = krr_schema_by_id(r.subsys);
	r.bytes = bytes;
	r.len = (size_t)len;
	if (!r.schema)
		return;
	comm = krr_schema_field(r.schema, "comm");
	tid = krr_schema_field(r.schema, "tid");
	if (!comm || !tid)
		return;
	krr_record_string(&r, comm, name);
	snprintf(t->now.who, sizeof(t->now.who), "%.31s", name);
	t->now.tid = (uint32_t)krr_record_number(&r, tid, 0);
}

static void entered(struct timeline *t, const struct krr_entry *e)
{
	const char *call = e->vector == KRR_VEC_SYSCALL ? krr_call_name(e->word[ORIG_AX]) : NULL;

	snprintf(t->now.what, sizeof(t->now.what), "%s", call ? call : krr_vector_name(e->vector));
}

/**
 * timeline_take() - go on by an event
 * @t: timeline, zero at first but for @ended and @tsc_khz
 * @d: decoder, right after it gave @ev
 * @ev: event
 */
void timeline_take(struct timeline *t, const struct krr_decoder *d, const struct krr_event *ev)
{
	switch (ev->kind) {
	case KRR_EV_TSC:
		clocked(t, t->tsc_coded + krr_unzigzag(ev->arg[0]));
		return;
	case KRR_EV_ACQUIRE:
		acquired(t, ev);
		return;
	case KRR_EV_ENTRY:
		entered(t, &d->entry[ev->cpu]);
		return;
	case KRR_EV_ANNOTATE:
		annotated(t, ev);
		return;
	case KRR_EV_YIELD:
		yielded(t);
		return;
	case KRR_EV_STOP:
		timeline_end(t);
		return;
	case KRR_EV_EPOCH:
		timeline_end(t);
		t->tsc_coded = 0;	/* what follows stands alone */
		return;
	}
}
