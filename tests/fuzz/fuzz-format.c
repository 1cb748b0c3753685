// SPDX-License-Identifier: GPL-2.0-only
/* The event stream: a guest's bytes, to the decoder and to text. */
#include <string.h>

#include "fuzz.h"
#include "lib/util.h"
#include "unit.h"

const unsigned int fuzz_rounds = 6000;

/* A decoder that took nothing is as it was, but for the message. */
static void must_be_same(struct krr_decoder *a, const struct krr_decoder *b)
{
	memcpy(a->error, b->error, sizeof(a->error));
	must(!memcmp(a, b, sizeof(*a)));
}

/* No part of an event is an event; nor is anything known of it. */
static void check_parts(const struct krr_decoder *before, const uint8_t *p, size_t size)
{
	struct krr_decoder d = *before;
	struct krr_event ev;
	size_t len;

	for (len = 0; len < size && len < 48; len++) {
		must(krr_decode(&d, p, len, &ev) == 0);
		must_be_same(&d, before);
	}
	must(krr_decode(&d, p, size - 1, &ev) == 0);
}

/* What was decoded can be encoded, and is the same then. */
static void check_encode(const struct krr_decoder *before, const struct krr_event *ev)
{
	static uint8_t buf[FUZZ_MAX + 64];
	struct krr_decoder d = *before;
	struct krr_event again;
	int n = krr_encode(buf, sizeof(buf), ev);

	must(n > 0 && (uint32_t)n <= ev->size);
	must(krr_encode(buf, (size_t)n - 1, ev) < 0);
	must(krr_decode(&d, buf, (size_t)n, &again) == n);
	must(again.kind == ev->kind && again.fp == ev->fp && again.cpu == ev->cpu);
	must(again.arg[0] == ev->arg[0] && again.arg[1] == ev->arg[1]);
	must(again.len == ev->len && again.pos == ev->pos);
	must(!ev->len || !memcmp(again.data, ev->data, ev->len));
}

/* Its words, written again, are the same; there may be a shorter way. */
static void check_entry(const struct krr_decoder *before, const struct krr_decoder *after,
			const struct krr_event *ev)
{
	const struct krr_entry *e = &after->entry[ev->cpu];
	uint8_t buf[KRR_ENTRY_MAX], stream[KRR_ENTRY_MAX + 16];
	uint64_t words[KRR_NR_ENTRY_WORDS];
	struct krr_event copy = *ev;
	struct krr_decoder d = *before;
	int n;

	memcpy(words, before->word[e->slot], sizeof(words));
	copy.len = (uint32_t)(krr_entry_put(buf, words, e->slot, e->word, e->vector, (uint64_t)e->error) -
			      buf);
	copy.data = buf;
	must(copy.len <= sizeof(buf));
	n = krr_encode(stream, sizeof(stream), &copy);
	must(n > 0 && krr_decode(&d, stream, (size_t)n, &copy) == n);
	must(!memcmp(d.entry[ev->cpu].word, e->word, sizeof(e->word)));
	must(!memcmp(d.word[e->slot], e->word, sizeof(e->word)));
	must(d.entry[ev->cpu].vector == e->vector && d.entry[ev->cpu].error == e->error);
}

