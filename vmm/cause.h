/* SPDX-License-Identifier: GPL-2.0-only */
/* A recording that ends in a panic says what the panic was about. */
#ifndef KRR_VMM_CAUSE_H
#define KRR_VMM_CAUSE_H

struct krr_recording;

void krr_name_cause(struct krr_recording *rec);

#endif /* KRR_VMM_CAUSE_H */
