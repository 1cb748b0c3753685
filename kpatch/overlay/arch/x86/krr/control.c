// SPDX-License-Identifier: GPL-2.0-only
/*
 * krr: reserving the region, starting and stopping a recording, /dev/krr.
 *
 * A recording starts and ends with all CPUs parked at one known place, inside
 * stop_machine(); the host takes its snapshot then.  The handshake stands in
 * <uapi/linux/krr.h>.
 *
 * /dev/krr takes lines: "start [NAME]", "stop", "mark TEXT".  Reading it gives
 * the state as key=value lines.
 */
#define pr_fmt(fmt) "krr: " fmt

#include <linux/bitmap.h>
#include <linux/bpf.h>
#include <linux/buildid.h>
#include <linux/cpuhotplug.h>
#include <linux/delay.h>
#include <linux/fs.h>
#include <linux/init.h>
#include <linux/jump_label.h>
#include <linux/krr.h>
#include <linux/memblock.h>
#include <linux/memory.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/pagewalk.h>
#include <linux/pci.h>
#include <linux/rcupdate.h>
#include <linux/reboot.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/task_stack.h>
#include <linux/stop_machine.h>
#include <linux/uaccess.h>
#include <linux/utsname.h>
#include <linux/vmalloc.h>
#include <linux/workqueue.h>
#include <asm/apic.h>
#include <asm/cpu_entry_area.h>
#include <asm/desc.h>
#include <asm/nops.h>
#include <asm/smp.h>
#include <asm/sync_core.h>
#include <asm/text-patching.h>
#include <asm/tsc.h>

#include "../../../kernel/module/internal.h"

#include "krr.h"

#define OUTSIDE_BYTES		1024	/* of stack, written by entry code */
#define HOLD_MAX_US		500	/* RR lock, while others wait */
#define LINE_BYTES		160

struct static_key_false krr_key = STATIC_KEY_FALSE_INIT;
EXPORT_SYMBOL_GPL(krr_key);

struct krr_hdr *krr_hdr;
struct krr_global *krr_g;
u32 *krr_contended;
u8 *krr_ring;
u64 krr_ring_mask;
u64 krr_idt[256];
u8 krr_ist[256];

static u64 want_ring;			/* krr= */
static phys_addr_t region, region_bytes;
static unsigned long *shared_pages;	/* a bit per page frame; krr_share() */
static u32 shared_count;		/* inert ranges found by walking page tables */
static DEFINE_MUTEX(control_mutex);
bool krr_start_pending;

static int __init krr_setup(char *arg)
{
	want_ring = memparse(arg, NULL);
	return 0;
}
early_param("krr", krr_setup);

#ifdef CONFIG_KRR_UNHOOK
u64 krr_unhooked;

static const struct {
	const char *name;
	u8 kind;
} kinds[] = {
#define X(NAME, name, shape, id, desc) { #name, KRR_EV_##NAME },
	KRR_EVENTS(X)
#undef X
};

/* krr_unhook=KIND,...: as if their hooks were not there; for tests of the tests */
static int __init unhook_setup(char *arg)
{
	char *name;
	int i;

	while ((name = strsep(&arg, ","))) {
		for (i = 0; i < ARRAY_SIZE(kinds) && strcmp(kinds[i].name, name); i++)
			;
		if (i == ARRAY_SIZE(kinds))
			pr_err("krr_unhook=%s: no such kind of event\n", name);
		else
			krr_unhooked |= BIT_ULL(KRR_KIND_ID(kinds[i].kind));
	}
	return 0;
}
early_param("krr_unhook", unhook_setup);
#endif

/* --- the region ---------------------------------------------------------------- */

static_assert(KRR_MIN_RING >= 2 * KRR_RING_OVERLAP);

#define STACKS_BYTES	(KRR_MAX_CPUS * KRR_STACK_BYTES)
#define INERT_BYTES	(64u << 10)
#define GLOBAL_BYTES	PAGE_ALIGN(sizeof(struct krr_global))

