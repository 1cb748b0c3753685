/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which pages of guest RAM were written since the host asked last.
 *
 * The host's kernel knows, for the pages that QEMU has mapped.  Two ways to ask it:
 *
 *	scan	Linux 6.7 and later: RAM is registered with a userfaultfd of QEMU for
 *		asynchronous write protection; PAGEMAP_SCAN returns the pages that were
 *		written, and protects them again in the same step.
 *	soft	CONFIG_MEM_SOFT_DIRTY: bit 55 of /proc/PID/pagemap, which clear_refs
 *		clears.  To read and to clear are two steps, so a write may get lost
 *		between them unless the VM is paused.
 *
 * Both see what QEMU's process wrote: vCPUs under any accelerator, devices, the host's
 * kernel on behalf of QEMU.  They do not see
 *
 *	- what another process writes by a mapping of its own: krrctl itself (the pages
 *	  of the header, which count as written always), and vhost-user devices;
 *	- that a balloon gives pages back, which become zeros without a write;
 *	- with "soft", what was written to a page that QEMU then lost from its page
 *	  table: by swapping, or when huge pages are put together.  Counters of the host
 *	  tell whether that may have happened, and then all pages count as written.
 *
 * So there is a third way, "hash", which is to look at all of RAM (vmm/delta.h).
 */
#ifndef KRR_VMM_WRITES_H
#define KRR_VMM_WRITES_H

#include <sys/types.h>

#include "vmm/ram.h"

/* How QEMU may lose a page from its page table, and with it the bit of "soft". */
enum krr_writes_loss {
	KRR_LOSS_ANY	= 1,	/* reclaim of anonymous memory and tmpfs */
	KRR_LOSS_FILE	= 2,	/* reclaim of files: RAM is not in a tmpfs */
	KRR_LOSS_HUGE	= 4,	/* huge pages that are put together */
};

enum krr_writes_way { KRR_WRITES_HASH, KRR_WRITES_SOFT, KRR_WRITES_SCAN };

#define KRR_WRITES_PIECES 8

struct krr_writes {
	enum krr_writes_way way;
	int pagemap, clear_refs;	/* of QEMU */
	int uffd;
	struct {
		uint64_t va, at, bytes;	/* in QEMU, and offset in the RAM file */
	} piece[KRR_WRITES_PIECES];
	unsigned int pieces;
	uint64_t hdr_page, hdr_pages;	/* krrctl writes these itself */
	uint64_t pages;
	uint64_t *bit;			/* written, and not krr_writes_done() yet; one a page */
	bool all;			/* the last krr_writes_take() knew no better than "all" */
	unsigned int loss;		/* enum krr_writes_loss */
	uint64_t lost;			/* sum of the host's counters, when bits were cleared */
};

int krr_writes_open(struct krr_writes *w, pid_t pid, int uffd, const struct krr_ram *ram);
int krr_writes_begin(struct krr_writes *w);
int krr_writes_take(struct krr_writes *w, bool paused);
void krr_writes_done(struct krr_writes *w);
uint64_t krr_writes_peek(const struct krr_writes *w);
void krr_writes_close(struct krr_writes *w);
enum krr_writes_way krr_writes_best(bool preload);
const char *krr_writes_name(enum krr_writes_way way);

#endif /* KRR_VMM_WRITES_H */
