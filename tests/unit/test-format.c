// SPDX-License-Identifier: GPL-2.0-only
/* The event format: round trips, and bytes that nobody should trust. */
#include <errno.h>
#include <string.h>

#include "lib/util.h"
#include "unit.h"

#define ROOM 4096

static void varints(void **state)
{
	static const uint64_t values[] = {
		0, 1, 127, 128, 16383, 16384, UINT32_MAX, 1ull << 63, UINT64_MAX,
	};
	uint8_t buf[KRR_VARINT_MAX];
	size_t i, n;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(values); i++) {
		struct krr_cursor c = { .p = buf };

		n = (size_t)(krr_varint_put(buf, values[i]) - buf);
		assert_in_range(n, 1, KRR_VARINT_MAX);
		c.end = buf + n;
		assert_true(krr_get_varint(&c) == values[i]);
		assert_false(c.bad);
		assert_ptr_equal(c.p, c.end);
		c = (struct krr_cursor){ .p = buf, .end = buf + n - 1 };
		krr_get_varint(&c);
		assert_true(c.bad);
		assert_true(c.short_read);
	}
}

static void varint_too_long(void **state)
{
	static const uint8_t eleven[11] = { [0 ... 9] = 0x80, [10] = 1 };
	static const uint8_t too_big[10] = { [0 ... 8] = 0xff, [9] = 2 };
	struct krr_cursor a = { .p = eleven, .end = eleven + sizeof(eleven) };
	struct krr_cursor b = { .p = too_big, .end = too_big + sizeof(too_big) };

	(void)state;
	krr_get_varint(&a);
	krr_get_varint(&b);
	assert_true(a.bad && !a.short_read);
	assert_true(b.bad && !b.short_read);
}

static void zigzag(void **state)
{
	static const int64_t values[] = { 0, -1, 1, -2, INT64_MAX, INT64_MIN };
	size_t i;

	(void)state;
	assert_int_equal(krr_zigzag(-1), 1);
	assert_int_equal(krr_zigzag(1), 2);
	for (i = 0; i < ARRAY_SIZE(values); i++)
		assert_true(krr_unzigzag(krr_zigzag(values[i])) == values[i]);
}

static void assert_same(const struct krr_event *a, const struct krr_event *b)
{
	assert_int_equal(a->kind, b->kind);
	assert_int_equal(a->fp, b->fp);
	switch (a->kind & KRR_SHAPE_MASK) {
	case KRR_SHAPE_VV:
		assert_true(a->arg[1] == b->arg[1]);
		/* fall through */
	case KRR_SHAPE_V:
		assert_true(a->arg[0] == b->arg[0]);
		break;
	case KRR_SHAPE_B:
		assert_int_equal(a->len, b->len);
		assert_memory_equal(a->data, b->data, a->len);
		break;
	}
}

static void round_trip(void **state)
{
	uint8_t buf[ROOM], data[ROOM / 2];
	struct krr_event in, out;
	struct krr_decoder d;
	struct dice dice = { 1 };
	uint64_t i, offset = 0;
	int n, m;

	(void)state;
	krr_decoder_init(&d);
	for (i = 0; i < 20000; i++) {
		random_event(&dice, &in, data, sizeof(data));
		n = krr_encode(buf, sizeof(buf), &in);
		assert_true(n > 0);
		m = krr_decode(&d, buf, (size_t)n, &out);
		assert_int_equal(m, n);
		assert_same(&in, &out);
		assert_true(out.number == i);
		assert_true(out.offset == offset);
		offset += (uint64_t)n;
	}
	assert_true(d.number == i && d.offset == offset);
}

/* Each prefix of an event asks for more, and takes nothing. */
static void prefixes(void **state)
{
	uint8_t buf[ROOM], data[300];
	struct dice dice = { 2 };
	struct krr_event ev, out;
	struct krr_decoder d;
	int n, len, i;

	(void)state;
	krr_decoder_init(&d);
	for (i = 0; i < 300; i++) {
		random_event(&dice, &ev, data, sizeof(data));
		n = krr_encode(buf, sizeof(buf), &ev);
		for (len = 0; len < n; len++) {
			uint8_t *exact = malloc((size_t)len + !len);

			memcpy(exact, buf, (size_t)len);
			assert_int_equal(krr_decode(&d, exact, (size_t)len, &out), 0);
			free(exact);
		}
		assert_true(d.number == 0);
	}
}

