// SPDX-License-Identifier: GPL-2.0-only
/*
 * Finding, keeping and applying the pages that changed.
 *
 * A guest waits for krr_tracker_scan(), so it only copies to memory, on all cores: QEMU is
 * paused and leaves them free.  If it is known which pages were written they are not even
 * hashed; krr_tracker_settle() does that when the guest runs again.
 *
 * Both it and krr_tracker_follow() may be used while the guest runs on and writes.  What
 * they learn of a page is the hash of the copy that they have made, and not of the page,
 * which may be another one by then.  They ask which pages were written before they read
 * any, so such a page comes up again.
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>
#include <zstd.h>

#include "lib/util.h"
#include "vmm/delta.h"

#define LEVEL		1
#define MAX_THREADS	16
#define LEAST_PAGES	4096u	/* worth a thread */
#define RUN_PAGES	64u	/* written at once */
#define UNKNOWN		UINT64_MAX	/* for a hash */

/* They come in slabs of the reserve. */
struct group {
	uint32_t pages;
	uint32_t in_slab;	/* which one */
	struct {
		uint64_t number[KRR_DELTA_GROUP];
		uint8_t byte[KRR_DELTA_GROUP][KRR_BLOCK];
	} b;
};

#define SLAB_GROUPS	(KRR_SLAB_BYTES / sizeof(struct group))
#define GROUP_BYTES(n)	((n) * (sizeof(uint64_t) + KRR_BLOCK))

/* Numbers of fewer pages than a full group stand right before the bytes, too. */
static void close_up(struct group *g)
{
	memmove(&g->b.number[g->pages], g->b.byte, g->pages * KRR_BLOCK);
}

/* @last: of all groups so far, or NULL */
static struct group *new_group(struct krr_reserve *reserve, struct group *last)
{
	struct group *g;

	if (last && last->in_slab + 1 < SLAB_GROUPS) {
		g = last + 1;
		g->in_slab = last->in_slab + 1;
	} else {
		g = krr_reserve_take(reserve);
		if (!g)
			return NULL;
		g->in_slab = 0;
	}
	g->pages = 0;
	return g;
}

static struct group *group_of(struct krr_delta *d)
{
	struct group *g = d->groups ? d->group[d->groups - 1] : NULL;
	size_t room = d->room ? 2 * d->room : 64;
	struct group **more;

	if (g && g->pages < KRR_DELTA_GROUP)
		return g;
	if (d->groups == d->room) {
		more = realloc(d->group, room * sizeof(*more));
		if (!more)
			return NULL;
		d->group = more;
		d->room = room;
	}
	g = new_group(d->reserve, g);
	if (g)
		d->group[d->groups++] = g;
	return g;
}

/* @n pages that follow one another. */
static int add_pages(struct krr_delta *d, uint64_t number, uint64_t n, const uint8_t *bytes)
{
	struct group *g;
	uint64_t room, i;

	for (; n; n -= room, number += room, bytes += room * KRR_BLOCK) {
		g = group_of(d);
		if (!g)
			return -ENOMEM;
		room = KRR_DELTA_GROUP - g->pages < n ? KRR_DELTA_GROUP - g->pages : n;
		for (i = 0; i < room; i++)
			g->b.number[g->pages + i] = number + i;
		memcpy(g->b.byte[g->pages], bytes, room * KRR_BLOCK);
		g->pages += (uint32_t)room;
		d->pages += room;
	}
	return 0;
}

/* Return: the copy, or NULL. */
static const uint8_t *add_page(struct krr_delta *d, uint64_t number, const uint8_t *page)
{
	struct group *g = group_of(d);

	if (!g)
		return NULL;
	g->b.number[g->pages] = number;
	d->pages++;
	return memcpy(g->b.byte[g->pages++], page, KRR_BLOCK);
}

