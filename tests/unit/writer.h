/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * RAM that another process writes to, for tests of what the host's kernel tells about it.
 * main() of the test calls be_writer() if it was given an argument.
 */
#ifndef KRR_UNIT_WRITER_H
#define KRR_UNIT_WRITER_H

#include <stdbool.h>

#include "unit.h"
#include "vmm/writes.h"

#define WRITER_PAGES	4096u
#define WRITER_HDR	16u		/* page of the header */
#define WRITER_FIRST	2000u		/* behind the ring */

enum writer_how { BY_STORE, BY_KERNEL, BY_LOAD };

extern struct krr_ram ram;
extern struct krr_writes writes;
extern pid_t writer;

int be_writer(const char *file);
void make_it(enum writer_how how, uint32_t page, uint8_t value);

/* Setup, with KRR_WRITES of this name, and teardown of a test. */
int writer_scan(void **state);
int writer_soft(void **state);
int writer_hash(void **state);
int writer_end(void **state);

bool offered(enum krr_writes_way way);
bool one_offered(void);

#endif /* KRR_UNIT_WRITER_H */
