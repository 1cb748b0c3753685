// SPDX-License-Identifier: GPL-2.0-only
/* log.krr: written, read, cut off at every byte, damaged in any place. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include "lib/log.h"
#include "lib/util.h"
#include "unit.h"

#define CHUNKS	20
#define EVENTS	50	/* a chunk */

static int dir = -1;
static struct krr_decoder written;

static int setup(void **state)
{
	if (scratch_setup(state))
		return -1;
	dir = open(scratch, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return dir < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	close(dir);
	return scratch_teardown(state);
}

static size_t make_chunk(struct dice *dice, struct krr_decoder *d, uint8_t *buf, size_t room)
{
	uint8_t data[200];
	struct krr_event ev, out;
	size_t len = 0;
	int i, n;

	for (i = 0; i < EVENTS; i++) {
		random_event(dice, &ev, data, sizeof(data));
		n = krr_encode(buf + len, room - len, &ev);
		assert_true(n > 0);
		assert_int_equal(krr_decode(d, buf + len, (size_t)n, &out), n);
		len += (size_t)n;
	}
	return len;
}

/* A new log in place of an old one; @d: the start of a stream. */
static struct krr_log_writer *new_log(const char *name, struct krr_decoder *d)
{
	struct krr_log_writer *w;

	unlinkat(dir, name, 0);
	krr_decoder_init(d);
	assert_int_equal(krr_log_create(dir, name, &w), 0);
	return w;
}

static void add_chunk(struct krr_log_writer *w, struct dice *dice, struct krr_decoder *d)
{
	static uint8_t buf[EVENTS * 256];
	struct krr_decoder before = *d;
	size_t len = make_chunk(dice, d, buf, sizeof(buf));

	assert_int_equal(krr_log_append(w, &before, d, buf, len), 0);
}

static void write_log(const char *name, bool finish)
{
	struct krr_log_writer *w = new_log(name, &written);
	struct dice dice = { 7 };
	int i;

	for (i = 0; i < CHUNKS; i++)
		add_chunk(w, &dice, &written);
	if (finish)
		assert_int_equal(krr_log_finish(w, &written), 0);
	krr_log_writer_free(w);
}

/* Return: result of the last read; @events: how many came before. */
static int read_log(const char *name, bool sealed, uint64_t *events)
{
	struct krr_log_reader *r;
	struct krr_event ev;
	int err;

	*events = 0;
	err = krr_log_open(dir, name, sealed, &r);
	if (err)
		return err;
	while ((err = krr_log_next(r, &ev)) > 0)
		assert_true(ev.number == (*events)++);
	krr_log_close(r);
	return err;
}

static void round_trip(void **state)
{
	struct krr_log_reader *r;
	uint64_t events, all, bytes;

	(void)state;
	write_log("log", true);
	assert_int_equal(read_log("log", true, &events), 0);
	assert_int_equal(events, CHUNKS * EVENTS);
	assert_int_equal(krr_log_open(dir, "log", true, &r), 0);
	krr_log_totals(r, &all, &bytes);
	krr_log_close(r);
	assert_true(all == written.number && bytes == written.offset);
}

static uint8_t *slurp(const char *name, size_t *len)
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	struct stat st;
	uint8_t *buf;

	assert_true(fd >= 0 && !fstat(fd, &st));
	buf = malloc((size_t)st.st_size);
	assert_int_equal(krr_read_full(fd, buf, (size_t)st.st_size), st.st_size);
	close(fd);
	*len = (size_t)st.st_size;
	return buf;
}

static void spit(const char *name, const uint8_t *buf, size_t len)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(krr_write_full(fd, buf, len), 0);
	close(fd);
}

