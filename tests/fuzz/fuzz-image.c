// SPDX-License-Identifier: GPL-2.0-only
/* Sparse files: what is copied is the same, and so is its checksum. */
#include <fcntl.h>
#include <string.h>

#include "fuzz.h"
#include "lib/image.h"
#include "lib/util.h"

const unsigned int fuzz_rounds = 400;

#define MAX_SIZE (3u << 20)	/* more than what is read at once */

static uint8_t buf[MAX_SIZE];

static int open_empty(const char *name)
{
	int fd = openat(fuzz_dir(), name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	must(fd >= 0);
	return fd;
}

/* One byte value over a range; zeros are written, too, and not left out. */
static void write_range(int fd, struct input *in, uint64_t size)
{
	uint64_t at = take(in, 3), len = take(in, 2) << (take(in, 1) & 7);

	if (at >= size)
		return;
	if (len > size - at)
		len = size - at;
	memset(buf, (int)take(in, 1), len);
	must(pwrite(fd, buf, len, (off_t)at) == (ssize_t)len);
}

/* The same by reading all of it. */
static void check_sum(int fd, uint64_t size, const char *sum)
{
	uint64_t expect = size, at;
	char text[KRR_SUM_TEXT];

	for (at = 0; at < size; at += KRR_BLOCK) {
		memset(buf, 0, KRR_BLOCK);
		must(krr_pread_full(fd, buf, KRR_BLOCK, (off_t)at) > 0);
		if (buf[0] || memcmp(buf, buf + 1, KRR_BLOCK - 1))
			expect += krr_block_hash(buf, at / KRR_BLOCK);
	}
	snprintf(text, sizeof(text), "%016llx", (unsigned long long)expect);
	must(!strcmp(sum, text));
}

static void check_equal(int a, int b, uint64_t size)
{
	static uint8_t other[65536];
	uint64_t at;
	ssize_t n;

	must(lseek(b, 0, SEEK_END) == (off_t)size);
	for (at = 0; at < size; at += (uint64_t)n) {
		n = krr_pread_full(a, buf, sizeof(other), (off_t)at);
		must(n > 0 && krr_pread_full(b, other, sizeof(other), (off_t)at) == n);
		must(!memcmp(buf, other, (size_t)n));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct input in = { data, data + len };
	uint64_t size = take(&in, 3) % MAX_SIZE;
	int from = open_empty("from"), to = open_empty("to"), n = 0;
	struct krr_copy copy;
	char sum[KRR_SUM_TEXT];

	must(!ftruncate(from, (off_t)size));
	while (in.p < in.end && n++ < 12)
		write_range(from, &in, size);
	must(!krr_sum_fd(from, sum));
	check_sum(from, size, sum);
	must(!krr_copy_sparse(from, to, &copy));
	check_equal(from, to, size);
	must(!*copy.sum || !strcmp(copy.sum, sum));
	must(copy.bytes <= size + KRR_BLOCK);
	close(from);
	close(to);
	return 0;
}

static void seed_range(struct output *out, uint64_t at, uint64_t len, unsigned int shift, int byte)
{
	give(out, at, 3);
	give(out, len, 2);
	give(out, shift, 1);
	give(out, (uint64_t)byte, 1);
}

void fuzz_seeds(void)
{
	static struct output out;

	give(&out, 20000, 3);
	seed_range(&out, 5000, 100, 0, 1);
	seed_range(&out, 12288, 4096, 0, 0);
	seed_range(&out, 19999, 1, 0, 2);
	seed_from(&out);
	give(&out, 4096, 3);
	seed_range(&out, 0, 4096, 0, 9);
	seed_from(&out);
	give(&out, 2500001, 3);
	seed_range(&out, 1048575, 2, 0, 5);
	seed_range(&out, 2000000, 65535, 3, 6);
	seed_from(&out);
	give(&out, 0, 3);
	seed_from(&out);
}