static int write_at(int fd, const uint8_t *bytes, size_t len, uint64_t at)
{
	ssize_t n;

	for (; len; bytes += n, at += (uint64_t)n, len -= (size_t)n) {
		n = pwrite(fd, bytes, len, (off_t)at);
		if (n < 0 && errno == EINTR)
			n = 0;
		else if (n <= 0)
			return n ? -errno : -EIO;
	}
	return 0;
}

/* --- pages that changed --------------------------------------------------------- */

/**
 * krr_tracker_init() - a tracker that takes all of RAM for zeros
 * @t: result, freed by krr_tracker_free()
 * @ram: header found; its ring is of no interest
 */
int krr_tracker_init(struct krr_tracker *t, const struct krr_ram *ram)
{
	uint64_t ring = (uint64_t)(ram->ring - ram->map);

	*t = (struct krr_tracker){
		.pages = ram->size / KRR_BLOCK,
		.hash = calloc(ram->size / KRR_BLOCK, sizeof(*t->hash)),
		.skip = (ring + KRR_BLOCK - 1) / KRR_BLOCK,
		.skip_end = (ring + ram->ring_bytes) / KRR_BLOCK,
	};
	return t->hash ? 0 : -ENOMEM;
}

/* Copies of pages that follow one another, until they are written. */
struct run {
	uint64_t from, pages;
	uint8_t byte[RUN_PAGES][KRR_BLOCK];
};

/* A part of RAM, and what becomes of it. */
struct part {
	struct krr_tracker *t;
	const uint8_t *map;
	int fd;			/* of @map */
	const uint64_t *written;	/* which pages to look at; NULL: all */
	uint64_t from, to;	/* pages */
	bool raw;		/* they go to @d whatever is in them */
	int64_t *room;		/* pages that may still be taken, by all parts */
	struct krr_delta *d;	/* the pages go here, or */
	int copy;		/* to this file */
	struct run *run;
	uint64_t changed;
	int err;
};

static uint64_t hash_of(const uint8_t *bytes, uint64_t page)
{
	return krr_block_zero(bytes) ? 0 : krr_block_hash(bytes, page);
}

/* Parts may meet in a word of the bits. */
static void note_made(struct krr_tracker *t, uint64_t from, uint64_t pages)
{
	uint64_t i;

	for (i = from; t->made && i < from + pages; i++)
		__atomic_or_fetch(&t->made[i / 64], 1ull << (i & 63), __ATOMIC_RELAXED);
}

static int write_run(struct part *p)
{
	struct run *r = p->run;
	int err;

	if (!r || !r->pages)
		return 0;
	err = write_at(p->copy, r->byte[0], r->pages * KRR_BLOCK, r->from * KRR_BLOCK);
	if (!err)
		note_made(p->t, r->from, r->pages);
	r->pages = 0;
	return err;
}

static int add_to_run(struct part *p, uint64_t page, const uint8_t *bytes, const uint8_t **copy)
{
	struct run *r = p->run;
	int err = 0;

	if (!r) {
		r = p->run = malloc(sizeof(*r));
		if (!r)
			return -ENOMEM;
		r->pages = 0;
	}
	if (r->pages == RUN_PAGES || (r->pages && page != r->from + r->pages))
		err = write_run(p);
	if (!r->pages)
		r->from = page;
	*copy = memcpy(r->byte[r->pages++], bytes, KRR_BLOCK);
	return err;
}

/* @hash: of @bytes if nobody writes to them, else NULL */
static int take(struct part *p, uint64_t page, const uint8_t *bytes, const uint64_t *hash)
{
	const uint8_t *copy;
	int err = 0;

	if (__atomic_sub_fetch(p->room, 1, __ATOMIC_RELAXED) < 0)
		return -E2BIG;
	if (p->d)
		copy = add_page(p->d, page, bytes);
	else
		err = add_to_run(p, page, bytes, &copy);
	if (err || !copy)
		return err ? err : -ENOMEM;
	p->t->hash[page] = hash ? *hash : hash_of(copy, page);
	p->changed++;
	return 0;
}

static int look_at(struct part *p, uint64_t page, const uint8_t *bytes)
{
	return hash_of(bytes, page) == p->t->hash[page] ? 0 : take(p, page, bytes, NULL);
}

