/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a flight recorder does when: when an epoch is to begin, what is to be kept and
 * why, and the thread that makes recordings of it.  For the recorder's thread alone.
 */
#ifndef KRR_VMM_KEEPER_H
#define KRR_VMM_KEEPER_H

#include "vmm/flight.h"
#include "vmm/vm.h"

struct krr_keeper;
struct krr_mark;	/* bpf/records.h */

/* Where RAM of a guest that is parked at its end is. */
enum krr_end_ram {
	KRR_END_RAM_NONE,	/* it is not parked, or could not be looked at */
	KRR_END_RAM_SCANNED,	/* krr_keeper_scan() was the last thing done */
	KRR_END_RAM_FILE,	/* in end.ram */
};

int krr_keeper_new(struct krr_vm *vm, const struct krr_recording *rec, const struct krr_ram *ram,
		   struct krr_tracker *t, off_t console, struct krr_keeper **out);
void krr_keeper_see(void *keeper, const struct krr_event *ev);
void krr_keeper_ask(struct krr_keeper *k, const char *label, const char *why, uint64_t last_ms,
		    bool now);
uint32_t krr_keeper_wants(struct krr_keeper *k, uint64_t raw_bytes);
uint32_t krr_keeper_next(const struct krr_keeper *k);
int krr_keeper_scan(struct krr_keeper *k, bool paused, uint64_t most);
int krr_keeper_scan_ahead(struct krr_keeper *k);
void krr_keeper_hash(struct krr_keeper *k);
bool krr_keeper_hashes(const struct krr_keeper *k);
int krr_keeper_epoch(struct krr_keeper *k, uint64_t offset, off_t console, uint64_t pause_ms);
int krr_keeper_tick(struct krr_keeper *k, off_t console);
bool krr_keeper_pending(const struct krr_keeper *k);
int krr_keeper_end(struct krr_keeper *k, const char *label, const char *stop_reason,
		   const char *message, enum krr_end_ram end, off_t console, char **name);
void krr_keeper_free(struct krr_keeper *k);

bool krr_event_mark(const struct krr_event *ev, struct krr_mark *mark);

#endif /* KRR_VMM_KEEPER_H */
