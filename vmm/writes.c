// SPDX-License-Identifier: GPL-2.0-only
/* Asking the host's kernel which pages were written. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <linux/userfaultfd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include "lib/util.h"
#include "vmm/writes.h"

#define PAGE		4096u
#define SOFT_DIRTY	(1ull << 55)
#define CLEAR_SOFT	"4"
#define REGIONS		4096u
#define READ_PAGES	4096u		/* words of pagemap at a time */

/* Headers of Debian 12 are older than these: linux/fs.h, linux/userfaultfd.h of 6.7. */
struct scan_arg {
	uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages;
	uint64_t inverted, mask, anyof, returned;
};

struct scan_region {
	uint64_t start, end, categories;
};

#define SCAN		_IOWR('f', 16, struct scan_arg)
#define SCAN_PROTECT	3u		/* matching pages; fail where it is not asynchronous */
#define IS_WRITTEN	2u
#define WP_SHMEM	(1ull << 12)
#define WP_UNPOPULATED	(1ull << 13)
#define WP_ASYNC	(1ull << 15)

static const char *const way_names[] = {
	[KRR_WRITES_HASH] = "hash", [KRR_WRITES_SOFT] = "soft", [KRR_WRITES_SCAN] = "scan",
};

/** krr_writes_name() - a way in one word */
const char *krr_writes_name(enum krr_writes_way way)
{
	return way_names[way];
}

/* KRR_WRITES=hash|soft|scan leaves out the better ones: for tests and benchmarks. */
static enum krr_writes_way way_limit(void)
{
	const char *env = getenv("KRR_WRITES");
	unsigned int i;

	for (i = 0; env && i < ARRAY_SIZE(way_names); i++)
		if (!strcmp(env, way_names[i]))
			return i;
	return KRR_WRITES_SCAN;
}

static void mark(struct krr_writes *w, uint64_t from, uint64_t to)
{
	for (; from < to && from & 63; from++)
		w->bit[from / 64] |= 1ull << (from & 63);
	for (; from + 64 <= to; from += 64)
		w->bit[from / 64] = UINT64_MAX;
	for (; from < to; from++)
		w->bit[from / 64] |= 1ull << (from & 63);
}

/* --- scan --------------------------------------------------------------------------- */

static int enable_async(int uffd)
{
	struct uffdio_api api = {
		.api = UFFD_API, .features = WP_SHMEM | WP_UNPOPULATED | WP_ASYNC,
	};

	return ioctl(uffd, UFFDIO_API, &api) < 0 ? -errno : 0;
}

static int scan_register(struct krr_writes *w)
{
	unsigned int i;
	int err = enable_async(w->uffd);

	for (i = 0; i < w->pieces && !err; i++) {
		struct uffdio_register reg = {
			.range = { w->piece[i].va, w->piece[i].bytes },
			.mode = UFFDIO_REGISTER_MODE_WP,
		};

		if (ioctl(w->uffd, UFFDIO_REGISTER, &reg) < 0)
			err = -errno;
	}
	return err;
}

/* @protect: mark the pages and begin anew, else only count them */
static int scan_piece(struct krr_writes *w, unsigned int i, bool protect,
		      struct scan_region *region, uint64_t *written)
{
	uint64_t va = w->piece[i].va, page = w->piece[i].at / PAGE;
	struct scan_arg arg = {
		.size = sizeof(arg), .flags = protect ? SCAN_PROTECT : 0, .start = va,
		.end = va + w->piece[i].bytes, .vec = (uintptr_t)region, .vec_len = REGIONS,
		.mask = IS_WRITTEN, .returned = IS_WRITTEN,
	};
	int n, r;

	for (; arg.start < arg.end; arg.start = arg.walk_end) {
		n = ioctl(w->pagemap, SCAN, &arg);
		if (n < 0 && errno != EINTR)
			return -errno;
		for (r = 0; r < n; r++) {
			*written += (region[r].end - region[r].start) / PAGE;
			if (protect)
				mark(w, page + (region[r].start - va) / PAGE,
				     page + (region[r].end - va) / PAGE);
		}
	}
	return 0;
}

static int scan(struct krr_writes *w, bool protect, uint64_t *written)
{
	__free_ptr struct scan_region *region = malloc(REGIONS * sizeof(*region));
	unsigned int i;
	int err = region ? 0 : -ENOMEM;

	for (i = 0; i < w->pieces && !err; i++)
		err = scan_piece(w, i, protect, region, written);
	return err;
}

static int scan_take(struct krr_writes *w)
{
	uint64_t written = 0;

	return scan(w, true, &written);
}

/* --- soft --------------------------------------------------------------------------- */

/* A page that was just written has the bit, if the kernel keeps it at all. */
static bool soft_works(void)
{
	volatile uint8_t *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
				      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	__close_fd int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	uint64_t word = 0;

	if (page == MAP_FAILED)
		return false;
	*page = 1;
	if (krr_pread_full(fd, &word, sizeof(word), (off_t)((uintptr_t)page / PAGE * 8)) < 0)
		word = 0;
	munmap((void *)page, PAGE);
	return word & SOFT_DIRTY;
}

