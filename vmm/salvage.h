/* SPDX-License-Identifier: GPL-2.0-only */
/* How recordings are sealed: by the recorder, or when it died, by whoever comes next. */
#ifndef KRR_VMM_SALVAGE_H
#define KRR_VMM_SALVAGE_H

#include "lib/store.h"
#include "vmm/drain.h"

int krr_seal(struct krr_recording *rec, struct krr_drain *dr, const struct krr_hdr *h);
void krr_salvage(void);

#endif /* KRR_VMM_SALVAGE_H */
