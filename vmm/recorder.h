/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The recorder: answers the guest's handshake, drains its ring, makes
 * recordings.  One a VM; any number of recordings after one another.
 */
#ifndef KRR_VMM_RECORDER_H
#define KRR_VMM_RECORDER_H

#include "lib/store.h"
#include "vmm/ram.h"
#include "vmm/vm.h"

enum krr_recorder_ring {
	KRR_RING_UNKNOWN,	/* not there yet: the kernel has not booted */
	KRR_RING_FOUND,
	KRR_RING_FAILED,	/* one of a kind that this program does not know */
};

/* What became of a recording. */
struct krr_outcome {
	unsigned int count;	/* recordings that ended so far */
	int err;		/* of the last: 0 or -errno */
	char name[KRR_NAME_MAX + 1];
	uint32_t stop_reason;
	char message[256];
	uint64_t events, raw_bytes, log_bytes, duration_ms, start_pause_ms, end_pause_ms;
	unsigned int go_ons;	/* so often the flight recorder should have gone on after one */
};

struct krr_recorder;

int krr_recorder_start(struct krr_vm *vm, const struct krr_machine *m, struct krr_recorder **out);
enum krr_recorder_ring krr_recorder_ring(struct krr_recorder *r);
void krr_recorder_outcome(struct krr_recorder *r, struct krr_outcome *out);
void krr_recorder_end(struct krr_recorder *r, struct krr_outcome *out);

#endif /* KRR_VMM_RECORDER_H */
