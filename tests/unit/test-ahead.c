// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copies ahead of the end: what is copied when, that nothing is lost when the copying ends in
 * the middle, fails, or meets a page that is written.  Where the host does not offer "scan",
 * these tests are skipped.
 */
#include <errno.h>
#include <fcntl.h>
#include <semaphore.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/util.h"
#include "vmm/ram-copy.h"
#include "writer.h"

#define FIRST	WRITER_FIRST
#define WINDOW	2048u		/* here one begins */
#define HDR_PAGES (KRR_HDR_BYTES / KRR_BLOCK)

static int dir = -1;
static struct krr_ram_copy copy;
static struct krr_ahead *const ahead = &copy.ahead;

/* Stands for the one of libc, where a test wants it. */
static int (*at_write)(uint64_t page);

ssize_t pwrite(int fd, const void *buf, size_t len, off_t at)
{
	int err = at_write ? at_write((uint64_t)at / KRR_BLOCK) : 0;

	errno = -err;
	return err ? -1 : syscall(SYS_pwrite64, fd, buf, len, at);
}

static uint64_t room = UINT64_MAX;

int fstatvfs(int fd, struct statvfs *fs)
{
	(void)fd;
	*fs = (struct statvfs){ .f_frsize = 1, .f_bavail = room };
	return 0;
}

/* --- setup -------------------------------------------------------------------------- */

static void store(uint32_t from, uint32_t n, uint8_t value)
{
	uint32_t i;

	for (i = from; i < from + n; i++)
		make_it(BY_STORE, i, value);
}