static void cut_anywhere(void **state)
{
	uint64_t events, last = 0;
	uint8_t *buf;
	size_t len, at;

	(void)state;
	write_log("log", true);
	buf = slurp("log", &len);
	quiet_begin();
	for (at = 0; at < len; at += 97) {
		spit("cut", buf, at);
		assert_int_equal(read_log("cut", true, &events), -EBADMSG);
		if (at < sizeof(struct krr_log_header))
			continue;
		/* an unsealed log is good up to its last whole chunk */
		assert_int_equal(read_log("cut", false, &events), 0);
		assert_int_equal(events % EVENTS, 0);
		assert_true(events >= last);
		last = events;
	}
	quiet_end();
	assert_true(last >= (CHUNKS - 1) * EVENTS);
	free(buf);
}

static void flip_anywhere(void **state)
{
	struct dice dice = { 8 };
	uint64_t events;
	uint8_t *buf;
	size_t len, at;
	int i;

	(void)state;
	write_log("log", true);
	buf = slurp("log", &len);
	quiet_begin();
	for (i = 0; i < 400; i++) {
		uint8_t bit = (uint8_t)(1 << roll(&dice) % 8);

		at = roll(&dice) % len;
		buf[at] ^= bit;
		spit("flip", buf, len);
		assert_int_equal(read_log("flip", true, &events), -EBADMSG);
		buf[at] ^= bit;
	}
	quiet_end();
	free(buf);
}

static void chunk_left_out(void **state)
{
	struct krr_chunk_header h;
	uint64_t events;
	uint8_t *buf;
	size_t len, first = sizeof(struct krr_log_header), second;

	(void)state;
	write_log("log", true);
	buf = slurp("log", &len);
	memcpy(&h, buf + first, sizeof(h));
	second = first + sizeof(h) + h.compressed;
	memmove(buf + first, buf + second, len - second);
	spit("less", buf, len - (second - first));
	quiet_begin();
	assert_int_equal(read_log("less", true, &events), -EBADMSG);
	quiet_end();
	free(buf);
}

/* The header at @at is put back, its own checksum mended: it was made so. */
static void put_header(uint8_t *buf, size_t at, struct krr_chunk_header *h)
{
	h->crc = krr_crc32(0, h, offsetof(struct krr_chunk_header, crc));
	memcpy(buf + at, h, sizeof(*h));
}

static void false_headers(void **state)
{
	size_t len, first = sizeof(struct krr_log_header), second;
	struct krr_chunk_header good, h;
	uint64_t events;
	uint8_t *buf;

	(void)state;
	write_log("log", true);
	buf = slurp("log", &len);
	memcpy(&good, buf + first, sizeof(good));
	assert_true(good.magic == KRR_LOG_CHUNK && good.sum);
	quiet_begin();
	h = good;
	h.sum ^= 1;
	put_header(buf, first, &h);
	spit("false", buf, len);
	assert_int_equal(read_log("false", true, &events), -EBADMSG);
	/* the frame is not at its end, so it has no checksum either */
	h.sum = 0;
	put_header(buf, first, &h);
	spit("false", buf, len);
	assert_int_equal(read_log("false", true, &events), -EBADMSG);
	/* nothing has begun */
	h = good;
	h.magic = KRR_LOG_MORE;
	put_header(buf, first, &h);
	spit("false", buf, len);
	assert_int_equal(read_log("false", true, &events), -EBADMSG);
	assert_int_equal(events, 0);
	put_header(buf, first, &good);
	/* the second chunk is no frame */
	second = first + sizeof(good) + good.compressed;
	memcpy(&h, buf + second, sizeof(h));
	assert_true(h.magic == KRR_LOG_MORE);
	h.magic = KRR_LOG_CHUNK;
	put_header(buf, second, &h);
	spit("false", buf, len);
	assert_int_equal(read_log("false", true, &events), -EBADMSG);
	assert_int_equal(events, EVENTS);
	quiet_end();
	free(buf);
}

