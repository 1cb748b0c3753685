/* SPDX-License-Identifier: GPL-2.0-only */
/* Can this host run a stock kernel under KVM? */
#ifndef KRR_VMM_KVM_PROBE_H
#define KRR_VMM_KVM_PROBE_H

#include <stdbool.h>

bool krr_kvm_probe(const char *kernel, char **why);
int krr_kvm_remembered(const char *file, const char *of, char **why);
void krr_kvm_remember(const char *file, const char *of, bool ok, const char *why);

#endif /* KRR_VMM_KVM_PROBE_H */