static int look_at_range(struct part *p, uint64_t from, uint64_t to, bool hole)
{
	static const uint8_t zeros[KRR_BLOCK];
	uint64_t i;
	int err = 0;

	for (i = from; i < to && !err; i++) {
		if (i >= p->t->skip && i < p->t->skip_end)
			continue;
		if (!hole)
			err = look_at(p, i, p->map + i * KRR_BLOCK);
		else if (p->t->hash[i])
			err = look_at(p, i, zeros);
	}
	return err;
}

static uint64_t seek(const struct part *p, uint64_t page, int whence)
{
	/* an extent may begin or end inside a page: that one is data */
	uint64_t rest = whence == SEEK_HOLE ? KRR_BLOCK - 1 : 0;
	off_t at = lseek(p->fd, (off_t)(page * KRR_BLOCK + rest), whence);

	if (at < 0 || (uint64_t)at / KRR_BLOCK >= p->to)
		return p->to;
	return ((uint64_t)at + rest) / KRR_BLOCK;
}

static bool is_written(const struct part *p, uint64_t page)
{
	return (page < p->t->skip || page >= p->t->skip_end) &&
	       p->written[page / 64] >> (page & 63) & 1;
}

/* The next page that was written, p->to if there is none. */
static uint64_t next_written(const struct part *p, uint64_t page)
{
	while (page < p->to && !is_written(p, page))
		page += p->written[page / 64] >> (page & 63) ? 1 : 64 - (page & 63);
	return page < p->to ? page : p->to;
}

/* How many pages from @page on were written, RUN_PAGES at most. */
static uint64_t written_run(const struct part *p, uint64_t page)
{
	uint64_t n = 1;

	while (n < RUN_PAGES && page + n < p->to && is_written(p, page + n))
		n++;
	return n;
}

/*
 * A page that was written is no hole of the file, and RAM was mapped when the tracker looked
 * at all of it: to copy from the mapping is faster than to read.
 */
static int copy_written(struct part *p)
{
	uint64_t page = next_written(p, p->from), n;
	int err = 0;

	for (; page < p->to && !err; page = next_written(p, page + n)) {
		n = written_run(p, page);
		if (__atomic_sub_fetch(p->room, (int64_t)n, __ATOMIC_RELAXED) < 0)
			err = -E2BIG;
		else
			err = add_pages(p->d, page, n, p->map + page * KRR_BLOCK);
		p->changed += n;
	}
	return err;
}

/*
 * Pages are read rather than looked at in the mapping, which would make holes of the file into
 * pages where nobody knows which were written.
 */
static int look_at_written(struct part *p)
{
	uint8_t *buf = malloc(RUN_PAGES * KRR_BLOCK);
	uint64_t page = next_written(p, p->from), n, i, hash;
	int err = buf ? 0 : -ENOMEM;

	for (; page < p->to && !err; page = next_written(p, page + n)) {
		n = written_run(p, page);
		if (krr_pread_full(p->fd, buf, n * KRR_BLOCK, (off_t)(page * KRR_BLOCK)) !=
		    (ssize_t)(n * KRR_BLOCK))
			err = -EIO;
		for (i = 0; i < n && !err; i++) {
			hash = hash_of(buf + i * KRR_BLOCK, page + i);
			if (hash != p->t->hash[page + i])
				err = take(p, page + i, buf + i * KRR_BLOCK, &hash);
		}
	}
	free(buf);
	return err;
}

static void *look_at_part(void *arg)
{
	struct part *p = arg;
	uint64_t at = p->from, data, hole;

	if (p->written) {
		p->err = p->raw ? copy_written(p) : look_at_written(p);
		at = p->to;
	}
	while (at < p->to && !p->err) {
		data = seek(p, at, SEEK_DATA);
		p->err = look_at_range(p, at, data, true);
		hole = seek(p, data, SEEK_HOLE);
		if (!p->err)
			p->err = look_at_range(p, data, hole, false);
		at = hole;
	}
	if (!p->err)
		p->err = write_run(p);
	return NULL;
}

