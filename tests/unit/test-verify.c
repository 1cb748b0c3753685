// SPDX-License-Identifier: GPL-2.0-only
/* Comparing memory: what counts and what is tolerated. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "lib/util.h"
#include "unit.h"
#include "vmm/verify.h"

#define RAM_BYTES	(32ull << 20)
#define HDR_AT		(20ull << 20)
#define PGD_AT		(1ull << 20)
#define PAGES_AT	(6ull << 20)		/* struct pages: one 2 MiB page */
#define VMEMMAP		0xffffea0000000000ull
#define VMALLOC		0xffffc90000000000ull
#define DIRECT		0xffff888000000000ull
#define KERNEL		0xffffffff80000000ull
#define PAGE_SIZE	64u			/* of struct page */
#define SLAB_BIT	9
#define RESERVED_BIT	12
#define HEAD_BIT	16
#define SWAPBACKED_BIT	19
#define LRU_AT		8		/* compound_head, too */
#define TYPE_AT		48		/* page_type, then _refcount */
#define IN_USE		(1ull << 32 | UINT32_MAX)

static struct krr_ram a, b;

static void put(struct krr_ram *r, uint64_t at, uint64_t v)
{
	memcpy(r->map + at, &v, sizeof(v));
}

static void put_both(uint64_t at, uint64_t v)
{
	put(&a, at, v);
	put(&b, at, v);
}

static void describe(struct krr_ram *r)
{
	struct krr_hdr *h = (struct krr_hdr *)(r->map + HDR_AT);
	struct krr_layout *l = &h->layout;
	uint64_t pfn;

	make_header(r->map, HDR_AT, KRR_MIN_RING);
	l->page_offset = DIRECT;
	l->text = KERNEL + (8ull << 20);
	l->etext = l->sdata = KERNEL + (9ull << 20);
	l->edata = KERNEL + (10ull << 20);
	l->page_array = VMEMMAP;
	l->kernel_pgd = KERNEL + PGD_AT;
	l->sizeof_page = PAGE_SIZE;
	l->page_mapping = 24;
	l->page_type = TYPE_AT;
	l->page_compound_head = LRU_AT;
	l->bit_slab = SLAB_BIT;
	l->bit_lru = 4;
	l->bit_reserved = RESERVED_BIT;
	l->bit_head = HEAD_BIT;
	l->bit_swapbacked = SWAPBACKED_BIT;
	l->page_dtor = 16;
	l->dtor_hugetlb = 2;
	l->pgtype_buddy = 0x80;
	l->pgtype_table = 0x400;
	put(r, PGD_AT + (VMEMMAP >> 39 & 511) * 8, (PGD_AT + 4096) | 1);
	put(r, PGD_AT + 4096 + (VMEMMAP >> 30 & 511) * 8, (PGD_AT + 8192) | 1);
	put(r, PGD_AT + 8192 + (VMEMMAP >> 21 & 511) * 8, PAGES_AT | 0x81);
	for (pfn = 0; pfn < RAM_BYTES / 4096; pfn++)
		put(r, PAGES_AT + pfn * PAGE_SIZE + TYPE_AT, IN_USE);
	assert_int_equal(krr_ram_use(r, HDR_AT), 0);
}

static void open_ram(struct krr_ram *r, const char *name)
{
	__free_ptr char *path = krr_strf("%s/%s", scratch, name);
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, RAM_BYTES), 0);
	close(fd);
	assert_int_equal(krr_ram_open(path, true, r), 0);
	describe(r);
}

static int setup(void **state)
{
	if (scratch_setup(state))
		return -1;
	open_ram(&a, "a");
	open_ram(&b, "b");
	return 0;
}

static int teardown(void **state)
{
	krr_ram_close(&a);
	krr_ram_close(&b);
	return scratch_teardown(state);
}

/* Make one byte of the file differ, at @gpa; @class is what it must count as. */
static void differ_at(uint64_t at, uint64_t gpa, enum krr_class class)
{
	static struct krr_verify v;

	b.map[at] ^= 1;
	assert_int_equal(krr_verify(&a, &b, &v), 0);
	assert_int_equal(v.differ[class], 1);
	assert_int_equal(v.bytes[class], 1);
	assert_int_equal(v.bad_bytes, krr_class_tolerated(class) ? 0 : 1);
	if (!krr_class_tolerated(class))
		assert_true(v.first[0].gpa == gpa);
	b.map[at] ^= 1;
}

static void differ(uint64_t at, enum krr_class class)
{
	differ_at(at, at, class);
}

static void set_page(uint64_t at, unsigned int offset, uint64_t value)
{
	put_both(PAGES_AT + at / 4096 * PAGE_SIZE + offset, value);
}

