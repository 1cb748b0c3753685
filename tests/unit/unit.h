/* SPDX-License-Identifier: GPL-2.0-only */
/* What the unit tests share: cmocka with what it needs, a scratch directory. */
#ifndef KRR_UNIT_H
#define KRR_UNIT_H

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "lib/format.h"

/* Deterministic random numbers; the same on every machine. */
struct dice {
	uint64_t state;
};

uint64_t roll(struct dice *d);
void random_event(struct dice *d, struct krr_event *ev, uint8_t *data, uint32_t max);

/* A directory of its own, KRR_STORE and XDG_RUNTIME_DIR in it. */
extern char *scratch;
int scratch_setup(void **state);
int scratch_teardown(void **state);

int scratch_file(const char *name, const void *data, size_t len);

/* A krr header at @at of an image, the ring behind it; a manifest with all it must have. */
void make_header(uint8_t *image, uint64_t at, uint64_t ring_bytes);
struct krr_manifest;
void make_manifest(struct krr_manifest *m, const char *name);

/*
 * A thread behind a unix socket that plays QEMU, or the guest: @talk gets the
 * connection of the first client.
 */
struct peer {
	char *path;
	int listener;
	pthread_t thread;
	void (*talk)(int fd);
};

void peer_begin(struct peer *p, void (*talk)(int fd));
void peer_end(struct peer *p);

/* Silence messages that a test provokes on purpose. */
void quiet_begin(void);
void quiet_end(void);

#endif /* KRR_UNIT_H */
