// SPDX-License-Identifier: GPL-2.0-only
/* A thread that copies pages while the guest is recorded. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "lib/util.h"
#include "vmm/ahead.h"

#define WINDOW		1024u		/* pages that are copied at a time */
#define SYNC_PAGES	4096u		/* that wait to be written to the disk */
#define LEAST_REST_NS	500000000ull
#define CPU_REST	10u		/* times the CPU time that a round took */
#define DISK_REST	3u		/* times as long as it waited for the disk */
#define MUCH		(512u << 8)	/* pages, 512 MiB: with so many pending, a shorter rest */
#define PAGE_REST_NS	20000u		/* for each page that was written: the next write faults */
#define SPARE_BYTES	(1ull << 30)	/* of the disk, that stay for the log */
#define BUFFER_PAGES	256u

static bool has_bit(const uint64_t *bit, uint64_t page)
{
	return bit[page / 64] >> (page & 63) & 1;
}

/* --- looking ------------------------------------------------------------------------ */

/* Pages that were pending and were not written again.  The ring is written all the time. */
static void find_cold(struct krr_ahead *a, uint64_t *written)
{
	struct krr_writes *w = a->writes;
	uint64_t old, i, page;

	for (page = a->tracker->skip; page < a->tracker->skip_end; page++)
		w->bit[page / 64] &= ~(1ull << (page & 63));
	for (i = *written = a->pending = 0; i < w->pages / 64 + 1; i++) {
		*written += (uint64_t)__builtin_popcountll(w->bit[i]);
		old = a->cold[i];
		a->cold[i] = old & ~w->bit[i];
		w->bit[i] |= old;
		a->pending += (uint64_t)__builtin_popcountll(w->bit[i]);
	}
}

/**
 * krr_ahead_look() - ask which pages were written, and find those that are worth copying
 * @a: begun, not left
 * @written: result: pages that were written since this was done last
 *
 * Return: 0 or -errno, and then the kernel does not tell any more.
 */
int krr_ahead_look(struct krr_ahead *a, uint64_t *written)
{
	struct krr_writes *w = a->writes;
	int err = 0;

	*written = 0;
	pthread_mutex_lock(&a->lock);
	if (!a->quit) {
		memcpy(a->cold, w->bit, (w->pages / 64 + 1) * sizeof(*w->bit));
		krr_writes_done(w);
		err = krr_writes_take(w, false);
		find_cold(a, written);
	}
	pthread_mutex_unlock(&a->lock);
	return err;
}

/* --- copying ------------------------------------------------------------------------ */

static bool has_room(const struct krr_ahead *a)
{
	struct statvfs fs;

	return !fstatvfs(a->dirfd, &fs) &&
	       (uint64_t)fs.f_bavail * fs.f_frsize >= a->ram->size + SPARE_BYTES;
}

/**
 * krr_ahead_open() - begin the file, if there is none
 * @a: begun
 *
 * Where the file system shares blocks it begins as a copy of the snapshot.
 *
 * Return: 0 or -errno.
 */
