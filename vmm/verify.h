/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Comparing guest memory at the end of a replay with that at the end of the
 * recording.  Every event may have matched and memory still differ: then an
 * input was missed that nobody looked at yet.
 */
#ifndef KRR_VMM_VERIFY_H
#define KRR_VMM_VERIFY_H

#include <stdbool.h>
#include <stdint.h>

#include "vmm/ram.h"

/*
 * X(NAME, name, tolerated): what a page is.  User content is written by code
 * that is not replayed, and a free page may have been a user's: these differ.
 */
#define KRR_CLASSES(X)						\
	X(TEXT,		"kernel text",		false)		\
	X(DATA,		"kernel data",		false)		\
	X(PERCPU,	"per-cpu data",		false)		\
	X(SLAB,		"slab",			false)		\
	X(VMALLOC,	"vmalloc and stacks",	false)		\
	X(TABLE,	"user page tables",	false)		\
	X(RESERVED,	"reserved",		false)		\
	X(OTHER,	"other kernel pages",	false)		\
	X(CACHE,	"page cache",		true)		\
	X(ANON,		"anonymous",		true)		\
	X(FREE,		"free",			true)		\
	X(FPU,		"user FPU registers",	true)		\
	X(DEVICE,	"device-written",	true)

enum krr_class {
#define X(NAME, name, tolerated) KRR_CLASS_##NAME,
	KRR_CLASSES(X)
#undef X
	KRR_NR_CLASSES
};

#define KRR_VERIFY_SHOWN 64

struct krr_difference {
	uint64_t gpa, va;	/* of the first byte; va in the direct map or the kernel image */
	uint32_t bytes;		/* that differ in this page */
	enum krr_class class;
	uint64_t recorded, replayed;	/* the word around the first byte */
	uint64_t cache;		/* struct kmem_cache, for slab */
	uint32_t cpu;		/* for per-cpu data: whose, and where in its area */
	uint64_t percpu;
};

struct krr_verify {
	uint64_t pages;		/* that were compared */
	uint64_t differ[KRR_NR_CLASSES], bytes[KRR_NR_CLASSES];
	uint64_t bad_pages, bad_bytes;	/* in classes that are not tolerated */
	struct krr_difference first[KRR_VERIFY_SHOWN];
	unsigned int shown;
	uint32_t inert_lost;	/* ranges that the guest's list of inert memory lacks */
};

const char *krr_class_name(enum krr_class c);
bool krr_class_tolerated(enum krr_class c);
int krr_poison(struct krr_ram *ram);
int krr_verify(const struct krr_ram *recorded, const struct krr_ram *replayed,
	       struct krr_verify *v);

#endif /* KRR_VMM_VERIFY_H */
