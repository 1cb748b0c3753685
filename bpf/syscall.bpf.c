// SPDX-License-Identifier: GPL-2.0-only
/*
 * System calls, when they return.
 *
 * Those of 32-bit programs have other numbers, so they are left out, and so are
 * calls that never return.
 */
#include "krr.bpf.h"

#define MAX_CALLS	4096
#define TS_COMPAT	2	/* thread_info.status: in a 32-bit call */

struct call {
	u64 ns;
	u64 nr;		/* some calls replace all registers */
	u64 args[6];
	u64 era;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, MAX_CALLS);
	__type(key, u32);
	__type(value, struct call);
} calls SEC(".maps");

static __always_inline void get_args(u64 *args, const struct pt_regs *regs)
{
	args[0] = regs->di;
	args[1] = regs->si;
	args[2] = regs->dx;
	args[3] = regs->r10;
	args[4] = regs->r8;
	args[5] = regs->r9;
}

static __always_inline bool is_ours(void)
{
	return krr_wanted() && !(bpf_get_current_task_btf()->thread_info.status & TS_COMPAT);
}

SEC("tp_btf/sys_enter")
int BPF_PROG(syscall_enter, struct pt_regs *regs, long nr)
{
	u32 tid = bpf_get_current_pid_tgid();
	struct call call;

	if (!is_ours())
		return 0;
	call.ns = bpf_ktime_get_ns();
	call.nr = nr;
	get_args(call.args, regs);
	call.era = krr_era();
	bpf_map_update_elem(&calls, &tid, &call, BPF_ANY);
	return 0;
}

SEC("tp_btf/sys_exit")
int BPF_PROG(syscall_exit, struct pt_regs *regs, long ret)
{
	u32 tid = bpf_get_current_pid_tgid();
	struct krr_syscall *rec;
	struct call *call;

	if (!is_ours())
		return 0;
	rec = krr_begin();
	if (!rec)
		return 0;
	rec->event = KRR_SYSCALL_EXIT;
	rec->ret = ret;
	call = bpf_map_lookup_elem(&calls, &tid);
	if (call && call->era == krr_era()) {
		rec->nr = call->nr;
		rec->latency = bpf_ktime_get_ns() - call->ns;
		__builtin_memcpy(rec->args, call->args, sizeof(rec->args));
		bpf_map_delete_elem(&calls, &tid);
	} else {
		rec->nr = regs->orig_ax;
		get_args(rec->args, regs);
	}
	return krr_emit(KRR_SUBSYS_SYSCALL, rec);
}

char LICENSE[] SEC("license") = "GPL";
