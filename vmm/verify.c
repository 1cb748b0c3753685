// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a page is, is read from the recording's own memory: struct page, the
 * kernel's page tables, the addresses that the guest noted in hdr.layout.
 * Whatever of these is zero or leads nowhere makes the page "other", which is
 * never tolerated: a doubt counts as a difference.
 */
#include <errno.h>
#include <string.h>
#include <stdlib.h>

#include "vmm/verify.h"

#define PAGE		4096ull
#define START_KERNEL	0xffffffff80000000ull
#define VMALLOC_START	0xffffc90000000000ull	/* four levels, nokaslr */
#define VMALLOC_END	0xffffe8ffffffffffull
#define PTE_PRESENT	1ull
#define PTE_LARGE	0x80ull
#define PTE_ADDR	0x000ffffffffff000ull
#define TYPE_BASE	0xf0000000u
#define PCP_PAGES	8ull		/* largest block on a CPU's own list of free pages */
#define TABLE_LEVELS	3		/* of page tables, below the PGD */
/* Each page that differs is looked up in the list; the guest has room for fewer. */
#define MAX_INERT	16384u

struct memory {
	const struct krr_ram *ram;
	uint64_t end;		/* of physical addresses that may be RAM; bitmaps go up to it */
	struct krr_layout l;
	uint8_t *vmalloc;	/* bitmap of pages that are mapped there */
	uint8_t *walked[TABLE_LEVELS];	/* bitmaps of page tables, by level */
	const struct krr_range *inert;	/* memory that devices write at any time */
	uint32_t nr_inert;
};

static const char *const names[] = {
#define X(NAME, name, tolerated) name,
	KRR_CLASSES(X)
#undef X
};

static const bool tolerated[] = {
#define X(NAME, name, tolerated) tolerated,
	KRR_CLASSES(X)
#undef X
};

/** krr_class_name() - name of a class of pages */
const char *krr_class_name(enum krr_class c)
{
	return names[c];
}

/** krr_class_tolerated() - may pages of this class differ? */
bool krr_class_tolerated(enum krr_class c)
{
	return tolerated[c];
}

static uint64_t read_phys(const struct memory *m, uint64_t pa, unsigned int len)
{
	const uint8_t *at = krr_ram_at(m->ram, pa, len);
	uint64_t v = 0;

	if (at)
		memcpy(&v, at, len);
	return v;
}

static uint64_t table_phys(const struct memory *m)
{
	uint64_t va = m->l.kernel_pgd;

	return va >= START_KERNEL ? va - START_KERNEL + m->l.phys_base : UINT64_MAX;
}

/* Physical address of a kernel address, UINT64_MAX when it has none. */
static uint64_t translate(const struct memory *m, uint64_t va)
{
	uint64_t table = table_phys(m), e = 0;
	int shift;

	for (shift = 39; shift >= 12; shift -= 9) {
		e = read_phys(m, table + (va >> shift & 511) * 8, 8);
		if (!(e & PTE_PRESENT))
			return UINT64_MAX;
		table = e & PTE_ADDR;
		if (shift == 12 || (shift < 39 && e & PTE_LARGE))
			return (table & ~((1ull << shift) - 1)) + (va & ((1ull << shift) - 1));
	}
	return UINT64_MAX;
}

static uint64_t read_virt(const struct memory *m, uint64_t va, unsigned int len)
{
	uint64_t pa = translate(m, va);

	return pa == UINT64_MAX ? 0 : read_phys(m, pa, len);
}

static uint8_t *new_bitmap(const struct memory *m)
{
	return calloc(m->end / PAGE / 8 + 1, 1);
}

/* Return: was it set? */
static bool set_page_bit(uint8_t *bitmap, uint64_t pa)
{
	uint8_t bit = (uint8_t)(1u << (pa / PAGE & 7)), *p = &bitmap[pa / PAGE / 8];
	bool old = *p & bit;

	*p |= bit;
	return old;
}

static bool page_bit(const uint8_t *bitmap, uint64_t pa)
{
	return bitmap[pa / PAGE / 8] >> (pa / PAGE & 7) & 1;
}

