/* SPDX-License-Identifier: GPL-2.0-only */
/* The guest's CPU: a model, features on top of it or taken from it, and what a replay needs. */
#ifndef KRR_VMM_CPU_H
#define KRR_VMM_CPU_H

#include "vmm/qmp.h"

int krr_cpu_add(char **cpu, const char *word);
int krr_cpu_check(const char *cpu);
char *krr_cpu_seen(const char *features);
int krr_cpu_missing(struct krr_qmp *q, char **names);
int krr_cpu_resolve(const char *qemu, const char *machine, const char *accel, char **cpu,
		    char **features, char **replay);

#endif /* KRR_VMM_CPU_H */
