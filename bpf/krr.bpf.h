/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the programs of all subsystems share: a record is begun, filled and emitted.
 *
 * No map is mmapable and there are no writable globals, since user mode could write
 * those, and a program would read what no recording has.  For the same reason nothing
 * may get into a record that the kernel itself would not depend on: no stale memory,
 * no text beyond its NUL.
 */
#ifndef KRR_BPF_H
#define KRR_BPF_H

#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "match.h"

#define KRR_NESTING	3	/* programs that interrupted each other on a CPU */
#define KRR_NSEC	1000000000ull

int krr_annotate(u32 subsys, const void *data, u32 data__sz) __ksym;
bool krr_recorded(void) __ksym;
int krr_act(u32 actions) __ksym;

struct krr_who {
	KRR_WHO;
};

/* A record in the making; it comes first, so a pointer to it is one to its slot. */
struct krr_slot {
	struct krr_bytes record;
	u32 busy;
	u32 pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct krr_policy);
} policy SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct krr_counts);
} counts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, KRR_NESTING);
	__type(key, u32);
	__type(value, struct krr_slot);
} scratch SEC(".maps");

static __always_inline struct krr_counts *krr_counters(void)
{
	u32 zero = 0;

	return bpf_map_lookup_elem(&counts, &zero);
}

/*
 * Slots are not a stack: with preempt=full a program is preempted by one that
 * outlives it.
 */
static __always_inline struct krr_slot *krr_slot_get(void)
{
	struct krr_counts *count;

	for (u32 i = 0; i < KRR_NESTING; i++) {
		u32 key = i;
		struct krr_slot *slot = bpf_map_lookup_elem(&scratch, &key);

		if (slot && !__sync_lock_test_and_set(&slot->busy, 1))
			return slot;
	}
	count = krr_counters();
	if (count)
		__sync_fetch_and_add(&count->lost, 1);
	return NULL;
}

/*
 * What a program noted in one era says nothing in the next: in between, programs ran
 * that noted nothing.  It changes outside of recordings only, where no replay looks.
 */
struct krr_era {
	u32 nr;
	u32 is_noted;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct krr_era);
} era SEC(".maps");

static __always_inline u32 krr_era(void)
{
	u32 zero = 0;
	struct krr_era *e = bpf_map_lookup_elem(&era, &zero);

	return e ? e->nr : 0;
}

/* Is a record worth the trouble: is it for a log, or may a rule begin one? */
static __noinline bool krr_wanted(void)
{
	u32 zero = 0;
	struct krr_policy *p = bpf_map_lookup_elem(&policy, &zero);
	struct krr_era *e = bpf_map_lookup_elem(&era, &zero);
	bool wanted = krr_recorded() || (p && p->nr_starts);

	if (e && e->is_noted != wanted) {
		e->nr += !wanted;
		e->is_noted = wanted;
	}
	return wanted;
}

/* The record to fill, all zero but for who runs; NULL: nobody wants one. */
static __noinline void *krr_begin(void)
{
	u64 id = bpf_get_current_pid_tgid();
	struct krr_slot *slot;
	struct krr_who *who;

	if (!krr_wanted())
		return NULL;
	slot = krr_slot_get();
	if (!slot)
		return NULL;
	__builtin_memset(&slot->record, 0, KRR_RECORD_MAX);
	who = (struct krr_who *)slot;
	who->pid = id >> 32;
	who->tid = (u32)id;
	who->cgroup = bpf_get_current_cgroup_id();
	bpf_get_current_comm(who->comm, sizeof(who->comm));
	return slot;
}

/* Global functions are verified once each, however often they are called. */
__noinline int krr_holds(const struct krr_rule *rule, const struct krr_slot *slot)
{
	return rule && slot && krr_rule_holds(rule, &slot->record);
}

