/* SPDX-License-Identifier: GPL-2.0-only */
/* Getting a userfaultfd of QEMU, made there by vmm/preload/uffd.c; for vmm/writes.h. */
#ifndef KRR_VMM_UFFD_H
#define KRR_VMM_UFFD_H

#include <stdbool.h>

bool krr_uffd_there(void);
int krr_uffd_pair(int *qemus);
void krr_uffd_preload(int qemus);
int krr_uffd_take(int ours);

#endif /* KRR_VMM_UFFD_H */