/* A mapping of 2 MiB or 1 GiB, the address a multiple of that. */
static void mark_large(struct memory *m, uint64_t pa, uint64_t bytes)
{
	if (pa >= m->end)
		return;
	if (bytes > m->end - pa)
		bytes = m->end - pa;
	memset(m->vmalloc + pa / PAGE / 8, 0xff, (bytes + PAGE * 8 - 1) / PAGE / 8);
}

/* A table may be its own entry: each is walked once at each level, or it takes hours. */
static void mark_table(struct memory *m, uint64_t table, int shift)
{
	uint64_t e, pa;
	unsigned int i;

	if (table >= m->end || set_page_bit(m->walked[(shift - 12) / 9], table))
		return;
	for (i = 0; i < 512; i++) {
		e = read_phys(m, table + i * 8, 8);
		pa = e & PTE_ADDR & ~((1ull << shift) - 1);
		if (!(e & PTE_PRESENT))
			continue;
		if (shift > 12 && e & PTE_LARGE)
			mark_large(m, pa, 1ull << shift);
		else if (shift > 12)
			mark_table(m, e & PTE_ADDR, shift - 9);
		else if (pa < m->end)
			set_page_bit(m->vmalloc, pa);
	}
}

static void mark_vmalloc(struct memory *m)
{
	uint64_t table = table_phys(m), e;
	unsigned int i;

	for (i = VMALLOC_START >> 39 & 511; i <= (VMALLOC_END >> 39 & 511); i++) {
		e = read_phys(m, table + i * 8, 8);
		if (e & PTE_PRESENT)
			mark_table(m, e & PTE_ADDR, 30);
	}
}

static bool between(uint64_t a, uint64_t start, uint64_t end)
{
	return a >= start && a < end;
}

static uint64_t image_va(const struct memory *m, uint64_t pa)
{
	return pa - m->l.phys_base + START_KERNEL;
}

static uint64_t page_at(const struct memory *m, uint64_t pfn)
{
	return m->l.page_array + pfn * m->l.sizeof_page;
}

/*
 * Virtual address of the struct page of @pa, that of the head if it is a tail;
 * 0 if there is none.
 */
static uint64_t page_of(const struct memory *m, uint64_t pa)
{
	uint64_t page = page_at(m, pa / PAGE), head;

	if (!m->l.page_array || !m->l.sizeof_page)
		return 0;
	head = read_virt(m, page + m->l.page_compound_head, 8);
	if (head & 1)
		page = head - 1;
	return translate(m, page) == UINT64_MAX ? 0 : page;
}

/* _refcount follows page_type */
static uint32_t refcount(const struct memory *m, uint64_t page)
{
	return (uint32_t)read_virt(m, page + m->l.page_type + 4, 4);
}

/* Is it in a list?  page->lru is where compound_head is. */
static bool linked(const struct memory *m, uint64_t page)
{
	uint64_t lru = page + m->l.page_compound_head;

	return read_virt(m, read_virt(m, lru, 8) + 8, 8) == lru &&
	       read_virt(m, read_virt(m, lru + 8, 8), 8) == lru;
}

/*
 * Is it on a CPU's own list of free pages?  Nobody has a reference then, but
 * neither is there one to the tails of an allocation that is not compound, as
 * a PGD of two pages is.  So its list has to be intact; and as a free block of
 * several pages is linked at its first only, look back for that one.  An
 * allocated block has its head, with a reference, before its tails.
 */
static bool on_free_list(const struct memory *m, uint64_t pa)
{
	uint64_t pfn = pa / PAGE, first = pfn & ~(PCP_PAGES - 1), page;

	for (;; pfn--) {
		page = page_at(m, pfn);
		if (translate(m, page) == UINT64_MAX || refcount(m, page))
			return false;
		if (linked(m, page))
			return true;
		if (pfn == first)
			return false;
	}
}

/* @bit is the guest's word. */
static bool has_flag(uint64_t flags, uint32_t bit)
{
	return bit < 64 && flags >> bit & 1;
}