/* Any bytes at all, in a buffer of exactly that size: ASan would see a slip. */
static void any_bytes(void **state)
{
	struct dice dice = { 3 };
	struct krr_decoder d;
	struct krr_event ev;
	char text[200];
	int i, n;

	(void)state;
	krr_decoder_init(&d);
	for (i = 0; i < 200000; i++) {
		size_t len = roll(&dice) % 64, at;
		uint8_t *buf = malloc(len + !len);

		for (at = 0; at < len; at++)
			buf[at] = (uint8_t)roll(&dice);
		if (len && roll(&dice) & 1)	/* more often a known kind */
			buf[0] = roll(&dice) & 1 ? KRR_EV_ENTRY : KRR_EV_UFAULT;
		d.stopped = false;
		n = krr_decode(&d, buf, len, &ev);
		assert_true(n == -EBADMSG || (n >= 0 && (size_t)n <= len));
		if (n > 0)
			krr_event_text(&d, &ev, text, sizeof(text));
		free(buf);
	}
}

static void flipped_bits(void **state)
{
	uint8_t good[ROOM], data[100], *buf;
	struct dice dice = { 4 };
	struct krr_event ev;
	struct krr_decoder d;
	size_t len = 0, at;
	int n, i;

	(void)state;
	while (len < ROOM - 200) {
		random_event(&dice, &ev, data, sizeof(data));
		len += (size_t)krr_encode(good + len, ROOM - len, &ev);
	}
	for (i = 0; i < 5000; i++) {
		buf = malloc(len);
		memcpy(buf, good, len);
		buf[roll(&dice) % len] ^= (uint8_t)(1 << roll(&dice) % 8);
		krr_decoder_init(&d);
		for (at = 0; at < len; at += (size_t)n) {
			n = krr_decode(&d, buf + at, len - at, &ev);
			if (n <= 0)
				break;
			assert_true((size_t)n <= len - at);
		}
		free(buf);
	}
}

static void entries(void **state)
{
	static const uint32_t vectors[] = { KRR_VEC_SYSCALL, KRR_VEC_SYSENTER, 14, 128, 236 };
	uint64_t last[KRR_NR_ENTRY_WORDS] = { 0 }, now[KRR_NR_ENTRY_WORDS];
	uint8_t payload[KRR_ENTRY_MAX], buf[ROOM];
	struct dice dice = { 5 };
	struct krr_decoder d;
	struct krr_event ev = { .kind = KRR_EV_ENTRY, .data = payload }, out;
	unsigned int i, w;
	uint32_t vector;

	(void)state;
	krr_decoder_init(&d);
	for (i = 0; i < 5000; i++) {
		vector = vectors[i % ARRAY_SIZE(vectors)];
		memcpy(now, last, sizeof(now));
		for (w = 0; w < KRR_NR_ENTRY_WORDS; w++)
			if (roll(&dice) & 1)
				now[w] = roll(&dice) >> (roll(&dice) & 63);
		ev.len = (uint32_t)(krr_entry_put(payload, last, 9, now, vector, (uint64_t)-14) -
				    payload);
		assert_memory_equal(last, now, sizeof(now));
		assert_true(krr_decode(&d, buf, (size_t)krr_encode(buf, ROOM, &ev), &out) > 0);
		assert_int_equal(d.entry[0].vector, vector);
		assert_int_equal(d.entry[0].error, vector == 14 ? -14 : 0);
		assert_memory_equal(d.entry[0].word, now, sizeof(now));
	}
}

static int decode_raw(const uint8_t *bytes, size_t len)
{
	struct krr_decoder d;
	struct krr_event ev;

	krr_decoder_init(&d);
	return krr_decode(&d, bytes, len, &ev);
}

