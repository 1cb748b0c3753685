// SPDX-License-Identifier: GPL-2.0-only
/*
 * A list of pages from somewhere else, applied to a small RAM.  The first byte says
 * what the rest is: the file itself; the file, but the checksums are made right; or a
 * recipe of groups, which are compressed here and whose headers may lie.
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

enum { AS_IS, CHECKSUMS, RECIPE, NR_MODES };

static uint8_t file[4 * FUZZ_MAX];
static size_t file_len;

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

	if (file_len < at)
		return;
	fix_header();
	while (file_len - at >= sizeof(g)) {
		fix_group(at);
		memcpy(&g, file + at, sizeof(g));
		at += sizeof(g);
		if (g.compressed > file_len - at)
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
	if (file_len + sizeof(g) + ZSTD_compressBound(len) > sizeof(file))
		return false;
	n = ZSTD_compress(file + file_len + sizeof(g), sizeof(file) - file_len - sizeof(g), raw,
			  len, 1);
	must(!ZSTD_isError(n));
	lies = (unsigned int)take(in, 1);
	g.pages += lies & 1 ? (uint32_t)take(in, 4) : 0;
	g.compressed = (uint32_t)n + (lies & 2 ? (uint32_t)take(in, 4) : 0);
	memcpy(file + file_len, &g, sizeof(g));
	fix_group(file_len);
	file_len += sizeof(g) + n;
	return true;
}

static void cook(struct input *in)
{
	struct krr_delta_header h = { .version = KRR_DELTA_VERSION };
	unsigned int lies = (unsigned int)take(in, 1);

	file_len = sizeof(h);
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
	struct input in = { data, data + len };
	unsigned int mode = (unsigned int)take(&in, 1) % NR_MODES;
	int err;

	if (mode == RECIPE) {
		cook(&in);
	} else {
		file_len = (size_t)(in.end - in.p);
		if (file_len > sizeof(file))
			return 0;
		memcpy(file, in.p, file_len);
		if (mode == CHECKSUMS)
			fix_checksums();
	}
	fuzz_file("delta", file, file_len);
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

	give(out, RECIPE, 1);
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
	struct input in;
	unsigned int i, mode;

	for (i = 0; i < 4; i++) {
		seed_recipe(&out, i, 1 + 5 * i);
		/* the same as a file */
		in = (struct input){ out.buf + 1, out.buf + out.n };
		cook(&in);
		seed_from(&out);
		for (mode = AS_IS; mode <= CHECKSUMS; mode++) {
			give(&out, mode, 1);
			must(file_len < sizeof(out.buf));
			memcpy(out.buf + out.n, file, file_len);
			out.n += file_len;
			seed_from(&out);
		}
	}
	/* pages that there are nowhere */
	give(&out, RECIPE, 1);
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