/**
 * krr_reserve() - take the region from the boot allocator
 *
 * Layout: header, global state, stacks, inert ranges, ring.
 */
void __init krr_reserve(void)
{
	if (!want_ring)
		return;
	if (!is_power_of_2(want_ring) || want_ring < KRR_MIN_RING) {
		pr_err("krr=%llu: expected a power of two of at least %uM\n", want_ring,
		       KRR_MIN_RING >> 20);
		return;
	}
	region_bytes = KRR_HDR_BYTES + GLOBAL_BYTES + STACKS_BYTES + INERT_BYTES + want_ring;
	region = memblock_phys_alloc_range(region_bytes, PAGE_SIZE, SZ_1M, SZ_4G);
	if (!region)
		pr_err("no room for krr=%lluM: give the guest more memory or a smaller ring\n",
		       want_ring >> 20);
}

static int __init map_ring(phys_addr_t start)
{
	unsigned long n = want_ring >> PAGE_SHIFT, extra = KRR_RING_OVERLAP >> PAGE_SHIFT, i;
	struct page **pages = kvmalloc_array(n + extra, sizeof(*pages), GFP_KERNEL);

	if (!pages)
		return -ENOMEM;
	for (i = 0; i < n + extra; i++)
		pages[i] = pfn_to_page((start >> PAGE_SHIFT) + i % n);
	krr_ring = vmap(pages, n + extra, VM_MAP, PAGE_KERNEL);
	kvfree(pages);
	if (!krr_ring)
		return -ENOMEM;
	/* touch all of it: no page table may come to be while recording */
	for (i = 0; i < n + extra; i++)
		READ_ONCE(krr_ring[i << PAGE_SHIFT]);
	krr_ring_mask = want_ring - 1;
	return 0;
}

static void __init read_idt(void)
{
	struct desc_ptr idt;
	const gate_desc *gate;
	int i;

	store_idt(&idt);
	gate = (const gate_desc *)idt.address;
	for (i = 0; i < 256; i++) {
		krr_idt[i] = gate_offset(&gate[i]);
		krr_ist[i] = gate[i].bits.ist;
	}
}

static void __init describe_kernel(struct krr_hdr *h)
{
	memcpy(h->magic, KRR_MAGIC, KRR_MAGIC_LEN);
	h->version = KRR_FORMAT_VERSION;
	h->hdr_bytes = sizeof(*h);
	h->gpa = region;
	h->ring_off = region_bytes - want_ring;
	h->ring_bytes = want_ring;
	h->nr_cpus = num_online_cpus();
#if IS_ENABLED(CONFIG_STACKTRACE_BUILD_ID) || IS_ENABLED(CONFIG_CRASH_CORE)
	memcpy(h->build_id, vmlinux_build_id, BUILD_ID_SIZE_MAX);
	h->build_id_len = BUILD_ID_SIZE_MAX;
#endif
	strscpy(h->release, utsname()->release, sizeof(h->release));
	strscpy(h->kversion, utsname()->version, sizeof(h->kversion));
	h->recorder_start = region;
	h->recorder_end = region + region_bytes;
	/* calibration can fail on a busy host; 1 GHz is for timeouts only */
	h->tsc_khz = tsc_khz ?: 1000000;
	h->inert_off = KRR_HDR_BYTES + GLOBAL_BYTES + STACKS_BYTES;
	h->inert_max = INERT_BYTES / sizeof(struct krr_range);
	krr_fill_layout(&h->layout);
}

/* --- start ---------------------------------------------------------------------- */

/*
 * User page tables must not change by themselves: accessed bits are set for all,
 * dirty bits where hardware might set them.  New entries are made so by
 * krr_user_pte(), which krr_key has switched on.
 */