/* In rooms of its own size, that a byte too many is seen. */
static void check_text(const struct krr_decoder *d, const struct krr_event *ev)
{
	static const size_t rooms[] = { 1, 2, 7, 40, 180, 2000 };
	size_t i, n;
	char *buf;

	for (i = 0; i < ARRAY_SIZE(rooms); i++) {
		buf = malloc(rooms[i]);
		must(buf);
		n = krr_event_text(d, ev, buf, rooms[i]);
		must(n < rooms[i] && strlen(buf) == n);
		for (; n; n--)
			must(buf[n - 1] >= ' ' && buf[n - 1] <= '~');
		free(buf);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct krr_decoder d, before;
	struct krr_event ev;
	size_t at = 0;
	int n;

	krr_decoder_init(&d);
	for (;;) {
		before = d;
		n = krr_decode(&d, data + at, len - at, &ev);
		if (n <= 0)
			break;
		must((size_t)n <= len - at && ev.size == (uint32_t)n && ev.cpu < KRR_MAX_CPUS);
		must(d.offset == at + (size_t)n && d.number == before.number + 1);
		check_parts(&before, data + at, (size_t)n);
		check_encode(&before, &ev);
		if (ev.kind == KRR_EV_ENTRY)
			check_entry(&before, &d, &ev);
		check_text(&d, &ev);
		krr_kind_description(ev.kind);
		at += (size_t)n;
	}
	must(!n || *d.error);
	must_be_same(&d, &before);
	return 0;
}

static void seed_event(struct output *out, const struct krr_event *ev)
{
	int n = krr_encode(out->buf + out->n, sizeof(out->buf) - out->n, ev);

	must(n > 0);
	out->n += (size_t)n;
}

static void seed_entries(struct output *out, struct dice *dice)
{
	uint64_t last[KRR_NR_ENTRY_WORDS] = { 0 }, words[KRR_NR_ENTRY_WORDS];
	uint8_t buf[KRR_ENTRY_MAX];
	struct krr_event ev = { .kind = KRR_EV_ENTRY, .data = buf };
	unsigned int i, round;

	for (round = 0; round < 4; round++) {
		for (i = 0; i < KRR_NR_ENTRY_WORDS; i++)
			words[i] = roll(dice) & 1 ? last[i] : roll(dice) >> (roll(dice) & 63);
		ev.len = (uint32_t)(krr_entry_put(buf, last, 5, words,
						  round & 1 ? KRR_VEC_SYSCALL : 14, 7) - buf);
		seed_event(out, &ev);
	}
}

static void seed_faults(struct output *out)
{
	static const uint8_t fault[] = { 3, 0x86, 0x80, 0x04, 0x80, 0x20, 9 };
	static const uint8_t read[] = { 2, 'a', 'b', 'c' };
	struct krr_event ev = { .kind = KRR_EV_UFAULT, .data = fault, .len = sizeof(fault) };

	seed_event(out, &ev);
	ev = (struct krr_event){ .kind = KRR_EV_UREAD, .data = read, .len = sizeof(read) };
	seed_event(out, &ev);
	ev = (struct krr_event){ .kind = KRR_EV_PANIC, .data = (uint8_t *)"Oh\n\33 no", .len = 7 };
	seed_event(out, &ev);
	ev = (struct krr_event){ .kind = KRR_EV_STOP, .arg = { KRR_STOP_PANIC } };
	seed_event(out, &ev);
}

static void seed_keeps(struct output *out)
{
	static const uint8_t all[] = { 0 }, some[] = { 0xd0, 0x0f, 'w', '\0', '\33', 0xff };
	struct krr_event ev = { .kind = KRR_EV_KEEP, .data = all, .len = sizeof(all) };

	seed_event(out, &ev);
	ev.data = some;
	ev.len = sizeof(some);
	seed_event(out, &ev);
}

void fuzz_seeds(void)
{
	static struct output out;
	struct dice dice = { 91 };
	struct krr_event ev;
	uint8_t data[40];
	unsigned int i;

	for (i = 0; i < 60; i++) {
		random_event(&dice, &ev, data, sizeof(data));
		seed_event(&out, &ev);
	}
	seed_from(&out);
	ev = (struct krr_event){ .kind = KRR_EV_ACQUIRE, .arg = { 7 << 4 | KRR_HOW_USER, 1 } };
	seed_event(&out, &ev);
	seed_entries(&out, &dice);
	seed_from(&out);
	/* what was known of an entry is not, behind a border */
	seed_entries(&out, &dice);
	ev = (struct krr_event){ .kind = KRR_EV_EPOCH, .arg = { 1 } };
	seed_event(&out, &ev);
	seed_entries(&out, &dice);
	seed_keeps(&out);
	seed_from(&out);
	seed_faults(&out);
	seed_from(&out);
	/* kinds that are not known yet */
	ev = (struct krr_event){ .kind = KRR_SHAPE_0 | 63 };
	seed_event(&out, &ev);
	ev = (struct krr_event){ .kind = KRR_SHAPE_B | 62, .data = (uint8_t *)"xyz", .len = 3 };
	seed_event(&out, &ev);
	seed_from(&out);
}
