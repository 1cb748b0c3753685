// SPDX-License-Identifier: GPL-2.0-only
/*
 * krr: the region that the guest reserves at boot, what stands in it, and what it
 * says of this kernel.  <uapi/linux/krr.h> describes it.
 */
#define pr_fmt(fmt) "krr: " fmt

#include <linux/buildid.h>
#include <linux/init.h>
#include <linux/krr.h>
#include <linux/memblock.h>
#include <linux/mm.h>
#include <linux/utsname.h>
#include <linux/vmalloc.h>
#include <asm/apic.h>
#include <asm/desc.h>
#include <asm/smp.h>
#include <asm/tsc.h>

#include "calls.h"
#include "krr.h"

struct krr_hdr *krr_hdr;
struct krr_global *krr_g;

u8 *krr_ring;
u64 krr_ring_mask;
u64 krr_idt[256];
u8 krr_ist[256];

static u64 want_ring;			/* krr= */
static phys_addr_t region, region_bytes;

static int __init krr_setup(char *arg)
{
	want_ring = memparse(arg, NULL);
	return 0;
}
early_param("krr", krr_setup);

/*
 * krr_lapic_hz=N: what the timer of the local APIC counts with.  Else the kernel measures
 * it, which fails where the host is busy just then, and does without the timer.
 */
static int __init lapic_setup(char *arg)
{
	u32 hz;
	int err = kstrtou32(arg ?: "", 10, &hz);

	if (err)
		return err;
	lapic_timer_period = hz / HZ;
	return 0;
}
early_param("krr_lapic_hz", lapic_setup);

#ifdef CONFIG_KRR_UNHOOK
u64 krr_unhooked;

static const struct {
	const char *name;
	u8 bit;
} hooks[] = {
#define X(NAME, name, shape, id, desc) { #name, id },
	KRR_EVENTS(X)
#undef X
	{ "ad", KRR_UNHOOK_AD },
};

static_assert(KRR_NR_IDS <= KRR_UNHOOK_AD);

/* krr_unhook=KIND|ad,...: as if their hooks were not there; for tests of the tests */
static int __init unhook_setup(char *arg)
{
	char *name;
	int i;

	while ((name = strsep(&arg, ","))) {
		for (i = 0; i < ARRAY_SIZE(hooks) && strcmp(hooks[i].name, name); i++)
			;
		if (i == ARRAY_SIZE(hooks))
			pr_err("krr_unhook=%s: no such kind of event, nor \"ad\"\n", name);
		else
			krr_unhooked |= BIT_ULL(hooks[i].bit);
	}
	return 0;
}
early_param("krr_unhook", unhook_setup);
#endif

static_assert(KRR_MIN_RING >= 2 * KRR_RING_OVERLAP);
static_assert(offsetof(struct krr_global, waiting) == KRR_G_WAITING);
static_assert(offsetof(struct krr_global, pos_head) == KRR_G_HEAD);
static_assert(offsetof(struct krr_global, pos_tail) == KRR_G_TAIL);
static_assert(offsetof(struct krr_global, tsc) == KRR_G_TSC);
static_assert(offsetof(struct krr_global, events) == KRR_G_EVENTS);
static_assert(offsetof(struct krr_global, windows) == KRR_G_WINDOWS);
static_assert(offsetof(struct krr_global, muted) == KRR_G_MUTED);
static_assert(offsetof(struct krr_hdr, head) == KRR_HDR_HEAD);

#define STACKS_BYTES	(KRR_MAX_CPUS * KRR_STACK_BYTES)
#define INERT_BYTES	(256u << 10)
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
	krr_allow_x2apic();
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

static void __init set_up_cpu(int cpu, u8 *base)
{
	if (cpu >= KRR_MAX_CPUS)
		return;
	per_cpu(krr_stack, cpu) = (u64)base + KRR_HDR_BYTES + GLOBAL_BYTES +
		(cpu + 1) * KRR_STACK_BYTES;
	krr_g->cpu[cpu].apicid = per_cpu(x86_cpu_to_apicid, cpu);
}

/**
 * krr_region_init() - map the region and fill it in; hdr.magic comes last
 *
 * Return: 0, -ENOENT without krr=, or -ENOMEM.
 */
int __init krr_region_init(void)
{
	u8 *base = __va(region);
	int cpu, err;

	if (!region)
		return -ENOENT;
	memset(base, 0, region_bytes - want_ring);
	err = map_ring(region + region_bytes - want_ring);
	if (err)
		return err;
	krr_hdr = (struct krr_hdr *)base;
	krr_g = (struct krr_global *)(base + KRR_HDR_BYTES);
	for_each_possible_cpu(cpu)
		set_up_cpu(cpu, base);
	read_idt();
	krr_lock_init();
	return 0;
}

/* krr_region_show() - let the host find it: all is ready */
void __init krr_region_show(void)
{
	describe_kernel(krr_hdr);
	pr_info("ring of %llu MiB at %pa\n", want_ring >> 20, &region);
}
