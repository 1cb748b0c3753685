// SPDX-License-Identifier: GPL-2.0-only
/* Pages that changed: found, written, applied; files of them that are damaged. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/util.h"
#include "unit.h"
#include "vmm/delta.h"

#define HDR_PAGE	16u
#define RING_PAGE	(HDR_PAGE + KRR_HDR_BYTES / KRR_BLOCK)
#define RING_PAGES	(KRR_MIN_RING / KRR_BLOCK)
#define PAGES		(RING_PAGE + RING_PAGES + 700u)
#define MANY		(5u * 4096u)	/* more than one thread's worth, for five */

static int dir = -1;
static unsigned int grain;	/* of extents; 0: as the file system has them */

static int setup(void **state)
{
	if (scratch_setup(state))
		return -1;
	dir = open(scratch, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return dir < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	close(dir);
	return scratch_teardown(state);
}

/*
 * Stands for the one of libc.  With a grain, files have extents as on a file system
 * with blocks of that size: what is zero is a hole.
 */
off_t lseek(int fd, off_t at, int whence)
{
	uint8_t block[512];
	struct stat st;

	if (!grain || (whence != SEEK_DATA && whence != SEEK_HOLE))
		return syscall(SYS_lseek, fd, at, whence);
	assert_true(grain <= sizeof(block) && !fstat(fd, &st));
	for (; at < st.st_size; at = (at / grain + 1) * grain) {
		bool zero;

		assert_int_equal(pread(fd, block, grain, at / grain * grain), grain);
		zero = !block[0] && !memcmp(block, block + 1, grain - 1);
		if (zero == (whence == SEEK_HOLE))
			return at;
	}
	if (whence == SEEK_HOLE)
		return st.st_size;
	errno = ENXIO;
	return -1;
}

/* --- RAM --------------------------------------------------------------------------- */

static struct krr_ram open_ram(unsigned int pages)
{
	__close_fd int fd = openat(dir, "ram", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	struct krr_ram ram;

	assert_true(fd >= 0 && !ftruncate(fd, (off_t)pages * KRR_BLOCK));
	assert_int_equal(krr_ram_open_at(dir, "ram", true, &ram), 0);
	make_header(ram.map, HDR_PAGE * KRR_BLOCK, KRR_MIN_RING);
	assert_int_equal(krr_ram_find(&ram), 0);
	return ram;
}

static void fill_page(struct krr_ram *ram, uint64_t page, struct dice *dice)
{
	uint8_t *p = ram->map + page * KRR_BLOCK;
	uint64_t v;
	size_t i;

	for (i = 0; i < KRR_BLOCK; i += sizeof(v)) {
		v = roll(dice);
		memcpy(p + i, &v, sizeof(v));
	}
}

static void punch(struct krr_ram *ram, uint64_t page, uint64_t pages)
{
	assert_int_equal(fallocate(ram->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				   (off_t)(page * KRR_BLOCK), (off_t)(pages * KRR_BLOCK)), 0);
}

static bool in_ring(uint64_t page)
{
	return page >= RING_PAGE && page < RING_PAGE + RING_PAGES;
}

/* A file with what RAM holds, as the first snapshot is. */
static int copy_of(const struct krr_ram *ram, const char *name)
{
	int fd = openat(dir, name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	struct krr_copy copy;

	assert_true(fd >= 0);
	assert_int_equal(krr_copy_sparse(ram->fd, fd, &copy), 0);
	return fd;
}

/* The file is what RAM is, but for the ring. */
static void assert_is_ram(int fd, const struct krr_ram *ram)
{
	uint8_t page[KRR_BLOCK];
	struct stat st;
	uint64_t i;

	assert_true(!fstat(fd, &st) && (uint64_t)st.st_size == ram->size);
	for (i = 0; i < ram->size / KRR_BLOCK; i++) {
		if (in_ring(i))
			continue;
		assert_int_equal(krr_pread_full(fd, page, KRR_BLOCK, (off_t)(i * KRR_BLOCK)),
				 KRR_BLOCK);
		if (memcmp(page, ram->map + i * KRR_BLOCK, KRR_BLOCK))
			fail_msg("page %llu is another one", (unsigned long long)i);
	}
}

static void scan(struct krr_tracker *t, const struct krr_ram *ram, uint64_t pages)
{
	struct krr_delta d = { 0 };

	assert_int_equal(krr_tracker_scan(t, ram, true, UINT64_MAX, &d), 0);
	assert_int_equal(d.pages, pages);
	krr_delta_free(&d);
	assert_int_equal(d.pages, 0);
}

/* What RAM holds now. */
static void learn(struct krr_tracker *t, const struct krr_ram *ram)
{
	struct krr_delta d = { 0 };

	assert_int_equal(krr_tracker_scan(t, ram, true, UINT64_MAX, &d), 0);
	krr_delta_free(&d);
}

/* Scan, write, apply to @copy: it is what RAM is, then. */
static void follow(struct krr_tracker *t, const struct krr_ram *ram, int copy, uint64_t pages)
{
	struct krr_delta d = { 0 };
	struct stat st;
	uint64_t bytes;

	assert_int_equal(krr_tracker_scan(t, ram, true, UINT64_MAX, &d), 0);
	assert_int_equal(d.pages, pages);
	assert_int_equal(krr_delta_write(&d, dir, "delta", &bytes), 0);
	krr_delta_free(&d);
	assert_int_equal(fstatat(dir, "delta", &st, 0), 0);
	assert_int_equal(st.st_size, bytes);
	assert_true(faccessat(dir, "delta.tmp", F_OK, 0) < 0);
	assert_int_equal(krr_delta_apply(dir, "delta", copy), 0);
	assert_is_ram(copy, ram);
}

static void changes(void **state)
{
	struct krr_ram ram = open_ram(PAGES);
	uint64_t high = RING_PAGE + RING_PAGES, i;
	struct krr_tracker t;
	struct dice dice = { 21 };
	int copy;

	(void)state;
	for (i = high; i < PAGES; i += 2)
		fill_page(&ram, i, &dice);
	copy = copy_of(&ram, "copy");
	assert_int_equal(krr_tracker_init(&t, &ram), 0);
	learn(&t, &ram);
	follow(&t, &ram, copy, 0);
	/* one bit, the same page twice, the first and the last page */
	ram.map[high * KRR_BLOCK + 4095] ^= 1;
	ram.map[(high + 2) * KRR_BLOCK] ^= 1;
	ram.map[(high + 2) * KRR_BLOCK + 8] ^= 1;
	ram.map[0] = 1;
	ram.map[ram.size - 1] ^= 1;
	follow(&t, &ram, copy, 4);
	follow(&t, &ram, copy, 0);
	/* there and back again is no change */
	ram.map[high * KRR_BLOCK] ^= 1;
	ram.map[high * KRR_BLOCK] ^= 1;
	scan(&t, &ram, 0);
	/* but it is one if somebody looked in between */
	ram.map[high * KRR_BLOCK] ^= 1;
	follow(&t, &ram, copy, 1);
	ram.map[high * KRR_BLOCK] ^= 1;
	follow(&t, &ram, copy, 1);
	/* two pages change places */
	memcpy(ram.map + (high + 5) * KRR_BLOCK, ram.map + (high + 4) * KRR_BLOCK, KRR_BLOCK);
	follow(&t, &ram, copy, 1);
	close(copy);
	krr_tracker_free(&t);
	krr_ram_close(&ram);
}

static void holes(void **state)
{
	struct krr_ram ram = open_ram(PAGES);
	uint64_t high = RING_PAGE + RING_PAGES, i;
	struct krr_tracker t;
	struct dice dice = { 22 };
	struct stat before, after;
	int copy;

	(void)state;
	for (i = high; i < high + 40; i++)
		fill_page(&ram, i, &dice);
	copy = copy_of(&ram, "copy");
	assert_int_equal(krr_tracker_init(&t, &ram), 0);
	learn(&t, &ram);
	/* zeros are written */
	memset(ram.map + (high + 3) * KRR_BLOCK, 0, 2 * KRR_BLOCK);
	follow(&t, &ram, copy, 2);
	/* a hole appears: one page, many, one where there was none but zeros */
	assert_int_equal(fstat(ram.fd, &before), 0);
	punch(&ram, high, 1);
	punch(&ram, high + 10, 20);
	punch(&ram, high + 3, 1);
	assert_int_equal(fstat(ram.fd, &after), 0);
	assert_true(after.st_blocks < before.st_blocks);
	follow(&t, &ram, copy, 21);
	follow(&t, &ram, copy, 0);
	/* a hole is filled: with zeros, and with something */
	memset(ram.map + (high + 10) * KRR_BLOCK, 0, KRR_BLOCK);
	memset(ram.map + (high + 50) * KRR_BLOCK, 0, KRR_BLOCK);
	fill_page(&ram, high + 12, &dice);
	fill_page(&ram, PAGES - 1, &dice);
	follow(&t, &ram, copy, 2);
	/* all of it goes */
	punch(&ram, high, PAGES - high);
	follow(&t, &ram, copy, 40 - 2 - 21 + 2);
	close(copy);
	krr_tracker_free(&t);
	krr_ram_close(&ram);
}

static void ring(void **state)
{
	struct krr_ram ram = open_ram(PAGES);
	struct krr_tracker t;
	struct dice dice = { 23 };
	int copy = copy_of(&ram, "copy");

	(void)state;
	assert_int_equal(krr_tracker_init(&t, &ram), 0);
	learn(&t, &ram);
	fill_page(&ram, RING_PAGE, &dice);
	fill_page(&ram, RING_PAGE + RING_PAGES / 2, &dice);
	fill_page(&ram, RING_PAGE + RING_PAGES - 1, &dice);
	scan(&t, &ram, 0);
	/* what is next to it, and the header, is looked at */
	fill_page(&ram, RING_PAGE - 1, &dice);
	fill_page(&ram, RING_PAGE + RING_PAGES, &dice);
	ram.hdr->heartbeat++;
	follow(&t, &ram, copy, 3);
	close(copy);
	krr_tracker_free(&t);
	krr_ram_close(&ram);
}

/* A tracker that learnt nothing takes RAM for zeros. */
static void nothing_learnt(void **state)
{
	struct krr_ram ram = open_ram(PAGES);
	struct krr_tracker t;
	struct dice dice = { 24 };
	int copy = scratch_file("copy", "", 0);

	(void)state;
	fill_page(&ram, 3, &dice);
	assert_int_equal(ftruncate(copy, (off_t)ram.size), 0);
	assert_int_equal(krr_tracker_init(&t, &ram), 0);
	follow(&t, &ram, copy, 2);
	close(copy);
	krr_tracker_free(&t);
	krr_ram_close(&ram);
}

/* Several threads, several groups; what a step by hand finds is what they find. */
static void threads(void **state)
{
	struct krr_ram ram = open_ram(MANY);
	struct krr_tracker t;
	struct dice dice = { 25 };
	uint64_t page, n = 0;
	uint8_t *changed = calloc(MANY, 1);
	unsigned int round, i;
	int copy;

	(void)state;
	assert_non_null(changed);
	for (i = 0; i < 3000; i++)
		fill_page(&ram, roll(&dice) % MANY, &dice);
	make_header(ram.map, HDR_PAGE * KRR_BLOCK, KRR_MIN_RING);
	copy = copy_of(&ram, "copy");
	assert_int_equal(krr_tracker_init(&t, &ram), 0);
	learn(&t, &ram);
	for (round = 0; round < 3; round++) {
		memset(changed, 0, MANY);
		for (i = n = 0; i < 900; i++) {
			page = roll(&dice) % MANY;
			if (in_ring(page) || page == HDR_PAGE || changed[page])
				continue;
			if (i & 1)
				fill_page(&ram, page, &dice);
			else if (krr_block_zero(ram.map + page * KRR_BLOCK))
				continue;
			else
				punch(&ram, page, 1);
			changed[page] = 1;
			n++;
		}
		assert_true(n > 400);
		follow(&t, &ram, copy, n);
	}
	close(copy);
	free(changed);
	krr_tracker_free(&t);
	krr_ram_close(&ram);
}

/* A file system may have extents that begin and end inside of pages. */
static void small_extents(void **state)
{
	struct krr_ram ram = open_ram(PAGES);
	uint64_t high = RING_PAGE + RING_PAGES;
	struct krr_tracker t;
	int copy;

	(void)state;
	alarm(60);
	ram.map[high * KRR_BLOCK + 1000] = 1;
	copy = copy_of(&ram, "copy");
	assert_int_equal(krr_tracker_init(&t, &ram), 0);
	grain = 512;
	learn(&t, &ram);
	scan(&t, &ram, 0);
	/* in the middle of a page, at its end, and over a border */
	ram.map[(high + 3) * KRR_BLOCK + 2000] = 1;
	ram.map[(high + 6) * KRR_BLOCK - 1] = 1;
	memset(ram.map + (high + 9) * KRR_BLOCK - 600, 1, 1200);
	ram.map[high * KRR_BLOCK + 1000] = 0;
	ram.map[ram.size - 1] = 1;
	follow(&t, &ram, copy, 6);
	grain = 0;
	alarm(0);
	close(copy);
	krr_tracker_free(&t);
	krr_ram_close(&ram);
}

/* --- copies of RAM that changes ------------------------------------------------------- */

static void assert_sum(const struct krr_tracker *t, int copy)
{
	char want[KRR_SUM_TEXT], sum[KRR_SUM_TEXT];

	assert_int_equal(krr_sum_fd(copy, want), 0);
	krr_tracker_sum(t, sum);
	assert_string_equal(sum, want);
}

static int empty_copy(const struct krr_ram *ram)
{
	int copy = scratch_file("copy", "", 0);

	assert_int_equal(ftruncate(copy, (off_t)ram->size), 0);
	return copy;
}

/* In rounds, as a snapshot is made; the sum is that of the file. */
static void rounds(void **state)
{
	struct krr_ram ram = open_ram(MANY);
	struct dice dice = { 28 };
	struct krr_tracker t;
	uint64_t changed;
	unsigned int i, round;
	struct stat st;
	int copy = empty_copy(&ram);

	(void)state;
	for (i = 0; i < 2000; i++)
		fill_page(&ram, RING_PAGE + RING_PAGES + roll(&dice) % 4000, &dice);
	fill_page(&ram, RING_PAGE + 3, &dice);
	assert_int_equal(krr_tracker_init(&t, &ram), 0);
	for (round = 0; round < 3; round++) {
		assert_int_equal(krr_tracker_follow(&t, &ram, true, copy, &changed), 0);
		assert_true(round ? changed == 90 : changed > 1000 && changed <= 2001);
		assert_is_ram(copy, &ram);
		assert_sum(&t, copy);
		for (i = 0; i < 80; i++)
			fill_page(&ram, 2000 + 3 * i, &dice);
		for (; i < 90; i++)
			fill_page(&ram, 3000 + i, &dice);
	}
	assert_int_equal(krr_tracker_follow(&t, &ram, true, copy, &changed), 0);
	assert_int_equal(changed, 90);
	/* to zeros, too; and what did not change is not written */
	punch(&ram, 2000, 1);
	assert_int_equal(krr_tracker_follow(&t, &ram, true, copy, &changed), 0);
	assert_int_equal(changed, 1);
	assert_is_ram(copy, &ram);
	assert_sum(&t, copy);
	assert_true(!fstat(copy, &st) && st.st_blocks * 512 < 3000 * (off_t)KRR_BLOCK);
	close(copy);
	krr_tracker_free(&t);
	krr_ram_close(&ram);
}

static struct krr_ram written;	/* by scribble() */
static bool enough;

static void *scribble(void *arg)
{
	struct dice dice = { 29 };

	while (!__atomic_load_n(&enough, __ATOMIC_ACQUIRE))
		fill_page(&written, RING_PAGE + RING_PAGES + roll(&dice) % 50, &dice);
	return arg;
}

/* A copy that was torn is one that the tracker knows. */
static void torn(void **state)
{
	struct krr_tracker t;
	uint64_t changed;
	pthread_t thread;
	unsigned int i;
	int copy;

	(void)state;
	written = open_ram(PAGES);
	copy = empty_copy(&written);
	assert_int_equal(krr_tracker_init(&t, &written), 0);
	assert_int_equal(pthread_create(&thread, NULL, scribble, NULL), 0);
	for (i = 0; i < 300; i++)
		assert_int_equal(krr_tracker_follow(&t, &written, true, copy, &changed), 0);
	assert_sum(&t, copy);
	__atomic_store_n(&enough, true, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	assert_int_equal(krr_tracker_follow(&t, &written, true, copy, &changed), 0);
	assert_is_ram(copy, &written);
	assert_sum(&t, copy);
	close(copy);
	krr_tracker_free(&t);
	krr_ram_close(&written);
}

/* In memory, then into a copy of what was before. */
static void put(void **state)
{
	struct krr_ram ram = open_ram(MANY);
	struct dice dice = { 30 };
	struct krr_tracker t;
	struct krr_delta d = { 0 };
	uint64_t changed;
	unsigned int i;
	int copy = empty_copy(&ram);

	(void)state;
	for (i = 0; i < 1000; i++)
		fill_page(&ram, 2000 + roll(&dice) % 4000, &dice);
	assert_int_equal(krr_tracker_init(&t, &ram), 0);
	assert_int_equal(krr_tracker_follow(&t, &ram, true, copy, &changed), 0);
	for (i = 0; i < 700; i++)
		fill_page(&ram, 2500 + i + i / 100, &dice);
	punch(&ram, 4000, 100);
	assert_int_equal(krr_tracker_scan(&t, &ram, true, UINT64_MAX, &d), 0);
	assert_true(d.pages >= 700);
	assert_int_equal(krr_delta_put(&d, copy), 0);
	assert_is_ram(copy, &ram);
	assert_sum(&t, copy);
	krr_delta_free(&d);
	close(copy);
	krr_tracker_free(&t);
	krr_ram_close(&ram);
}

static void too_many(void **state)
{
	struct krr_ram ram = open_ram(MANY);
	struct dice dice = { 31 };
	struct krr_tracker t;
	struct krr_delta d = { 0 };
	unsigned int i;

	(void)state;
	for (i = 0; i < 400; i++)
		fill_page(&ram, MANY - 1 - 40 * i, &dice);
	assert_int_equal(krr_tracker_init(&t, &ram), 0);
	assert_int_equal(krr_tracker_scan(&t, &ram, true, 300, &d), -E2BIG);
	assert_true(d.pages <= 300);
	krr_delta_free(&d);
	krr_tracker_free(&t);
	assert_int_equal(krr_tracker_init(&t, &ram), 0);
	assert_int_equal(krr_tracker_scan(&t, &ram, true, 0, &d), -E2BIG);
	krr_delta_free(&d);
	krr_tracker_free(&t);
	assert_int_equal(krr_tracker_init(&t, &ram), 0);
	assert_int_equal(krr_tracker_scan(&t, &ram, true, 401, &d), 0);
	assert_int_equal(d.pages, 401);		/* and the header */
	krr_delta_free(&d);
	krr_tracker_free(&t);
	krr_ram_close(&ram);
}

/* A file that cannot be written is an error. */
static void no_copy(void **state)
{
	struct krr_ram ram = open_ram(PAGES);
	__close_fd int copy = openat(dir, "ram", O_RDONLY | O_CLOEXEC);
	struct krr_tracker t;
	struct krr_delta d = { 0 };
	uint64_t changed;

	(void)state;
	assert_int_equal(krr_tracker_init(&t, &ram), 0);
	assert_int_equal(krr_tracker_follow(&t, &ram, true, copy, &changed), -EBADF);
	krr_tracker_free(&t);
	assert_int_equal(krr_tracker_init(&t, &ram), 0);
	assert_int_equal(krr_tracker_scan(&t, &ram, true, UINT64_MAX, &d), 0);
	assert_int_equal(krr_delta_put(&d, copy), -EBADF);
	krr_delta_free(&d);
	krr_tracker_free(&t);
	krr_ram_close(&ram);
}

/* --- files of them ----------------------------------------------------------------- */

/* A delta of @pages pages, from page @from on, and RAM as it is with them. */
static uint8_t *make_delta(struct krr_ram *ram, uint64_t from, uint64_t pages, size_t *len)
{
	struct dice dice = { 26 };
	struct krr_tracker t;
	struct krr_delta d = { 0 };
	uint64_t bytes, i;
	uint8_t *file;
	__close_fd int fd = -1;

	assert_int_equal(krr_tracker_init(&t, ram), 0);
	learn(&t, ram);
	for (i = from; i < from + pages; i++) {
		/* half of it compresses */
		fill_page(ram, i, &dice);
		memset(ram->map + i * KRR_BLOCK + 1000, (int)i, 2000);
	}
	assert_int_equal(krr_tracker_scan(&t, ram, true, UINT64_MAX, &d), 0);
	assert_int_equal(d.pages, pages);
	assert_int_equal(krr_delta_write(&d, dir, "delta", &bytes), 0);
	krr_delta_free(&d);
	krr_tracker_free(&t);
	*len = bytes;
	file = malloc(*len);
	fd = openat(dir, "delta", O_RDONLY | O_CLOEXEC);
	assert_true(file && fd >= 0);
	assert_int_equal(krr_read_full(fd, file, *len), bytes);
	return file;
}

static void twice(void **state)
{
	struct krr_ram ram = open_ram(PAGES);
	int copy = copy_of(&ram, "copy");
	size_t len;

	(void)state;
	free(make_delta(&ram, RING_PAGE + RING_PAGES, 600, &len));
	assert_int_equal(krr_delta_apply(dir, "delta", copy), 0);
	assert_is_ram(copy, &ram);
	assert_int_equal(krr_delta_apply(dir, "delta", copy), 0);
	assert_is_ram(copy, &ram);
	/* a part of it, and then all */
	close(copy);
	copy = scratch_file("copy", "", 0);
	assert_int_equal(ftruncate(copy, (off_t)ram.size), 0);
	assert_int_equal(pwrite(copy, ram.map, RING_PAGE * KRR_BLOCK, 0), RING_PAGE * KRR_BLOCK);
	assert_int_equal(pwrite(copy, ram.map + 2 * KRR_BLOCK, 9999,
				(RING_PAGE + RING_PAGES + 9) * KRR_BLOCK), 9999);
	assert_int_equal(krr_delta_apply(dir, "delta", copy), 0);
	assert_is_ram(copy, &ram);
	close(copy);
	krr_ram_close(&ram);
}

/* krr_delta_apply() of these bytes, and whether it said something. */
static int apply(const uint8_t *file, size_t len, int to, bool *said)
{
	__close_fd int fd = scratch_file("damaged", file, len), err = scratch_file("said", "", 0);
	int keep = dup(2), result;

	assert_true(dup2(err, 2) == 2);
	result = krr_delta_apply(dir, "damaged", to);
	assert_true(dup2(keep, 2) == 2);
	close(keep);
	*said = lseek(err, 0, SEEK_END) > 0;
	return result;
}

static void refuse(const uint8_t *file, size_t len, int to)
{
	bool said;

	assert_int_equal(apply(file, len, to, &said), -EBADMSG);
	assert_true(said);
}

static size_t next_group(const uint8_t *file, size_t at)
{
	struct krr_delta_group g;

	memcpy(&g, file + at, sizeof(g));
	return at + sizeof(g) + g.compressed;
}

static void cut_off(void **state)
{
	struct krr_ram ram = open_ram(PAGES);
	int copy = copy_of(&ram, "copy");
	size_t len, at, groups = 0, step;
	uint8_t *file;
	bool said;

	(void)state;
	file = make_delta(&ram, RING_PAGE + RING_PAGES, 600, &len);
	for (at = 0; at < sizeof(struct krr_delta_header); at++)
		refuse(file, at, copy);
	for (; at < len; at = next_group(file, at), groups++) {
		for (step = 0; step <= sizeof(struct krr_delta_group) + 3; step++)
			refuse(file, at + step, copy);
		refuse(file, next_group(file, at) - 1, copy);
	}
	assert_int_equal(groups, 3);
	assert_int_equal(at, len);
	assert_int_equal(apply(file, len, copy, &said), 0);
	assert_false(said);
	assert_is_ram(copy, &ram);
	free(file);
	close(copy);
	krr_ram_close(&ram);
}

/* Headers: any bit.  Frames: their own header has bits that change nothing. */
static void flipped_bits(void **state)
{
	struct krr_ram ram = open_ram(PAGES);
	int copy = copy_of(&ram, "copy");
	size_t len, at, bit, end;
	struct dice dice = { 27 };
	unsigned int i, passed = 0;
	uint8_t *file;
	bool said;

	(void)state;
	file = make_delta(&ram, RING_PAGE + RING_PAGES, 300, &len);
	for (at = 0; at < len; at = at ? next_group(file, at) : end) {
		end = at + (at ? sizeof(struct krr_delta_group) : sizeof(struct krr_delta_header));
		for (bit = at * 8; bit < end * 8; bit++) {
			file[bit / 8] ^= (uint8_t)(1u << bit % 8);
			refuse(file, len, copy);
			file[bit / 8] ^= (uint8_t)(1u << bit % 8);
		}
	}
	assert_int_equal(at, len);
	for (i = 0; i < 200; i++) {
		bit = (sizeof(struct krr_delta_header) + sizeof(struct krr_delta_group)) * 8;
		bit = i < 80 ? bit + i : bit + roll(&dice) % (len * 8 - bit);
		file[bit / 8] ^= (uint8_t)(1u << bit % 8);
		if (apply(file, len, copy, &said)) {
			assert_true(said);
		} else {
			assert_is_ram(copy, &ram);
			passed++;
		}
		file[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	assert_true(passed < 20);
	free(file);
	close(copy);
	krr_ram_close(&ram);
}

static void fix_header(uint8_t *file)
{
	struct krr_delta_header *h = (struct krr_delta_header *)file;

	h->crc = krr_crc32(0, h, offsetof(struct krr_delta_header, crc));
}

static void fix_group(uint8_t *file)
{
	struct krr_delta_group *g =
		(struct krr_delta_group *)(file + sizeof(struct krr_delta_header));

	g->crc = krr_crc32(0, g, offsetof(struct krr_delta_group, crc));
}

/* Wrong, with right checksums. */
static void lies(void **state)
{
	struct krr_ram ram = open_ram(PAGES);
	int copy = copy_of(&ram, "copy");
	struct krr_delta_header *h;
	struct krr_delta_group *g;
	uint8_t *file;
	size_t len;
	bool said;

	(void)state;
	file = make_delta(&ram, RING_PAGE + RING_PAGES, 20, &len);
	h = (struct krr_delta_header *)file;
	g = (struct krr_delta_group *)(h + 1);
	h->version++;
	fix_header(file);
	refuse(file, len, copy);
	h->version--;
	h->groups++;
	fix_header(file);
	refuse(file, len, copy);
	h->groups--;
	h->magic[0]++;
	fix_header(file);
	refuse(file, len, copy);
	h->magic[0]--;
	fix_header(file);
	g->pages++;
	fix_group(file);
	refuse(file, len, copy);
	g->pages -= 2;
	fix_group(file);
	refuse(file, len, copy);
	g->pages = 0;
	fix_group(file);
	refuse(file, len, copy);
	g->pages = KRR_DELTA_GROUP + 1;
	fix_group(file);
	refuse(file, len, copy);
	g->pages = 20;
	g->compressed--;
	fix_group(file);
	refuse(file, len, copy);
	g->compressed = UINT32_MAX;
	fix_group(file);
	refuse(file, len, copy);
	g->compressed = (uint32_t)(len - sizeof(*h) - sizeof(*g));
	fix_group(file);
	assert_int_equal(apply(file, len, copy, &said), 0);
	assert_is_ram(copy, &ram);
	free(file);
	close(copy);
	krr_ram_close(&ram);
}

/* RAM of another size: nothing is written behind its end. */
static void not_in_ram(void **state)
{
	struct krr_ram ram = open_ram(PAGES);
	__close_fd int small = scratch_file("small", "", 0);
	struct stat st;
	uint8_t *file;
	size_t len;

	(void)state;
	file = make_delta(&ram, PAGES - 10, 10, &len);
	assert_int_equal(ftruncate(small, (off_t)(PAGES - 1) * KRR_BLOCK), 0);
	refuse(file, len, small);
	assert_int_equal(ftruncate(small, 0), 0);
	refuse(file, len, small);
	assert_true(!fstat(small, &st) && !st.st_size);
	free(file);
	krr_ram_close(&ram);
}

static void no_file(void **state)
{
	__close_fd int copy = scratch_file("copy", "", 0);

	(void)state;
	alarm(60);
	assert_int_equal(krr_delta_apply(dir, "missing", copy), -ENOENT);
	assert_int_equal(symlinkat("delta", dir, "link"), 0);
	assert_int_equal(krr_delta_apply(dir, "link", copy), -ELOOP);
	assert_int_equal(mkfifoat(dir, "pipe", 0600), 0);
	quiet_begin();
	assert_true(krr_delta_apply(dir, "pipe", copy) < 0);
	quiet_end();
	alarm(0);
}

/* One that cannot be written leaves nothing, and what was there stays. */
static void not_written(void **state)
{
	struct krr_delta none = { 0 };
	__close_fd int keep = scratch_file("old", "old", 3);
	uint64_t bytes;
	char *text;

	(void)state;
	assert_int_equal(mkdirat(dir, "old.tmp", 0700), 0);
	assert_true(krr_delta_write(&none, dir, "old", &bytes) < 0);
	text = krr_read_file_at(dir, "old", 10);
	assert_string_equal(text, "old");
	free(text);
	assert_int_equal(mkdirat(dir, "taken", 0700), 0);
	assert_true(krr_delta_write(&none, dir, "taken", &bytes) < 0);
	assert_true(faccessat(dir, "taken.tmp", F_OK, 0) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(changes),
		cmocka_unit_test(holes),
		cmocka_unit_test(ring),
		cmocka_unit_test(nothing_learnt),
		cmocka_unit_test(threads),
		cmocka_unit_test(small_extents),
		cmocka_unit_test(rounds),
		cmocka_unit_test(torn),
		cmocka_unit_test(put),
		cmocka_unit_test(too_many),
		cmocka_unit_test(no_copy),
		cmocka_unit_test(twice),
		cmocka_unit_test(cut_off),
		cmocka_unit_test(flipped_bits),
		cmocka_unit_test(lies),
		cmocka_unit_test(not_in_ram),
		cmocka_unit_test(no_file),
		cmocka_unit_test(not_written),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
