/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * When something began, for the program that sees its end.
 *
 * What began before the recording, or so long ago that its entry was evicted, has no
 * beginning.
 */
#ifndef KRR_BPF_START_H
#define KRR_BPF_START_H

#define KRR_STARTS	4096

struct krr_start_key {
	u64 who;	/* a thread, a CPU */
	u64 what;	/* an object that tells apart what one can do at the same time */
};

struct krr_start {
	u64 ns;
	u64 note;	/* as the end does not know it */
	u64 era;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, KRR_STARTS);
	__type(key, struct krr_start_key);
	__type(value, struct krr_start);
} starts SEC(".maps");

static __always_inline u64 krr_this_thread(void)
{
	return (u32)bpf_get_current_pid_tgid();
}

static __noinline void krr_started(u64 who, const volatile void *what, u64 note)
{
	struct krr_start_key key = { who, (u64)what };
	struct krr_start start = { .note = note };

	if (!krr_wanted())
		return;
	start.era = krr_era();
	start.ns = bpf_ktime_get_ns();
	bpf_map_update_elem(&starts, &key, &start, BPF_ANY);
}

/* Turns @start->ns into the time since then; false: its beginning was not seen. */
static __noinline bool krr_ended(u64 who, const volatile void *what, struct krr_start *start)
{
	struct krr_start_key key = { who, (u64)what };
	struct krr_start *found;

	start->ns = start->note = 0;
	if (!krr_wanted())
		return false;
	found = bpf_map_lookup_elem(&starts, &key);
	if (!found || found->era != krr_era())
		return false;
	start->ns = bpf_ktime_get_ns() - found->ns;
	start->note = found->note;
	bpf_map_delete_elem(&starts, &key);
	return true;
}

#endif /* KRR_BPF_START_H */
