/* SPDX-License-Identifier: GPL-2.0-only */
/* The BPF programs that annotate a recording: loaded, attached, asked how they do. */
#ifndef KRR_KRRD_PROGRAMS_H
#define KRR_KRRD_PROGRAMS_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/policy.h"

/* A subsystem to annotate. */
struct krr_watch {
	const char *subsys;
	const struct krr_policy *policy;	/* NULL: log everything */
};

/* What one program did. */
struct krr_program_stat {
	const char *name;	/* lives as long as the programs do */
	uint64_t runs, ns;	/* since krr_programs_measure() */
	uint64_t misses;	/* not run, since it ran on this CPU already */
	uint32_t verified;	/* instructions that the verifier looked at: what loading cost */
};

struct krr_programs;

bool krr_programs_known(const char *subsys);
int krr_programs_load(const struct krr_watch *watch, size_t nr, struct krr_programs **out,
		      char **why);
int krr_programs_attach(struct krr_programs *p, const char *words, size_t len, char **why);
int krr_programs_adopt(struct krr_programs **out, char **words, size_t *len);
void krr_programs_stop(struct krr_programs *p);
const char *krr_programs_missing(const struct krr_programs *p);
int krr_programs_counts(const struct krr_programs *p, const char *subsys,
			struct krr_counts *counts);
int krr_programs_measure(void);
int krr_programs_stats(const struct krr_programs *p, struct krr_program_stat **stats, size_t *nr);

#endif /* KRR_KRRD_PROGRAMS_H */