/*
 * Counters of the host that move when QEMU may lose pages of RAM from its page table: by
 * reclaim of pages of this kind, or when khugepaged puts pages together.
 */
static const struct {
	const char *name;
	enum krr_writes_loss when;
} counters[] = {
	{ "\npgscan_anon ", KRR_LOSS_ANY },	/* tmpfs counts as anonymous */
	{ "\npgscan_file ", KRR_LOSS_FILE },
	{ "\nthp_collapse_alloc ", KRR_LOSS_HUGE },
	{ "\nthp_file_alloc ", KRR_LOSS_HUGE },
};

/* Their sum; one that is missing makes it another one each time. */
static uint64_t lost_count(const struct krr_writes *w)
{
	__free_ptr char *text = krr_read_file_at(AT_FDCWD, "/proc/vmstat", 65536);
	uint64_t sum = 0;
	unsigned int i;
	char *line;

	for (i = 0; i < ARRAY_SIZE(counters); i++) {
		if (!(w->loss & counters[i].when))
			continue;
		line = text ? strstr(text, counters[i].name) : NULL;
		if (!line)
			return krr_now_ns();
		sum += strtoull(line + strlen(counters[i].name), NULL, 10);
	}
	return sum;
}

/* Does khugepaged look at the mapping at @va of a process? */
static bool is_huge_eligible(pid_t pid, uint64_t va)
{
	__free_ptr char *path = krr_strf("/proc/%d/smaps", (int)pid);
	__close_file FILE *f = fopen(path, "re");
	bool here = false;
	uint64_t from;
	char line[512], c;

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%" SCNx64 "-%*x %c", &from, &c) == 2)
			here = from == va;
		else if (here && !strncmp(line, "THPeligible:", 12))
			return atoi(line + 12);
	}
	return true;
}

static void find_losses(struct krr_writes *w, pid_t pid, int ram)
{
	struct statfs fs;

	w->loss = KRR_LOSS_ANY;
	if (fstatfs(ram, &fs) < 0 || fs.f_type != TMPFS_MAGIC)
		w->loss |= KRR_LOSS_FILE;
	if (is_huge_eligible(pid, w->piece[0].va))
		w->loss |= KRR_LOSS_HUGE;
}

static int soft_clear(struct krr_writes *w)
{
	w->lost = lost_count(w);
	return pwrite(w->clear_refs, CLEAR_SOFT, 1, 0) == 1 ? 0 : -errno;
}

static int soft_piece(struct krr_writes *w, unsigned int i, bool marks, uint64_t *word,
		      uint64_t *written)
{
	uint64_t first = w->piece[i].va / PAGE, page = w->piece[i].at / PAGE, n, j, k;
	uint64_t pages = w->piece[i].bytes / PAGE;

	for (j = 0; j < pages; j += n) {
		n = pages - j < READ_PAGES ? pages - j : READ_PAGES;
		if (krr_pread_full(w->pagemap, word, n * sizeof(*word),
				   (off_t)((first + j) * sizeof(*word))) !=
		    (ssize_t)(n * sizeof(*word)))
			return -EIO;
		for (k = 0; k < n; k++) {
			if (!(word[k] & SOFT_DIRTY))
				continue;
			++*written;
			if (marks)
				mark(w, page + j + k, page + j + k + 1);
		}
	}
	return 0;
}

static int soft_read(struct krr_writes *w, bool marks, uint64_t *written)
{
	__free_ptr uint64_t *word = malloc(READ_PAGES * sizeof(*word));
	unsigned int i;
	int err = word ? 0 : -ENOMEM;

	for (i = 0; i < w->pieces && !err; i++)
		err = soft_piece(w, i, marks, word, written);
	return err;
}

static int soft_take(struct krr_writes *w, bool paused)
{
	uint64_t written = 0;
	int err;

	w->all = lost_count(w) != w->lost;
	if (w->all)
		mark(w, 0, w->pages);
	err = soft_read(w, true, &written);
	return !err && paused ? soft_clear(w) : err;
}

/* --- */

/* Where QEMU has mapped the file.  Return: 0, or -ENXIO unless all of it is. */
static int find_pieces(struct krr_writes *w, pid_t pid, const struct krr_ram *ram)
{
	__free_ptr char *path = krr_strf("/proc/%d/maps", (int)pid);
	__close_file FILE *f = fopen(path, "re");
	uint64_t from, to, at, ino, found = 0;
	unsigned int dev_major, dev_minor;
	char line[512];
	struct stat st;

	if (!f || fstat(ram->fd, &st) < 0)
		return -errno;
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %*s %" SCNx64 " %x:%x %" SCNu64, &from, &to,
			   &at, &dev_major, &dev_minor, &ino) != 6 ||
		    ino != st.st_ino || makedev(dev_major, dev_minor) != st.st_dev)
			continue;
		if (w->pieces == KRR_WRITES_PIECES || at != found || to - from > ram->size - found)
			return -ENXIO;
		w->piece[w->pieces].va = from;
		w->piece[w->pieces].at = at;
		w->piece[w->pieces++].bytes = to - from;
		found += to - from;
	}
	return found == ram->size ? 0 : -ENXIO;
}