static int settle_pte(pte_t *pte, unsigned long addr, unsigned long next, struct mm_walk *walk)
{
	if (!pte_present(*pte))
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

/* Call @fn(mm, arg) for the memory of each process, its mmap lock held. */
static void for_each_mm(void (*fn)(struct mm_struct *mm, void *arg), void *arg)
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

static noinstr void prepare(void)
{
	struct krr_global *g = krr_g;
	int i;

	g->next = g->serving = g->contended = 0;
	g->owner = g->turn = g->last = KRR_NOBODY;
	g->left = 0;
	g->muted = 0;
	g->pos_head = g->pos_tail = g->tsc = g->events = g->dead_since = 0;
	g->peek.valid = false;
	g->hold_max = (u32)(krr_hdr->tsc_khz * HOLD_MAX_US / 1000);
	for (i = 0; i < KRR_MAX_CPUS; i++)
		g->cpu[i] = (struct krr_cpu){ .apicid = g->cpu[i].apicid };
	krr_hdr->head = krr_hdr->tail = 0;
	krr_hdr->events = krr_hdr->throttled = 0;
	krr_hdr->lock_handovers = krr_hdr->lock_wait_tsc = 0;
	krr_hdr->stop_reason = KRR_STOP_NONE;
	krr_hdr->start_tsc = krr_raw_tsc();
	krr_hdr->generation++;
}

/* The one place where CPUs stand while the host takes the snapshot. */
static noinstr u64 krr_c_park_start(unsigned long nr_cpus)
{
	struct krr_global *g = krr_g;
	u32 one = 1, cmd;
	u64 since;

	this_cpu_write(krr_vif, 0);
	this_cpu_write(krr_pos, 0);
	asm volatile("lock xaddl %0, %1" : "+r" (one), "+m" (g->arrived) : : "memory");
	if (one + 1 == nr_cpus) {
		prepare();
		smp_store_release(&krr_hdr->state, KRR_ST_PARKED_START);
	}
	since = krr_raw_tsc();
	while ((cmd = smp_load_acquire(&krr_hdr->command)) == KRR_CMD_NONE) {
		/* the host's death is found by one CPU, for all */
		if (one + 1 == nr_cpus &&
		    krr_raw_tsc() - since > KRR_HOST_PATIENCE_MS * krr_hdr->tsc_khz) {
			g->no_answer = 1;
			krr_hdr->command = KRR_CMD_ABORT;
		}
		krr_pause();
	}
	if (cmd != KRR_CMD_RECORD && cmd != KRR_CMD_REPLAY)
		return 0;
	g->mode = cmd == KRR_CMD_RECORD ? KRR_MODE_RECORD : KRR_MODE_REPLAY;
	this_cpu_write(krr_mode, g->mode);
	if (one + 1 == nr_cpus) {
		smp_store_release(&krr_hdr->state, cmd == KRR_CMD_RECORD ? KRR_ST_RECORDING :
				  KRR_ST_REPLAYING);
		if (cmd == KRR_CMD_REPLAY)
			krr_lock_pass();
	}
	krr_lock_acquire(KRR_HOW_START);
	return 0;
}

/* The same at the end; the last CPU to come logs the last event. */
static noinstr u64 krr_c_park_end(unsigned long nr_cpus, unsigned long reason)
{
	struct krr_global *g = krr_g;

	if (++g->left == nr_cpus) {
		krr_finish(reason);
		return 0;
	}
	krr_lock_release();
	if (!krr_recording())
		krr_dead();
	while (!krr_off_if_ended())
		krr_pause();
	return 0;
}

/**
 * krr_inert() - name memory whose content is of no consequence to the kernel
 * @p: kernel address, mapped; physically contiguous
 */
void krr_inert(const void *p, u32 len)
{
	struct krr_range *r = (void *)krr_hdr + krr_hdr->inert_off;

	if (krr_hdr->inert_count < krr_hdr->inert_max)
		r[krr_hdr->inert_count++] =
			(struct krr_range){ slow_virt_to_phys((void *)p), len };
}
EXPORT_SYMBOL_GPL(krr_inert);

/*
 * Outside the domain: stacks of entry code that runs before the RR lock is
 * taken or after it is given up, of NMIs, and of #DB (sysenter with TF set); the recorder's scratch words; what
 * a CPU that is not in the kernel now has pushed on its way in.
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

/* The inert ranges of this moment, after those found in page tables. */
static void list_inert(void)
{
	unsigned long pfn;
	int cpu;

	krr_hdr->inert_count = shared_count;
	krr_virtio_inert();
	for_each_set_bit(pfn, shared_pages, max_pfn)
		krr_inert(pfn_to_kaddr(pfn), PAGE_SIZE);
	for_each_online_cpu(cpu)
		list_inert_cpu(cpu);
}

static __printf(1, 2) int refuse(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vscnprintf(krr_hdr->message, sizeof(krr_hdr->message), fmt, args);
	va_end(args);
	pr_err("can't be recorded: %s\n", krr_hdr->message);
	return -EOPNOTSUPP;
}

/* --- the static key ------------------------------------------------------------ */

/*
 * The sites of krr_key are flipped by plain writes while all other CPUs stand
 * still, not by static_branch_enable(), which puts an INT3 into each, and stops
 * all CPUs three times for every 256 of them.
 *
 * text_poke_kgdb() is text_poke() for a machine that stands still; the mutex that
 * the latter wants to see held is held by the task that waits for flip_key().
 */
struct flip {
	bool on;
	u32 arrived, done;
};

static void write_site(struct jump_entry *e, bool on)
{
	u8 *site = (u8 *)jump_entry_code(e);
	int size = arch_jump_entry_size(e);

	if (on)
		text_poke_kgdb(site, text_gen_insn(size == 2 ? JMP8_INSN_OPCODE : JMP32_INSN_OPCODE,
						   site, (void *)jump_entry_target(e)), size);
	else
		text_poke_kgdb(site, x86_nops[size], size);
}

static void write_sites(struct jump_entry *e, unsigned int n, bool on)
{
	for (; n--; e++)
		if (jump_entry_key(e) == &krr_key.key && !jump_entry_is_init(e))
			write_site(e, on);
}

static void write_all_sites(bool on)
{
	struct module *mod;

	write_sites(__start___jump_table, __stop___jump_table - __start___jump_table, on);
	list_for_each_entry(mod, &modules, list)
		if (mod->state != MODULE_STATE_UNFORMED)
			write_sites(mod->jump_entries, mod->num_jump_entries, on);
	atomic_set(&krr_key.key.enabled, on);
}

static int flip_key(void *arg)
{
	struct flip *f = arg;

	asm volatile("lock incl %0" : "+m" (f->arrived));
	if (smp_processor_id() == cpumask_first(cpu_online_mask)) {
		while (READ_ONCE(f->arrived) < num_online_cpus())
			krr_pause();
		write_all_sites(f->on);
		smp_store_release(&f->done, 1);
	}
	while (!smp_load_acquire(&f->done))
		krr_pause();
	sync_core();
	return 0;
}

/* All hooks look at krr_mode from now on, or no longer. */
static int arm(bool on)
{
	struct flip f = { .on = on };
	struct module *mod;
	int err = 0;

	mutex_lock(&module_mutex);
	list_for_each_entry(mod, &modules, list)
		if (on && mod->state != MODULE_STATE_LIVE)
			err = refuse("module %s is being loaded or removed: try again", mod->name);
	if (!err) {
		cpus_read_lock();
		mutex_lock(&text_mutex);
		stop_machine_cpuslocked(flip_key, &f, cpu_online_mask);
		mutex_unlock(&text_mutex);
		cpus_read_unlock();
	}
	mutex_unlock(&module_mutex);
	return err;
}

static int park_start(void *unused)
{
	krr_call(krr_c_park_start, num_online_cpus(), 0, 0, 0);
	return 0;
}

static int park_end(void *reason)
{
	if (!krr_on())
		return 0;
	list_inert();
	krr_call(krr_c_park_end, num_online_cpus(), reason, 0, 0);
	return 0;
}

/* --- what cannot be recorded ------------------------------------------------------ */

/* Device memory is logged where virtio rings are read; other DMA would be missed. */
static int check_pci(void)
{
	struct pci_dev *dev = NULL;
	u16 command;

	for_each_pci_dev(dev) {
		struct pci_driver *driver = dev->driver;

		if (!driver || !strcmp(driver->name, "virtio-pci"))
			continue;
		pci_read_config_word(dev, PCI_COMMAND, &command);
		if (!(command & PCI_COMMAND_MASTER))
			continue;
		refuse("driver %s does DMA for device %s; only virtio devices can be recorded: unbind it",
		       driver->name, pci_name(dev));
		pci_dev_put(dev);
		return -EOPNOTSUPP;
	}
	return 0;
}

/* Programs read such a map by plain loads. */
static void find_mapped_bpf_map(struct mm_struct *mm, void *found)
{
	VMA_ITERATOR(vmi, mm, 0);
	struct vm_area_struct *vma;

	for_each_vma(vmi, vma)
		if (vma->vm_file && vma->vm_file->f_op == &bpf_map_fops &&
		    vma->vm_flags & VM_WRITE)
			*(bool *)found = true;
}

static int check_mappings(void)
{
	bool found = false;

	for_each_mm(find_mapped_bpf_map, &found);
	if (found)
		return refuse("a process has a BPF map mapped writable; programs would read what no hook sees");
	return 0;
}

static int check_cpu(void)
{
	if (num_online_cpus() > KRR_MAX_CPUS)
		return refuse("%u CPUs are online, at most %u can be recorded",
			      num_online_cpus(), KRR_MAX_CPUS);
	if (x2apic_enabled())
		return refuse("the local APIC is in x2APIC mode: boot with nox2apic");
	if (boot_cpu_has(X86_FEATURE_FSGSBASE))
		return refuse("user mode can write FS and GS base: boot with nofsgsbase");
	if (boot_cpu_has(X86_FEATURE_OSPKE))
		return refuse("user mode can write the protection key register: boot with nopku");
	if (boot_cpu_has(X86_FEATURE_HYPERVISOR) && boot_cpu_has(X86_FEATURE_MWAIT) &&
	    boot_option_idle_override != IDLE_HALT)
		return refuse("idle may use mwait: boot with idle=halt");
	return 0;
}

static int check_supported(void)
{
	if (IS_ENABLED(CONFIG_KSM) || IS_ENABLED(CONFIG_ZSWAP) || IS_ENABLED(CONFIG_ZRAM) ||
	    IS_ENABLED(CONFIG_TRANSPARENT_HUGEPAGE))
		return refuse("this kernel has KSM, zswap, zram or transparent huge pages in it");
	if (IS_ENABLED(CONFIG_TLS) || IS_ENABLED(CONFIG_CRYPTO_USER_API))
		return refuse("this kernel has TLS or the crypto API for user mode in it, which read user pages");
	return check_cpu() ?: check_pci() ?: check_mappings();
}

/* CPUs do not come or go during a recording. */
static int refuse_hotplug(unsigned int cpu)
{
	return krr_on() ? -EBUSY : 0;
}

/* Is a host there, and done with the last recording? */
static int find_host(void)
{
	u64 beat = READ_ONCE(krr_hdr->heartbeat);
	int ms;

	for (ms = 0; ms < 1000; ms += 20) {
		if (READ_ONCE(krr_hdr->heartbeat) != beat &&
		    READ_ONCE(krr_hdr->command) == KRR_CMD_NONE)
			return 0;
		msleep(20);
	}
	return -ENODEV;
}

/*
 * A task that was preempted between a hook's look at krr_mode and the plain
 * operation would do that operation inside the domain.  With preempt=full that can
 * be; from arm() on nobody is preempted at an interrupt's return until all CPUs
 * are parked (krr_settling()), and here those are waited for who were before.
 */
static void leave_hooks(void)
{
	if (preempt_model_full())
		synchronize_rcu_tasks();
}

static int start_recording(const char *name)
{
	int err;

	if (krr_g->mode != KRR_MODE_OFF)
		return -EBUSY;
	err = check_supported() ?: find_host();
	if (err)
		return err;
	strscpy(krr_hdr->name, name, sizeof(krr_hdr->name));
	krr_hdr->message[0] = 0;
	krr_hdr->nr_cpus = num_online_cpus();
	krr_g->arrived = krr_g->no_answer = 0;
	WRITE_ONCE(krr_start_pending, true);
	err = arm(true);
	if (err)
		goto out;
	leave_hooks();
	shared_count = 0;
	for_each_mm(walk_page_tables, (void *)&settle_ops);
	stop_machine(park_start, NULL, cpu_online_mask);
	if (krr_g->mode == KRR_MODE_OFF) {
		arm(false);
		krr_hdr->state = KRR_ST_IDLE;
		err = krr_g->no_answer ? -ETIMEDOUT : -ECANCELED;
	}
out:
	WRITE_ONCE(krr_start_pending, false);
	return err;
}

static int stop_recording(enum krr_stop reason)
{
	if (krr_g->mode == KRR_MODE_OFF)
		return -EINVAL;
	krr_hdr->inert_count = 0;
	for_each_mm(walk_page_tables, (void *)&shared_ops);
	shared_count = krr_hdr->inert_count;
	stop_machine(park_end, (void *)(long)reason, cpu_online_mask);
	arm(false);
	return 0;
}

/* --- met while recording --------------------------------------------------------- */

static const char *unsupported_what;

static void stop_unsupported(struct work_struct *work)
{
	mutex_lock(&control_mutex);
	if (krr_on()) {
		refuse("%s", unsupported_what);
		stop_recording(KRR_STOP_UNSUPPORTED);
	}
	mutex_unlock(&control_mutex);
}

static DECLARE_WORK(unsupported_work, stop_unsupported);

/**
 * krr_unsupported() - something happens that can't be recorded
 * @what: in words, a literal
 *
 * The recording ends soon, with reason KRR_STOP_UNSUPPORTED.  Any context.
 */
void krr_unsupported(const char *what)
{
	if (!krr_on())
		return;
	unsupported_what = what;
	schedule_work(&unsupported_work);
}
EXPORT_SYMBOL_GPL(krr_unsupported);

/* --- panic ------------------------------------------------------------------------ */

static noinstr u64 krr_c_panic(unsigned long msg, unsigned long len, unsigned long c,
			       unsigned long d, unsigned long site)
{
	u32 i;

	krr_c_bytes(KRR_EV_PANIC, msg, len, 0, site);
	for (i = 0; i < len && i < sizeof(krr_hdr->message) - 1; i++)
		krr_hdr->message[i] = ((char *)msg)[i];
	krr_hdr->message[i] = 0;
	krr_finish(KRR_STOP_PANIC);
	return 0;
}

/**
 * krr_panic() - the kernel panics: seal the recording
 * @msg: what panic() was given, formatted
 *
 * Called when the oops and the backtrace have been printed.
 */
void krr_panic(const char *msg)
{
	if (!krr_on())
		return;
	list_inert();
	krr_call(krr_c_panic, msg, strlen(msg), 0, 0);
}

/* --- /dev/krr --------------------------------------------------------------------- */

static const char *const state_names[] = {
	[KRR_ST_IDLE] = "idle",
	[KRR_ST_PARKED_START] = "parked",
	[KRR_ST_RECORDING] = "recording",
	[KRR_ST_REPLAYING] = "replaying",
	[KRR_ST_PARKED_END] = "parked",
	[KRR_ST_DIVERGED] = "diverged",
	[KRR_ST_CUT] = "cut",
	[KRR_ST_LOST] = "lost",
};

static noinstr u64 krr_c_mark(unsigned long text, unsigned long len, unsigned long c,
			      unsigned long d, unsigned long site)
{
	return krr_c_bytes(KRR_EV_MARK, text, len, 0, site);
}

static int run_line(char *line)
{
	char *arg = line;

	strsep(&arg, " ");
	arg = arg ?: "";
	if (!strcmp(line, "start"))
		return start_recording(arg);
	if (!strcmp(line, "stop"))
		return stop_recording(KRR_STOP_REQUEST);
	if (!strcmp(line, "mark")) {
		if (!krr_on())
			return -EINVAL;
		krr_call(krr_c_mark, arg, strlen(arg), 0, 0);
		return 0;
	}
	return -EINVAL;
}

static ssize_t krr_write(struct file *file, const char __user *buf, size_t len, loff_t *pos)
{
	char line[LINE_BYTES];
	int err;

	if (len >= sizeof(line))
		return -EINVAL;
	if (copy_from_user(line, buf, len))
		return -EFAULT;
	line[len] = 0;
	strim(line);
	if (mutex_lock_interruptible(&control_mutex))
		return -EINTR;
	err = run_line(line);
	mutex_unlock(&control_mutex);
	return err ?: len;
}

static ssize_t krr_read(struct file *file, char __user *buf, size_t len, loff_t *pos)
{
	/* only what is the same in replay */
	bool on = krr_on();
	char text[1400];
	int n;

	n = scnprintf(text, sizeof(text), "state=%s\ncpus=%u\nring_bytes=%llu\n%s%s%s",
		      on ? state_names[KRR_ST_RECORDING] : state_names[KRR_ST_IDLE],
		      krr_hdr->nr_cpus, krr_hdr->ring_bytes,
		      on ? "" : "message=", on ? "" : krr_hdr->message, on ? "" : "\n");
	return simple_read_from_buffer(buf, len, pos, text, n);
}

static const struct file_operations krr_fops = {
	.owner = THIS_MODULE,
	.read = krr_read,
	.write = krr_write,
	.llseek = default_llseek,
};

static struct miscdevice krr_dev = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "krr",
	.mode = 0600,
	.fops = &krr_fops,
};