/* One event of so many random bytes, again and again: they are in the log once. */
static void what_comes_again(void **state)
{
	enum { DATA = 60000, TIMES = 10 };
	static uint8_t data[DATA], buf[DATA + 64];
	struct krr_event ev = { .kind = KRR_EV_UREAD, .data = data, .len = DATA }, out;
	struct krr_decoder d, before;
	struct krr_log_writer *w;
	struct dice dice = { 12 };
	uint64_t events;
	int i, n;

	(void)state;
	for (i = 0; i < DATA; i++)
		data[i] = (uint8_t)roll(&dice);
	w = new_log("again", &d);
	for (i = 0; i < TIMES; i++) {
		n = krr_encode(buf, sizeof(buf), &ev);
		assert_true(n > DATA);
		before = d;
		assert_int_equal(krr_decode(&d, buf, (size_t)n, &out), n);
		assert_int_equal(krr_log_append(w, &before, &d, buf, (size_t)n), 0);
	}
	assert_in_range(krr_log_written(w), DATA, DATA + DATA / 10);
	assert_int_equal(krr_log_finish(w, &d), 0);
	krr_log_writer_free(w);
	assert_int_equal(read_log("again", true, &events), 0);
	assert_int_equal(events, TIMES);
}

/* The biggest chunks there are, and small ones in between: the level changes. */
static void in_a_hurry(void **state)
{
	static const int small[] = { 0, 0, 1, 0, 1, 1, 0 };
	struct krr_decoder d, before;
	struct krr_log_writer *w;
	struct dice dice = { 13 };
	uint64_t events;
	uint8_t *buf = malloc(KRR_LOG_MAX_RAW);
	size_t i, len;

	(void)state;
	w = new_log("hurry", &d);
	for (i = 0; i < sizeof(small) / sizeof(*small); i++) {
		before = d;
		len = 0;
		do
			len += make_chunk(&dice, &d, buf + len, KRR_LOG_MAX_RAW - len);
		while (!small[i] && len < KRR_LOG_MAX_RAW - EVENTS * 256);
		assert_int_equal(krr_log_append(w, &before, &d, buf, len), 0);
	}
	assert_int_equal(krr_log_finish(w, &d), 0);
	krr_log_writer_free(w);
	free(buf);
	assert_int_equal(read_log("hurry", true, &events), 0);
	assert_true(events == d.number);
}

/* As many bytes as a chunk may have, which do not get smaller. */
static void biggest_chunk(void **state)
{
	enum { EACH = KRR_LOG_MAX_RAW / 4, DATA = EACH - 5 };
	uint8_t *data = malloc(DATA), *buf = malloc(KRR_LOG_MAX_RAW);
	struct krr_event ev = { .kind = KRR_EV_VBUF, .data = data, .len = DATA }, out;
	struct krr_decoder d, before;
	struct krr_log_writer *w;
	struct dice dice = { 16 };
	size_t len = 0, i;
	uint64_t events;

	(void)state;
	w = new_log("biggest", &d);
	before = d;
	for (; len < KRR_LOG_MAX_RAW; len += EACH) {
		for (i = 0; i < DATA; i++)
			data[i] = (uint8_t)roll(&dice);
		assert_int_equal(krr_encode(buf + len, KRR_LOG_MAX_RAW - len, &ev), EACH);
		assert_int_equal(krr_decode(&d, buf + len, EACH, &out), EACH);
	}
	assert_int_equal(krr_log_append(w, &before, &d, buf, len), 0);
	add_chunk(w, &dice, &d);
	assert_int_equal(krr_log_finish(w, &d), 0);
	krr_log_writer_free(w);
	free(data);
	free(buf);
	assert_int_equal(read_log("biggest", true, &events), 0);
	assert_int_equal(events, 4 + EVENTS);
}

