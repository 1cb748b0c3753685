/* SPDX-License-Identifier: GPL-2.0-only */
/* From nothing to a guest that answers. */
#ifndef KRR_VMM_BOOT_H
#define KRR_VMM_BOOT_H

#include <signal.h>

#include "vmm/link.h"
#include "vmm/recorder.h"
#include "vmm/vm.h"

int krr_vm_boot(const char *name, const struct krr_machine *m, const volatile sig_atomic_t *cancel,
		struct krr_vm *vm, struct krr_recorder **recorder, struct krr_link **link);

#endif /* KRR_VMM_BOOT_H */