__noinline int krr_passes(const struct krr_policy *p, const struct krr_slot *slot)
{
	if (!p || !slot)
		return 0;
	if (!p->nr_filters)
		return 1;
	for (u32 i = 0; i < KRR_MAX_FILTERS; i++)
		if (i < p->nr_filters && krr_holds(&p->filter[i], slot))
			return 1;
	return 0;
}

/* Whether a trigger may act once more in this second. */
static __always_inline bool krr_within_rate(struct krr_rule_count *count, u32 per_second)
{
	u64 now;

	if (!per_second)
		return true;
	now = bpf_ktime_get_ns();
	if (!count->window_hits || now - count->window_ns >= KRR_NSEC) {
		count->window_ns = now;
		count->window_hits = 0;
	}
	if (count->window_hits >= per_second)
		return false;
	count->window_hits++;
	return true;
}

static __noinline void krr_put_mark(const struct krr_rule *rule, u32 nr, u32 subsys,
				    const struct krr_slot *slot)
{
	struct krr_mark mark = { .subsys = subsys, .rule = nr, .action = rule->action };

	__builtin_memcpy(&mark, slot, sizeof(struct krr_who));
	__builtin_memcpy(mark.name, rule->name, sizeof(mark.name));
	krr_annotate(KRR_SUBSYS_MARK, &mark, sizeof(mark));
}

/* A rule was hit.  Apart from the loop that looks for it, or it would be verified 8 times. */
__noinline int krr_fire(const struct krr_rule *rule, const struct krr_slot *slot, u32 nr, u32 subsys)
{
	struct krr_counts *count = krr_counters();

	if (!rule || !slot || !count || nr >= KRR_MAX_TRIGGERS)
		return 0;
	if (!krr_within_rate(&count->trigger[nr], rule->per_second)) {
		count->trigger[nr].suppressed++;
		return 0;
	}
	count->trigger[nr].hits++;
	krr_put_mark(rule, nr, subsys, slot);
	if (rule->action & (KRR_ACT_START | KRR_ACT_STOP))
		krr_act(rule->action);
	return 0;
}

/* A rule that begins a recording is for when there is none, and any other for when there is. */
__noinline int krr_pull(const struct krr_policy *p, const struct krr_slot *slot, u32 subsys,
			bool recorded)
{
	if (!p || !slot)
		return 0;
	for (u32 i = 0; i < KRR_MAX_TRIGGERS; i++) {
		if (i >= p->nr_triggers)
			break;
		if ((p->trigger[i].action == KRR_ACT_START) != recorded &&
		    krr_holds(&p->trigger[i], slot))
			krr_fire(&p->trigger[i], slot, i, subsys);
	}
	return 0;
}

__noinline int krr_log(const struct krr_slot *slot, u32 subsys, u32 size)
{
	struct krr_counts *count = krr_counters();
	u32 zero = 0;
	struct krr_policy *p = bpf_map_lookup_elem(&policy, &zero);

	if (!slot || !count || !p || size > KRR_RECORD_MAX)
		return 0;
	__sync_fetch_and_add(&count->seen, 1);
	if (!krr_passes(p, slot))
		return 0;
	if (krr_annotate(subsys, slot, size) != 1)
		return krr_pull(p, slot, subsys, false);
	__sync_fetch_and_add(&count->logged, 1);
	return krr_pull(p, slot, subsys, true);
}

static __always_inline void krr_drop(void *record)
{
	struct krr_slot *slot = record;

	slot->busy = 0;
}

/* Log what krr_begin() gave; the record is no longer there then. */
#define krr_emit(subsys, record)					\
({									\
	_Static_assert(sizeof(*(record)) <= KRR_RECORD_MAX, "too long");	\
	krr_log((void *)(record), subsys, sizeof(*(record)));		\
	krr_drop(record);						\
	0;								\
})

#define krr_text(to, from) bpf_probe_read_kernel_str(to, sizeof(to), from)

#endif /* KRR_BPF_H */