int krr_ahead_open(struct krr_ahead *a)
{
	__close_fd int start = a->fd < 0 ? openat(a->dirfd, "start.ram", KRR_O_READ) : -1;

	if (a->fd >= 0)
		return 0;
	a->fd = openat(a->dirfd, KRR_AHEAD_FILE,
		       O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (a->fd < 0)
		return -errno;
	a->cloned = start >= 0 && !ioctl(a->fd, FICLONE, start);
	a->tracker->made = a->made;
	return ftruncate(a->fd, (off_t)a->ram->size) < 0 ? -errno : 0;
}

/* The bits of a window are cleared before its pages are looked at. Return: false: leave. */
static bool enter(struct krr_ahead *a, uint64_t from, uint64_t to)
{
	uint64_t i;
	bool go;

	pthread_mutex_lock(&a->lock);
	go = !a->quit;
	if (go) {
		for (i = from / 64; i <= (to - 1) / 64; i++) {
			a->writes->bit[i] &= ~a->cold[i];
			a->pending -= (uint64_t)__builtin_popcountll(a->cold[i]);
		}
		a->from = from;
		a->to = to;
	}
	pthread_mutex_unlock(&a->lock);
	return go;
}

/* The pages of the window that is being copied count as written again. */
static void mark_window(struct krr_ahead *a)
{
	uint64_t i;

	for (i = a->from / 64; a->from < a->to && i <= (a->to - 1) / 64; i++) {
		a->writes->bit[i] |= a->cold[i];
		a->pending += (uint64_t)__builtin_popcountll(a->cold[i]);
	}
	a->from = a->to = 0;
}

static void leave_window(struct krr_ahead *a, int err, uint64_t changed)
{
	pthread_mutex_lock(&a->lock);
	if (!a->quit && err)
		mark_window(a);
	a->from = a->to = 0;
	a->copied += changed;
	pthread_mutex_unlock(&a->lock);
}

static bool is_empty(const struct krr_ahead *a, uint64_t from, uint64_t to)
{
	uint64_t i;

	for (i = from / 64; i <= (to - 1) / 64; i++)
		if (a->cold[i])
			return false;
	return true;
}

/* So that others need not wait for the disk, and this thread's pace is that of the disk. */
static void sync_some(struct krr_ahead *a, uint64_t *unsynced, uint64_t changed)
{
	uint64_t t0 = krr_now_ns();

	*unsynced += changed;
	if (*unsynced < SYNC_PAGES)
		return;
	*unsynced = 0;
	sync_file_range(a->fd, 0, 0, SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE);
	a->disk_ns += krr_now_ns() - t0;
}

/**
 * krr_ahead_copy() - copy the pages that krr_ahead_look() has found
 * @a: begun; opened if there is something to copy and room for it
 *
 * Ends early if krr_ahead_leave() is called.
 *
 * Return: 0, -ENOSPC if there is no room, or -errno.  No page is lost by an error.
 */
int krr_ahead_copy(struct krr_ahead *a)
{
	uint64_t pages = a->writes->pages, from, to, changed, unsynced = 0;
	int err = 0;

	for (from = 0; from < pages && !err; from = to) {
		to = from + WINDOW < pages ? from + WINDOW : pages;
		if (is_empty(a, from, to))
			continue;
		if (a->fd < 0)
			err = has_room(a) ? krr_ahead_open(a) : -ENOSPC;
		if (err || !enter(a, from, to))
			break;
		err = krr_tracker_follow_some(a->tracker, a->ram, a->cold, from, to, a->fd,
					      &changed);
		leave_window(a, err, changed);
		sync_some(a, &unsynced, changed);
	}
	return err;
}

/* --- the thread --------------------------------------------------------------------- */

static uint64_t cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static uint64_t max(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* What a round took. */
struct round {
	uint64_t cpu_ns, disk_ns;
	uint64_t written;	/* pages, since the one before */
};

/* KRR_AHEAD_MS=N: rest for so long instead, for tests. */
static uint64_t rest_ns(const struct krr_ahead *a, const struct round *r)
{
	const char *env = getenv("KRR_AHEAD_MS");
	uint64_t rest = max(LEAST_REST_NS, r->written * PAGE_REST_NS);

	if (env)
		return strtoul(env, NULL, 10) * 1000000;
	if (krr_ahead_pending(a) >= MUCH)
		return rest;
	return max(rest, max(r->cpu_ns * CPU_REST, r->disk_ns * DISK_REST));
}

/* Return: false: leave. */
static bool sleep_for(struct krr_ahead *a, uint64_t ns)
{
	struct timespec until;
	bool go;

	clock_gettime(CLOCK_MONOTONIC, &until);
	ns += (uint64_t)until.tv_nsec;
	until.tv_sec += (time_t)(ns / 1000000000);
	until.tv_nsec = (long)(ns % 1000000000);
	pthread_mutex_lock(&a->lock);
	while (!a->quit && !pthread_cond_timedwait(&a->wake, &a->lock, &until))
		;
	go = !a->quit;
	pthread_mutex_unlock(&a->lock);
	return go;
}

static int go_round(struct krr_ahead *a, struct round *r)
{
	uint64_t cpu0 = cpu_ns(), disk0 = a->disk_ns;
	int err = krr_ahead_look(a, &r->written);

	if (!err)
		err = krr_ahead_copy(a);
	r->cpu_ns = cpu_ns() - cpu0;
	r->disk_ns = a->disk_ns - disk0;
	return err;
}

static void *run(void *arg)
{
	struct krr_ahead *a = arg;
	struct round r = { 0 };
	int err = 0;

	while (!err && sleep_for(a, rest_ns(a, &r)))
		err = go_round(a, &r);
	/* one that never had room is as one that has nothing to copy */
	if (err && a->fd >= 0)
		krr_info("memory is not copied ahead of the end of this recording any more: %s",
			 strerror(-err));
	return NULL;
}

static void join(void *arg)
{
	struct krr_ahead *a = arg;

	krr_ahead_leave(a);
	if (a->runs)
		pthread_join(a->thread, NULL);
	a->runs = false;
}

/**
 * krr_ahead_init() - copies ahead that nobody makes yet
 * @a: result, freed by krr_ahead_free()
 * @t: asks the host's kernel which pages were written, and may do so while the VM runs; knows
 *     what the first snapshot holds
 * @ram: of the VM; outlives @a, as does @t
 * @dirfd: directory of the file
 */
void krr_ahead_init(struct krr_ahead *a, struct krr_tracker *t, const struct krr_ram *ram,
		    int dirfd)
{
	size_t words = ram->size / KRR_BLOCK / 64 + 1;
	pthread_condattr_t attr;

	*a = (struct krr_ahead){
		.tracker = t, .writes = t->writes, .ram = ram, .dirfd = dirfd, .fd = -1,
		.cold = calloc(words, sizeof(*a->cold)), .made = calloc(words, sizeof(*a->made)),
	};
	if (!a->cold || !a->made)
		abort();
	pthread_mutex_init(&a->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&a->wake, &attr);
	pthread_condattr_destroy(&attr);
}

/**
 * krr_ahead_start() - begin to make them
 * @a: initialised; a thread uses its tracker until krr_ahead_leave(), and its hashes until the
 *     tracker itself needs them
 *
 * Return: 0 or -errno.
 */
int krr_ahead_start(struct krr_ahead *a)
{
	int err;

	a->tracker->before_hashes = join;
	a->tracker->arg = a;
	err = -pthread_create(&a->thread, NULL, run, a);
	a->runs = !err;
	return err;
}

/** krr_ahead_leave() - the VM is paused, and its last pages are to be looked at; returns soon */
void krr_ahead_leave(struct krr_ahead *a)
{
	pthread_mutex_lock(&a->lock);
	if (!a->quit)
		mark_window(a);
	a->quit = true;
	pthread_cond_signal(&a->wake);
	pthread_mutex_unlock(&a->lock);
}

/** krr_ahead_pending() - pages that were asked for and not copied; for any thread */
uint64_t krr_ahead_pending(const struct krr_ahead *a)
{
	return __atomic_load_n(&a->pending, __ATOMIC_RELAXED);
}

/* --- the end -------------------------------------------------------------------------- */

/* @n pages of the snapshot, from page @from on, go where the file has none yet. */
static int fill_pages(struct krr_ahead *a, const uint8_t *buf, uint64_t from, uint64_t n)
{
	uint64_t i, run;
	int err = 0;

	for (i = 0; i < n && !err; i += run) {
		for (run = 0; i + run < n && !has_bit(a->made, from + i + run) &&
		     !krr_block_zero(buf + (i + run) * KRR_BLOCK); run++)
			;
		if (!run) {
			run = 1;
			continue;
		}
		if (lseek(a->fd, (off_t)((from + i) * KRR_BLOCK), SEEK_SET) < 0)
			return -errno;
		err = krr_write_full(a->fd, buf + i * KRR_BLOCK, run * KRR_BLOCK);
	}
	return err;
}

static int fill_extent(struct krr_ahead *a, int start, uint64_t from, uint64_t to, uint8_t *buf)
{
	uint64_t n;
	int err = 0;

	for (; from < to && !err; from += n) {
		n = to - from < BUFFER_PAGES ? to - from : BUFFER_PAGES;
		if (krr_pread_full(start, buf, n * KRR_BLOCK, (off_t)(from * KRR_BLOCK)) !=
		    (ssize_t)(n * KRR_BLOCK))
			return -EIO;
		err = fill_pages(a, buf, from, n);
	}
	return err;
}

/**
 * krr_ahead_fill() - take the pages that the file lacks from the first snapshot
 * @a: opened, and joined
 * @from: the snapshot, in the same directory
 *
 * Return: 0 or -errno.
 */
int krr_ahead_fill(struct krr_ahead *a, const char *from)
{
	__close_fd int start = openat(a->dirfd, from, KRR_O_READ);
	__free_ptr uint8_t *buf = malloc((size_t)BUFFER_PAGES * KRR_BLOCK);
	off_t data, hole = 0, size = (off_t)a->ram->size;
	int err = !buf ? -ENOMEM : start < 0 ? -errno : 0;

	while (!err && hole < size && !a->cloned) {
		data = lseek(start, hole, SEEK_DATA);
		if (data < 0)
			return errno == ENXIO ? 0 : -errno;
		hole = lseek(start, data, SEEK_HOLE);
		if (hole < 0)
			return -errno;
		/* an extent may begin or end inside a page: that one is data */
		hole = (hole + KRR_BLOCK - 1) / KRR_BLOCK * KRR_BLOCK;
		err = fill_extent(a, start, (uint64_t)data / KRR_BLOCK, (uint64_t)hole / KRR_BLOCK,
				  buf);
	}
	return err;
}

/** krr_ahead_free() - leave, and forget; removes the file unless it was renamed */
void krr_ahead_free(struct krr_ahead *a)
{
	if (!a->tracker)
		return;
	join(a);
	if (a->fd >= 0) {
		close(a->fd);
		unlinkat(a->dirfd, KRR_AHEAD_FILE, 0);
	}
	a->tracker->before_hashes = NULL;
	a->tracker->made = NULL;
	pthread_mutex_destroy(&a->lock);
	pthread_cond_destroy(&a->wake);
	free(a->cold);
	free(a->made);
	memset(a, 0, sizeof(*a));
}
