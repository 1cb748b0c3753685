// SPDX-License-Identifier: GPL-2.0-only
/*
 * A list of pages from somewhere else, applied to a small RAM: a file, or a recipe of
 * groups, which are compressed here and whose headers may lie.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <zstd.h>

#include "fuzz.h"
#include "lib/util.h"
#include "vmm/delta.h"

const unsigned int fuzz_rounds = 1500;

#define RAM_PAGES	40u

static void fix_checksums(void);
static void cook(struct input *in);

static uint8_t file[4 * FUZZ_MAX];
static struct made made = {
	.bytes = file, .room = sizeof(file), .fix = fix_checksums, .cook = cook,
};

static void fix_group(size_t at)
{
	struct krr_delta_group g;

	memcpy(&g, file + at, sizeof(g));
	g.crc = krr_crc32(0, &g, offsetof(struct krr_delta_group, crc));
	memcpy(file + at, &g, sizeof(g));
}

static void fix_header(void)
{
	uint32_t crc = krr_crc32(0, file, offsetof(struct krr_delta_header, crc));

	memcpy(file + offsetof(struct krr_delta_header, crc), &crc, sizeof(crc));
}

static void fix_checksums(void)
{
	struct krr_delta_group g;
	size_t at = sizeof(struct krr_delta_header);

	if (made.len < at)
		return;
	fix_header();
	while (made.len - at >= sizeof(g)) {
		fix_group(at);
		memcpy(&g, file + at, sizeof(g));
		at += sizeof(g);
		if (g.compressed > made.len - at)
			return;
		at += g.compressed;
	}
}

/* Numbers, each with what its page is full of; then what the header of the group adds. */
static bool put_group(struct input *in)
{
	static uint8_t raw[256 * (sizeof(uint64_t) + KRR_BLOCK)];
	struct krr_delta_group g = { .pages = (uint32_t)take(in, 1) };
	uint8_t *bytes = raw + g.pages * sizeof(uint64_t);
	size_t len = g.pages * (sizeof(uint64_t) + KRR_BLOCK), n;
	unsigned int lies;
	uint64_t number;
	uint32_t i;

	for (i = 0; i < g.pages; i++) {
		number = take(in, 1);
		if (number == 255)
			number = take(in, 8);
		memcpy(raw + i * sizeof(number), &number, sizeof(number));
		memset(bytes + (size_t)i * KRR_BLOCK, (int)take(in, 1), KRR_BLOCK);
	}
	if (made.len + sizeof(g) + ZSTD_compressBound(len) > sizeof(file))
		return false;
	n = ZSTD_compress(file + made.len + sizeof(g), sizeof(file) - made.len - sizeof(g), raw,
			  len, 1);
	must(!ZSTD_isError(n));
	lies = (unsigned int)take(in, 1);
	g.pages += lies & 1 ? (uint32_t)take(in, 4) : 0;
	g.compressed = (uint32_t)n + (lies & 2 ? (uint32_t)take(in, 4) : 0);
	memcpy(file + made.len, &g, sizeof(g));
	fix_group(made.len);
	made.len += sizeof(g) + n;
	return true;
}

static void cook(struct input *in)
{
	struct krr_delta_header h = { .version = KRR_DELTA_VERSION };
	unsigned int lies = (unsigned int)take(in, 1);

	made.len = sizeof(h);
	while (in->p < in->end && h.groups < 20 && put_group(in))
		h.groups++;
	h.groups += lies & 1;
	h.groups = lies & 2 ? UINT32_MAX : h.groups;
	memcpy(h.magic, KRR_DELTA_MAGIC, sizeof(h.magic));
	memcpy(file, &h, sizeof(h));
	fix_header();
}

/* RAM keeps its size, whatever is applied. */
static int apply(uint8_t *image)
{
	__close_fd int fd = openat(fuzz_dir(), "ram", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	struct stat st;
	int err;

	must(fd >= 0 && !ftruncate(fd, RAM_PAGES * KRR_BLOCK));
	err = krr_delta_apply(fuzz_dir(), "delta", fd);
	must(err == 0 || err == -EBADMSG);
	must(!fstat(fd, &st) && st.st_size == RAM_PAGES * KRR_BLOCK);
	must(krr_pread_full(fd, image, RAM_PAGES * KRR_BLOCK, 0) == RAM_PAGES * KRR_BLOCK);
	return err;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static uint8_t once[RAM_PAGES * KRR_BLOCK], twice[RAM_PAGES * KRR_BLOCK];
	int err;

	if (!make_file(&made, data, len))
		return 0;
	fuzz_file("delta", file, made.len);
	unlinkat(fuzz_dir(), "ram", 0);
	err = apply(once);
	/* it can be done again, after an interruption: to the same end */
	must(apply(twice) == err);
	must(!memcmp(once, twice, sizeof(once)));
	return 0;
}

static void seed_recipe(struct output *out, unsigned int groups, unsigned int pages)
{
	unsigned int i, n;

	give(out, FUZZ_RECIPE, 1);
	give(out, 0, 1);
	for (i = 0; i < groups; i++) {
		give(out, pages, 1);
		for (n = 0; n < pages; n++) {
			give(out, (i * 7 + n + n / 3) % RAM_PAGES, 1);
			give(out, 16 * i + n, 1);
		}
		give(out, 0, 1);
	}
}

void fuzz_seeds(void)
{
	static struct output out;
	unsigned int i;

	for (i = 0; i < 4; i++) {
		seed_recipe(&out, i, 1 + 5 * i);
		seed_made(&made, &out);
	}
	/* pages that there are nowhere */
	give(&out, FUZZ_RECIPE, 1);
	give(&out, 0, 1);
	give(&out, 2, 1);
	give(&out, 255, 1);
	give(&out, UINT64_MAX, 8);
	give(&out, 1, 1);
	give(&out, 0, 1);
	give(&out, 2, 1);
	give(&out, 0, 1);
	seed_from(&out);
}
