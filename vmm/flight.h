/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The flight recorder: a recording that goes on for good and keeps only what is
 * recent, as a ring of epochs.  In its directory:
 *
 *	base.ram		RAM at the start of the oldest epoch
 *	epoch-N.state		device and CPU state at the start of epoch N
 *	epoch-N.delta		pages that changed since the start of the epoch before
 *	epoch-N.krr		events of epoch N; the last one is the border to the next
 *
 * The oldest epoch goes by unlinking its events and its state, putting the next
 * one's pages into base.ram, and unlinking those.  A crash in between leaves a
 * delta that is still to be applied, which may be done twice.
 *
 * krr_flight_keep() makes an ordinary recording of it, from the start of any epoch to
 * the end of any, without disturbing what goes on.
 */
#ifndef KRR_VMM_FLIGHT_H
#define KRR_VMM_FLIGHT_H

#include "lib/log.h"
#include "lib/store.h"
#include "vmm/delta.h"

#define KRR_BASE_RAM	"base.ram"
#define KRR_NO_EPOCH	UINT32_MAX

struct krr_epoch {
	uint32_t number;
	uint64_t began_ns;	/* krr_now_ns() */
	uint64_t bytes;		/* of its state and delta, on disk */
	uint64_t offset;	/* in the stream, of its first event */
	off_t console;		/* bytes that the guest had printed */
	uint64_t pause_ms;	/* that the VM stood still for it; not of the first */
};

struct krr_flight {
	int dirfd;		/* of the recording that it is; the caller's */
	struct krr_epoch *epoch;	/* oldest first */
	size_t epochs, room;
	uint64_t base_bytes;	/* of base.ram, on disk */
	uint64_t keep_ns, budget;	/* at least so much time, in at most so many bytes */
	struct krr_tracker tracker;
	unsigned int busy;	/* who reads old epochs: nothing may go */
};

/* What a recording is to be made of. */
struct krr_keeping {
	char *name, *stop_reason;
	char *why, *message;	/* or NULL */
	uint32_t base;		/* epoch at whose start RAM was as it is in base.ram */
	uint32_t first, last;	/* epochs */
	uint64_t offset;	/* in the stream, of the first event */
	uint32_t end;		/* whose delta leads to RAM of its end, or KRR_NO_EPOCH */
	bool parked;		/* it ends at the end barrier: with STOP, and without @end in end.ram */
	uint64_t duration_ms;
	uint64_t pause_ms, most_pause_ms;	/* between epochs, 0 if it is not known */
	char *console;		/* path, or NULL; and what of it */
	off_t console_from, console_to;
};

char *krr_epoch_file(uint32_t number, const char *what);

int krr_flight_begin(struct krr_flight *f, int dirfd, struct krr_tracker *t,
		     uint64_t keep_ms, uint64_t budget, off_t console);
int krr_flight_add(struct krr_flight *f, uint32_t number, uint64_t offset, off_t console,
		   uint64_t pause_ms);
int krr_flight_trim(struct krr_flight *f);
uint64_t krr_flight_bytes(const struct krr_flight *f);
size_t krr_flight_since(const struct krr_flight *f, uint64_t ns);
void krr_flight_free(struct krr_flight *f);

int krr_flight_keep(int dirfd, const struct krr_manifest *m, const struct krr_keeping *k);
void krr_keeping_free(struct krr_keeping *k);

int krr_flight_last(int dirfd, struct krr_decoder *d, struct krr_log_writer **log);
int krr_flight_all(int dirfd, struct krr_keeping *k);

#endif /* KRR_VMM_FLIGHT_H */