static void refused(void **state)
{
	static const uint8_t wrong_shape[] = { KRR_SHAPE_VV | 5, 0, 1, 1 };
	static const uint8_t cpu_99[] = { KRR_EV_ACQUIRE, 0, 0xb0, 0x0c, 0 };
	static const uint8_t vector_300[] = { KRR_EV_IRQ, 0, 0xac, 0x02, 0 };
	static const uint8_t too_long[] = { KRR_EV_VBUF, 0, 0xff, 0xff, 0xff, 0x7f };
	static const uint8_t entry_slot[] = { KRR_EV_ENTRY, 0, 1, 0 };
	static const uint8_t entry_short[] = { KRR_EV_ENTRY, 0, 3, 0, 9, 1 };
	static const uint8_t entry_words[] = { KRR_EV_ENTRY, 0, 6, 0, 9, 0x80, 0x80, 0x80, 0x04 };
	static const uint8_t entry_long[] = { KRR_EV_ENTRY, 0, 4, 0, 9, 0, 0 };
	static const uint8_t entry_vector[] = { KRR_EV_ENTRY, 0, 3, 3, 9, 0 };
	static const uint8_t uread_headless[] = { KRR_EV_UREAD, 0, 3, 0xff, 0xff, 0xff };
	static const uint8_t keep_empty[] = { KRR_EV_KEEP, 0, 0 };
	static const uint8_t keep_short[] = { KRR_EV_KEEP, 0, 2, 0x80, 0x80 };
	static const uint8_t keep_long[] = {
		KRR_EV_KEEP, 0, 11, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 'x',
	};

	(void)state;
	assert_int_equal(decode_raw(wrong_shape, sizeof(wrong_shape)), -EBADMSG);
	assert_int_equal(decode_raw(cpu_99, sizeof(cpu_99)), -EBADMSG);
	assert_int_equal(decode_raw(vector_300, sizeof(vector_300)), -EBADMSG);
	assert_int_equal(decode_raw(too_long, sizeof(too_long)), -EBADMSG);
	assert_int_equal(decode_raw(entry_slot, sizeof(entry_slot)), -EBADMSG);
	assert_int_equal(decode_raw(entry_short, sizeof(entry_short)), -EBADMSG);
	assert_int_equal(decode_raw(entry_words, sizeof(entry_words)), -EBADMSG);
	assert_int_equal(decode_raw(entry_long, sizeof(entry_long)), -EBADMSG);
	assert_int_equal(decode_raw(entry_vector, sizeof(entry_vector)), -EBADMSG);
	assert_int_equal(decode_raw(uread_headless, sizeof(uread_headless)), -EBADMSG);
	assert_int_equal(decode_raw(keep_empty, sizeof(keep_empty)), -EBADMSG);
	assert_int_equal(decode_raw(keep_short, sizeof(keep_short)), -EBADMSG);
	assert_int_equal(decode_raw(keep_long, sizeof(keep_long)), -EBADMSG);
}

/* The bytes of an event are those of docs/format.md, whichever piece of a read it is. */
static void pieces_of_a_read(void **state)
{
	static const struct {
		uint64_t left;
		unsigned int head_len;
		uint8_t head[3];
	} vectors[] = {
		{ 0, 1, { 0 } },
		{ 127, 1, { 0x7f } },
		{ 128, 2, { 0x80, 0x01 } },
		{ 786432, 3, { 0x80, 0x80, 0x30 } },
	};
	static uint8_t ones[KRR_UREAD_MAX], stream[KRR_UREAD_MAX + 32], head[KRR_VARINT_MAX];
	struct krr_decoder d;
	struct krr_event ev;
	const uint8_t *p;
	uint64_t left;
	unsigned int i;
	int n;

	(void)state;
	memset(ones, 0xff, sizeof(ones));
	krr_decoder_init(&d);
	for (i = 0; i < ARRAY_SIZE(vectors); i++) {
		unsigned int head_len = vectors[i].head_len;

		assert_int_equal(krr_uread_put_head(head, vectors[i].left) - head, head_len);
		assert_memory_equal(head, vectors[i].head, head_len);
		/* as the second piece of a read is: none of its bytes would end a varint */
		stream[0] = KRR_EV_UREAD;
		stream[1] = 0;
		p = krr_varint_put(stream + 2, head_len + sizeof(ones));
		n = (int)(p - stream);
		memcpy(stream + n, head, head_len);
		memcpy(stream + n + head_len, ones, sizeof(ones));
		n += (int)(head_len + sizeof(ones));
		assert_int_equal(krr_decode(&d, stream, (size_t)n, &ev), n);
		p = ev.data;
		assert_int_equal(krr_uread_get_head(&p, ev.data + ev.len, &left), 0);
		assert_int_equal(left, vectors[i].left);
		assert_int_equal(ev.data + ev.len - p, sizeof(ones));
	}
}