static unsigned int threads_for(uint64_t pages)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	uint64_t n = pages / LEAST_PAGES + 1;

	if (cores < 1)
		cores = 1;
	if (n > (uint64_t)cores)
		n = (uint64_t)cores;
	return n < MAX_THREADS ? (unsigned int)n : MAX_THREADS;
}

/* Append the groups of @more, which is empty afterwards. */
static int merge(struct krr_delta *d, struct krr_delta *more)
{
	struct group **all;

	if (!more->groups)
		return 0;
	all = realloc(d->group, (d->groups + more->groups) * sizeof(*all));
	if (!all)
		return -ENOMEM;
	memcpy(all + d->groups, more->group, more->groups * sizeof(*all));
	d->group = all;
	d->groups += more->groups;
	d->room = d->groups;
	d->pages += more->pages;
	free(more->group);
	memset(more, 0, sizeof(*more));
	return 0;
}

/* lseek() of one descriptor by several threads would do: each names its own offset. */
static void look_at_parts(struct part *part, unsigned int n)
{
	unsigned int i, started = 1;	/* the first one is ours */
	pthread_t thread[MAX_THREADS];

	while (started < n && !pthread_create(&thread[started], NULL, look_at_part, &part[started]))
		started++;
	look_at_part(&part[0]);
	for (i = 1; i < n; i++) {
		if (i < started)
			pthread_join(thread[i], NULL);
		else
			look_at_part(&part[i]);
	}
}

static uint64_t count_written(const uint64_t *written, uint64_t pages)
{
	uint64_t n = 0, i;

	for (i = 0; i < pages / 64 + 1; i++)
		n += (uint64_t)__builtin_popcountll(written[i]);
	return n;
}

/* Parts of about the same number of pages that have to be looked at. */
static unsigned int split(struct krr_tracker *t, const uint64_t *written, struct part *part)
{
	uint64_t total = written ? count_written(written, t->pages) : t->pages, seen = 0, i = 0;
	unsigned int n = threads_for(total), k;

	for (k = 0; k < n; k++) {
		part[k].from = k ? part[k - 1].to : 0;
		for (; written && i < t->pages && seen * n < total * (k + 1); i += 64)
			seen += (uint64_t)__builtin_popcountll(written[i / 64]);
		part[k].to = k + 1 == n ? t->pages : written ? i : t->pages * (k + 1) / n;
		if (part[k].to > t->pages)
			part[k].to = t->pages;
	}
	return n;
}

/*
 * @room pages at most are added to @d or, if that is NULL, written to the file @copy.
 * @raw: all that were written are added
 */
static int look_at_all(struct krr_tracker *t, const struct krr_ram *ram, const uint64_t *written,
		       bool raw, int64_t room, struct krr_delta *d, int copy, uint64_t *changed)
{
	struct krr_delta delta[MAX_THREADS] = { { 0 } };
	struct part part[MAX_THREADS] = { { 0 } };
	unsigned int n = split(t, written, part), i;
	int err = 0;

	for (i = 0; i < n; i++) {
		part[i].t = t;
		part[i].map = ram->map;
		part[i].fd = ram->fd;
		part[i].written = written;
		part[i].raw = raw;
		part[i].room = &room;
		part[i].d = d ? &delta[i] : NULL;
		part[i].copy = copy;
		delta[i].reserve = t->reserve;
	}
	if (d)
		d->reserve = t->reserve;
	look_at_parts(part, n);
	for (i = 0, *changed = 0; i < n; i++) {
		if (!err)
			err = part[i].err;
		if (!err && d)
			err = merge(d, &delta[i]);
		*changed += part[i].changed;
		krr_delta_free(&delta[i]);
		free(part[i].run);
	}
	return err;
}

