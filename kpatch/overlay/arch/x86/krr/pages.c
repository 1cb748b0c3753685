// SPDX-License-Identifier: GPL-2.0-only
/*
 * krr: what is made of pages for a recording: user page tables that no longer change
 * by themselves, and the list of memory whose content is of no consequence.
 */
#include <linux/bitmap.h>
#include <linux/init.h>
#include <linux/krr.h>
#include <linux/memblock.h>
#include <linux/mm.h>
#include <linux/pagewalk.h>
#include <linux/rcupdate.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/task_stack.h>
#include <linux/vmalloc.h>
#include <asm/cpu_entry_area.h>
#include <asm/smp.h>
#include <asm/tlbflush.h>

#include "krr.h"

#define OUTSIDE_BYTES		1024	/* of stack, written by entry code */

static unsigned long *shared_pages;	/* a bit per page frame; krr_share() */
static u32 shared_count, shared_lost;	/* inert ranges found by walking page tables */

/**
 * krr_settled() - do user page tables stay as they are made?
 *
 * Only while krr_key is on.  Return: false if a test wants accessed and dirty bits to be
 * inputs that nobody has thought of.
 */
bool krr_settled(void)
{
	return !krr_ad_unhooked();
}

/**
 * krr_settled_pte() - a user PTE in which hardware finds no bit to set
 * @pte: as it would be without a recording
 *
 * Only while krr_key is on.
 */
pte_t krr_settled_pte(pte_t pte)
{
	if (!pte_present(pte) || !krr_settled())
		return pte;
	return pte_set_flags(pte, _PAGE_ACCESSED | (pte_write(pte) ? _PAGE_DIRTY : 0));
}
EXPORT_SYMBOL(krr_settled_pte);

/*
 * User page tables must not change by themselves: accessed bits are set for all,
 * dirty bits where hardware might set them.  New entries are made so by
 * krr_user_pte(), which krr_key has switched on.
 */
static int settle_pte(pte_t *pte, unsigned long addr, unsigned long next, struct mm_walk *walk)
{
	if (!pte_present(*pte) || !krr_settled())
		return 0;
	set_bit(_PAGE_BIT_ACCESSED, (unsigned long *)&pte->pte);
	if (pte_write(*pte))
		set_bit(_PAGE_BIT_DIRTY, (unsigned long *)&pte->pte);
	return 0;
}

static int settle_hugetlb(pte_t *pte, unsigned long hmask, unsigned long addr,
			  unsigned long next, struct mm_walk *walk)
{
	return settle_pte(pte, addr, next, walk);
}

/* mappings of page frames, too */
static int walk_all(unsigned long addr, unsigned long next, struct mm_walk *walk)
{
	return 0;
}

static const struct mm_walk_ops settle_ops = {
	.pte_entry = settle_pte,
	.hugetlb_entry = settle_hugetlb,
	.test_walk = walk_all,
};

/* krr_each_mm() - call @fn(mm, arg) for the memory of each process, its mmap lock held */
void krr_each_mm(void (*fn)(struct mm_struct *mm, void *arg), void *arg)
{
	struct task_struct *p;

	for (p = &init_task;;) {
		struct mm_struct *mm = NULL;
		struct task_struct *next;

		rcu_read_lock();
		next = next_task(p);
		if (next != &init_task) {
			get_task_struct(next);
			mm = get_task_mm(next);
		}
		rcu_read_unlock();
		if (p != &init_task)
			put_task_struct(p);
		if (next == &init_task)
			return;
		p = next;
		if (!mm)
			continue;
		mmap_read_lock(mm);
		fn(mm, arg);
		mmap_read_unlock(mm);
		mmput(mm);
	}
}

static void walk_page_tables(struct mm_struct *mm, void *ops)
{
	walk_page_range(mm, 0, TASK_SIZE_MAX, ops, NULL);
}

/**
 * krr_settle_pages() - let no user page table change by itself from now on
 *
 * krr_key is on.
 */
void krr_settle_pages(void)
{
	shared_count = shared_lost = 0;
	krr_each_mm(walk_page_tables, (void *)&settle_ops);
}

/**
 * krr_inert() - name memory whose content is of no consequence to the kernel
 * @p: kernel address, mapped; physically contiguous
 * @len: bytes
 *
 * A neighbour of the last range makes it longer.  What finds no room is counted, so that
 * verify can say that the list is incomplete.
 */
void krr_inert(const void *p, u32 len)
{
	struct krr_range *r = (void *)krr_hdr + krr_hdr->inert_off;
	u64 gpa = slow_virt_to_phys((void *)p);
	u32 n = krr_hdr->inert_count;

	if (n > shared_count && r[n - 1].gpa + r[n - 1].len == gpa)
		r[n - 1].len += len;
	else if (n > shared_count && gpa + len == r[n - 1].gpa)
		r[n - 1] = (struct krr_range){ gpa, r[n - 1].len + len };
	else if (n < krr_hdr->inert_max)
		r[krr_hdr->inert_count++] = (struct krr_range){ gpa, len };
	else
		krr_hdr->inert_lost++;
}
EXPORT_SYMBOL_GPL(krr_inert);

/*
 * Outside the domain: stacks of entry code that runs before the RR lock is
 * taken or after it is given up, of NMIs, and of #DB (sysenter with TF set); the
 * recorder's scratch words; what a CPU that is not in the kernel now has pushed on
 * its way in.
 */