/* A decoder that refuses an event is where it was. */
static void refused_leaves_no_trace(void **state)
{
	static const uint8_t entry[] = { KRR_EV_ENTRY, 0, 4, 0, 7, 9, 0x80 };
	static const uint8_t fault[] = { KRR_EV_UFAULT, 0, 2, 5, 6 };
	static const uint8_t *const bytes[] = { entry, fault };
	static const size_t sizes[] = { sizeof(entry), sizeof(fault) };
	struct krr_decoder d, before;
	struct krr_event ev;
	unsigned int i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(bytes); i++) {
		krr_decoder_init(&d);
		before = d;
		assert_int_equal(krr_decode(&d, bytes[i], sizes[i], &ev), -EBADMSG);
		memset(d.error, 0, sizeof(d.error));
		assert_memory_equal(&d, &before, sizeof(d));
	}
}

static void unknown_kinds_are_skipped(void **state)
{
	static const uint8_t stream[] = {
		KRR_SHAPE_B | 60, 7, 3, 'a', 'b', 'c',
		KRR_SHAPE_VV | 61, 7, 1, 2,
		KRR_SHAPE_0 | 62, 7,
		KRR_EV_STOP, 7, 1,
		KRR_EV_TSC, 7, 0,
	};
	static const int sizes[] = { 6, 4, 2, 3, -EBADMSG };
	const uint8_t *p = stream;
	struct krr_decoder d;
	struct krr_event ev;
	size_t i;

	(void)state;
	krr_decoder_init(&d);
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		assert_int_equal(krr_decode(&d, p, (size_t)(stream + sizeof(stream) - p), &ev),
				 sizes[i]);
		p += sizes[i];
	}
	assert_true(d.stopped);
	assert_int_equal(d.stop_reason, KRR_STOP_REQUEST);
	assert_int_equal(d.count[60], 1);
}

static void names(void **state)
{
	(void)state;
	assert_string_equal(krr_kind_name(KRR_EV_TSC), "tsc");
	assert_int_equal(krr_kind_by_name("mark"), KRR_KIND_ID(KRR_EV_MARK));
	assert_int_equal(krr_kind_by_name("nothing"), -1);
	assert_string_equal(krr_kind_name(0xffff), "?");
	assert_string_equal(krr_stop_name(99), "?");
}

static void text_is(const uint8_t *bytes, size_t len, const char *want)
{
	struct krr_decoder d;
	struct krr_event ev;
	char text[200];

	krr_decoder_init(&d);
	assert_int_equal(krr_decode(&d, bytes, len, &ev), len);
	krr_event_text(&d, &ev, text, sizeof(text));
	assert_string_equal(text, want);
}

static void texts(void **state)
{
	/* pos+ 1, access 12, error 3, cr2 0x1000, rcx 8 */
	static const uint8_t fault[] = {
		KRR_EV_UFAULT, 7, 7, 1, 0x83, 0x80, 0x30, 0x80, 0x20, 8,
	};
	static const uint8_t tsc[] = { KRR_EV_TSC, 7, 5 };
	static const uint8_t mark[] = { KRR_EV_MARK, 7, 3, 'a', '\n', 'b' };
	static const uint8_t keep[] = { KRR_EV_KEEP, 7, 4, 0xd0, 0x0f, 'h', 'm' };
	static const uint8_t keep_all[] = { KRR_EV_KEEP, 7, 1, 0 };
	static const uint8_t epoch[] = { KRR_EV_EPOCH, 7, 10 };

	(void)state;
	text_is(fault, sizeof(fault),
		"access 12 write not allowed err 0x3 cr2 0x1000 rcx 0x8");
	text_is(tsc, sizeof(tsc), "-3");
	text_is(mark, sizeof(mark), "\"a.b\"");
	text_is(keep, sizeof(keep), "the last 2000 ms \"hm\"");
	text_is(keep_all, sizeof(keep_all), "all \"\"");
	text_is(epoch, sizeof(epoch), "10");
}

