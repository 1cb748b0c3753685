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
 * krr_ram_copy_scan() - keep the pages that have changed since, in memory
 * @c: begun
 * @ram: of the guest, which stands still
 * @most: pages to keep
 *
 * Return: 0, -E2BIG if there are more, -ENOMEM.
 */
int krr_ram_copy_scan(struct krr_ram_copy *c, const struct krr_ram *ram, uint64_t most)
{
	int err = krr_tracker_scan(&c->tracker, ram, true, most, &c->changed);

	if (err)
		krr_delta_free(&c->changed);
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
	__close_fd int in = openat(dirfd, from, KRR_O_READ);
	__close_fd int out = in < 0 ? -1 : new_file(dirfd, to);
	struct krr_copy copy;	/* its checksum is that of @from */
	int err;

	if (out < 0)
		return -errno;
	krr_tracker_settle(&c->tracker, &c->changed);
	err = krr_copy_sparse(in, out, &copy);
	if (!err)
		err = krr_delta_put(&c->changed, out);
	krr_tracker_sum(&c->tracker, sum);
	return err;
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
	krr_ram_copy_close(c);
	krr_tracker_free(&c->tracker);
	krr_delta_free(&c->changed);
}

/** krr_pages_to_spare() - pages that the host has memory for: half of what is available */
uint64_t krr_pages_to_spare(void)
{
	return krr_meminfo("MemAvailable:") / KRR_BLOCK / 2;
}
