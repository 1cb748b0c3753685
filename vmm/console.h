/* SPDX-License-Identifier: GPL-2.0-only */
/* Comparing what the guest printed on its console in recording and replay. */
#ifndef KRR_VMM_CONSOLE_H
#define KRR_VMM_CONSOLE_H

#include <stdbool.h>
#include <stdint.h>

#define KRR_CONSOLE_LINE 200

struct krr_console_diff {
	bool compared, equal;
	uint64_t recorded, replayed;	/* bytes printed */
	uint64_t offset, line;		/* of the first byte that differs; lines from 1 */
	/* that line, printable; "" where the text has ended */
	char recorded_line[KRR_CONSOLE_LINE], replayed_line[KRR_CONSOLE_LINE];
};

int krr_console_compare(int recorded, int replayed, struct krr_console_diff *d);

#endif /* KRR_VMM_CONSOLE_H */