/* What hugetlbfs has is user memory, whether in use or in its pool. */
static bool is_huge(const struct memory *m, uint64_t page, uint64_t flags)
{
	return m->l.dtor_hugetlb && has_flag(flags, m->l.bit_head) &&
	       read_virt(m, page + m->l.sizeof_page + m->l.page_dtor, 1) == m->l.dtor_hugetlb;
}

static enum krr_class class_by_page(const struct memory *m, uint64_t page)
{
	uint64_t flags = read_virt(m, page + m->l.page_flags, 8);
	uint64_t mapping = read_virt(m, page + m->l.page_mapping, 8);
	uint32_t type = (uint32_t)read_virt(m, page + m->l.page_type, 4);

	if (has_flag(flags, m->l.bit_slab))
		return KRR_CLASS_SLAB;
	if ((type & (TYPE_BASE | m->l.pgtype_buddy)) == TYPE_BASE)
		return KRR_CLASS_FREE;
	if ((type & (TYPE_BASE | m->l.pgtype_table)) == TYPE_BASE)
		return KRR_CLASS_TABLE;
	if (has_flag(flags, m->l.bit_reserved))
		return KRR_CLASS_RESERVED;
	if (is_huge(m, page, flags))
		return KRR_CLASS_ANON;
	if (!refcount(m, page))
		return KRR_CLASS_OTHER;
	if (mapping & 1)
		return KRR_CLASS_ANON;
	/* a deleted tmpfs file's page in a CPU's batch for the LRU has but its PG_swapbacked */
	if (mapping || has_flag(flags, m->l.bit_lru) || has_flag(flags, m->l.bit_swapbacked))
		return KRR_CLASS_CACHE;
	return KRR_CLASS_OTHER;
}

/*
 * A free block of several pages is marked at its first only, so look back at
 * the blocks that may hold this page.
 */
static bool in_free_block(const struct memory *m, uint64_t pa)
{
	uint64_t pfn = pa / PAGE, page;
	unsigned int order;
	uint32_t type;

	for (order = 1; order <= 10; order++) {
		page = page_at(m, pfn & ~((1ull << order) - 1));
		type = (uint32_t)read_virt(m, page + m->l.page_type, 4);
		/* page->private, the order, follows mapping and index */
		if ((type & (TYPE_BASE | m->l.pgtype_buddy)) == TYPE_BASE &&
		    read_virt(m, page + m->l.page_mapping + 16, 8) >= order)
			return true;
	}
	return false;
}

static enum krr_class classify(const struct memory *m, uint64_t pa)
{
	uint64_t va = image_va(m, pa), page;
	uint64_t percpu = m->l.percpu_start - m->l.page_offset;
	enum krr_class c;

	if (m->l.text && between(va, m->l.text, m->l.etext))
		return KRR_CLASS_TEXT;
	page = page_of(m, pa);
	if (!page)
		return KRR_CLASS_OTHER;
	c = class_by_page(m, page);
	/* parts of the image went to the page allocator: not reserved any more */
	if (c == KRR_CLASS_RESERVED && m->l.text && between(va, m->l.etext, m->l.edata))
		return KRR_CLASS_DATA;
	/* so did what lies between the areas of two CPUs */
	if (c == KRR_CLASS_RESERVED && m->l.percpu_start &&
	    between(pa, percpu, percpu + m->l.percpu_unit * KRR_MAX_CPUS))
		return KRR_CLASS_PERCPU;
	if (c == KRR_CLASS_OTHER && (in_free_block(m, pa) || on_free_list(m, pa)))
		return KRR_CLASS_FREE;
	if (c == KRR_CLASS_OTHER && page_bit(m->vmalloc, pa))
		return KRR_CLASS_VMALLOC;
	return c;
}

static uint64_t slab_cache(const struct memory *m, uint64_t pa)
{
	uint64_t page = page_of(m, pa);

	return page ? read_virt(m, page + m->l.slab_cache, 8) : 0;
}

/* Where the slab that @pa is in begins: at its head page. */
static uint64_t slab_start(const struct memory *m, uint64_t pa)
{
	return (page_of(m, pa) - m->l.page_array) / m->l.sizeof_page * PAGE;
}