/* As krr wrote them before: each chunk a frame with zstd's checksum. */
static size_t write_version_1(const char *name)
{
	struct krr_log_header lh = {
		.version = 1, .header_bytes = sizeof(lh), .format = KRR_FORMAT_VERSION,
	};
	static uint8_t raw[EVENTS * 256], file[CHUNKS * EVENTS * 256];
	struct krr_chunk_header h;
	struct dice dice = { 14 };
	ZSTD_CCtx *zstd = ZSTD_createCCtx();
	size_t len = sizeof(lh), n;
	int i;

	memcpy(lh.magic, KRR_LOG_MAGIC, sizeof(lh.magic));
	lh.crc = krr_crc32(0, &lh, offsetof(struct krr_log_header, crc));
	memcpy(file, &lh, sizeof(lh));
	ZSTD_CCtx_setParameter(zstd, ZSTD_c_checksumFlag, 1);
	krr_decoder_init(&written);
	for (i = 0; i < CHUNKS; i++) {
		h = (struct krr_chunk_header){
			.magic = KRR_LOG_CHUNK, .events = EVENTS,
			.first_event = written.number, .first_offset = written.offset,
		};
		h.raw = (uint32_t)make_chunk(&dice, &written, raw, sizeof(raw));
		n = ZSTD_compress2(zstd, file + len + sizeof(h), sizeof(file) - len - sizeof(h),
				   raw, h.raw);
		assert_false(ZSTD_isError(n));
		h.compressed = (uint32_t)n;
		put_header(file, len, &h);
		len += sizeof(h) + n;
	}
	ZSTD_freeCCtx(zstd);
	spit(name, file, len);
	return len;
}

/* Its writer died, and another one adds a chunk and ends it.  Return: where that began. */
static struct krr_decoder end_it(const char *name)
{
	struct krr_log_writer *w;
	struct dice dice = { 9 };
	struct krr_decoder d, before;
	uint64_t events;

	assert_int_equal(krr_log_resume(dir, name, false, &d, &w), 0);
	before = d;
	add_chunk(w, &dice, &d);
	assert_int_equal(krr_log_finish(w, &d), 0);
	krr_log_writer_free(w);
	assert_int_equal(read_log(name, true, &events), 0);
	assert_int_equal(events, before.number + EVENTS);
	return before;
}

static void version_1(void **state)
{
	struct krr_decoder d;
	uint64_t events;
	uint8_t *buf;
	size_t len;

	(void)state;
	len = write_version_1("old");
	assert_int_equal(read_log("old", false, &events), 0);
	assert_int_equal(events, CHUNKS * EVENTS);
	buf = slurp("old", &len);
	buf[len - 1] ^= 1;		/* of the last frame's checksum */
	spit("flip", buf, len);
	free(buf);
	quiet_begin();
	assert_int_equal(read_log("flip", false, &events), -EBADMSG);
	quiet_end();
	d = end_it("old");
	assert_true(d.number == CHUNKS * EVENTS && d.offset == written.offset);
}

static void resume(void **state)
{
	uint8_t *buf;
	size_t len;

	(void)state;
	write_log("log", false);
	buf = slurp("log", &len);
	spit("torn", buf, len - 5);
	free(buf);
	assert_int_equal(end_it("torn").number, (CHUNKS - 1) * EVENTS);
}

/* A log whose first event is not the first of its stream, as an epoch's is. */
static size_t write_part(const char *name, struct krr_decoder *d, unsigned int chunks)
{
	struct krr_log_writer *w = new_log(name, d);
	struct dice dice = { 10 };
	size_t first = 0;

	d->number = 1000;
	d->offset = 1ull << 40;
	while (chunks--) {
		add_chunk(w, &dice, d);
		first = first ? first : (size_t)krr_log_written(w);
	}
	krr_log_writer_free(w);
	return first;
}

static void parts(void **state)
{
	struct krr_decoder end;
	struct krr_log_reader *r;
	struct krr_event ev;
	uint64_t events;
	unsigned int n = 0;

	(void)state;
	write_part("part", &end, 3);
	assert_int_equal(krr_log_open_part(dir, "part", &r), 0);
	while (krr_log_next(r, &ev) > 0) {
		assert_int_equal(ev.number, 1000 + n);
		assert_true(n++ || ev.offset == 1ull << 40);
	}
	assert_int_equal(n, 3 * EVENTS);
	assert_true(krr_log_decoder(r)->number == end.number);
	assert_true(krr_log_decoder(r)->offset == end.offset);
	krr_log_close(r);
	/* as a whole log, it lacks what stands before */
	quiet_begin();
	assert_int_equal(read_log("part", false, &events), -EBADMSG);
	quiet_end();
	assert_int_equal(events, 0);
}