static void keeps(void **state)
{
	static const uint8_t some[] = { 0xd0, 0x0f, 'w', 'h', 'y' }, all[] = { 0 };
	struct krr_event ev = { .kind = KRR_EV_KEEP, .data = some, .len = sizeof(some) };
	const char *why;
	uint64_t ms;

	(void)state;
	assert_int_equal(krr_event_keep(&ev, &ms, &why), 3);
	assert_int_equal(ms, 2000);
	assert_memory_equal(why, "why", 3);
	ev.data = all;
	ev.len = sizeof(all);
	assert_int_equal(krr_event_keep(&ev, &ms, &why), 0);
	assert_int_equal(ms, 0);
	ev.len = 0;
	assert_int_equal(krr_event_keep(&ev, &ms, &why), -EBADMSG);
}

/* Events of two CPUs that set all there is to be guessed from. */
static size_t guessable(struct dice *dice, uint8_t *buf, size_t room)
{
	uint64_t last[2][KRR_NR_ENTRY_WORDS] = { { 0 } }, now[KRR_NR_ENTRY_WORDS];
	uint8_t payload[KRR_ENTRY_MAX];
	struct krr_event ev;
	unsigned int i, w, cpu;
	size_t len = 0;

	for (i = 0; i < 40; i++) {
		cpu = (unsigned int)(roll(dice) & 1);
		ev = (struct krr_event){
			.kind = KRR_EV_ACQUIRE, .arg = { (cpu + 1) << 4 | KRR_HOW_USER, 1 + i },
		};
		len += (size_t)krr_encode(buf + len, room - len, &ev);
		for (w = 0; w < KRR_NR_ENTRY_WORDS; w++)
			now[w] = roll(dice) & 3 ? last[cpu][w] : roll(dice);
		ev = (struct krr_event){ .kind = KRR_EV_ENTRY, .data = payload };
		ev.len = (uint32_t)(krr_entry_put(payload, last[cpu], (uint8_t)cpu, now, KRR_VEC_SYSCALL, 0) -
				    payload);
		len += (size_t)krr_encode(buf + len, room - len, &ev);
	}
	assert_true(len < room);
	return len;
}

/* What follows a border decodes alone to the same events. */
static void epochs(void **state)
{
	static uint8_t buf[1 << 16];
	struct krr_event ev = { .kind = KRR_EV_EPOCH, .arg = { 1 } }, a, b;
	struct krr_decoder whole, alone;
	struct dice dice = { 6 };
	size_t len, border, at;
	unsigned int n = 0;

	(void)state;
	border = guessable(&dice, buf, sizeof(buf));
	border += (size_t)krr_encode(buf + border, sizeof(buf) - border, &ev);
	/* also one that belongs to the CPU that nobody named yet */
	ev = (struct krr_event){ .kind = KRR_EV_TSC, .arg = { 5 } };
	len = border + (size_t)krr_encode(buf + border, sizeof(buf) - border, &ev);
	len += guessable(&dice, buf + len, sizeof(buf) - len);

	krr_decoder_init(&whole);
	krr_decoder_init(&alone);
	for (at = 0; at < border; at += a.size)
		assert_true(krr_decode(&whole, buf + at, len - at, &a) > 0);
	assert_int_equal(a.kind, KRR_EV_EPOCH);
	for (; at < len; at += a.size, n++) {
		assert_true(krr_decode(&whole, buf + at, len - at, &a) > 0);
		assert_int_equal(krr_decode(&alone, buf + at, len - at, &b), a.size);
		assert_same(&a, &b);
		assert_int_equal(a.cpu, b.cpu);
		assert_true(a.pos == b.pos);
		assert_true(a.offset == b.offset + border);
		assert_memory_equal(whole.entry, alone.entry, sizeof(alone.entry));
		assert_memory_equal(whole.pos, alone.pos, sizeof(alone.pos));
	}
	assert_int_equal(n, 81);
	assert_int_equal(whole.number, 81 + 81);
	assert_int_equal(whole.count[KRR_KIND_ID(KRR_EV_ENTRY)], 80);
}