/* A snapshot is there, of a RAM that has something in it. */
static void snapshot(void)
{
	char sum[KRR_SUM_TEXT];

	dir = open(scratch, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	store(FIRST, 50, 1);
	store(FIRST + 1500, 50, 1);
	copy = (struct krr_ram_copy){ .fd = -1 };
	assert_int_equal(krr_ram_copy_begin(&copy, &ram, &writes, dir, "start.ram"), 0);
	assert_int_equal(krr_ram_copy_follow(&copy, &ram, sum), 0);
	krr_ram_copy_close(&copy);
}

/* No thread: the test makes its steps. */
static bool begin(void)
{
	if (!offered(KRR_WRITES_SCAN))
		return false;
	snapshot();
	krr_ahead_init(ahead, &copy.tracker, &ram, dir);
	return true;
}

static int end(void **state)
{
	at_write = NULL;
	room = UINT64_MAX;
	krr_ram_copy_free(&copy);
	close(dir);
	unsetenv("KRR_AHEAD_MS");
	return writer_end(state);
}

static bool there(const char *name)
{
	return !faccessat(dir, name, F_OK, 0);
}

static void look(uint64_t written)
{
	uint64_t n;

	assert_int_equal(krr_ahead_look(ahead, &n), 0);
	assert_int_equal(n, written + HDR_PAGES);
}

/* Is this page to be looked at at the end? */
static bool pending(uint32_t page)
{
	return writes.bit[page / 64] >> (page & 63) & 1;
}

/* end.ram is what RAM is, and so is its checksum. */
static void assert_end_is_ram(const char *sum)
{
	__close_fd int fd = openat(dir, "end.ram", O_RDONLY | O_CLOEXEC);
	uint8_t page[KRR_BLOCK];
	char real[KRR_SUM_TEXT];
	uint64_t i;

	assert_true(fd >= 0);
	for (i = 0; i < WRITER_PAGES; i++) {
		if (i >= copy.tracker.skip && i < copy.tracker.skip_end)
			continue;
		assert_int_equal(krr_pread_full(fd, page, KRR_BLOCK, (off_t)(i * KRR_BLOCK)),
				 KRR_BLOCK);
		if (memcmp(page, ram.map + i * KRR_BLOCK, KRR_BLOCK))
			fail_msg("page %llu is another one", (unsigned long long)i);
	}
	assert_int_equal(krr_sum_fd(fd, real), 0);
	assert_string_equal(sum, real);
}

/* The guest is parked. @kept: pages that are kept in memory then, but for the header */
static void finish(uint64_t most, uint64_t kept)
{
	char sum[KRR_SUM_TEXT];

	assert_int_equal(krr_ram_copy_scan(&copy, &ram, most), 0);
	if (kept != UINT64_MAX)
		assert_int_equal(copy.changed.pages, kept ? kept + HDR_PAGES : 0);
	assert_int_equal(krr_ram_copy_make(&copy, dir, "start.ram", "end.ram", sum), 0);
	krr_ram_copy_drop(&copy);
	assert_end_is_ram(sum);
	assert_false(there(KRR_AHEAD_FILE));
}

/* --- tests --------------------------------------------------------------------------- */

/* What was not written again since the last look is copied, once. */
static void copies_what_is_cold(void **state)
{
	(void)state;
	if (!begin())
		return;
	store(FIRST, 10, 2);
	look(10);
	assert_int_equal(krr_ahead_copy(ahead), 0);
	assert_false(there(KRR_AHEAD_FILE));
	store(FIRST, 4, 3);
	look(4);
	assert_int_equal(krr_ahead_copy(ahead), 0);
	assert_int_equal(ahead->copied, 6);
	assert_true(there(KRR_AHEAD_FILE));
	assert_true(pending(FIRST) && pending(FIRST + 3) && !pending(FIRST + 4));
	assert_int_equal(krr_ahead_pending(ahead), 4 + HDR_PAGES);
	/* to be written and not to change is nothing new for the file */
	store(FIRST + 4, 6, 2);
	store(FIRST, 4, 4);
	look(10);
	look(0);
	assert_int_equal(krr_ahead_copy(ahead), 0);
	assert_int_equal(ahead->copied, 10);
	/* some of these go another time, one comes back to what it was at the start, one is new */
	store(FIRST, 2, 5);
	store(FIRST + 7, 1, 1);
	store(FIRST + 900, 1, 1);
	finish(UINT64_MAX, 4);
}

static void nothing_to_copy(void **state)
{
	(void)state;
	if (!begin())
		return;
	look(0);
	store(FIRST + 3, 7, 9);
	finish(UINT64_MAX, 7);
}

/* The end comes while pages are being written to the file. */
static uint32_t writes_before, seen;

static int leave_and_write(uint64_t page)
{
	(void)page;
	if (seen++ != writes_before)
		return 0;
	krr_ahead_leave(ahead);
	/* the page has been read already, so it is an old one that gets there */
	make_it(BY_STORE, WINDOW, 99);
	make_it(BY_STORE, FIRST + 1500, 99);
	return 0;
}

static void leaves_in_the_middle(void **state)
{
	(void)state;
	if (!begin())
		return;
	/* in two windows, and several writes to the file in each of them */
	store(WINDOW, 200, 2);
	store(FIRST + 1500, 100, 2);
	look(300);
	look(0);
	seen = 0;
	writes_before = 1;
	at_write = leave_and_write;
	assert_int_equal(krr_ahead_copy(ahead), 0);
	at_write = NULL;
	assert_true(seen > 1);
	/* the pages of this window, the copied ones too, and of those that come after it */
	assert_true(pending(WINDOW) && pending(WINDOW + 70) && pending(FIRST + 1550));
	finish(UINT64_MAX, 300);
}

static int no_room(uint64_t page)
{
	return page >= FIRST + 100 && page < FIRST + 1000 ? -ENOSPC : 0;
}

/* The disk is full: the pages that did not get there are not lost. */
static void fails_in_the_middle(void **state)
{
	uint32_t i;

	(void)state;
	if (!begin())
		return;
	store(FIRST, 200, 2);
	look(200);
	look(0);
	assert_int_equal(krr_ahead_copy(ahead), 0);
	assert_int_equal(ahead->copied, 200);
	store(FIRST, 200, 3);
	look(200);
	look(0);
	at_write = no_room;
	assert_int_equal(krr_ahead_copy(ahead), -ENOSPC);
	at_write = NULL;
	for (i = 100; i < 200; i++)
		assert_true(pending(FIRST + i));
	/* what the file holds of them is not known: what it should, or what it did */
	store(FIRST + 150, 50, 2);
	finish(UINT64_MAX, UINT64_MAX);
}

/* The log needs the room of the disk: there are no copies, and nothing is lost. */
static void no_room_to_begin(void **state)
{
	(void)state;
	if (!begin())
		return;
	room = ram.size + (1u << 30) - 1;
	store(FIRST, 20, 2);
	look(20);
	look(0);
	assert_int_equal(krr_ahead_copy(ahead), -ENOSPC);
	assert_false(there(KRR_AHEAD_FILE));
	finish(UINT64_MAX, 20);
	/* a byte more would do */
	assert_int_equal(unlinkat(dir, "end.ram", 0), 0);
	krr_ahead_init(ahead, &copy.tracker, &ram, dir);
	room++;
	store(FIRST, 20, 3);
	look(20);
	look(0);
	assert_int_equal(krr_ahead_copy(ahead), 0);
	assert_true(there(KRR_AHEAD_FILE));
}

/* No memory: what was written goes to the file while the guest waits. */
static void no_memory(void **state)
{
	(void)state;
	if (!begin())
		return;
	store(FIRST, 100, 2);
	store(FIRST + 1540, 20, 2);
	look(120);
	look(0);
	assert_int_equal(krr_ahead_copy(ahead), 0);
	store(FIRST + 50, 100, 3);
	finish(3, 0);
}

static void no_memory_and_no_file(enum krr_writes_way way)
{
	if (!offered(way))
		return;
	snapshot();
	krr_ahead_init(ahead, &copy.tracker, &ram, dir);
	store(FIRST + 40, 100, 3);
	finish(3, 0);
}

static void scan_no_memory_and_no_file(void **state)
{
	(void)state;
	no_memory_and_no_file(KRR_WRITES_SCAN);
}

static void soft_no_memory_and_no_file(void **state)
{
	(void)state;
	no_memory_and_no_file(KRR_WRITES_SOFT);
}

static void write_some(struct dice *d)
{
	uint64_t n = roll(d) % 200;

	while (n--)
		make_it(roll(d) % 2 ? BY_STORE : BY_KERNEL, FIRST + (uint32_t)(roll(d) % 2000),
			(uint8_t)roll(d));
}

/* The thread, with a writer that never rests. */
static void thread(void **state)
{
	struct dice dice = { 11 };
	char sum[KRR_SUM_TEXT];
	int i, j;

	(void)state;
	if (!offered(KRR_WRITES_SCAN))
		return;
	setenv("KRR_AHEAD_MS", "0", 1);
	snapshot();
	krr_ram_copy_free(&copy);
	close(dir);
	for (i = 0; i < 12; i++) {
		scratch_teardown(NULL);
		assert_int_equal(scratch_setup(NULL), 0);
		setenv("KRR_WRITES_CHECK", i % 2 ? "1" : "", 1);
		snapshot();
		assert_int_equal(krr_ram_copy_ahead(&copy, &ram, dir), 0);
		for (j = 0; j < 10; j++)
			write_some(&dice);
		/* until it has copied something, it is no test */
		while (!__atomic_load_n(&ahead->copied, __ATOMIC_RELAXED))
			write_some(&dice);
		assert_int_equal(krr_ram_copy_scan(&copy, &ram, i % 3 ? UINT64_MAX : 0), 0);
		assert_int_equal(krr_ram_copy_make(&copy, dir, "start.ram", "end.ram", sum), 0);
		krr_ram_copy_drop(&copy);
		assert_end_is_ram(sum);
		krr_ram_copy_free(&copy);
		close(dir);
	}
	dir = open(scratch, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static sem_t in_write;

static int slowly(uint64_t page)
{
	(void)page;
	sem_post(&in_write);
	krr_sleep_ms(200);
	return 0;
}

/* The thread still writes what it has read when the guest is parked; that does not come last. */
static void old_bytes_are_late(void **state)
{
	(void)state;
	if (!offered(KRR_WRITES_SCAN))
		return;
	setenv("KRR_AHEAD_MS", "0", 1);
	snapshot();
	sem_init(&in_write, 0, 0);
	at_write = slowly;
	assert_int_equal(krr_ram_copy_ahead(&copy, &ram, dir), 0);
	store(FIRST, 1, 2);
	sem_wait(&in_write);
	at_write = NULL;
	store(FIRST, 1, 3);
	finish(UINT64_MAX, 1);
	sem_destroy(&in_write);
}

/* All pages are hashed at the end after all: the hashes are those of the file. */
static void hashes_at_the_end(void **state)
{
	struct dice dice = { 12 };
	char sum[KRR_SUM_TEXT];

	(void)state;
	if (!offered(KRR_WRITES_SCAN))
		return;
	setenv("KRR_AHEAD_MS", "0", 1);
	snapshot();
	assert_int_equal(krr_ram_copy_ahead(&copy, &ram, dir), 0);
	while (!__atomic_load_n(&ahead->copied, __ATOMIC_RELAXED))
		write_some(&dice);
	krr_tracker_use(&copy.tracker, NULL);
	/* which no kernel sees */
	ram.map[(FIRST + 1900) * KRR_BLOCK]++;
	assert_int_equal(krr_ram_copy_scan(&copy, &ram, UINT64_MAX), 0);
	assert_int_equal(krr_ram_copy_make(&copy, dir, "start.ram", "end.ram", sum), 0);
	krr_ram_copy_drop(&copy);
	assert_end_is_ram(sum);
}

/* Nothing is left of one that was cut off. */
static void dropped(void **state)
{
	(void)state;
	if (!begin())
		return;
	store(FIRST, 10, 2);
	look(10);
	look(0);
	assert_int_equal(krr_ahead_copy(ahead), 0);
	assert_true(there(KRR_AHEAD_FILE));
	krr_ram_copy_drop(&copy);
	assert_false(there(KRR_AHEAD_FILE));
}

#define TEST(name)	cmocka_unit_test_setup_teardown(name, writer_scan, end)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(copies_what_is_cold),
		TEST(nothing_to_copy),
		TEST(leaves_in_the_middle),
		TEST(fails_in_the_middle),
		TEST(no_room_to_begin),
		TEST(no_memory),
		TEST(scan_no_memory_and_no_file),
		cmocka_unit_test_setup_teardown(soft_no_memory_and_no_file, writer_soft, end),
		TEST(thread),
		TEST(old_bytes_are_late),
		TEST(hashes_at_the_end),
		TEST(dropped),
	};

	if (argc == 2)
		return be_writer(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