/* The pages to look at, NULL: all. */
static const uint64_t *find_written(struct krr_tracker *t, bool paused)
{
	int err;

	if (!t->writes)
		return NULL;
	err = t->begun ? krr_writes_take(t->writes, paused) : krr_writes_begin(t->writes);
	if (!err)
		return t->begun ? t->writes->bit : NULL;
	krr_err("the host's kernel does not tell which pages of guest RAM were written: %s; all "
		"will be hashed, which takes longer", strerror(-err));
	t->writes = NULL;
	return NULL;
}

/* KRR_WRITES_CHECK: are there pages that changed, and nobody says that they were written? */
static int check_written(struct krr_tracker *t, const struct krr_ram *ram)
{
	struct krr_delta d = { 0 };
	uint64_t changed;
	int err = look_at_all(t, ram, NULL, false, INT64_MAX, &d, -1, &changed);

	krr_delta_free(&d);
	if (err || !changed)
		return err;
	krr_err("%" PRIu64 " pages of guest RAM changed and do not count as written (%s)", changed,
		krr_writes_name(t->writes->way));
	return -EIO;
}

static void wait_for_hashes(struct krr_tracker *t)
{
	if (t->before_hashes)
		t->before_hashes(t->arg);
}

static bool checks_written(void)
{
	const char *check = getenv("KRR_WRITES_CHECK");

	return check && *check;
}

static int look(struct krr_tracker *t, const struct krr_ram *ram, bool paused, int64_t room,
		struct krr_delta *d, int copy, uint64_t *changed)
{
	const uint64_t *written = find_written(t, paused);
	bool raw = written && paused && d && !t->writes->all;
	int err;

	if (raw && count_written(written, t->pages) > (uint64_t)room)
		return -E2BIG;
	if (!raw)
		wait_for_hashes(t);
	err = look_at_all(t, ram, written, raw, room, d, copy, changed);
	t->spoilt |= err && !raw;
	if (!err && written)
		krr_writes_done(t->writes);
	if (!err && d && !raw)
		d->settled = d->groups;
	if (!err && written && paused && checks_written()) {
		if (raw)
			krr_tracker_settle(t, d);
		err = check_written(t, ram);
	}
	t->begun = true;
	return err;
}

/**
 * krr_tracker_use() - look only at the pages that were written
 * @t: tracker
 * @w: open, outlives the tracker; NULL or KRR_WRITES_HASH: look at all from now on
 */
void krr_tracker_use(struct krr_tracker *t, struct krr_writes *w)
{
	t->writes = w && w->way != KRR_WRITES_HASH ? w : NULL;
}

/**
 * krr_tracker_follow() - write the pages that are not what they were into a copy of RAM
 * @t: tracker; knows what is in the copy afterwards
 * @ram: RAM of a VM, which may run
 * @paused: it does not
 * @copy: file of the size of RAM; empty, if the tracker takes all for zeros
 * @changed: result: pages that were written
 *
 * Return: 0 or -errno, and then the tracker is of no use any more.
 */
int krr_tracker_follow(struct krr_tracker *t, const struct krr_ram *ram, bool paused, int copy,
		       uint64_t *changed)
{
	return look(t, ram, paused, INT64_MAX, NULL, copy, changed);
}

/**
 * krr_tracker_follow_some() - the same for a few pages of a VM that runs
 * @t: tracker, which has a file that it follows already
 * @ram: RAM
 * @written: one bit a page
 * @from: first page that is looked at
 * @to: behind the last one
 * @copy: that file
 * @changed: result: pages that were written
 *
 * Does not ask the kernel.  A page that is written meanwhile may be torn in the file, and
 * has to be looked at once more.
 *
 * Return: 0 or -errno.  Then all of these pages have to be looked at once more.
 */