/* The same without the border is another thing: this test can tell. */
static void no_epoch(void **state)
{
	static uint8_t buf[1 << 16];
	struct krr_decoder whole, alone;
	struct dice dice = { 6 };
	struct krr_event a, b;
	size_t len, border, at;

	(void)state;
	border = guessable(&dice, buf, sizeof(buf));
	len = border + guessable(&dice, buf + border, sizeof(buf) - border);
	krr_decoder_init(&whole);
	krr_decoder_init(&alone);
	for (at = 0; at < border; at += a.size)
		assert_true(krr_decode(&whole, buf + at, len - at, &a) > 0);
	for (; at < len; at += a.size) {
		assert_true(krr_decode(&whole, buf + at, len - at, &a) > 0);
		assert_true(krr_decode(&alone, buf + at, len - at, &b) > 0);
	}
	assert_true(memcmp(whole.entry, alone.entry, sizeof(alone.entry)));
	assert_true(memcmp(whole.pos, alone.pos, sizeof(alone.pos)));
}

static void times(void **state)
{
	static const struct { const char *text; int err; uint64_t ms; } table[] = {
		{ "0", 0, 0 }, { "7", 0, 7000 }, { "7s", 0, 7000 }, { "7ms", 0, 7 },
		{ "2m", 0, 120000 }, { "3h", 0, 10800000 }, { "010", 0, 10000 },
		{ "18446744073709551615ms", 0, UINT64_MAX },
		{ "18446744073709551", 0, 18446744073709551000u },
		{ "18446744073709552", -EINVAL, 0 }, { "18446744073709551616ms", -EINVAL, 0 },
		{ "307445734561825861m", -EINVAL, 0 }, { "99999999999999999h", -EINVAL, 0 },
		{ "", -EINVAL, 0 }, { "s", -EINVAL, 0 }, { "ms", -EINVAL, 0 }, { "-1", -EINVAL, 0 },
		{ "+1", -EINVAL, 0 }, { " 1", -EINVAL, 0 }, { "1 s", -EINVAL, 0 },
		{ "1s ", -EINVAL, 0 }, { "1S", -EINVAL, 0 }, { "1.5s", -EINVAL, 0 },
		{ "0x10", -EINVAL, 0 }, { "1d", -EINVAL, 0 }, { "1mss", -EINVAL, 0 },
	};
	uint64_t ms;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(table); i++) {
		ms = 1;
		assert_int_equal(krr_parse_ms(table[i].text, &ms), table[i].err);
		assert_true(ms == (table[i].err ? 1 : table[i].ms));
	}
}

static void hex(void **state)
{
	static const uint8_t bytes[] = { 0x00, 0x9f, 0xff };
	__free_ptr char *all = krr_hex(bytes, sizeof(bytes)), *none = krr_hex(bytes, 0);

	(void)state;
	assert_string_equal(all, "009fff");
	assert_string_equal(none, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(varints),
		cmocka_unit_test(varint_too_long),
		cmocka_unit_test(zigzag),
		cmocka_unit_test(round_trip),
		cmocka_unit_test(prefixes),
		cmocka_unit_test(any_bytes),
		cmocka_unit_test(flipped_bits),
		cmocka_unit_test(entries),
		cmocka_unit_test(refused),
		cmocka_unit_test(pieces_of_a_read),
		cmocka_unit_test(refused_leaves_no_trace),
		cmocka_unit_test(unknown_kinds_are_skipped),
		cmocka_unit_test(names),
		cmocka_unit_test(texts),
		cmocka_unit_test(keeps),
		cmocka_unit_test(epochs),
		cmocka_unit_test(no_epoch),
		cmocka_unit_test(times),
		cmocka_unit_test(hex),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
