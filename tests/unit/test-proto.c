// SPDX-License-Identifier: GPL-2.0-only
/* Frames between host and guest, in pieces, after garbage, hostile. */
#include <errno.h>
#include <string.h>

#include "lib/proto.h"
#include "lib/util.h"
#include "unit.h"

static struct krr_framer framer;

static void feed(const void *buf, size_t len)
{
	uint8_t *where;

	assert_true(krr_framer_room(&framer, &where) >= len);
	memcpy(where, buf, len);
	framer.have += len;
}

static void in_pieces(void **state)
{
	uint8_t buf[sizeof(struct krr_frame) + 5], *payload;
	struct krr_frame f;
	uint32_t type, len;
	size_t i;

	(void)state;
	memset(&framer, 0, sizeof(framer));
	krr_frame_header(&f, KRR_FR_STDOUT, 5);
	memcpy(buf, &f, sizeof(f));
	memcpy(buf + sizeof(f), "hello", 5);
	for (i = 0; i < sizeof(buf); i++) {
		assert_int_equal(krr_framer_next(&framer, &type, &payload, &len), 0);
		feed(buf + i, 1);
	}
	assert_int_equal(krr_framer_next(&framer, &type, &payload, &len), 1);
	assert_int_equal(type, KRR_FR_STDOUT);
	assert_int_equal(len, 5);
	assert_memory_equal(payload, "hello", 5);
	assert_int_equal(krr_framer_next(&framer, &type, &payload, &len), 0);
}

/* The middle of an old frame, then a whole one. */
static void after_garbage(void **state)
{
	struct dice dice = { 21 };
	struct krr_frame f;
	uint8_t junk[1000], *payload;
	uint32_t type, len;
	size_t i, n;
	int round;

	(void)state;
	memset(&framer, 0, sizeof(framer));
	for (round = 0; round < 300; round++) {
		n = roll(&dice) % sizeof(junk);
		for (i = 0; i < n; i++)
			junk[i] = (uint8_t)(roll(&dice) & 1 ? KRR_FRAME_MAGIC : roll(&dice));
		feed(junk, n);
		krr_frame_header(&f, KRR_FR_HELLO, 0);
		feed(&f, sizeof(f));
		assert_int_equal(krr_framer_next(&framer, &type, &payload, &len), 1);
		assert_int_equal(type, KRR_FR_HELLO);
	}
	assert_true(framer.dropped > 0);
}

static void lying_lengths(void **state)
{
	struct krr_frame f;
	uint32_t type, len;
	uint8_t *payload;

	(void)state;
	memset(&framer, 0, sizeof(framer));
	krr_frame_header(&f, KRR_FR_STDOUT, KRR_FRAME_MAX + 1);
	feed(&f, sizeof(f));
	assert_int_equal(krr_framer_next(&framer, &type, &payload, &len), 0);
	assert_true(framer.dropped > 0);
	memset(&framer, 0, sizeof(framer));
	krr_frame_header(&f, KRR_FR_STDOUT, 10);
	f.len = 9;
	feed(&f, sizeof(f));
	assert_int_equal(krr_framer_next(&framer, &type, &payload, &len), 0);
	assert_true(framer.dropped > 0);
}

static void strings(void **state)
{
	char good[] = "rec\0ls\0-l", *out[8];
	char open_end[] = { 'a', 0, 'b' };

	(void)state;
	assert_int_equal(krr_split_strings(good, sizeof(good), out, 8), 3);
	assert_string_equal(out[2], "-l");
	assert_null(out[3]);
	assert_int_equal(krr_split_strings(good, sizeof(good), out, 3), -EBADMSG);
	assert_int_equal(krr_split_strings(open_end, sizeof(open_end), out, 8), -EBADMSG);
	assert_int_equal(krr_split_strings(good, 0, out, 8), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_pieces),
		cmocka_unit_test(after_garbage),
		cmocka_unit_test(lying_lengths),
		cmocka_unit_test(strings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
