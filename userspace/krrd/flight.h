/* SPDX-License-Identifier: GPL-2.0-only */
/* The flight recorder, as krrd in the guest starts and ends it. */
#ifndef KRRD_FLIGHT_H
#define KRRD_FLIGHT_H

#include <stdbool.h>
#include <stdint.h>

#define FLIGHT_KEEP_MS		60000u
#define FLIGHT_BUDGET_MIB	2048u

struct flight {
	bool wanted;
	uint32_t keep_ms, budget_mib;
};

int flight_option(struct flight *f, const char *option, const char *arg, char **text);
int flight_begin(const struct flight *f, char **before, char **text);
void flight_restore(const char *before);
bool flight_running(void);
void flight_end(void);

#endif /* KRRD_FLIGHT_H */
