/* SPDX-License-Identifier: GPL-2.0-only */
/* Device and CPU state of a paused VM, without its RAM. */
#ifndef KRR_VMM_SNAPSHOT_H
#define KRR_VMM_SNAPSHOT_H

#include "lib/image.h"
#include "vmm/qmp.h"

int krr_snapshot_begin(struct krr_qmp *q, int fd);
int krr_snapshot_wait(struct krr_qmp *q);
int krr_snapshot_load(struct krr_qmp *q, int fd);
int krr_copy_ram(int from, int dirfd, const char *name, char sum[KRR_SUM_TEXT]);

#endif /* KRR_VMM_SNAPSHOT_H */
