// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sparse copies and checksums of files.
 *
 * The checksum of a file is its size plus the sum of XXH64(block, seed: number
 * of the block) over its blocks of 4096 bytes, the last filled up with zeros,
 * modulo 2^64.  Blocks of zeros are left out, so that a hole is as good as
 * zeros, and a copy can be summed up while it is made.  It is against
 * accidents, not against forgers.
 */
#include <errno.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "lib/image.h"
#include "lib/util.h"

#define BUFFER_BYTES (1u << 20)

/**
 * krr_block_hash() - XXH64 of a block
 * @block: KRR_BLOCK bytes
 * @number: the seed
 */
uint64_t krr_block_hash(const uint8_t *block, uint64_t number)
{
	return XXH64(block, KRR_BLOCK, number);
}

/** krr_block_zero() - are all of its KRR_BLOCK bytes zero? */
bool krr_block_zero(const uint8_t *block)
{
	return !block[0] && !memcmp(block, block + 1, KRR_BLOCK - 1);
}

/* A walk over the blocks of a file that are not zero. */
struct walk {
	int from, to;		/* @to: -1 to sum up only */
	uint8_t *buf;
	uint64_t copied, sum;
};

static int write_run(struct walk *w, off_t at, const uint8_t *run, size_t len)
{
	if (w->to < 0 || !len)
		return 0;
	w->copied += len;
	return lseek(w->to, at, SEEK_SET) < 0 ? -errno : krr_write_full(w->to, run, len);
}

/* @len bytes at @at are in the buffer; whole runs of blocks are written at once. */
static int take_buffer(struct walk *w, off_t at, size_t len)
{
	size_t i, run = 0;
	int err = 0;

	memset(w->buf + len, 0, KRR_BLOCK);
	for (i = 0; i < len && !err; i += KRR_BLOCK) {
		if (krr_block_zero(w->buf + i)) {
			err = write_run(w, at + (off_t)run, w->buf + run, i - run);
			run = i + KRR_BLOCK;
			continue;
		}
		w->sum += krr_block_hash(w->buf + i, ((uint64_t)at + i) / KRR_BLOCK);
	}
	return err || run >= len ? err : write_run(w, at + (off_t)run, w->buf + run, len - run);
}

static int walk_extent(struct walk *w, off_t at, off_t end)
{
	ssize_t n;
	int err;

	for (; at < end; at += n) {
		n = krr_pread_full(w->from, w->buf, end - at < (off_t)BUFFER_BYTES ?
				   (size_t)(end - at) : BUFFER_BYTES, at);
		if (n <= 0)
			return n ? (int)n : -EIO;
		err = take_buffer(w, at, (size_t)n);
		if (err)
			return err;
	}
	return 0;
}

static int walk(struct walk *w, off_t size)
{
	off_t data, hole = 0;
	int err = 0;

	w->buf = malloc(BUFFER_BYTES + KRR_BLOCK);
	if (!w->buf)
		return -ENOMEM;
	while (!err && hole < size) {
		data = lseek(w->from, hole, SEEK_DATA);
		if (data < 0) {
			err = errno == ENXIO ? 0 : -errno;
			break;
		}
		hole = lseek(w->from, data, SEEK_HOLE);
		if (hole < 0) {
			err = -errno;
			break;
		}
		/* some file systems have extents smaller than a block */
		data -= data % KRR_BLOCK;
		hole += (KRR_BLOCK - hole % KRR_BLOCK) % KRR_BLOCK;
		if (hole > size)
			hole = size;
		err = walk_extent(w, data, hole);
	}
	free(w->buf);
	w->sum += (uint64_t)size;
	return err;
}

/**
 * krr_copy_sparse() - copy a file, holes and blocks of zeros left out
 * @from: file to copy
 * @to: empty file; gets the same length
 * @copy: result
 */
int krr_copy_sparse(int from, int to, struct krr_copy *copy)
{
	struct walk w = { .from = from, .to = to };
	struct stat st;
	int err;

	memset(copy, 0, sizeof(*copy));
	if (fstat(from, &st) < 0)
		return -errno;
	if (!ioctl(to, FICLONE, from))
		return 0;
	if (ftruncate(to, st.st_size) < 0)
		return -errno;
	err = walk(&w, st.st_size);
	copy->bytes = w.copied;
	snprintf(copy->sum, sizeof(copy->sum), "%016" PRIx64, w.sum);
	return err;
}

/**
 * krr_sum_fd() - checksum of a file
 * @fd: file
 * @sum: result, as 16 hex digits
 */
int krr_sum_fd(int fd, char sum[KRR_SUM_TEXT])
{
	struct walk w = { .from = fd, .to = -1 };
	struct stat st;
	int err;

	if (fstat(fd, &st) < 0)
		return -errno;
	err = walk(&w, st.st_size);
	snprintf(sum, KRR_SUM_TEXT, "%016" PRIx64, w.sum);
	return err;
}