int krr_tracker_follow_some(struct krr_tracker *t, const struct krr_ram *ram,
			    const uint64_t *written, uint64_t from, uint64_t to, int copy,
			    uint64_t *changed)
{
	int64_t room = INT64_MAX;
	struct part p = {
		.t = t, .map = ram->map, .fd = ram->fd, .written = written, .from = from,
		.to = to, .room = &room, .copy = copy,
	};
	uint64_t i;

	look_at_part(&p);
	free(p.run);
	*changed = p.changed;
	/* nobody knows what the file holds: no page will be taken for unchanged */
	for (i = from; p.err && i < to; i++)
		if (is_written(&p, i))
			t->hash[i] = UNKNOWN;
	return p.err;
}

/**
 * krr_tracker_scan() - keep the pages that are not what they were
 * @t: tracker; knows them after krr_tracker_settle()
 * @ram: RAM of a VM, which may run
 * @paused: it does not
 * @most: pages that there is memory for
 * @d: the pages are added to it; freed by krr_delta_free() also after an error
 *
 * If the VM is paused and the host's kernel tells which pages were written, these are kept
 * unseen.  krr_tracker_settle() has to be called before anything else is done with either.
 *
 * Return: 0, -E2BIG if there are more, or -errno.  Then the tracker is of no use any more if
 * it is spoilt, and else nothing has happened.
 */
int krr_tracker_scan(struct krr_tracker *t, const struct krr_ram *ram, bool paused, uint64_t most,
		     struct krr_delta *d)
{
	uint64_t changed;

	return look(t, ram, paused, most < INT64_MAX ? (int64_t)most : INT64_MAX, d, -1,
		    &changed);
}

/* The pages of @g that are not what they were, and no others. */
static void settle_group(struct krr_tracker *t, struct group *g)
{
	uint32_t i, kept = 0;
	uint64_t page, hash;

	for (i = 0; i < g->pages; i++) {
		page = g->b.number[i];
		hash = hash_of(g->b.byte[i], page);
		if (hash == t->hash[page])
			continue;
		t->hash[page] = hash;
		if (kept != i) {
			g->b.number[kept] = page;
			memcpy(g->b.byte[kept], g->b.byte[i], KRR_BLOCK);
		}
		kept++;
	}
	g->pages = kept;
}

/**
 * krr_tracker_settle() - hash the pages of krr_tracker_scan(), and drop those that did not change
 * @t: tracker
 * @d: pages; the VM may run again
 */
void krr_tracker_settle(struct krr_tracker *t, struct krr_delta *d)
{
	struct group *g;

	if (d->settled < d->groups)
		wait_for_hashes(t);
	for (; d->settled < d->groups; d->settled++) {
		g = d->group[d->settled];
		d->pages -= g->pages;
		settle_group(t, g);
		d->pages += g->pages;
	}
}

/**
 * krr_tracker_sum() - checksum of the copy that a tracker knows, as of krr_sum_fd()
 * @t: tracker that followed RAM from the first page on; the ring in the copy is zeros
 * @sum: result
 */
void krr_tracker_sum(const struct krr_tracker *t, char sum[KRR_SUM_TEXT])
{
	uint64_t total = t->pages * KRR_BLOCK, i;

	for (i = 0; i < t->pages; i++)
		total += t->hash[i];
	snprintf(sum, KRR_SUM_TEXT, "%016" PRIx64, total);
}

/** krr_tracker_free() - free the hashes */
void krr_tracker_free(struct krr_tracker *t)
{
	free(t->hash);
	t->hash = NULL;
}

/* --- files of them ----------------------------------------------------------------- */

static int write_group(struct group *g, ZSTD_CCtx *zstd, uint8_t *frame, size_t room, int fd,
		       uint64_t *bytes)
{
	struct krr_delta_group *h = (struct krr_delta_group *)frame;
	size_t n;

	close_up(g);
	n = ZSTD_compress2(zstd, frame + sizeof(*h), room, &g->b, GROUP_BYTES(g->pages));
	if (ZSTD_isError(n))
		return -EIO;
	*h = (struct krr_delta_group){ .pages = g->pages, .compressed = (uint32_t)n };
	h->crc = krr_crc32(0, h, offsetof(struct krr_delta_group, crc));
	*bytes += sizeof(*h) + n;
	return krr_write_full(fd, frame, sizeof(*h) + n);
}

