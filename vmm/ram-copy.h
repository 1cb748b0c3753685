/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A copy of guest RAM, made while the guest runs: begun early, brought up to date when
 * the guest stands still, and asked at the end of a recording what has changed since.
 */
#ifndef KRR_VMM_RAM_COPY_H
#define KRR_VMM_RAM_COPY_H

#include "vmm/ahead.h"
#include "vmm/delta.h"

struct krr_ram_copy {
	int fd;				/* of the file, -1: not open */
	struct krr_tracker tracker;	/* what the copy holds */
	struct krr_delta changed;	/* since, by krr_ram_copy_scan() */
	struct krr_ahead ahead;		/* of that; zeros where there is no such thing */
};

int krr_ram_copy_begin(struct krr_ram_copy *c, const struct krr_ram *ram, struct krr_writes *writes,
		       int dirfd, const char *name);
int krr_ram_copy_follow(struct krr_ram_copy *c, const struct krr_ram *ram,
			char sum[KRR_SUM_TEXT]);
int krr_ram_copy_ahead(struct krr_ram_copy *c, const struct krr_ram *ram, int dirfd);
int krr_ram_copy_scan(struct krr_ram_copy *c, const struct krr_ram *ram, uint64_t most);
int krr_ram_copy_make(struct krr_ram_copy *c, int dirfd, const char *from, const char *to,
		      char sum[KRR_SUM_TEXT]);
void krr_ram_copy_drop(struct krr_ram_copy *c);
void krr_ram_copy_close(struct krr_ram_copy *c);
void krr_ram_copy_free(struct krr_ram_copy *c);
uint64_t krr_pages_to_spare(void);

#endif /* KRR_VMM_RAM_COPY_H */
