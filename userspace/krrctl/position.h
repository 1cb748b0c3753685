/* SPDX-License-Identifier: GPL-2.0-only */
/* Positions in a recording, as people name them. */
#ifndef KRR_POSITION_H
#define KRR_POSITION_H

#include <stdint.h>

#include "bpf/policy.h"
#include "lib/format.h"
#include "lib/store.h"

#define KRR_POSITION_HELP						\
	"a position is the number of an event, mark:NAME, or what annotations say, as\n" \
	"net.reset or 'block.latency > 50ms'; #3 behind it means the third one\n"

/* What an event may be asked for: a mark, or an annotation of which a rule holds. */
struct krr_match {
	const char *mark;	/* NULL: a rule */
	uint32_t subsys;
	struct krr_rule rule;
};

void names_of_kernel(const struct krr_recording *rec);
int match_parse(const char *text, struct krr_match *m);
bool match_event(const struct krr_match *m, const struct krr_event *ev);
int position_find(const struct krr_recording *rec, const char *text, uint64_t *event);

#endif /* KRR_POSITION_H */
