/* SPDX-License-Identifier: GPL-2.0-only */
/* krrd's policies without a kernel: what would be loaded is looked at instead. */
#ifndef KRR_UNIT_NO_BPF_H
#define KRR_UNIT_NO_BPF_H

#include "krrd/programs.h"

/* Of the last krr_programs_load(), which fails with .fail if it is not 0. */
struct no_bpf {
	int fail, fail_late, there;	/* late: krr_programs_attach(); there: of control_there() */
	unsigned int started, running;
	size_t nr;
	const char *subsys[16];
	struct krr_policy policy[16];
	char flight[32];	/* the flight recorder: what it was begun with; "": it does not run */
	bool busy;		/* another recording is under way */
	char *words;		/* kept for krr_programs_adopt() */
	size_t len;
};

extern struct no_bpf no_bpf;

#endif /* KRR_UNIT_NO_BPF_H */
