// SPDX-License-Identifier: GPL-2.0-only
/* Text in a buffer. */
#include <stdarg.h>
#include <stdio.h>

#include "lib/text.h"

/** krr_text_add() - add to a text; what does not fit is left out */
void krr_text_add(struct krr_text *t, const char *fmt, ...)
{
	va_list ap;
	int n;

	if (t->n >= t->room)
		return;
	va_start(ap, fmt);
	n = vsnprintf(t->buf + t->n, t->room - t->n, fmt, ap);
	va_end(ap);
	if (n > 0)
		t->n += (size_t)n;
	if (t->n >= t->room)
		t->n = t->room - 1;
}
