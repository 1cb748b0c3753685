// SPDX-License-Identifier: GPL-2.0-only
/*
 * krr: tells the host how to find its way in this kernel's memory, so that
 * `krrctl verify` can say what kind of page differs.
 */
#include <linux/mm.h>
#include <linux/memblock.h>
#include <linux/page-flags.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <asm/pgtable.h>
#include <asm/sections.h>
#include "../../../mm/slab.h"

#include "krr.h"

static u64 task_cache_of(const void *task)
{
	const struct slab *slab = virt_to_slab(task);

	return slab ? (u64)slab->slab_cache : 0;
}

/**
 * krr_fill_layout() - describe this kernel
 * @l: zeroed
 */
void krr_fill_layout(struct krr_layout *l)
{
	l->page_offset = PAGE_OFFSET;
	l->phys_base = phys_base;
	l->text = (u64)_text;
	l->etext = (u64)_etext;
	l->sdata = (u64)_sdata;
	l->edata = (u64)__bss_stop;
	l->page_array = VMEMMAP_START;
	l->kernel_pgd = (u64)swapper_pg_dir;
	l->percpu_start = (u64)per_cpu_ptr((void __percpu *)__per_cpu_start, 0);
	/* from one CPU's area to the next one's; the last has only what it needs */
	l->percpu_unit = num_possible_cpus() > 1 ? per_cpu_offset(1) - per_cpu_offset(0) :
		__per_cpu_end - __per_cpu_start;
	l->sizeof_page = sizeof(struct page);
	l->page_flags = offsetof(struct page, flags);
	l->page_mapping = offsetof(struct page, mapping);
	l->page_type = offsetof(struct page, page_type);
	l->page_compound_head = offsetof(struct page, compound_head);
	l->bit_lru = PG_lru;
	l->bit_slab = PG_slab;
	l->bit_head = PG_head;
	l->bit_reserved = PG_reserved;
	l->bit_swapbacked = PG_swapbacked;
	l->pgtype_buddy = PG_buddy;
	l->pgtype_table = PG_table;
	l->task_cache = task_cache_of(current);
	l->task_size = arch_task_struct_size;
	l->task_fpu = offsetof(struct task_struct, thread.fpu.__fpstate.regs);
	l->task_fpu_bytes = arch_task_struct_size - l->task_fpu;
	l->slab_cache = offsetof(struct slab, slab_cache);
	l->cache_size = offsetof(struct kmem_cache, size);
	l->page_dtor = offsetof(struct page, compound_dtor);
#ifdef CONFIG_HUGETLB_PAGE
	l->dtor_hugetlb = HUGETLB_PAGE_DTOR;
#endif
	l->max_pfn = max_pfn;
}