/* Only the first chunk may name any place: the second has to follow it. */
static void part_with_a_gap(void **state)
{
	struct krr_chunk_header h;
	struct krr_decoder end;
	struct krr_log_reader *r;
	struct krr_event ev;
	size_t len, first, n = 0;
	uint8_t *buf;
	int err;

	(void)state;
	first = write_part("part", &end, 3);
	buf = slurp("part", &len);
	memcpy(&h, buf + first, sizeof(h));
	memmove(buf + first, buf + first + sizeof(h) + h.compressed,
		len - first - sizeof(h) - h.compressed);
	spit("gap", buf, len - sizeof(h) - h.compressed);
	free(buf);
	assert_int_equal(krr_log_open_part(dir, "gap", &r), 0);
	quiet_begin();
	while ((err = krr_log_next(r, &ev)) > 0)
		n++;
	quiet_end();
	krr_log_close(r);
	assert_int_equal(err, -EBADMSG);
	assert_int_equal(n, EVENTS);
}

/* Cut off at any byte, it can be gone on with, and is whole again then. */
static void resume_part(void **state)
{
	struct krr_decoder end, d;
	size_t len, first, at, events;
	struct krr_log_writer *w;
	struct krr_log_reader *r;
	struct dice dice = { 11 };
	struct krr_event ev;
	uint8_t *buf;

	(void)state;
	first = write_part("part", &end, 2);
	buf = slurp("part", &len);
	for (at = sizeof(struct krr_log_header); at <= len; at += at + 61 > len ? 1 : 61) {
		spit("torn", buf, at);
		memset(&d, 0, sizeof(d));
		d.number = 1000;
		d.offset = 77;
		d.pos[1] = 5;
		assert_int_equal(krr_log_resume(dir, "torn", true, &d, &w), 0);
		events = at < first ? 0 : at < len ? EVENTS : 2 * EVENTS;
		assert_int_equal(d.number, 1000 + events);
		/* without an event it is what it was */
		assert_true(events ? d.offset >= 1ull << 40 : d.offset == 77 && d.pos[1] == 5);
		add_chunk(w, &dice, &d);
		krr_log_writer_free(w);
		assert_int_equal(krr_log_open_part(dir, "torn", &r), 0);
		while (krr_log_next(r, &ev) > 0)
			events--;
		assert_int_equal(events, (size_t)-EVENTS);
		assert_true(krr_log_decoder(r)->offset == d.offset);
		krr_log_close(r);
	}
	free(buf);
}

static void foreign_files(void **state)
{
	uint64_t events;

	(void)state;
	quiet_begin();
	spit("foreign", (const uint8_t *)"This is not a log of events at all.", 35);
	assert_int_equal(read_log("foreign", false, &events), -EBADMSG);
	assert_int_equal(read_log("missing", true, &events), -EBADMSG);
	assert_int_equal(symlinkat("log", dir, "link"), 0);
	assert_int_equal(read_log("link", true, &events), -ELOOP);
	quiet_end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trip),
		cmocka_unit_test(cut_anywhere),
		cmocka_unit_test(flip_anywhere),
		cmocka_unit_test(chunk_left_out),
		cmocka_unit_test(false_headers),
		cmocka_unit_test(what_comes_again),
		cmocka_unit_test(in_a_hurry),
		cmocka_unit_test(biggest_chunk),
		cmocka_unit_test(version_1),
		cmocka_unit_test(resume),
		cmocka_unit_test(parts),
		cmocka_unit_test(part_with_a_gap),
		cmocka_unit_test(resume_part),
		cmocka_unit_test(foreign_files),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