static int open_proc(pid_t pid, const char *name, int flags)
{
	__free_ptr char *path = krr_strf("/proc/%d/%s", (int)pid, name);

	return open(path, flags | O_CLOEXEC);
}

static enum krr_writes_way choose(struct krr_writes *w)
{
	enum krr_writes_way limit = way_limit();

	if (limit >= KRR_WRITES_SCAN && w->uffd >= 0 && w->pagemap >= 0 && !scan_register(w))
		return KRR_WRITES_SCAN;
	if (limit >= KRR_WRITES_SOFT && w->pagemap >= 0 && w->clear_refs >= 0 && soft_works())
		return KRR_WRITES_SOFT;
	return KRR_WRITES_HASH;
}

/**
 * krr_writes_open() - find the best way to follow the writes of a VM
 * @w: result, closed by krr_writes_close()
 * @pid: of QEMU
 * @uffd: userfaultfd that was made in QEMU, or -1; taken over
 * @ram: its RAM, header found
 *
 * Return: 0 or -errno.  That there is none but to hash is no error; see w->way.
 */
int krr_writes_open(struct krr_writes *w, pid_t pid, int uffd, const struct krr_ram *ram)
{
	*w = (struct krr_writes){
		.uffd = uffd, .pages = ram->size / PAGE,
		.hdr_page = ram->hdr_at / PAGE, .hdr_pages = KRR_HDR_BYTES / PAGE,
		.pagemap = open_proc(pid, "pagemap", O_RDONLY),
		.clear_refs = open_proc(pid, "clear_refs", O_WRONLY),
	};
	w->bit = calloc(w->pages / 64 + 1, sizeof(*w->bit));
	if (!w->bit) {
		krr_writes_close(w);
		return -ENOMEM;
	}
	if (!find_pieces(w, pid, ram))
		w->way = choose(w);
	if (w->way == KRR_WRITES_SOFT)
		find_losses(w, pid, ram->fd);
	return 0;
}

/**
 * krr_writes_begin() - follow writes from now on; whatever was written before is forgotten
 * @w: open, and not KRR_WRITES_HASH
 *
 * Return: 0 or -errno.
 */
int krr_writes_begin(struct krr_writes *w)
{
	int err = w->way == KRR_WRITES_SCAN ? scan_take(w) : soft_clear(w);

	krr_writes_done(w);
	return err;
}

/**
 * krr_writes_take() - add the pages that were written since this was done last to w->bit
 * @w: begun
 * @paused: the VM is; if it is not, "soft" returns the same pages once more the next time
 *
 * The kernel forgets them, so they stay in w->bit until the caller has dealt with them.  A
 * page that is written meanwhile is in this answer, or in the next one, or in both.
 *
 * Return: 0 or -errno, and then nothing is known any more.
 */
int krr_writes_take(struct krr_writes *w, bool paused)
{
	int err = w->way == KRR_WRITES_SCAN ? scan_take(w) : soft_take(w, paused);

	mark(w, w->hdr_page, w->hdr_page + w->hdr_pages);
	return err;
}

/** krr_writes_done() - all pages in w->bit were dealt with */
void krr_writes_done(struct krr_writes *w)
{
	memset(w->bit, 0, (w->pages / 64 + 1) * sizeof(*w->bit));
}

/**
 * krr_writes_peek() - how many pages were written since krr_writes_take()?
 * @w: begun
 *
 * May be called by another thread.
 *
 * Return: a number, 0 if nobody knows.
 */
uint64_t krr_writes_peek(const struct krr_writes *w)
{
	uint64_t written = 0;

	/* neither changes what it is given when it only counts */
	if (w->way == KRR_WRITES_SCAN)
		scan((struct krr_writes *)w, false, &written);
	else if (w->way == KRR_WRITES_SOFT)
		soft_read((struct krr_writes *)w, false, &written);
	return written;
}

/** krr_writes_close() - free; QEMU's RAM is followed no longer */
void krr_writes_close(struct krr_writes *w)
{
	if (w->uffd >= 0)
		close(w->uffd);
	if (w->pagemap >= 0)
		close(w->pagemap);
	if (w->clear_refs >= 0)
		close(w->clear_refs);
	free(w->bit);
	*w = (struct krr_writes){ .uffd = -1, .pagemap = -1, .clear_refs = -1 };
}

/**
 * krr_writes_best() - the best way that this host has
 * @preload: is the library there that QEMU needs for "scan"? see vmm/preload.c
 */
enum krr_writes_way krr_writes_best(bool preload)
{
	__close_fd int uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);
	enum krr_writes_way limit = way_limit();

	if (limit >= KRR_WRITES_SCAN && preload && uffd >= 0 && !enable_async(uffd))
		return KRR_WRITES_SCAN;
	return limit >= KRR_WRITES_SOFT && soft_works() ? KRR_WRITES_SOFT : KRR_WRITES_HASH;
}
