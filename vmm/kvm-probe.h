/* SPDX-License-Identifier: GPL-2.0-only */
/* Can this host run a stock kernel under KVM? */
#ifndef KRR_VMM_KVM_PROBE_H
#define KRR_VMM_KVM_PROBE_H

#include <stdbool.h>

bool krr_kvm_probe(const char *kernel, char **why);

#endif /* KRR_VMM_KVM_PROBE_H */
