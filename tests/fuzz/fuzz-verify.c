// SPDX-License-Identifier: GPL-2.0-only
/*
 * Comparing memory whose own description of itself is wrong: page tables,
 * struct pages, sizes and offsets.  The input is a list of words to be written
 * to a pair of images that hold a small but sound kernel.
 */
#include <string.h>

#include "fuzz.h"
#include "lib/util.h"
#include "unit.h"
#include "vmm/verify.h"

const unsigned int fuzz_rounds = 1500;

#define RAM_BYTES	(512u << 10)
#define PGD_AT		0x4000ull	/* then two more tables */
#define PAGES_AT	0x0ull		/* a 2 MiB page, cut off by the end of RAM */
#define HDR_AT		0x20000ull
#define RING_BYTES	0x4000u
#define VMEMMAP		0xffffea0000000000ull
#define VMALLOC		0xffffc90000000000ull
#define KERNEL		0xffffffff80000000ull
#define PAGE_SIZE	64u		/* of struct page */
#define TYPE_AT		48
#define PAGES		(RAM_BYTES / 4096)

/* Where a word is written: to be reached with few bits. */
enum { IN_LAYOUT, IN_HEADER, IN_TABLES, IN_PAGES, ANYWHERE, IN_REPLAYED, NR_PLACES };

/* struct pages of what is behind the PCI hole, here the same ones */
#define HIGH_PAGES	(KRR_HIGH_RAM / 4096 * PAGE_SIZE)

static uint8_t recorded[RAM_BYTES] __attribute__((aligned(4096)));
static uint8_t replayed[RAM_BYTES] __attribute__((aligned(4096)));

static void put(uint64_t at, uint64_t v)
{
	memcpy(recorded + at, &v, sizeof(v));
}

static void describe(void)
{
	struct krr_hdr *h = (struct krr_hdr *)(recorded + HDR_AT);
	struct krr_layout *l = &h->layout;
	uint64_t pfn;

	memset(recorded, 0, sizeof(recorded));
	make_header(recorded, HDR_AT, RING_BYTES);
	h->recorder_start = HDR_AT;
	h->recorder_end = HDR_AT + KRR_HDR_BYTES;
	h->inert_off = 8192;
	h->inert_max = 64;
	l->page_offset = 0xffff888000000000ull;
	l->text = KERNEL + 0x10000;
	l->etext = KERNEL + 0x12000;
	l->edata = KERNEL + 0x14000;
	l->percpu_start = l->page_offset + 0x50000;
	l->percpu_unit = 0x1000;
	l->page_array = VMEMMAP;
	l->kernel_pgd = KERNEL + PGD_AT;
	l->sizeof_page = PAGE_SIZE;
	l->page_mapping = 24;
	l->page_type = TYPE_AT;
	l->page_compound_head = 8;
	l->bit_slab = 9;
	l->bit_lru = 4;
	l->bit_reserved = 12;
	l->pgtype_buddy = 0x80;
	l->pgtype_table = 0x400;
	l->task_cache = l->page_offset + 0x60000;
	l->task_fpu = 100;
	l->task_fpu_bytes = 500;
	put(0x60000, 1000);	/* its size */
	put(PGD_AT + (VMEMMAP >> 39 & 511) * 8, (PGD_AT + 4096) | 1);
	put(PGD_AT + 4096 + (VMEMMAP >> 30 & 511) * 8, (PGD_AT + 8192) | 1);
	put(PGD_AT + 8192 + (VMEMMAP >> 21 & 511) * 8, PAGES_AT | 0x81);
	put(PGD_AT + 8192 + ((VMEMMAP + HIGH_PAGES) >> 21 & 511) * 8, PAGES_AT | 0x81);
	put(PGD_AT + (VMALLOC >> 39 & 511) * 8, (PGD_AT + 4096) | 1);
	for (pfn = 0; pfn < PAGES; pfn++)
		put(PAGES_AT + pfn * PAGE_SIZE + TYPE_AT, 1ull << 32 | UINT32_MAX);
	memcpy(replayed, recorded, sizeof(replayed));
}

static void write_word(struct input *in)
{
	unsigned int place = (unsigned int)take(in, 1) % NR_PLACES;
	uint64_t at = take(in, 2), v = take(in, 8);

	switch (place) {
	case IN_LAYOUT:
		at = HDR_AT + offsetof(struct krr_hdr, layout) + at % sizeof(struct krr_layout);
		break;
	case IN_HEADER:
		at = HDR_AT + at % KRR_HDR_BYTES;
		break;
	case IN_TABLES:
		at = PGD_AT + at % (3 * 4096 / 8) * 8;
		break;
	case IN_PAGES:
		at = PAGES_AT + at % (PAGES * PAGE_SIZE);
		break;
	default:
		at = at * 8 % RAM_BYTES;
	}
	memcpy((place == IN_REPLAYED ? replayed : recorded) + at, &v, sizeof(v));
}