/* Is this byte in the save area of user FPU registers of a task_struct? */
static bool in_fpu_area(const struct memory *m, uint64_t pa, uint64_t cache)
{
	uint64_t size, at;

	if (!m->l.task_cache || cache != m->l.task_cache || !m->l.task_fpu_bytes)
		return false;
	size = read_phys(m, cache - m->l.page_offset + m->l.cache_size, 4);
	if (!size)
		return false;
	at = (pa - slab_start(m, pa)) % size;
	return between(at, m->l.task_fpu, (uint64_t)m->l.task_fpu + m->l.task_fpu_bytes);
}

/* The guest's list of these, as far as it lies in RAM. */
static void find_inert(struct memory *m)
{
	const struct krr_hdr *h = m->ram->hdr;
	uint64_t at = m->ram->hdr_at + h->inert_off;
	uint64_t bytes = (uint64_t)h->inert_count * sizeof(*m->inert);

	if (h->inert_off & 7 || at < m->ram->hdr_at || at > m->ram->size ||
	    bytes > m->ram->size - at || h->inert_count > MAX_INERT)
		return;
	m->inert = (const struct krr_range *)(m->ram->map + at);
	m->nr_inert = h->inert_count;
}

/* Which bytes of a page are in that list. */
static void inert_bytes(const struct memory *m, uint64_t pa, bool *inert)
{
	uint64_t from, to;
	uint32_t i;

	memset(inert, 0, PAGE);
	for (i = 0; i < m->nr_inert; i++) {
		from = m->inert[i].gpa;
		to = from + m->inert[i].len;
		if (to <= pa || from >= pa + PAGE || to < from)
			continue;
		from = from < pa ? pa : from;
		to = to > pa + PAGE ? pa + PAGE : to;
		memset(inert + (from - pa), 1, to - from);
	}
}

static uint64_t word_at(const struct krr_ram *ram, uint64_t pa)
{
	const uint8_t *at = krr_ram_at(ram, pa & ~7ull, sizeof(uint64_t));
	uint64_t v = 0;

	if (at)
		memcpy(&v, at, sizeof(v));
	return v;
}

static void note(struct krr_verify *v, const struct memory *m, const struct krr_ram *replayed,
		 enum krr_class c, uint64_t first, uint32_t bytes, uint64_t cache)
{
	struct krr_difference *d = &v->first[v->shown];

	v->differ[c]++;
	v->bytes[c] += bytes;
	if (tolerated[c])
		return;
	v->bad_pages++;
	v->bad_bytes += bytes;
	if (v->shown == KRR_VERIFY_SHOWN)
		return;
	d->gpa = first;
	d->va = c == KRR_CLASS_TEXT || c == KRR_CLASS_DATA ? image_va(m, first) :
		first + m->l.page_offset;
	d->bytes = bytes;
	d->class = c;
	d->recorded = word_at(m->ram, first);
	d->replayed = word_at(replayed, first);
	d->cache = cache;
	if (c == KRR_CLASS_PERCPU && m->l.percpu_unit) {
		d->percpu = d->va - m->l.percpu_start;
		d->cpu = (uint32_t)(d->percpu / m->l.percpu_unit);
		d->percpu %= m->l.percpu_unit;
	}
	v->shown++;
}

static void compare_page(struct krr_verify *v, const struct memory *m,
			 const struct krr_ram *replayed, uint64_t at)
{
	const uint8_t *a = m->ram->map + at, *b = replayed->map + at;
	uint64_t pa = krr_ram_gpa(m->ram, at);
	enum krr_class c = classify(m, pa);
	uint64_t cache = c == KRR_CLASS_SLAB ? slab_cache(m, pa) : 0, first = 0;
	uint32_t bad = 0, fpu = 0, device = 0, i;
	bool inert[PAGE];

	inert_bytes(m, pa, inert);
	for (i = 0; i < PAGE; i++) {
		if (a[i] == b[i])
			continue;
		if (inert[i]) {
			device++;
			continue;
		}
		if (cache && in_fpu_area(m, pa + i, cache)) {
			fpu++;
			continue;
		}
		if (!bad++)
			first = pa + i;
	}
	if (bad)
		note(v, m, replayed, c, first, bad, cache);
	if (fpu)
		note(v, m, replayed, KRR_CLASS_FPU, pa, fpu, cache);
	if (device)
		note(v, m, replayed, KRR_CLASS_DEVICE, pa, device, cache);
}

