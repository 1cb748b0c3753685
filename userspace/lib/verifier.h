/* SPDX-License-Identifier: GPL-2.0-only */
/* Why a BPF program was not loaded, from what libbpf says. */
#ifndef KRR_LIB_VERIFIER_H
#define KRR_LIB_VERIFIER_H

char *krr_verifier_says(const char *said);

#endif /* KRR_LIB_VERIFIER_H */
