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
	ram->size = ram->low = (uint64_t)st.st_size;
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
 * krr_ram_split() - say how much of RAM is below the PCI hole
 * @ram: mapped
 * @low: bytes, krr_machine_low_ram(); the rest begins at gpa KRR_HIGH_RAM
 */
void krr_ram_split(struct krr_ram *ram, uint64_t low)
{
	ram->low = low < ram->size ? low : ram->size;
}

/**
 * krr_ram_gpa() - guest physical address of a byte of the file
 * @ram: mapped
 * @at: offset, below ram->size
 */
uint64_t krr_ram_gpa(const struct krr_ram *ram, uint64_t at)
{
	return at < ram->low ? at : at - ram->low + KRR_HIGH_RAM;
}

/** krr_ram_end() - the gpa after the last byte of RAM */
uint64_t krr_ram_end(const struct krr_ram *ram)
{
	return ram->size > ram->low ? krr_ram_gpa(ram, ram->size) : ram->size;
}

/**
 * krr_ram_at() - bytes of RAM by their guest physical address
 * @ram: mapped
 * @gpa: of the first; not trusted
 * @len: how many
 *
 * Return: where they are mapped, or NULL unless all of them are in one piece of RAM.
 */
uint8_t *krr_ram_at(const struct krr_ram *ram, uint64_t gpa, uint64_t len)
{
	uint64_t base = gpa < KRR_HIGH_RAM ? 0 : KRR_HIGH_RAM;
	uint64_t piece = base ? ram->size - ram->low : ram->low;

	if (len > piece || gpa - base > piece - len)
		return NULL;
	return ram->map + (base ? ram->low : 0) + (gpa - base);
}

/**
 * krr_ram_use() - take the header at a known place
 * @ram: mapped, and split if its machine splits it
 * @gpa: of the header
 *
 * Return: 0, -ENOENT when there is none, or -EPROTO when it is one that this
 * program does not know (said on stderr).
 */
int krr_ram_use(struct krr_ram *ram, uint64_t gpa)
{
	uint8_t *base = gpa & (PAGE - 1) ? NULL : krr_ram_at(ram, gpa, KRR_HDR_BYTES), *ring;
	struct krr_hdr *h = (struct krr_hdr *)base;
	uint64_t off, bytes;

	if (!h || memcmp(h->magic, KRR_MAGIC, KRR_MAGIC_LEN) || krr_load(&h->gpa) != gpa)
		return -ENOENT;
	if (h->version != KRR_FORMAT_VERSION || h->hdr_bytes != sizeof(*h)) {
		krr_err("the guest kernel has krr format %u (header of %u bytes), this program %u "
			"(%zu): build both from one tree",
			h->version, h->hdr_bytes, KRR_FORMAT_VERSION, sizeof(*h));
		return -EPROTO;
	}
	off = krr_load(&h->ring_off);
	bytes = krr_load(&h->ring_bytes);
	ring = off > ram->size ? NULL : krr_ram_at(ram, gpa + off, bytes);
	if (!ring || bytes < KRR_MIN_RING || bytes & (bytes - 1) || off < sizeof(*h) || off & 63) {
		krr_err("the guest's krr header names a ring of %" PRIu64 " bytes at +%" PRIu64
			", which is none", bytes, off);
		return -EPROTO;
	}
	ram->hdr_at = (uint64_t)(base - ram->map);
	ram->ring = ring;
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
			err = krr_ram_use(ram, krr_ram_gpa(ram, (uint64_t)at));
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