static void equal(void **state)
{
	static struct krr_verify v;

	(void)state;
	assert_int_equal(krr_verify(&a, &b, &v), 0);
	assert_int_equal(v.bad_pages, 0);
	assert_true(v.pages > 3000);
}

static void classes(void **state)
{
	const uint64_t page = 12ull << 20;

	(void)state;
	differ((8ull << 20) + 5, KRR_CLASS_TEXT);
	/* of the image, what was not given to the page allocator */
	differ((9ull << 20) + 5, KRR_CLASS_OTHER);
	set_page(9ull << 20, 0, 1u << RESERVED_BIT);
	differ((9ull << 20) + 5, KRR_CLASS_DATA);
	differ(page + 100, KRR_CLASS_OTHER);
	set_page(page, 0, 1u << SLAB_BIT);
	differ(page + 100, KRR_CLASS_SLAB);
	set_page(page, 0, 1u << SWAPBACKED_BIT);
	differ(page + 100, KRR_CLASS_CACHE);
	/* of several pages, the first tail says of what kind */
	set_page(page, 0, 1u << HEAD_BIT);
	set_page(page + 4096, 16, 1);
	differ(page + 100, KRR_CLASS_OTHER);
	set_page(page + 4096, 16, 2);
	differ(page + 100, KRR_CLASS_ANON);
	set_page(page + 4096, 16, 0);
	set_page(page, 0, 0);
	set_page(page, 24, 0xffff888000001001ull);
	differ(page + 100, KRR_CLASS_ANON);
	set_page(page, 24, 0xffff888000001000ull);
	differ(page + 100, KRR_CLASS_CACHE);
	set_page(page, 24, 0);
	set_page(page, TYPE_AT, IN_USE & ~0x400ull);
	differ(page + 100, KRR_CLASS_TABLE);
	set_page(page, TYPE_AT, UINT32_MAX & ~0x80ull);
	differ(page + 100, KRR_CLASS_FREE);
	/* in a free block of two pages only the first is marked */
	set_page(page, 40, 1);
	differ(page + 4096 + 100, KRR_CLASS_FREE);
	differ(page + 8192 + 100, KRR_CLASS_OTHER);
	set_page(page, 40, 0);
}

static uint64_t lru_of(uint64_t at)
{
	return VMEMMAP + at / 4096 * PAGE_SIZE + LRU_AT;
}

static void link_page(uint64_t at, uint64_t next, uint64_t prev)
{
	set_page(at, LRU_AT, next);
	set_page(at, LRU_AT + 8, prev);
}

/* Nobody has a reference to a page on a CPU's list, nor to some that are in use. */
static void free_lists(void **state)
{
	const uint64_t page = 12ull << 20, other = 13ull << 20;
	unsigned int i;

	(void)state;
	for (i = 0; i < 4; i++)
		set_page(page + i * 4096, TYPE_AT, UINT32_MAX);
	differ(page + 100, KRR_CLASS_OTHER);
	link_page(page, lru_of(other), lru_of(other));
	differ(page + 100, KRR_CLASS_OTHER);
	link_page(other, lru_of(page), 0);
	differ(page + 100, KRR_CLASS_OTHER);
	link_page(other, 0, lru_of(page));
	differ(page + 100, KRR_CLASS_OTHER);
	link_page(other, lru_of(page), lru_of(page));
	differ(page + 100, KRR_CLASS_FREE);
	/* the rest of the block, up to a page in use and behind it */
	differ(page + 3 * 4096, KRR_CLASS_FREE);
	set_page(page + 2 * 4096, TYPE_AT, IN_USE);
	differ(page + 4096, KRR_CLASS_FREE);
	differ(page + 2 * 4096, KRR_CLASS_OTHER);
	differ(page + 3 * 4096, KRR_CLASS_OTHER);
	/* a list does not make it free */
	set_page(page, TYPE_AT, IN_USE);
	differ(page + 100, KRR_CLASS_OTHER);
	for (i = 0; i < 4; i++)
		set_page(page + i * 4096, TYPE_AT, IN_USE);
	link_page(page, 0, 0);
	link_page(other, 0, 0);
}

