// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which pages of RAM another process wrote, as the host's kernel tells.  Where the host does
 * not offer a way, its tests are skipped.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/util.h"
#include "vmm/delta.h"
#include "writer.h"

#define PAGES	WRITER_PAGES
#define HDR_PAGE WRITER_HDR
#define FIRST	WRITER_FIRST

static bool written(uint32_t page)
{
	return writes.bit[page / 64] >> (page & 63) & 1;
}

/* Only these, but for the header, which always counts; and they have been dealt with then. */
static void assert_written(const uint32_t *page, unsigned int n)
{
	uint32_t i;
	unsigned int j;

	for (i = 0; i < PAGES; i++) {
		bool expected = i >= HDR_PAGE && i < HDR_PAGE + KRR_HDR_BYTES / KRR_BLOCK;

		for (j = 0; j < n; j++)
			expected |= page[j] == i;
		if (written(i) != expected)
			print_message("# page %u\n", i);
		assert_int_equal(written(i), expected);
	}
	krr_writes_done(&writes);
}

/* --- tests --------------------------------------------------------------------------- */

static void marks(enum krr_writes_way way)
{
	static const uint32_t some[] = { FIRST, FIRST + 1, FIRST + 63, PAGES - 1 };

	if (!offered(way))
		return;
	make_it(BY_STORE, FIRST + 5, 1);
	assert_int_equal(krr_writes_begin(&writes), 0);
	assert_int_equal(krr_writes_peek(&writes), 0);
	assert_int_equal(krr_writes_take(&writes, true), 0);
	assert_written(NULL, 0);
	/* also where the file has a hole, and by the kernel */
	make_it(BY_STORE, some[0], 1);
	make_it(BY_KERNEL, some[1], 2);
	make_it(BY_STORE, some[2], 3);
	make_it(BY_KERNEL, some[3], 4);
	make_it(BY_LOAD, FIRST + 5, 0);
	assert_int_equal(krr_writes_peek(&writes), 4);
	assert_int_equal(krr_writes_take(&writes, true), 0);
	assert_written(some, ARRAY_SIZE(some));
	/* once and no more, but when written again */
	assert_int_equal(krr_writes_take(&writes, true), 0);
	assert_written(NULL, 0);
	make_it(BY_STORE, some[1], 3);
	assert_int_equal(krr_writes_take(&writes, false), 0);
	assert_written(&some[1], 1);
	/* what was taken while the writer ran may come again, but is never lost */
	make_it(BY_STORE, some[2], 5);
	assert_int_equal(krr_writes_take(&writes, true), 0);
	assert_true(written(some[2]));
	krr_writes_done(&writes);
	assert_int_equal(krr_writes_take(&writes, true), 0);
	assert_written(NULL, 0);
	/* the kernel forgets what it has told, and nobody else does until it was dealt with */
	make_it(BY_STORE, some[0], 6);
	assert_int_equal(krr_writes_take(&writes, true), 0);
	make_it(BY_STORE, some[1], 6);
	assert_int_equal(krr_writes_take(&writes, true), 0);
	assert_written(some, 2);
	/* to begin anew is to forget */
	make_it(BY_STORE, some[0], 7);
	assert_int_equal(krr_writes_take(&writes, true), 0);
	assert_int_equal(krr_writes_begin(&writes), 0);
	assert_false(written(some[0]));
}

static void scan_marks(void **state)
{
	(void)state;
	marks(KRR_WRITES_SCAN);
}

static void soft_marks(void **state)
{
	(void)state;
	marks(KRR_WRITES_SOFT);
}

/* A page may have lost its bit: all of them count, once. */
static void soft_after_a_loss(void **state)
{
	(void)state;
	if (!offered(KRR_WRITES_SOFT))
		return;
	assert_int_equal(krr_writes_begin(&writes), 0);
	writes.lost--;
	assert_int_equal(krr_writes_take(&writes, true), 0);
	assert_true(written(0) && written(FIRST) && written(PAGES - 1));
	assert_true(writes.all);
	krr_writes_done(&writes);
	assert_int_equal(krr_writes_take(&writes, true), 0);
	assert_written(NULL, 0);
}