static void list_inert_cpu(int cpu)
{
	struct cpu_entry_area *area = get_cpu_entry_area(cpu);
	struct task_struct *task = per_cpu(current_task, cpu);
	u32 i;

	krr_inert(&area->entry_stack_page, PAGE_SIZE);
	for (i = 0; i < EXCEPTION_STKSZ; i += PAGE_SIZE) {
		krr_inert((void *)CEA_ESTACK_BOT(&area->estacks, NMI) + i, PAGE_SIZE);
		krr_inert((void *)CEA_ESTACK_BOT(&area->estacks, DB) + i, PAGE_SIZE);
	}
	krr_inert(per_cpu_ptr(&krr_mode, cpu), sizeof(u32));
	krr_inert(per_cpu_ptr(&krr_sp, cpu), sizeof(u64));
	krr_inert(per_cpu_ptr(&krr_target, cpu), sizeof(u64));
	krr_inert(per_cpu_ptr(&krr_ua, cpu), sizeof(struct krr_ua));
	krr_inert(per_cpu_ptr(&krr_vector, cpu), sizeof(u32));
	krr_inert(per_cpu_ptr(&krr_error, cpu), sizeof(u64));
	krr_inert(per_cpu_ptr(&krr_dr6, cpu), sizeof(u64));
	krr_inert(&per_cpu_ptr(&cpu_tss_rw, cpu)->x86_tss.sp2, sizeof(u64));
	/* cleared on the way to user mode */
	krr_inert(&per_cpu_ptr(&cpu_tlbstate, cpu)->user_pcid_flush_mask, sizeof(u16));
	if (!krr_g->cpu[cpu].outside)
		return;
	krr_inert((void *)task_top_of_stack(task) - OUTSIDE_BYTES, OUTSIDE_BYTES);
	krr_inert((void *)krr_g->cpu[cpu].outside_sp - OUTSIDE_BYTES, OUTSIDE_BYTES);
}

/* A page that user mode and the kernel share as a ring: either may write it. */
static int list_shared_pte(pte_t *pte, unsigned long addr, unsigned long next,
			   struct mm_walk *walk)
{
	struct page *page;

	if (!pte_present(*pte) || !pte_write(*pte) || !pfn_valid(pte_pfn(*pte)))
		return 0;
	page = compound_head(pte_page(*pte));
	if (!page->mapping && !PageLRU(page) && !PageReserved(page))
		krr_inert(page_address(pte_page(*pte)), PAGE_SIZE);
	return 0;
}

static const struct mm_walk_ops shared_ops = {
	.pte_entry = list_shared_pte,
	.test_walk = walk_all,
};

/**
 * krr_share() - pages that user mode can write, also when no page table says so
 *
 * Until krr_unshare(), verify does not compare them.
 */
void krr_share(struct page **pages, unsigned int n)
{
	while (shared_pages && n--)
		set_bit(page_to_pfn(pages[n]), shared_pages);
}
EXPORT_SYMBOL_GPL(krr_share);

void krr_unshare(struct page **pages, unsigned int n)
{
	while (shared_pages && n--)
		clear_bit(page_to_pfn(pages[n]), shared_pages);
}
EXPORT_SYMBOL_GPL(krr_unshare);

static void for_each_page_of(const void *p, size_t len,
			     void (*fn)(struct page **pages, unsigned int n))
{
	const void *end = p + len;
	struct page *page;

	for (; p < end; p += PAGE_SIZE) {
		page = is_vmalloc_addr(p) ? vmalloc_to_page(p) : virt_to_page(p);
		fn(&page, 1);
	}
}

/* krr_share_mem() - krr_share() for whole pages by their kernel address */
void krr_share_mem(const void *p, size_t len)
{
	for_each_page_of(p, len, krr_share);
}
EXPORT_SYMBOL_GPL(krr_share_mem);

void krr_unshare_mem(const void *p, size_t len)
{
	for_each_page_of(p, len, krr_unshare);
}
EXPORT_SYMBOL_GPL(krr_unshare_mem);

/**
 * krr_list_shared() - begin the list of inert memory: shared pages in page tables
 *
 * May sleep.
 */
void krr_list_shared(void)
{
	krr_hdr->inert_count = krr_hdr->inert_lost = 0;
	shared_count = shared_lost = 0;
	krr_each_mm(walk_page_tables, (void *)&shared_ops);
	shared_count = krr_hdr->inert_count;
	shared_lost = krr_hdr->inert_lost;
}

/* krr_list_inert() - the inert ranges of this moment, after those found in page tables */
void krr_list_inert(void)
{
	unsigned long pfn;
	int cpu;

	krr_hdr->inert_count = shared_count;
	krr_hdr->inert_lost = shared_lost;
	krr_virtio_inert();
	for_each_set_bit(pfn, shared_pages, max_pfn)
		krr_inert(pfn_to_kaddr(pfn), PAGE_SIZE);
	for_each_online_cpu(cpu)
		list_inert_cpu(cpu);
}

int __init krr_pages_init(void)
{
	shared_pages = bitmap_zalloc(max_pfn, GFP_KERNEL);
	return shared_pages ? 0 : -ENOMEM;
}