/* Bytes that the guest named as device-written, across a page's end, and no more. */
static void inert_ranges(void **state)
{
	const uint64_t page = 12ull << 20;
	struct krr_range *r = (struct krr_range *)(a.map + HDR_AT + 8192);

	(void)state;
	a.hdr->inert_off = 8192;
	a.hdr->inert_count = 2;
	r[0] = (struct krr_range){ 4096, 0 };
	r[1] = (struct krr_range){ page + 4000, 200 };
	differ(page + 3999, KRR_CLASS_OTHER);
	differ(page + 4000, KRR_CLASS_DEVICE);
	differ(page + 4096 + 103, KRR_CLASS_DEVICE);
	differ(page + 4096 + 104, KRR_CLASS_OTHER);
	/* lists and ranges that lead out of RAM */
	r[1] = (struct krr_range){ UINT64_MAX - 4, 100 };
	differ(page, KRR_CLASS_OTHER);
	a.hdr->inert_off = UINT64_MAX - 7;
	differ(page, KRR_CLASS_OTHER);
	a.hdr->inert_off = 8192;
	a.hdr->inert_count = UINT32_MAX;
	differ(page, KRR_CLASS_OTHER);
	/* in RAM, but longer than any that a guest makes */
	a.hdr->inert_count = 100000;
	r[1] = (struct krr_range){ page, 4096 };
	differ(page, KRR_CLASS_OTHER);
	a.hdr->inert_count = 0;
}

static void recorders_memory_is_left_out(void **state)
{
	static struct krr_verify v;

	(void)state;
	b.map[HDR_AT + 700] ^= 1;
	b.map[HDR_AT + KRR_HDR_BYTES + 12345] ^= 1;
	assert_int_equal(krr_verify(&a, &b, &v), 0);
	assert_int_equal(v.bad_pages, 0);
	b.map[HDR_AT + 700] ^= 1;
}

/* Page tables that lead nowhere, or in a circle, must not be followed out of RAM. */
/* What user mode can write is overwritten, and nothing else. */
static void poison(void **state)
{
	const uint64_t anon = 11ull << 20, mapped = anon + 4096, unmapped = anon + 2 * 4096,
		       slab = anon + 3 * 4096;
	uint64_t at, others = 0;

	(void)state;
	set_page(anon, 24, DIRECT | 1);
	set_page(mapped, 24, DIRECT);
	set_page(mapped, TYPE_AT, 1ull << 32);		/* _mapcount 0: once */
	set_page(unmapped, 24, DIRECT);
	set_page(slab, 0, 1ull << SLAB_BIT);
	assert_int_equal(krr_poison(&b), 0);
	for (at = 0; at < RAM_BYTES; at += 4096)
		if (at != anon && at != mapped && at != HDR_AT)
			others += !!memcmp(a.map + at, b.map + at, 4096);
	assert_int_equal(others, 0);
	for (at = anon; at < unmapped; at++)
		assert_int_equal(b.map[at], KRR_POISON);
	memcpy(b.map + anon, a.map + anon, unmapped - anon);
	set_page(anon, 24, 0);
	set_page(mapped, 24, 0);
	set_page(mapped, TYPE_AT, IN_USE);
	set_page(unmapped, 24, 0);
	set_page(slab, 0, 0);
}

static void hostile_tables(void **state)
{
	static struct krr_verify v;
	uint64_t keep;

	(void)state;
	memcpy(&keep, a.map + PGD_AT + 4096 + (VMEMMAP >> 30 & 511) * 8, 8);
	put(&a, PGD_AT + 4096 + (VMEMMAP >> 30 & 511) * 8, 0x000ffffffffff001ull);
	b.map[12ull << 20] ^= 1;
	assert_int_equal(krr_verify(&a, &b, &v), 0);
	assert_true(v.bad_pages >= 1);
	b.map[12ull << 20] ^= 1;
	put(&a, PGD_AT + 4096 + (VMEMMAP >> 30 & 511) * 8, keep);
}

/* A table that is its own entry 512 times, at every level, is walked in no time. */
static void tables_in_circles(void **state)
{
	const uint64_t table = 14ull << 20, page = 12ull << 20;
	uint8_t *keep = malloc(4096);
	unsigned int i;

	(void)state;
	assert_non_null(keep);
	memcpy(keep, a.map + PGD_AT, 4096);
	for (i = 0; i < 512; i++)
		put(&a, table + i * 8, table | 1);
	memcpy(b.map + table, a.map + table, 4096);
	for (i = VMALLOC >> 39 & 511; i < (VMEMMAP >> 39 & 511); i++)
		put(&a, PGD_AT + i * 8, table | 1);
	memcpy(b.map + PGD_AT, a.map + PGD_AT, 4096);
	differ(table - 4096, KRR_CLASS_OTHER);
	/* as the lowest level says, the table is all that is mapped */
	differ(table + 4095, KRR_CLASS_VMALLOC);
	/* one of 1 GiB, of which there is less */
	put(&a, PGD_AT + 8192 + 8, 0x81);
	put(&a, PGD_AT + (VMALLOC >> 39 & 511) * 8, (PGD_AT + 8192) | 1);
	memcpy(b.map + PGD_AT, a.map + PGD_AT, 12288);
	differ(page, KRR_CLASS_VMALLOC);
	put(&a, PGD_AT + 8192 + 8, 0);
	memcpy(a.map + PGD_AT, keep, 4096);
	memset(a.map + table, 0, 4096);
	memcpy(b.map + PGD_AT, a.map + PGD_AT, 12288);
	memcpy(b.map + table, a.map + table, 4096);
	free(keep);
}

