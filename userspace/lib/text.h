/* SPDX-License-Identifier: GPL-2.0-only */
/* A line of text that is put together piece by piece, in a buffer of the caller. */
#ifndef KRR_LIB_TEXT_H
#define KRR_LIB_TEXT_H

#include <stddef.h>

struct krr_text {
	char *buf;		/* always ended */
	size_t room, n;		/* bytes of it; of these, used */
};

void krr_text_add(struct krr_text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif /* KRR_LIB_TEXT_H */