/* Some have lost all of their pages. */
static uint32_t count_groups(const struct krr_delta *d)
{
	uint32_t n = 0;
	size_t i;

	for (i = 0; i < d->groups; i++)
		n += d->group[i]->pages > 0;
	return n;
}

static int write_groups(const struct krr_delta *d, int fd, uint64_t *bytes)
{
	size_t room = ZSTD_compressBound(GROUP_BYTES(KRR_DELTA_GROUP)), i;
	__free_ptr uint8_t *frame = malloc(sizeof(struct krr_delta_group) + room);
	struct krr_delta_header h = {
		.version = KRR_DELTA_VERSION,
		.groups = count_groups(d),
		.pages = d->pages,
	};
	ZSTD_CCtx *zstd = ZSTD_createCCtx();
	int err = frame && zstd ? 0 : -ENOMEM;

	memcpy(h.magic, KRR_DELTA_MAGIC, sizeof(h.magic));
	h.crc = krr_crc32(0, &h, offsetof(struct krr_delta_header, crc));
	if (!err)
		err = krr_write_full(fd, &h, sizeof(h));
	*bytes = sizeof(h);
	if (!err) {
		ZSTD_CCtx_setParameter(zstd, ZSTD_c_compressionLevel, LEVEL);
		ZSTD_CCtx_setParameter(zstd, ZSTD_c_checksumFlag, 1);
	}
	for (i = 0; i < d->groups && !err; i++)
		if (d->group[i]->pages)
			err = write_group(d->group[i], zstd, frame, room, fd, bytes);
	ZSTD_freeCCtx(zstd);
	return err;
}

/**
 * krr_delta_write() - write the pages to a file, all or none
 * @d: pages, settled; can be freed afterwards, and nothing else
 * @dirfd: directory
 * @name: file, replaced
 * @bytes: result: size of the file
 */
int krr_delta_write(const struct krr_delta *d, int dirfd, const char *name, uint64_t *bytes)
{
	__free_ptr char *tmp = krr_strf("%s.tmp", name);
	__close_fd int fd = openat(dirfd, tmp, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC,
				   0600);
	int err;

	if (fd < 0)
		return -errno;
	err = write_groups(d, fd, bytes);
	if (!err && renameat(dirfd, tmp, dirfd, name) < 0)
		err = -errno;
	if (err)
		unlinkat(dirfd, tmp, 0);
	return err;
}

static int damaged(const char *name, const char *what)
{
	krr_err("%s is damaged: %s", name, what);
	return -EBADMSG;
}

/* What reading a file needs. */
struct reader {
	const char *name;
	int fd;
	off_t at, end;		/* in the file, which is untrusted; pages below @end of RAM */
	uint64_t pages;
	uint8_t *raw, *frame;
	size_t room;
	ZSTD_DCtx *zstd;
};

static int write_pages(struct reader *r, uint32_t n, int to)
{
	const uint8_t *bytes = r->raw + n * sizeof(uint64_t);
	uint32_t i, run;
	uint64_t number;
	int err = 0;

	for (i = 0; i < n && !err; i += run) {
		memcpy(&number, r->raw + i * sizeof(number), sizeof(number));
		for (run = 1; i + run < n; run++) {
			uint64_t next;

			memcpy(&next, r->raw + (i + run) * sizeof(next), sizeof(next));
			if (next != number + run)
				break;
		}
		if (number >= r->pages || run > r->pages - number)
			return damaged(r->name, "it has a page that is not in RAM");
		err = write_at(to, bytes + (size_t)i * KRR_BLOCK, (size_t)run * KRR_BLOCK,
			       number * KRR_BLOCK);
	}
	return err;
}