static void write_some(struct dice *d)
{
	uint64_t n = roll(d) % 300;

	while (n--)
		make_it(roll(d) % 2 ? BY_STORE : BY_KERNEL, FIRST + (uint32_t)(roll(d) % 2000),
			(uint8_t)roll(d));
}

/* What a tracker that asks the kernel finds is what one finds that looks at all pages. */
static void finds_all(enum krr_writes_way way)
{
	struct krr_tracker asks, looks;
	struct krr_delta a = { 0 }, b = { 0 };
	struct dice dice = { 7 };
	int i;

	if (!offered(way))
		return;
	write_some(&dice);
	assert_int_equal(krr_tracker_init(&asks, &ram), 0);
	assert_int_equal(krr_tracker_init(&looks, &ram), 0);
	krr_tracker_use(&asks, &writes);
	for (i = 0; i < 20; i++) {
		setenv("KRR_WRITES_CHECK", i % 2 ? "1" : "", 1);
		/* at times ahead of the pause */
		if (i % 3 == 1) {
			assert_int_equal(krr_tracker_scan(&asks, &ram, false, UINT64_MAX, &a), 0);
			write_some(&dice);
		}
		assert_int_equal(krr_tracker_scan(&asks, &ram, true, UINT64_MAX, &a), 0);
		krr_tracker_settle(&asks, &a);
		assert_int_equal(krr_tracker_scan(&looks, &ram, true, UINT64_MAX, &b), 0);
		assert_true(a.pages == b.pages || (i % 3 == 1 && a.pages > b.pages));
		assert_memory_equal(asks.hash, looks.hash, PAGES * sizeof(*asks.hash));
		krr_delta_free(&a);
		krr_delta_free(&b);
		write_some(&dice);
	}
	krr_tracker_free(&asks);
	krr_tracker_free(&looks);
}

static void scan_finds_all(void **state)
{
	(void)state;
	finds_all(KRR_WRITES_SCAN);
}

static void soft_finds_all(void **state)
{
	(void)state;
	finds_all(KRR_WRITES_SOFT);
}