static void free_maps(struct memory *m)
{
	int i;

	free(m->vmalloc);
	for (i = 0; i < TABLE_LEVELS; i++)
		free(m->walked[i]);
}

static int make_maps(struct memory *m)
{
	int i;

	m->vmalloc = new_bitmap(m);
	for (i = 0; i < TABLE_LEVELS; i++) {
		m->walked[i] = new_bitmap(m);
		if (!m->walked[i])
			break;
	}
	if (m->vmalloc && i == TABLE_LEVELS)
		return 0;
	free_maps(m);
	return -ENOMEM;
}

/* Is the page at this offset of the file the recorder's own? */
static bool is_recorders(const struct krr_ram *ram, uint64_t at)
{
	uint64_t ring = (uint64_t)(ram->ring - ram->map);

	return between(at, ram->hdr_at, ram->hdr_at + KRR_HDR_BYTES) ||
	       between(at, ring, ring + ram->ring_bytes) ||
	       between(krr_ram_gpa(ram, at), ram->hdr->recorder_start, ram->hdr->recorder_end);
}

/**
 * krr_verify() - compare two images of guest RAM
 * @recorded: at the end of the recording, header found
 * @replayed: at the end of the replay
 * @v: result
 *
 * Return: 0, or -EBADMSG when they cannot be compared at all.
 */
int krr_verify(const struct krr_ram *recorded, const struct krr_ram *replayed,
	       struct krr_verify *v)
{
	struct memory m = { .ram = recorded, .end = krr_ram_end(recorded) };
	uint64_t at;

	memset(v, 0, sizeof(*v));
	if (!recorded->hdr || recorded->size != replayed->size || recorded->low != replayed->low)
		return -EBADMSG;
	m.l = recorded->hdr->layout;
	if (make_maps(&m))
		return -ENOMEM;
	mark_vmalloc(&m);
	find_inert(&m);
	v->inert_lost = recorded->hdr->inert_lost;
	for (at = 0; at + PAGE <= recorded->size; at += PAGE) {
		if (is_recorders(recorded, at))
			continue;
		v->pages++;
		if (memcmp(recorded->map + at, replayed->map + at, PAGE))
			compare_page(v, &m, replayed, at);
	}
	free_maps(&m);
	return 0;
}

/* Has a process mapped it?  _mapcount is where page_type is, and begins at -1. */
static bool is_mapped(const struct memory *m, uint64_t pa)
{
	uint64_t page = page_of(m, pa);

	return page && (int32_t)read_virt(m, page + m->l.page_type, 4) >= 0;
}

static bool is_user(const struct memory *m, uint64_t pa)
{
	enum krr_class c = classify(m, pa);

	return c == KRR_CLASS_ANON || (c == KRR_CLASS_CACHE && is_mapped(m, pa));
}

/**
 * krr_poison() - overwrite the pages that user mode can write
 * @ram: memory of a guest that has not begun its replay
 *
 * Those are anonymous pages, and those of files that a process has mapped.  The kernel of
 * a replay reads none of them but where a hook gives it what the log says.  A read without
 * a hook gets KRR_POISON, and the replay goes another way, even if the page would have held
 * what it held in the recording.
 *
 * Return: 0 or -ENOMEM.
 */
int krr_poison(struct krr_ram *ram)
{
	struct memory m = { .ram = ram, .end = krr_ram_end(ram), .l = ram->hdr->layout };
	uint64_t at;

	if (make_maps(&m))
		return -ENOMEM;
	mark_vmalloc(&m);
	for (at = 0; at + PAGE <= ram->size; at += PAGE)
		if (!is_recorders(ram, at) && is_user(&m, krr_ram_gpa(ram, at)))
			memset(ram->map + at, KRR_POISON, PAGE);
	free_maps(&m);
	return 0;
}