static int apply_group(struct reader *r, int to)
{
	struct krr_delta_group h;
	size_t n;

	if (krr_pread_full(r->fd, &h, sizeof(h), r->at) != (ssize_t)sizeof(h))
		return damaged(r->name, "it ends too early");
	if (h.crc != krr_crc32(0, &h, offsetof(struct krr_delta_group, crc)) || !h.pages ||
	    h.pages > KRR_DELTA_GROUP || h.compressed > r->room)
		return damaged(r->name, "the header of a group of pages is none");
	if (krr_pread_full(r->fd, r->frame, h.compressed, r->at + (off_t)sizeof(h)) !=
	    (ssize_t)h.compressed)
		return damaged(r->name, "it ends too early");
	n = ZSTD_decompressDCtx(r->zstd, r->raw, GROUP_BYTES(KRR_DELTA_GROUP), r->frame,
				h.compressed);
	if (ZSTD_isError(n) || n != GROUP_BYTES(h.pages))
		return damaged(r->name, "a group of pages has a wrong checksum or size");
	r->at += (off_t)(sizeof(h) + h.compressed);
	return write_pages(r, h.pages, to);
}

static int apply(struct reader *r, int to)
{
	struct krr_delta_header h;
	uint32_t i;
	int err = 0;

	if (krr_pread_full(r->fd, &h, sizeof(h), 0) != (ssize_t)sizeof(h) ||
	    memcmp(h.magic, KRR_DELTA_MAGIC, sizeof(h.magic)) ||
	    h.crc != krr_crc32(0, &h, offsetof(struct krr_delta_header, crc)))
		return damaged(r->name, "no list of pages starts like this file");
	if (h.version != KRR_DELTA_VERSION)
		return damaged(r->name, "its version is another one");
	r->at = sizeof(h);
	for (i = 0; i < h.groups && !err; i++)
		err = apply_group(r, to);
	return err;
}

/**
 * krr_delta_apply() - put the pages of a file where they belong
 * @dirfd: directory
 * @name: file
 * @to: copy of RAM; can be done again if it was interrupted
 *
 * Return: 0, -EBADMSG (said on stderr), or -errno.
 */
int krr_delta_apply(int dirfd, const char *name, int to)
{
	struct reader r = { .name = name, .fd = openat(dirfd, name, KRR_O_READ) };
	struct stat st;
	int err;

	if (r.fd < 0)
		return -errno;
	r.room = ZSTD_compressBound(GROUP_BYTES(KRR_DELTA_GROUP));
	r.raw = malloc(GROUP_BYTES(KRR_DELTA_GROUP));
	r.frame = malloc(r.room);
	r.zstd = ZSTD_createDCtx();
	err = r.raw && r.frame && r.zstd ? 0 : -ENOMEM;
	if (!err && fstat(to, &st) < 0)
		err = -errno;
	if (!err) {
		r.pages = (uint64_t)st.st_size / KRR_BLOCK;
		err = apply(&r, to);
	}
	close(r.fd);
	free(r.raw);
	free(r.frame);
	ZSTD_freeDCtx(r.zstd);
	return err;
}

static int put_group(const struct group *g, int to)
{
	uint32_t i, run;
	int err = 0;

	for (i = 0; i < g->pages && !err; i += run) {
		for (run = 1; i + run < g->pages; run++)
			if (g->b.number[i + run] != g->b.number[i] + run)
				break;
		err = write_at(to, g->b.byte[i], (size_t)run * KRR_BLOCK,
			       g->b.number[i] * KRR_BLOCK);
	}
	return err;
}

/**
 * krr_delta_put() - write the pages where they belong
 * @d: pages, settled, not written by krr_delta_write()
 * @to: copy of RAM
 */
int krr_delta_put(const struct krr_delta *d, int to)
{
	size_t i;
	int err = 0;

	for (i = 0; i < d->groups && !err; i++)
		err = put_group(d->group[i], to);
	return err;
}

/** krr_delta_free() - free the pages */
void krr_delta_free(struct krr_delta *d)
{
	/* the first one of a slab is the last to go */
	while (d->groups--)
		if (!d->group[d->groups]->in_slab)
			krr_reserve_put(d->reserve, d->group[d->groups]);
	free(d->group);
	memset(d, 0, sizeof(*d));
}
