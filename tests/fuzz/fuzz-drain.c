// SPDX-License-Identifier: GPL-2.0-only
/*
 * Draining the ring of a guest that lies.  The input is what guest and host do
 * in turn; whatever the guest did, the log is whole and can be read.
 */
#include <fcntl.h>
#include <string.h>

#include "fuzz.h"
#include "lib/util.h"
#include "unit.h"
#include "vmm/drain.h"

const unsigned int fuzz_rounds = 150;

#define RING_BYTES 8192u

enum { PRODUCE, RAISE_HEAD, SET_HEAD, SET_TAIL, SCRIBBLE, DRAIN, NR_DOINGS };

static uint8_t ring[RING_BYTES];
static struct krr_hdr hdr;

static void put(struct krr_ram *ram, const uint8_t *p, size_t len)
{
	uint64_t head = krr_load(&hdr.head);

	if (len > RING_BYTES)
		len = RING_BYTES;
	krr_ring_write(ram, head, p, len);
	krr_store(&hdr.head, head + len);
}

static void guest_acts(struct input *in, struct krr_ram *ram, unsigned int doing)
{
	const uint8_t *p;
	uint64_t at;
	size_t len;

	switch (doing) {
	case PRODUCE:
		p = take_bytes(in, &len);
		put(ram, p, len);
		break;
	case RAISE_HEAD:
		krr_store(&hdr.head, hdr.head + take(in, 2));
		break;
	case SET_HEAD:
		krr_store(&hdr.head, take(in, 8));
		break;
	case SET_TAIL:
		krr_store(&hdr.tail, take(in, 8));
		break;
	case SCRIBBLE:
		at = take(in, 2);
		p = take_bytes(in, &len);
		krr_ring_write(ram, at, p, len > RING_BYTES ? RING_BYTES : len);
		break;
	}
}

/* What is in the log is what the recorder believes to be in it. */
static void check_log(const struct krr_drain *dr)
{
	struct krr_log_reader *r;
	struct krr_event ev;
	uint64_t n = 0;
	int err;

	must(!krr_log_open(fuzz_dir(), "log.krr", true, &r));
	while ((err = krr_log_next(r, &ev)) > 0)
		n++;
	must(!err && n == dr->d.number && krr_log_decoder(r)->offset == dr->d.offset);
	must(krr_log_decoder(r)->stopped == dr->d.stopped);
	krr_log_close(r);
}

static void drain(struct input *in, struct krr_ram *ram, struct krr_drain *dr)
{
	unsigned int doing, n = 0;

	while (in->p < in->end && n++ < 300) {
		doing = (unsigned int)take(in, 1) % NR_DOINGS;
		if (doing == DRAIN)
			must(!krr_drain_step(dr, take(in, 1) & 1));
		else
			guest_acts(in, ram, doing);
		must(dr->d.offset <= (uint64_t)n * RING_BYTES);
	}
	must(!krr_drain_step(dr, true));
	/* all is taken, or what is wrong was found; then the guest need not wait for room */
	must(dr->damaged || hdr.head == dr->base + dr->d.offset);
	must(!krr_drain_step(dr, true) && (!dr->damaged || hdr.tail == hdr.head));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct input in = { data, data + len };
	struct krr_ram ram = { .fd = -1, .hdr = &hdr, .ring = ring, .ring_bytes = RING_BYTES };
	uint64_t base = take(&in, 8);
	struct krr_log_writer *log;
	struct krr_drain dr;

	memset(&hdr, 0, sizeof(hdr));
	memset(ring, 0, sizeof(ring));
	hdr.head = hdr.tail = base;
	unlinkat(fuzz_dir(), "log.krr", 0);
	must(!krr_log_create(fuzz_dir(), "log.krr", &log));
	must(!krr_drain_init(&dr, &ram, log, base));
	drain(&in, &ram, &dr);
	must(!krr_log_finish(log, &dr.d));
	check_log(&dr);
	krr_drain_free(&dr);
	krr_log_writer_free(log);
	return 0;
}

static void seed_events(struct output *out, struct dice *dice, unsigned int n)
{
	uint8_t data[100], buf[2000];
	struct krr_event ev;
	size_t len = 0;
	int one;

	while (n--) {
		random_event(dice, &ev, data, sizeof(data));
		one = krr_encode(buf + len, sizeof(buf) - len, &ev);
		must(one > 0);
		len += (size_t)one;
	}
	give(out, PRODUCE, 1);
	give_bytes(out, buf, len);
}

static void seed_drain(struct output *out)
{
	give(out, DRAIN, 1);
	give(out, 1, 1);
}

void fuzz_seeds(void)
{
	static const uint64_t lies[] = { 0, 1, 17, UINT64_MAX, 1ull << 63 };
	static struct output out;
	struct dice dice = { 93 };
	unsigned int i;

	give(&out, 0x1ffffffc0ull, 8);
	for (i = 0; i < 30; i++) {
		seed_events(&out, &dice, 12);
		seed_drain(&out);
	}
	seed_from(&out);
	for (i = 0; i < ARRAY_SIZE(lies); i++) {
		give(&out, lies[i], 8);
		seed_events(&out, &dice, 5);
		give(&out, SET_TAIL, 1);
		give(&out, lies[i] + 5, 8);
		seed_drain(&out);
		give(&out, i & 1 ? SET_HEAD : RAISE_HEAD, 1);
		give(&out, lies[i], i & 1 ? 8 : 2);
		seed_drain(&out);
		seed_events(&out, &dice, 5);
		seed_from(&out);
	}
}
