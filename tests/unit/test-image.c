// SPDX-License-Identifier: GPL-2.0-only
/* Copies with holes, and checksums. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/image.h"
#include "lib/store.h"
#include "lib/util.h"
#include "unit.h"

/* Results of another implementation of XXH64. */
#define HASH_ZERO	0xac869b6f32d8bbdbull
#define HASH_PATTERN	0x2f2095dbb4b78856ull
#define HASH_SEED_5	0x8297d15ba9910b71ull

static int new_file(const char *name, const void *data, size_t len, off_t size)
{
	int fd = scratch_file(name, data, len);

	assert_int_equal(ftruncate(fd, size), 0);
	return fd;
}

static void hashes(void **state)
{
	uint8_t block[KRR_BLOCK] = { 0 };
	size_t i;

	(void)state;
	assert_true(krr_block_hash(block, 0) == HASH_ZERO);
	for (i = 0; i < sizeof(block); i++)
		block[i] = (uint8_t)(i * 7 + (i >> 8));
	assert_true(krr_block_hash(block, 0) == HASH_PATTERN);
	assert_true(krr_block_hash(block, 5) == HASH_SEED_5);
}

static void sparse_copies(void **state)
{
	static uint8_t x[3u << 20], y[3u << 20];
	__close_fd int in = -1, out = -1;
	char sum[KRR_SUM_TEXT];
	struct krr_copy copy;
	struct stat st;

	(void)state;
	memset(x + 5000, 7, 10000);
	memset(x + (1u << 20) - 1, 9, 2);	/* across two buffers */
	x[sizeof(x) - 1] = 1;
	in = new_file("from", x, sizeof(x), 64 << 20);
	out = new_file("to", "", 0, 0);
	assert_int_equal(krr_copy_sparse(in, out, &copy), 0);
	assert_int_equal(fstat(out, &st), 0);
	assert_int_equal(st.st_size, 64 << 20);
	assert_int_equal(krr_pread_full(out, y, sizeof(y), 0), sizeof(y));
	assert_memory_equal(x, y, sizeof(x));
	assert_true(copy.bytes <= 7 * 4096);
	assert_int_equal(krr_sum_fd(out, sum), 0);
	if (*copy.sum)
		assert_string_equal(sum, copy.sum);
}

/* Files that are no whole number of blocks, and empty ones. */
static void odd_sizes(void **state)
{
	static const off_t sizes[] = { 0, 1, 4095, 4097, (1 << 20) - 1, (1 << 20) + 1, 3000000 };
	static uint8_t x[3000000], y[3000000];
	char sum[KRR_SUM_TEXT];
	struct krr_copy copy;
	size_t i;

	(void)state;
	memset(x, 3, sizeof(x));
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		__close_fd int in = new_file("from", x, (size_t)sizes[i], sizes[i]);
		__close_fd int out = new_file("to", "", 0, 0);
		struct stat st;

		assert_int_equal(krr_copy_sparse(in, out, &copy), 0);
		assert_int_equal(fstat(out, &st), 0);
		assert_int_equal(st.st_size, sizes[i]);
		assert_int_equal(krr_pread_full(out, y, sizeof(y), 0), sizes[i]);
		assert_memory_equal(x, y, (size_t)sizes[i]);
		assert_int_equal(krr_sum_fd(out, sum), 0);
		if (*copy.sum)
			assert_string_equal(sum, copy.sum);
	}
}

static void sum_of(const uint8_t *data, size_t len, off_t size, char sum[KRR_SUM_TEXT])
{
	__close_fd int fd = new_file("sum", data, len, size);

	assert_int_equal(krr_sum_fd(fd, sum), 0);
	assert_int_equal(strlen(sum), KRR_SUM_TEXT - 1);
}

/* A hole is as good as zeros; whatever else changes, changes the sum. */
static void sums(void **state)
{
	static uint8_t x[5 * KRR_BLOCK];
	char want[KRR_SUM_TEXT], sum[KRR_SUM_TEXT];

	(void)state;
	x[KRR_BLOCK + 9] = 1;
	sum_of(x, sizeof(x), sizeof(x), want);
	sum_of(x, 2 * KRR_BLOCK, sizeof(x), sum);
	assert_string_equal(sum, want);
	sum_of(x, sizeof(x), sizeof(x) + 1, sum);
	assert_string_not_equal(sum, want);
	sum_of(x + KRR_BLOCK, 4 * KRR_BLOCK, sizeof(x), sum);
	assert_string_not_equal(sum, want);
	x[4 * KRR_BLOCK] = 1;
	sum_of(x, sizeof(x), sizeof(x), sum);
	assert_string_not_equal(sum, want);
	sum_of(x, 0, 0, sum);
	assert_string_equal(sum, "0000000000000000");
}

static void make_recording(struct krr_recording *rec)
{
	__close_fd int fd = -1;

	assert_int_equal(krr_recording_create("summed", rec), 0);
	fd = openat(rec->dirfd, "log.krr", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(krr_write_full(fd, "some log", 8), 0);
	assert_int_equal(krr_recording_seal(rec), 0);
}

/* Sealing makes the sums; afterwards each file has to be there as it was. */
static void recordings(void **state)
{
	struct krr_recording rec;
	__close_fd int fd = -1;

	(void)state;
	make_recording(&rec);
	assert_int_equal(krr_recording_check(&rec, KRR_FILE_LOG), 0);
	quiet_begin();
	assert_int_equal(krr_recording_check(&rec, KRR_FILE_START_RAM), -EBADMSG);
	assert_int_equal(krr_recording_check_sum(&rec, KRR_FILE_START_RAM, ""), -EBADMSG);
	fd = openat(rec.dirfd, "log.krr", O_WRONLY | O_CLOEXEC);
	assert_int_equal(krr_write_full(fd, "S", 1), 0);
	assert_int_equal(krr_recording_check(&rec, KRR_FILE_LOG), -EBADMSG);
	assert_int_equal(unlinkat(rec.dirfd, "log.krr", 0), 0);
	assert_int_equal(krr_recording_check(&rec, KRR_FILE_LOG), -EBADMSG);
	quiet_end();
	krr_recording_close(&rec);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hashes),
		cmocka_unit_test(sparse_copies),
		cmocka_unit_test(odd_sizes),
		cmocka_unit_test(sums),
		cmocka_unit_test(recordings),
	};

	return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
