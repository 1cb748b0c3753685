/* SPDX-License-Identifier: GPL-2.0-only */
/* Names of numbers that no record describes, and the name that was meant. */
#ifndef KRR_LIB_NAMES_H
#define KRR_LIB_NAMES_H

#include <stdint.h>

const char *krr_call_name(uint64_t nr);
int krr_call_number(const char *name);
const char *krr_errno_name(int number);
int krr_errno_number(const char *name);

/* Looks for the name that is most like @wanted; @best is NULL as long as none is. */
struct krr_nearest {
	const char *wanted;
	const char *best;
	unsigned int distance;
};

void krr_nearest_try(struct krr_nearest *n, const char *name);

#endif /* KRR_LIB_NAMES_H */
