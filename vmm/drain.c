// SPDX-License-Identifier: GPL-2.0-only
/*
 * Draining the ring.
 *
 * @tail moves on only after the events are in the file, so that a recorder that
 * is killed leaves each event in the log, in the ring, or in both.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "lib/util.h"
#include "vmm/drain.h"

#define CHUNK_BYTES	(256u << 10)	/* worth a chunk at once */
#define CHUNK_NS	100000000ull	/* fewer wait this long */

/**
 * krr_drain_init() - begin to drain
 * @dr: result
 * @ram: mapped writable, header found
 * @log: stays the caller's
 * @base: ring position of the first event
 */
int krr_drain_init(struct krr_drain *dr, struct krr_ram *ram, struct krr_log_writer *log,
		   uint64_t base)
{
	dr->ram = ram;
	dr->log = log;
	dr->base = base;
	dr->damaged = false;
	dr->last_ns = krr_now_ns();
	dr->see = NULL;
	dr->seen = 0;
	krr_decoder_init(&dr->d);
	dr->buf = malloc(KRR_LOG_MAX_RAW);
	return dr->buf ? 0 : -ENOMEM;
}

static int damaged(struct krr_drain *dr, const char *what)
{
	krr_err("the guest's event stream is damaged, the recording ends before it: %s", what);
	dr->damaged = true;
	return 0;
}

/* One chunk; @avail bytes are in the ring. Return: bytes taken or -errno. */
static int64_t take_chunk(struct krr_drain *dr, uint64_t tail, uint64_t avail)
{
	size_t len = avail < KRR_LOG_MAX_RAW ? avail : KRR_LOG_MAX_RAW, used = 0;
	struct krr_decoder before = dr->d;
	struct krr_event ev;
	int n = 0, err;

	krr_ring_read(dr->ram, tail, dr->buf, len);
	while (used < len) {
		n = krr_decode(&dr->d, dr->buf + used, len - used, &ev);
		if (n <= 0)
			break;
		used += (size_t)n;
		if (dr->see && ev.number >= dr->seen &&
		    (ev.kind == KRR_EV_KEEP || ev.kind == KRR_EV_ANNOTATE))
			dr->see(dr->arg, &ev);
	}
	dr->seen = dr->d.number;
	if (used) {
		err = krr_log_append(dr->log, &before, &dr->d, dr->buf, used);
		if (err) {
			dr->d = before;		/* they are still in the ring */
			return err;
		}
	}
	if (n < 0)
		damaged(dr, dr->d.error);
	else if (used < len && len == avail)
		damaged(dr, "it ends inside an event");
	return (int64_t)used;
}

/**
 * krr_drain_step() - take what is in the ring
 * @dr: drain
 * @all: also if it is little
 *
 * Damage of the stream is said on stderr and remembered, not returned.
 *
 * Return: 0, or -errno when the log cannot be written; the events are still in the ring then,
 * and the next step tries again.
 */
int krr_drain_step(struct krr_drain *dr, bool all)
{
	struct krr_hdr *h = dr->ram->hdr;
	uint64_t tail = dr->base + dr->d.offset, head = krr_load(&h->head), least = CHUNK_BYTES;
	int64_t n;

	if (dr->damaged) {
		krr_store(&h->tail, head);
		return 0;
	}
	if (head - tail > dr->ram->ring_bytes)
		return damaged(dr, "more was written than fits the ring");
	if (least > dr->ram->ring_bytes / 4)
		least = dr->ram->ring_bytes / 4;
	if (head == tail || (!all && head - tail < least && krr_now_ns() - dr->last_ns < CHUNK_NS))
		return 0;
	while (tail != head && !dr->damaged) {
		n = take_chunk(dr, tail, head - tail);
		if (n < 0)
			return (int)n;
		tail += (uint64_t)n;
		krr_store(&h->tail, tail);
		krr_store(&h->heartbeat, h->heartbeat + 1);
	}
	dr->last_ns = krr_now_ns();
	return 0;
}

/** krr_drain_free() - free the buffer */
void krr_drain_free(struct krr_drain *dr)
{
	free(dr->buf);
	dr->buf = NULL;
}