static int on_reboot(struct notifier_block *nb, unsigned long action, void *data)
{
	if (krr_on())
		stop_recording(KRR_STOP_REBOOT);
	return NOTIFY_DONE;
}

static struct notifier_block reboot_nb = {
	.notifier_call = on_reboot,
	.priority = INT_MAX,
};

static void __init set_up_cpu(int cpu, u8 *base)
{
	if (cpu >= KRR_MAX_CPUS)
		return;
	per_cpu(krr_stack, cpu) = (u64)base + KRR_HDR_BYTES + GLOBAL_BYTES +
		(cpu + 1) * KRR_STACK_BYTES;
	krr_g->cpu[cpu].apicid = per_cpu(x86_cpu_to_apicid, cpu);
}

static int __init krr_init(void)
{
	u8 *base = __va(region);
	int cpu, err;

	if (!region)
		return 0;
	memset(base, 0, region_bytes - want_ring);
	krr_hdr = (struct krr_hdr *)base;
	krr_g = (struct krr_global *)(base + KRR_HDR_BYTES);
	krr_contended = &krr_g->contended;
	shared_pages = bitmap_zalloc(max_pfn, GFP_KERNEL);
	if (!shared_pages)
		return -ENOMEM;
	err = map_ring(region + region_bytes - want_ring);
	if (err)
		return err;
	for_each_possible_cpu(cpu)
		set_up_cpu(cpu, base);
	read_idt();
	register_reboot_notifier(&reboot_nb);
	err = cpuhp_setup_state_nocalls(CPUHP_BP_PREPARE_DYN, "krr:prepare", refuse_hotplug, NULL);
	if (err < 0)
		return err;
	err = cpuhp_setup_state_nocalls(CPUHP_AP_ONLINE_DYN, "krr:online", NULL, refuse_hotplug);
	if (err < 0)
		return err;
	err = misc_register(&krr_dev);
	if (err)
		return err;
	describe_kernel(krr_hdr);
	pr_info("ring of %llu MiB at %pa\n", want_ring >> 20, &region);
	return 0;
}
late_initcall(krr_init);