/* Numbers of flags that no word has. */
static void hostile_flags(void **state)
{
	struct krr_layout keep = a.hdr->layout;
	const uint64_t page = 12ull << 20;

	(void)state;
	set_page(page, 0, UINT64_MAX);
	a.hdr->layout.bit_slab = 64 + SLAB_BIT;
	a.hdr->layout.bit_reserved = UINT32_MAX;
	a.hdr->layout.bit_lru = 200;
	a.hdr->layout.bit_swapbacked = 64;
	a.hdr->layout.bit_head = 65;
	differ(page + 100, KRR_CLASS_OTHER);
	a.hdr->layout = keep;
	differ(page + 100, KRR_CLASS_SLAB);
	set_page(page, 0, 0);
}

/*
 * RAM behind the PCI hole: the struct pages of 4 GiB lie 64 MiB behind the first one,
 * ranges and page tables name guest physical addresses, and the hole is no RAM.
 */
static void two_pieces(void **state)
{
	const uint64_t low = 28ull << 20, at = low + 8192, gpa = KRR_HIGH_RAM + 8192;
	const uint64_t pages = 16ull << 20, table = 14ull << 20;
	struct krr_range *r = (struct krr_range *)(a.map + HDR_AT + 8192);
	static struct krr_verify v;
	uint64_t keep, i;

	(void)state;
	krr_ram_split(&a, low);
	assert_int_equal(krr_verify(&a, &b, &v), -EBADMSG);
	krr_ram_split(&b, low);
	for (i = 0; i < (RAM_BYTES - low) / 4096; i++)
		put_both(pages + i * PAGE_SIZE + TYPE_AT, IN_USE);
	/* without struct pages nothing is known of it */
	differ_at(at + 5, gpa + 5, KRR_CLASS_OTHER);
	put_both(PGD_AT + 8192 + ((VMEMMAP + (64ull << 20)) >> 21 & 511) * 8, pages | 0x81);
	differ_at(at + 5, gpa + 5, KRR_CLASS_OTHER);
	put_both(pages + 2 * PAGE_SIZE, 1ull << SLAB_BIT);
	differ_at(at + 5, gpa + 5, KRR_CLASS_SLAB);
	differ_at(at + 4096, gpa + 4096, KRR_CLASS_OTHER);
	put_both(pages + 2 * PAGE_SIZE, 0);
	put_both(pages + 2 * PAGE_SIZE + 24, DIRECT | 1);
	differ_at(at + 5, gpa + 5, KRR_CLASS_ANON);
	put_both(pages + 2 * PAGE_SIZE + 24, 0);

	a.hdr->inert_off = 8192;
	a.hdr->inert_count = 1;
	r[0] = (struct krr_range){ gpa + 5, 1 };
	differ_at(at + 5, gpa + 5, KRR_CLASS_DEVICE);
	r[0] = (struct krr_range){ at + 5, 1 };
	differ_at(at + 5, gpa + 5, KRR_CLASS_OTHER);
	a.hdr->inert_count = 0;

	/* mapped at VMALLOC, as is an address in the hole, which is nothing */
	memcpy(&keep, a.map + PGD_AT + (VMALLOC >> 39 & 511) * 8, 8);
	put_both(PGD_AT + (VMALLOC >> 39 & 511) * 8, table | 1);
	put_both(table, (table + 4096) | 1);
	put_both(table + 4096, (table + 8192) | 1);
	put_both(table + 8192, gpa | 1);
	put_both(table + 8200, low | 1);
	differ_at(at + 5, gpa + 5, KRR_CLASS_VMALLOC);
	differ_at(low, KRR_HIGH_RAM, KRR_CLASS_OTHER);
	put_both(PGD_AT + (VMALLOC >> 39 & 511) * 8, keep);
	memset(a.map + table, 0, 12288);
	memset(b.map + table, 0, 12288);
	krr_ram_split(&a, RAM_BYTES);
	krr_ram_split(&b, RAM_BYTES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equal),
		cmocka_unit_test(poison),
		cmocka_unit_test(classes),
		cmocka_unit_test(free_lists),
		cmocka_unit_test(inert_ranges),
		cmocka_unit_test(recorders_memory_is_left_out),
		cmocka_unit_test(hostile_tables),
		cmocka_unit_test(tables_in_circles),
		cmocka_unit_test(hostile_flags),
		cmocka_unit_test(two_pieces),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
