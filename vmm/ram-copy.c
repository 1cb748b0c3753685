// SPDX-License-Identifier: GPL-2.0-only
/*
 * RAM of a guest that runs is copied in rounds, with a hash of each page of the copy.
 * A page that is torn by a write is no problem: its hash is that of the copy, so the
 * next round finds that it has changed.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/util.h"
#include "vmm/ram-copy.h"

#define ROUNDS		4	/* in which RAM of a guest that runs is copied */
#define FEW_PAGES	512u	/* that changed meanwhile: not worth another one */

static int new_file(int dirfd, const char *name)
{
	return openat(dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
}

/**
 * krr_ram_copy_begin() - copy RAM of a guest that writes to it
 * @c: with fd -1, and zeros; freed by krr_ram_copy_free(), whatever is returned
 * @ram: of the guest
 * @writes: to it, or NULL; outlives the copy
 * @dirfd: directory
 * @name: of the file there, which must not exist
 *
 * Goes on until little changes meanwhile.
 *
 * Return: 0 or -errno.
 */
int krr_ram_copy_begin(struct krr_ram_copy *c, const struct krr_ram *ram, struct krr_writes *writes,
		       int dirfd, const char *name)
{
	uint64_t changed;
	int err, i;

	c->fd = new_file(dirfd, name);
	if (c->fd < 0 || ftruncate(c->fd, (off_t)ram->size) < 0)
		return -errno;
	err = krr_tracker_init(&c->tracker, ram);
	krr_tracker_use(&c->tracker, writes);
	for (i = 0; i < ROUNDS && !err; i++) {
		err = krr_tracker_follow(&c->tracker, ram, false, c->fd, &changed);
		if (changed < FEW_PAGES)
			break;
	}
	return err;
}

/**
 * krr_ram_copy_follow() - put into the copy what has changed since
 * @c: begun
 * @ram: of the guest, which is paused: the copy is a snapshot then
 * @sum: checksum of the file
 *
 * Return: 0 or -errno.
 */
int krr_ram_copy_follow(struct krr_ram_copy *c, const struct krr_ram *ram,
			char sum[KRR_SUM_TEXT])
{
	uint64_t changed;
	int err = krr_tracker_follow(&c->tracker, ram, true, c->fd, &changed);

	if (!err)
		krr_tracker_sum(&c->tracker, sum);
	return err;
}

/**
 * krr_ram_copy_ahead() - begin to copy what changes, ahead of the end
 * @c: a snapshot, start.ram
 * @ram: of the guest
 * @dirfd: directory of the copy
 *
 * Does nothing where all pages will be hashed at the end.
 *
 * Return: 0 or -errno.
 */
int krr_ram_copy_ahead(struct krr_ram_copy *c, const struct krr_ram *ram, int dirfd)
{
	if (!c->tracker.writes)
		return 0;
	krr_ahead_init(&c->ahead, &c->tracker, ram, dirfd);
	/* "soft" can forget what was written only while the VM is paused */
	return c->tracker.writes->way == KRR_WRITES_SCAN ? krr_ahead_start(&c->ahead) : 0;
}

/* There is no memory to keep the pages: they are written, but no others. */
static int write_scanned(struct krr_ram_copy *c, const struct krr_ram *ram)
{
	uint64_t changed;
	int err;

	err = krr_ahead_open(&c->ahead);
	return err ? err : krr_tracker_follow(&c->tracker, ram, true, c->ahead.fd, &changed);
}

/**
 * krr_ram_copy_scan() - keep the pages that have changed since, in memory
 * @c: begun
 * @ram: of the guest, which stands still
 * @most: pages to keep; if there are more, they are written to the store, if it is known
 *	  which ones were written
 *
 * Return: 0, -E2BIG if there are more, or -errno.
 */
int krr_ram_copy_scan(struct krr_ram_copy *c, const struct krr_ram *ram, uint64_t most)
{
	int err;

	if (c->ahead.tracker)
		krr_ahead_leave(&c->ahead);
	err = krr_tracker_scan(&c->tracker, ram, true, most, &c->changed);
	if (err)
		krr_delta_free(&c->changed);
	if ((err == -E2BIG || err == -ENOMEM) && c->ahead.tracker && !c->tracker.spoilt)
		err = write_scanned(c, ram);
	return err;
}

static int make_of_copy(struct krr_ram_copy *c, int dirfd, const char *from, const char *to)
{
	__close_fd int in = openat(dirfd, from, KRR_O_READ);
	__close_fd int out = in < 0 ? -1 : new_file(dirfd, to);
	struct krr_copy copy;	/* its checksum is that of @from */
	int err;

	if (out < 0)
		return -errno;
	err = krr_copy_sparse(in, out, &copy);
	return err ? err : krr_delta_put(&c->changed, out);
}

static int make_of_ahead(struct krr_ram_copy *c, int dirfd, const char *from, const char *to)
{
	int err = krr_ahead_fill(&c->ahead, from);

	if (!err)
		err = krr_delta_put(&c->changed, c->ahead.fd);
	if (!err && renameat(dirfd, KRR_AHEAD_FILE, dirfd, to) < 0)
		err = -errno;
	return err;
}

/**
 * krr_ram_copy_make() - make a file of the copy and the pages of krr_ram_copy_scan()
 * @c: scanned
 * @dirfd: directory
 * @from: the copy, there
 * @to: the new file
 * @sum: its checksum
 *
 * Return: 0 or -errno.
 */
int krr_ram_copy_make(struct krr_ram_copy *c, int dirfd, const char *from, const char *to,
		      char sum[KRR_SUM_TEXT])
{
	int err;

	krr_tracker_settle(&c->tracker, &c->changed);
	if (c->ahead.tracker && c->ahead.fd >= 0)
		err = make_of_ahead(c, dirfd, from, to);
	else
		err = make_of_copy(c, dirfd, from, to);
	krr_tracker_sum(&c->tracker, sum);
	return err;
}

/** krr_ram_copy_drop() - what was copied ahead is of no use: there is no end to it */
void krr_ram_copy_drop(struct krr_ram_copy *c)
{
	krr_ahead_free(&c->ahead);
}

/** krr_ram_copy_close() - nothing is written to the copy any more */
void krr_ram_copy_close(struct krr_ram_copy *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
}

/** krr_ram_copy_free() - forget the copy; the file stays */
void krr_ram_copy_free(struct krr_ram_copy *c)
{
	krr_ahead_free(&c->ahead);
	krr_ram_copy_close(c);
	krr_tracker_free(&c->tracker);
	krr_delta_free(&c->changed);
}

/**
 * krr_pages_to_spare() - pages that the host has memory for: half of what is available
 *
 * KRR_SPARE_MIB=N: what N MiB hold, for tests.
 */
uint64_t krr_pages_to_spare(void)
{
	const char *env = getenv("KRR_SPARE_MIB");

	if (env)
		return strtoul(env, NULL, 10) * ((1u << 20) / KRR_BLOCK);
	return krr_meminfo("MemAvailable:") / KRR_BLOCK / 2;
}
