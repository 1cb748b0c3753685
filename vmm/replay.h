/* SPDX-License-Identifier: GPL-2.0-only */
/* Replaying a recording: a VM from its snapshot, fed with its log. */
#ifndef KRR_VMM_REPLAY_H
#define KRR_VMM_REPLAY_H

#include <stdbool.h>

#include "lib/log.h"
#include "lib/store.h"
#include "vmm/ram.h"
#include "vmm/snapshot.h"
#include "vmm/vm.h"

enum krr_replay_state {
	KRR_REPLAY_RUNNING,
	KRR_REPLAY_ENDED,	/* at the end barrier, as in the recording */
	KRR_REPLAY_CUT,		/* the log ended without STOP */
	KRR_REPLAY_DIVERGED,
	KRR_REPLAY_HUNG,	/* no progress */
	KRR_REPLAY_DIED,	/* QEMU is gone */
	KRR_REPLAY_BROKEN,	/* QEMU stopped the guest for good: its KVM cannot run it */
};

struct krr_replay_how {
	const char *accel;	/* "kvm" or "tcg" */
	bool gdb;		/* with a gdb stub */
	bool poison;		/* user pages hold a pattern; see krr_poison() */
	bool trial;		/* say nothing if QEMU does not start, or lacks what the CPU has */
};

struct krr_replay {
	const struct krr_recording *rec;
	const struct krr_replay_how *how;
	struct krr_machine machine;
	struct krr_vm vm;
	struct krr_ram ram;
	struct krr_qmp *qmp;
	struct krr_log_reader *log;
	char *gdb;		/* unix socket of the gdb stub, or NULL */

	uint64_t head;		/* ring position after the last event fed */
	uint64_t limit;		/* feed events below this number only */
	bool have_event;	/* @ev was read and waits for room */
	struct krr_event ev;
	bool eof;

	uint64_t last_tail, last_change_ns, begun_ns, asked_ns;
	unsigned int timeout_s;	/* 0: wait forever */
};

unsigned int krr_replay_timeout(const char *recorded, const char *replayed);
int krr_replay_start(const struct krr_recording *rec, const struct krr_replay_how *how,
		     struct krr_replay *rp);
int krr_replay_go(struct krr_replay *rp);
int krr_replay_poll(struct krr_replay *rp, enum krr_replay_state *state);
uint64_t krr_replay_consumed(const struct krr_replay *rp);
uint64_t krr_replay_events(const struct krr_replay *rp);
int krr_replay_until(struct krr_replay *rp, uint64_t at);
int krr_replay_pause(struct krr_replay *rp);
void krr_replay_end(struct krr_replay *rp);

#endif /* KRR_VMM_REPLAY_H */
