// SPDX-License-Identifier: GPL-2.0-only
/*
 * Finding, keeping and applying the pages that changed.
 *
 * krr_tracker_scan() is what a guest waits for, so it does nothing but hash and copy
 * to memory, on all cores: QEMU is paused and leaves them free.
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <zstd.h>

#include "lib/util.h"
#include "vmm/delta.h"

#define LEVEL		1
#define MAX_THREADS	4
#define LEAST_PAGES	4096u	/* worth a thread */

struct group {
	uint32_t pages;
	struct {
		uint64_t number[KRR_DELTA_GROUP];
		uint8_t byte[KRR_DELTA_GROUP][KRR_BLOCK];
	} b;
};

#define GROUP_BYTES(n)	((n) * (sizeof(uint64_t) + KRR_BLOCK))

/* Numbers of fewer pages than a full group stand right before the bytes, too. */
static void close_up(struct group *g)
{
	memmove(&g->b.number[g->pages], g->b.byte, g->pages * KRR_BLOCK);
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
	g = malloc(sizeof(*g));
	if (!g)
		return NULL;
	g->pages = 0;
	d->group[d->groups++] = g;
	return g;
}

static int add_page(struct krr_delta *d, uint64_t number, const uint8_t *page)
{
	struct group *g = group_of(d);

	if (!g)
		return -ENOMEM;
	g->b.number[g->pages] = number;
	memcpy(g->b.byte[g->pages++], page, KRR_BLOCK);
	d->pages++;
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

	t->pages = ram->size / KRR_BLOCK;
	t->hash = calloc(t->pages, sizeof(*t->hash));
	t->skip = (ring + KRR_BLOCK - 1) / KRR_BLOCK;
	t->skip_end = (ring + ram->ring_bytes) / KRR_BLOCK;
	return t->hash ? 0 : -ENOMEM;
}

/* A part of RAM, and what became of it. */
struct part {
	struct krr_tracker *t;
	const uint8_t *map;
	int fd;			/* of @map, to find holes */
	uint64_t from, to;	/* pages */
	struct krr_delta *d;	/* NULL: only learn */
	int err;
};

static int look_at(struct part *p, uint64_t page, const uint8_t *bytes)
{
	uint64_t hash = krr_block_zero(bytes) ? 0 : krr_block_hash(bytes, page);

	if (hash == p->t->hash[page])
		return 0;
	p->t->hash[page] = hash;
	return p->d ? add_page(p->d, page, bytes) : 0;
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

static void *look_at_part(void *arg)
{
	struct part *p = arg;
	uint64_t at = p->from, data, hole;

	while (at < p->to && !p->err) {
		data = seek(p, at, SEEK_DATA);
		p->err = look_at_range(p, at, data, true);
		hole = seek(p, data, SEEK_HOLE);
		if (!p->err)
			p->err = look_at_range(p, data, hole, false);
		at = hole;
	}
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
static int look_at_all(struct krr_tracker *t, const uint8_t *map, int fd, struct krr_delta *d)
{
	unsigned int n = threads_for(t->pages), i, started = 0;
	struct krr_delta delta[MAX_THREADS] = { { 0 } };
	struct part part[MAX_THREADS];
	pthread_t thread[MAX_THREADS];
	int err = 0;

	for (i = 0; i < n; i++) {
		part[i] = (struct part){
			.t = t, .map = map, .fd = fd, .d = d ? &delta[i] : NULL,
			.from = t->pages * i / n, .to = t->pages * (i + 1) / n,
		};
		if (i && started == i && !pthread_create(&thread[i], NULL, look_at_part, &part[i]))
			started = i + 1;
		else if (!i)
			started = 1;	/* the first one is ours */
	}
	look_at_part(&part[0]);
	for (i = 1; i < n; i++) {
		if (i < started)
			pthread_join(thread[i], NULL);
		else
			look_at_part(&part[i]);
	}
	for (i = 0; i < n; i++) {
		if (!err)
			err = part[i].err;
		if (!err && d)
			err = merge(d, &delta[i]);
		krr_delta_free(&delta[i]);
	}
	return err;
}

/**
 * krr_tracker_learn() - hash what a file holds
 * @t: tracker
 * @fd: a copy of RAM, as krr_copy_ram() makes it
 */
int krr_tracker_learn(struct krr_tracker *t, int fd)
{
	uint64_t size = t->pages * KRR_BLOCK;
	struct stat st;
	uint8_t *map;
	int err;

	if (fstat(fd, &st) < 0)
		return -errno;
	if ((uint64_t)st.st_size != size)
		return -EINVAL;
	map = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return -errno;
	err = look_at_all(t, map, fd, NULL);
	munmap(map, size);
	return err;
}

/**
 * krr_tracker_scan() - copy the pages that are not what they were
 * @t: tracker; knows them afterwards
 * @ram: RAM of a paused VM
 * @d: result, freed by krr_delta_free() also after an error
 */
int krr_tracker_scan(struct krr_tracker *t, const struct krr_ram *ram, struct krr_delta *d)
{
	memset(d, 0, sizeof(*d));
	return look_at_all(t, ram->map, ram->fd, d);
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

static int write_groups(const struct krr_delta *d, int fd, uint64_t *bytes)
{
	size_t room = ZSTD_compressBound(GROUP_BYTES(KRR_DELTA_GROUP)), i;
	__free_ptr uint8_t *frame = malloc(sizeof(struct krr_delta_group) + room);
	struct krr_delta_header h = {
		.version = KRR_DELTA_VERSION,
		.groups = (uint32_t)d->groups,
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
		err = write_group(d->group[i], zstd, frame, room, fd, bytes);
	ZSTD_freeCCtx(zstd);
	return err;
}

/**
 * krr_delta_write() - write the pages to a file, all or none
 * @d: pages; can be freed afterwards, and nothing else
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
		if (lseek(to, (off_t)(number * KRR_BLOCK), SEEK_SET) < 0)
			return -errno;
		err = krr_write_full(to, bytes + (size_t)i * KRR_BLOCK, (size_t)run * KRR_BLOCK);
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

/** krr_delta_free() - free the pages */
void krr_delta_free(struct krr_delta *d)
{
	while (d->groups)
		free(d->group[--d->groups]);
	free(d->group);
	memset(d, 0, sizeof(*d));
}