static uint64_t bytes_that_differ(void)
{
	uint64_t n = 0, i, page;

	for (page = 0; page < RAM_BYTES; page += 4096) {
		if (!memcmp(recorded + page, replayed + page, 4096))
			continue;
		for (i = page; i < page + 4096; i++)
			n += recorded[i] != replayed[i];
	}
	return n;
}

/* Every byte that differs is in one class, or where the recorder is. */
static void check(const struct krr_verify *v, const struct krr_ram *ram)
{
	uint64_t bytes = 0, bad = 0;
	unsigned int c;

	for (c = 0; c < KRR_NR_CLASSES; c++) {
		must(v->differ[c] <= PAGES && v->bytes[c] <= RAM_BYTES);
		bytes += v->bytes[c];
		bad += krr_class_tolerated(c) ? 0 : v->bytes[c];
	}
	must(v->pages <= PAGES && bad == v->bad_bytes && bytes <= bytes_that_differ());
	must(v->pages < PAGES || bytes == bytes_that_differ());
	must(v->shown <= KRR_VERIFY_SHOWN && v->shown <= v->bad_pages);
	must((v->bad_bytes > 0) == (v->bad_pages > 0) && (!v->bad_pages || v->shown));
	for (c = 0; c < v->shown; c++) {
		uint8_t *at = krr_ram_at(ram, v->first[c].gpa, 1);

		must(at && *at != replayed[at - recorded]);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct input in = { data, data + len };
	struct krr_ram a = {
		.fd = -1, .map = recorded, .size = RAM_BYTES, .low = RAM_BYTES, .hdr_at = HDR_AT,
		.hdr = (struct krr_hdr *)(recorded + HDR_AT),
		.ring = recorded + HDR_AT + KRR_HDR_BYTES, .ring_bytes = RING_BYTES,
	};
	struct krr_ram b = a;
	struct krr_verify *v = malloc(sizeof(*v));
	unsigned int n = 0;

	must(v);
	/* a quarter of RAM behind the PCI hole, in every other input */
	if (len & 1)
		krr_ram_split(&a, RAM_BYTES / 4 * 3);
	b.low = a.low;
	b.map = replayed;
	describe();
	while (in.p < in.end && n++ < 400)
		write_word(&in);
	must(!krr_verify(&a, &b, v));
	check(v, &a);
	free(v);
	return 0;
}

static void word(struct output *out, unsigned int place, uint64_t at, uint64_t v)
{
	give(out, place, 1);
	give(out, at, 2);
	give(out, v, 8);
}

#define LAYOUT(member) offsetof(struct krr_layout, member)

void fuzz_seeds(void)
{
	static struct output out;
	uint64_t pfn;

	for (pfn = 0; pfn < PAGES; pfn++)
		word(&out, IN_REPLAYED, pfn * 4096 / 8 + 3, 77);
	seed_from(&out);
	/* pages of each class */
	word(&out, IN_PAGES, 0x61 * PAGE_SIZE, 1 << 9);
	word(&out, IN_PAGES, 0x61 * PAGE_SIZE + 24, 0xffff888000060000ull);
	word(&out, IN_PAGES, 0x62 * PAGE_SIZE + 24, 0xffff888000001001ull);
	word(&out, IN_PAGES, 0x63 * PAGE_SIZE + TYPE_AT, UINT32_MAX & ~0x80u);
	word(&out, IN_PAGES, 0x64 * PAGE_SIZE + TYPE_AT, UINT32_MAX & ~0x400u);
	word(&out, IN_PAGES, 0x65 * PAGE_SIZE + 8, (VMEMMAP + 0x61 * PAGE_SIZE) | 1);
	for (pfn = 0x60; pfn < 0x70; pfn++)
		word(&out, IN_REPLAYED, pfn * 4096 / 8 + 20, pfn);
	seed_from(&out);
	/* what devices write, and where that leads out of RAM */
	word(&out, IN_HEADER, offsetof(struct krr_hdr, inert_count), 2ull | 64ull << 32);
	word(&out, IN_HEADER, 8192, 0x70000);
	word(&out, IN_HEADER, 8200, 5000);
	word(&out, IN_HEADER, 8208, RAM_BYTES - 8);
	word(&out, IN_HEADER, 8216, UINT64_MAX);
	word(&out, IN_REPLAYED, 0x70010 / 8, 5);
	word(&out, IN_REPLAYED, RAM_BYTES / 8 - 1, 5);
	seed_from(&out);
	word(&out, IN_LAYOUT, LAYOUT(bit_slab), 200);
	word(&out, IN_LAYOUT, LAYOUT(sizeof_page), 1);
	word(&out, IN_LAYOUT, LAYOUT(percpu_unit), 3);
	word(&out, IN_REPLAYED, 7, 5);
	seed_from(&out);
	/* tables that hold themselves, and pages too large to be there */
	for (pfn = 0; pfn < 512; pfn += 3)
		word(&out, IN_TABLES, pfn, PGD_AT | 1);
	word(&out, IN_TABLES, 1, 0x81);
	word(&out, IN_REPLAYED, 0x68000 / 8, 5);
	seed_from(&out);
}