/* A file of RAM, kept up to date by @d, is what RAM is. */
static void assert_file_follows(const struct krr_delta *d, int copy)
{
	__close_fd int dir = open(scratch, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	uint8_t page[KRR_BLOCK];
	uint64_t bytes, i;

	assert_int_equal(krr_delta_write(d, dir, "delta", &bytes), 0);
	assert_int_equal(krr_delta_apply(dir, "delta", copy), 0);
	for (i = FIRST; i < PAGES; i++) {
		assert_int_equal(krr_pread_full(copy, page, KRR_BLOCK, (off_t)(i * KRR_BLOCK)),
				 KRR_BLOCK);
		assert_memory_equal(page, ram.map + i * KRR_BLOCK, KRR_BLOCK);
	}
}

/* In a pause what was written is kept unseen; what did not change is dropped later. */
static void keeps_unseen(enum krr_writes_way way)
{
	const uint64_t hdr = KRR_HDR_BYTES / KRR_BLOCK;
	__close_fd int copy = scratch_file("copy", "", 0);
	struct krr_tracker t;
	struct krr_delta d = { 0 };
	uint64_t changed;
	uint32_t i;

	if (!offered(way))
		return;
	assert_int_equal(ftruncate(copy, PAGES * KRR_BLOCK), 0);
	assert_int_equal(krr_tracker_init(&t, &ram), 0);
	krr_tracker_use(&t, &writes);
	for (i = 0; i < 600; i++)
		make_it(BY_STORE, FIRST + i, 1);
	assert_int_equal(krr_tracker_follow(&t, &ram, true, copy, &changed), 0);
	/* the first group of pages does not change at all, of the others half of the pages do */
	for (i = 0; i < 600; i++)
		make_it(BY_STORE, FIRST + i, i < 300 || i % 2 ? 1 : 2);
	/* too many: nothing is lost by that */
	assert_int_equal(krr_tracker_scan(&t, &ram, true, 599 + hdr, &d),
			 -E2BIG);
	assert_int_equal(d.pages, 0);
	assert_int_equal(krr_tracker_scan(&t, &ram, true, 600 + hdr, &d), 0);
	assert_int_equal(d.pages, 600 + hdr);
	krr_tracker_settle(&t, &d);
	assert_int_equal(d.pages, 150);
	krr_tracker_settle(&t, &d);
	assert_int_equal(d.pages, 150);
	assert_file_follows(&d, copy);
	krr_delta_free(&d);
	/* what changes back has changed */
	make_it(BY_STORE, FIRST + 300, 1);
	assert_int_equal(krr_tracker_scan(&t, &ram, true, UINT64_MAX, &d), 0);
	krr_tracker_settle(&t, &d);
	assert_int_equal(d.pages, 1);
	assert_file_follows(&d, copy);
	krr_delta_free(&d);
	krr_tracker_free(&t);
}

static void scan_keeps_unseen(void **state)
{
	(void)state;
	keeps_unseen(KRR_WRITES_SCAN);
}

static void soft_keeps_unseen(void **state)
{
	(void)state;
	keeps_unseen(KRR_WRITES_SOFT);
}

/* Where all pages count as written, only those that changed are kept. */
static void keeps_few_after_a_loss(void **state)
{
	struct krr_tracker t;
	struct krr_delta d = { 0 };

	(void)state;
	if (!offered(KRR_WRITES_SOFT))
		return;
	assert_int_equal(krr_tracker_init(&t, &ram), 0);
	krr_tracker_use(&t, &writes);
	assert_int_equal(krr_tracker_scan(&t, &ram, true, UINT64_MAX, &d), 0);
	krr_delta_free(&d);
	make_it(BY_STORE, FIRST, 1);
	writes.lost--;
	assert_int_equal(krr_tracker_scan(&t, &ram, true, 1, &d), 0);
	assert_int_equal(d.pages, 1);
	krr_delta_free(&d);
	krr_tracker_free(&t);
}

/* A second tracker has to look at all of RAM first, whatever was written since when. */
static void a_new_tracker(void **state)
{
	struct krr_tracker t;
	struct krr_delta d = { 0 };
	uint64_t pages;
	int i;

	(void)state;
	if (!one_offered())
		return;
	for (i = 0; i < 100; i++)
		make_it(BY_STORE, FIRST + (uint32_t)i, 9);
	for (i = 0; i < 2; i++) {
		assert_int_equal(krr_tracker_init(&t, &ram), 0);
		krr_tracker_use(&t, &writes);
		assert_int_equal(krr_tracker_scan(&t, &ram, false, UINT64_MAX, &d), 0);
		pages = d.pages;
		assert_true(pages >= 100);
		krr_delta_free(&d);
		krr_tracker_free(&t);
	}
}

/* The check sees what nobody marks: here a write by a mapping that is not the writer's. */
static void the_check_can_fail(void **state)
{
	struct krr_tracker t;
	struct krr_delta d = { 0 };

	(void)state;
	if (!one_offered())
		return;
	setenv("KRR_WRITES_CHECK", "1", 1);
	assert_int_equal(krr_tracker_init(&t, &ram), 0);
	krr_tracker_use(&t, &writes);
	assert_int_equal(krr_tracker_scan(&t, &ram, true, UINT64_MAX, &d), 0);
	ram.map[(FIRST + 9) * KRR_BLOCK]++;
	quiet_begin();
	assert_int_equal(krr_tracker_scan(&t, &ram, true, UINT64_MAX, &d), -EIO);
	quiet_end();
	krr_delta_free(&d);
	krr_tracker_free(&t);
}

/* A tracker whose kernel does not answer any more looks at all. */
static void the_writer_dies(void **state)
{
	struct krr_tracker t;
	struct krr_delta d = { 0 };

	(void)state;
	if (!one_offered())
		return;
	assert_int_equal(krr_tracker_init(&t, &ram), 0);
	krr_tracker_use(&t, &writes);
	assert_int_equal(krr_tracker_scan(&t, &ram, true, UINT64_MAX, &d), 0);
	krr_delta_free(&d);
	make_it(BY_STORE, FIRST + 3, 3);
	kill(writer, SIGKILL);
	waitpid(writer, NULL, 0);
	quiet_begin();
	assert_int_equal(krr_tracker_scan(&t, &ram, true, UINT64_MAX, &d), 0);
	quiet_end();
	assert_null(t.writes);
	assert_true(d.pages >= 1);
	krr_delta_free(&d);
	krr_tracker_free(&t);
}

static void none(void **state)
{
	struct krr_tracker t = { 0 };

	(void)state;
	assert_int_equal(writes.way, KRR_WRITES_HASH);
	krr_tracker_use(&t, &writes);
	assert_null(t.writes);
	assert_int_equal(krr_writes_peek(&writes), 0);
}

/* --- the reserve ---------------------------------------------------------------------- */

static uint64_t wanted;

static uint64_t wants(void *arg)
{
	(void)arg;
	return __atomic_load_n(&wanted, __ATOMIC_ACQUIRE);
}

static size_t slabs(struct krr_reserve *r)
{
	size_t n;

	pthread_mutex_lock(&r->lock);
	n = r->slabs;
	pthread_mutex_unlock(&r->lock);
	return n;
}

static void wait_for_slabs(struct krr_reserve *r, size_t n)
{
	int tries = 3000;

	while (slabs(r) != n && tries--)
		krr_sleep_ms(10);
	assert_int_equal(slabs(r), n);
}

static void reserve(void **state)
{
	struct krr_reserve r;
	void *slab[3];
	int i;

	(void)state;
	wanted = 2 * KRR_SLAB_BYTES + 1;
	assert_int_equal(krr_reserve_start(&r, wants, NULL), 0);
	wait_for_slabs(&r, 3);
	for (i = 0; i < 3; i++) {
		slab[i] = krr_reserve_take(&r);
		assert_non_null(slab[i]);
	}
	/* they are missed, and too many when they come back */
	wait_for_slabs(&r, 3);
	for (i = 0; i < 3; i++)
		krr_reserve_put(&r, slab[i]);
	assert_int_equal(slabs(&r), 6);
	__atomic_store_n(&wanted, 0, __ATOMIC_RELEASE);
	wait_for_slabs(&r, 0);
	slab[0] = krr_reserve_take(&r);
	assert_non_null(slab[0]);
	krr_reserve_put(&r, slab[0]);
	krr_reserve_end(&r);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(scan_marks, writer_scan, writer_end),
		cmocka_unit_test_setup_teardown(scan_finds_all, writer_scan, writer_end),
		cmocka_unit_test_setup_teardown(soft_marks, writer_soft, writer_end),
		cmocka_unit_test_setup_teardown(soft_finds_all, writer_soft, writer_end),
		cmocka_unit_test_setup_teardown(soft_after_a_loss, writer_soft, writer_end),
		cmocka_unit_test_setup_teardown(scan_keeps_unseen, writer_scan, writer_end),
		cmocka_unit_test_setup_teardown(soft_keeps_unseen, writer_soft, writer_end),
		cmocka_unit_test_setup_teardown(keeps_few_after_a_loss, writer_soft, writer_end),
		cmocka_unit_test_setup_teardown(a_new_tracker, writer_scan, writer_end),
		cmocka_unit_test_setup_teardown(the_check_can_fail, writer_scan, writer_end),
		cmocka_unit_test_setup_teardown(the_writer_dies, writer_scan, writer_end),
		cmocka_unit_test_setup_teardown(none, writer_hash, writer_end),
		cmocka_unit_test(reserve),
	};

	if (argc == 2)
		return be_writer(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
