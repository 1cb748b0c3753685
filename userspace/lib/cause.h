/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef KRR_LIB_CAUSE_H
#define KRR_LIB_CAUSE_H

char *krr_panic_cause(const char *console, const char *message);

#endif /* KRR_LIB_CAUSE_H */
