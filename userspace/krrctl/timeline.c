// SPDX-License-Identifier: GPL-2.0-only
/* Slices of kernel time, out of the events of a log. */
#include <stdio.h>

#include "krrctl/timeline.h"
#include "lib/names.h"

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
	timeline_end(t);
	t->handovers += t->now.cpu != ev->cpu;
	t->held = true;
	t->clocked = false;
	t->now.cpu = ev->cpu;
	t->now.begin = t->tsc;
	t->now.event = ev->number;
	snprintf(t->now.what, sizeof(t->now.what), "%s", krr_how_name(ev->arg[0] & 15));
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
		t->tsc += krr_unzigzag(ev->arg[0]);
		if (!t->first_tsc)
			t->first_tsc = t->tsc;
		/* what passed before was user mode, or idle */
		if (!t->clocked)
			t->now.begin = t->tsc;
		t->clocked = true;
		return;
	case KRR_EV_ACQUIRE:
		acquired(t, ev);
		return;
	case KRR_EV_ENTRY:
		entered(t, &d->entry[ev->cpu]);
		return;
	case KRR_EV_YIELD:
	case KRR_EV_STOP:
		timeline_end(t);
		return;
	case KRR_EV_EPOCH:
		timeline_end(t);
		t->tsc = 0;	/* what follows stands alone */
		return;
	}
}
