/* SPDX-License-Identifier: GPL-2.0-only */
/* Under which accelerator a recording is replayed. */
#ifndef KRR_VMM_REPLAY_ACCEL_H
#define KRR_VMM_REPLAY_ACCEL_H

#include "lib/store.h"

int krr_replay_choose(const struct krr_recording *rec, const char *want, const char **accel);

#endif /* KRR_VMM_REPLAY_ACCEL_H */
