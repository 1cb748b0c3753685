/* SPDX-License-Identifier: GPL-2.0-only */
/* From the ring, through the decoder, to log.krr. */
#ifndef KRR_VMM_DRAIN_H
#define KRR_VMM_DRAIN_H

#include "lib/log.h"
#include "vmm/ram.h"

struct krr_drain {
	struct krr_ram *ram;
	struct krr_log_writer *log;
	struct krr_decoder d;
	uint64_t base;		/* ring position of stream offset 0 */
	uint64_t last_ns;	/* when something was written last */
	uint8_t *buf;
	bool damaged;		/* the stream was: what followed is dropped */

	/* called for each KRR_EV_KEEP and KRR_EV_ANNOTATE; or NULL */
	void (*see)(void *arg, const struct krr_event *ev);
	void *arg;
	uint64_t seen;		/* number of the first event that was not */
};

int krr_drain_init(struct krr_drain *dr, struct krr_ram *ram, struct krr_log_writer *log,
		   uint64_t base);
int krr_drain_step(struct krr_drain *dr, bool all);
void krr_drain_free(struct krr_drain *dr);

#endif /* KRR_VMM_DRAIN_H */
