// SPDX-License-Identifier: GPL-2.0-only
/* Page faults, mappings, and what happens when memory is short. */
#include "krr.bpf.h"
#include "start.bpf.h"

#define GFP_NOWARN	0x2000	/* ___GFP_NOWARN */
#define MAX_ERRNO	4095

static __always_inline int fault(u64 addr, u64 error_code)
{
	struct krr_mm *rec = krr_begin();

	if (!rec)
		return 0;
	rec->event = KRR_MM_FAULT;
	rec->addr = addr;
	rec->flags = error_code;
	return krr_emit(KRR_SUBSYS_MM, rec);
}

SEC("tp_btf/page_fault_user")
int BPF_PROG(mm_fault_user, unsigned long addr, struct pt_regs *regs, unsigned long error_code)
{
	return fault(addr, error_code);
}

SEC("tp_btf/page_fault_kernel")
int BPF_PROG(mm_fault_kernel, unsigned long addr, struct pt_regs *regs, unsigned long error_code)
{
	return fault(addr, error_code);
}

SEC("tp_btf/mm_vmscan_direct_reclaim_begin")
int BPF_PROG(mm_reclaim_begin, int order, gfp_t gfp)
{
	krr_started(krr_this_thread(), NULL, (u64)order << 32 | gfp);
	return 0;
}

SEC("tp_btf/mm_vmscan_direct_reclaim_end")
int BPF_PROG(mm_reclaim, unsigned long reclaimed)
{
	struct krr_mm *rec = krr_begin();
	struct krr_start start;

	if (!rec)
		return 0;
	krr_ended(krr_this_thread(), NULL, &start);
	rec->event = KRR_MM_RECLAIM;
	rec->order = start.note >> 32;
	rec->flags = (u32)start.note;
	rec->pages = reclaimed;
	rec->latency = start.ns;
	return krr_emit(KRR_SUBSYS_MM, rec);
}

SEC("tp_btf/mark_victim")
int BPF_PROG(mm_oom, struct task_struct *victim)
{
	struct krr_mm *rec = krr_begin();

	if (!rec)
		return 0;
	rec->event = KRR_MM_OOM;
	rec->victim = victim->tgid;
	krr_text(rec->victim_comm, victim->comm);
	return krr_emit(KRR_SUBSYS_MM, rec);
}

/* warn_alloc() has variable arguments, which BPF does not like */
SEC("fexit/__alloc_pages")
int BPF_PROG(mm_alloc_fail, gfp_t gfp, unsigned int order, int nid, nodemask_t *nodes,
	     struct page *page)
{
	struct krr_mm *rec;

	if (page || gfp & GFP_NOWARN)
		return 0;
	rec = krr_begin();
	if (!rec)
		return 0;
	rec->event = KRR_MM_ALLOC_FAIL;
	rec->flags = gfp;
	rec->order = order;
	return krr_emit(KRR_SUBSYS_MM, rec);
}

SEC("fexit/vm_mmap_pgoff")
int BPF_PROG(mm_mmap, struct file *file, unsigned long hint, unsigned long len,
	     unsigned long prot, unsigned long flags, unsigned long pgoff, unsigned long addr)
{
	struct krr_mm *rec;

	if (addr >= (unsigned long)-MAX_ERRNO)
		return 0;
	rec = krr_begin();
	if (!rec)
		return 0;
	rec->event = KRR_MM_MMAP;
	rec->addr = addr;
	rec->len = len;
	rec->flags = prot;
	return krr_emit(KRR_SUBSYS_MM, rec);
}

SEC("fexit/__vm_munmap")
int BPF_PROG(mm_munmap, unsigned long start, size_t len, bool downgrade, int ret)
{
	struct krr_mm *rec;

	if (ret < 0)
		return 0;
	rec = krr_begin();
	if (!rec)
		return 0;
	rec->event = KRR_MM_MUNMAP;
	rec->addr = start;
	rec->len = len;
	return krr_emit(KRR_SUBSYS_MM, rec);
}

char LICENSE[] SEC("license") = "GPL";
