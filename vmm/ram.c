// SPDX-License-Identifier: GPL-2.0-only
/* Mapping guest RAM and finding the krr header in it. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "lib/util.h"
#include "vmm/ram.h"

#define PAGE 4096u

/**
 * krr_ram_open_at() - map a RAM file
 * @dirfd: where
 * @name: which; symlinks are not followed
 * @writable: shared with the guest; otherwise read-only
 * @ram: result, closed by krr_ram_close()
 */
int krr_ram_open_at(int dirfd, const char *name, bool writable, struct krr_ram *ram)
{
	struct stat st;

	memset(ram, 0, sizeof(*ram));
	ram->fd = openat(dirfd, name, KRR_O_READ | (writable ? O_RDWR : 0));
	if (ram->fd < 0)
		return -errno;
	if (fstat(ram->fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size < (off_t)PAGE) {
		krr_ram_close(ram);
		return -EBADMSG;
	}
	ram->size = (uint64_t)st.st_size;
	ram->map = mmap(NULL, ram->size, PROT_READ | (writable ? PROT_WRITE : 0),
			writable ? MAP_SHARED : MAP_PRIVATE, ram->fd, 0);
	if (ram->map == MAP_FAILED) {
		ram->map = NULL;
		krr_ram_close(ram);
		return -ENOMEM;
	}
	return 0;
}

/** krr_ram_open() - the same by path */
int krr_ram_open(const char *path, bool writable, struct krr_ram *ram)
{
	return krr_ram_open_at(AT_FDCWD, path, writable, ram);
}

/**
 * krr_ram_use() - take the header at a known place
 * @ram: mapped
 * @at: offset
 *
 * Return: 0, -ENOENT when there is none, or -EPROTO when it is one that this
 * program does not know (said on stderr).
 */
int krr_ram_use(struct krr_ram *ram, uint64_t at)
{
	struct krr_hdr *h;
	uint64_t off, bytes;

	if (at & (PAGE - 1) || ram->size < KRR_HDR_BYTES || at > ram->size - KRR_HDR_BYTES)
		return -ENOENT;
	h = (struct krr_hdr *)(ram->map + at);
	if (memcmp(h->magic, KRR_MAGIC, KRR_MAGIC_LEN) || krr_load(&h->gpa) != at)
		return -ENOENT;
	if (h->version != KRR_FORMAT_VERSION || h->hdr_bytes != sizeof(*h)) {
		krr_err("the guest kernel has krr format %u (header of %u bytes), this program %u "
			"(%zu): build both from one tree",
			h->version, h->hdr_bytes, KRR_FORMAT_VERSION, sizeof(*h));
		return -EPROTO;
	}
	off = krr_load(&h->ring_off);
	bytes = krr_load(&h->ring_bytes);
	if (bytes < KRR_MIN_RING || bytes & (bytes - 1) || off < sizeof(*h) || off & 63 ||
	    off > ram->size || at + off > ram->size || bytes > ram->size - at - off) {
		krr_err("the guest's krr header names a ring of %" PRIu64 " bytes at +%" PRIu64
			", which is none", bytes, off);
		return -EPROTO;
	}
	ram->hdr_at = at;
	ram->ring = ram->map + at + off;
	ram->ring_bytes = bytes;
	ram->hdr = h;
	return 0;
}

/**
 * krr_ram_find() - look for the header
 * @ram: mapped
 *
 * Holes in the file are skipped: touching them would make the file grow.
 *
 * Return: as krr_ram_use().
 */
int krr_ram_find(struct krr_ram *ram)
{
	off_t at, data, hole = 0;
	int err;

	for (;;) {
		data = lseek(ram->fd, hole, SEEK_DATA);
		if (data < 0)
			return -ENOENT;
		hole = lseek(ram->fd, data, SEEK_HOLE);
		if (hole < 0)
			return -errno;
		for (at = data & ~(off_t)(PAGE - 1); at < hole; at += PAGE) {
			if (memcmp(ram->map + at, KRR_MAGIC, KRR_MAGIC_LEN))
				continue;
			err = krr_ram_use(ram, (uint64_t)at);
			if (err != -ENOENT)
				return err;
		}
	}
}

/** krr_ram_close() - unmap and close */
void krr_ram_close(struct krr_ram *ram)
{
	if (ram->map)
		munmap(ram->map, ram->size);
	if (ram->fd >= 0)
		close(ram->fd);
	memset(ram, 0, sizeof(*ram));
	ram->fd = -1;
}

/** krr_ring_read() - copy bytes out of the ring, around its end */
void krr_ring_read(const struct krr_ram *ram, uint64_t at, uint8_t *to, uint64_t len)
{
	uint64_t i = at & (ram->ring_bytes - 1), n = ram->ring_bytes - i;

	if (n > len)
		n = len;
	memcpy(to, ram->ring + i, n);
	memcpy(to + n, ram->ring, len - n);
}

/** krr_ring_write() - copy bytes into the ring, around its end */
void krr_ring_write(struct krr_ram *ram, uint64_t at, const uint8_t *from, uint64_t len)
{
	uint64_t i = at & (ram->ring_bytes - 1), n = ram->ring_bytes - i;

	if (n > len)
		n = len;
	memcpy(ram->ring + i, from, n);
	memcpy(ram->ring, from + n, len - n);
}
