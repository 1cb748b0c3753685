/* SPDX-License-Identifier: GPL-2.0-only */
/* The guest's CPU: a model, and features on top of it that can be recorded. */
#ifndef KRR_VMM_CPU_H
#define KRR_VMM_CPU_H

#include "vmm/qmp.h"

int krr_cpu_add(char **cpu, const char *features);
int krr_cpu_check(const char *cpu);
int krr_cpu_missing(struct krr_qmp *q, char **names);
int krr_cpu_probe(const char *qemu, const char *machine, const char *cpu);

#endif /* KRR_VMM_CPU_H */
