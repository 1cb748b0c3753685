/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Guest RAM as the host sees it: a file, mapped, with the krr header in it.
 *
 * The file has no holes for devices.  Guest physical addresses (gpa) do: RAM up to @low
 * is at 0, what does not fit below the PCI hole begins at KRR_HIGH_RAM.  All translation
 * between offsets in the file and gpas is done by the functions here.
 *
 * The guest can write all of this at any time, so sizes and offsets are read
 * once, checked and kept here; never take them from @hdr again.
 */
#ifndef KRR_VMM_RAM_H
#define KRR_VMM_RAM_H

#include <stdbool.h>
#include <stdint.h>
#include <linux/krr.h>

#define KRR_HIGH_RAM	(1ull << 32)

struct krr_ram {
	int fd;
	uint8_t *map;
	uint64_t size;
	uint64_t low;		/* bytes below the PCI hole, all unless krr_ram_split() says less */
	struct krr_hdr *hdr;	/* NULL until it was found */
	uint64_t hdr_at;	/* its offset */
	uint8_t *ring;
	uint64_t ring_bytes;
};

int krr_ram_open(const char *path, bool writable, struct krr_ram *ram);
int krr_ram_open_at(int dirfd, const char *name, bool writable, struct krr_ram *ram);
void krr_ram_split(struct krr_ram *ram, uint64_t low);
uint64_t krr_ram_gpa(const struct krr_ram *ram, uint64_t at);
uint64_t krr_ram_end(const struct krr_ram *ram);
uint8_t *krr_ram_at(const struct krr_ram *ram, uint64_t gpa, uint64_t len);
int krr_ram_find(struct krr_ram *ram);
int krr_ram_use(struct krr_ram *ram, uint64_t gpa);
void krr_ram_close(struct krr_ram *ram);
void krr_ring_read(const struct krr_ram *ram, uint64_t at, uint8_t *to, uint64_t len);
void krr_ring_write(struct krr_ram *ram, uint64_t at, const uint8_t *from, uint64_t len);

#define krr_load(p)		__atomic_load_n((p), __ATOMIC_ACQUIRE)
#define krr_store(p, v)		__atomic_store_n((p), (v), __ATOMIC_RELEASE)

#endif /* KRR_VMM_RAM_H */
