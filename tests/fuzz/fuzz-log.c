// SPDX-License-Identifier: GPL-2.0-only
/*
 * log.krr from somewhere else: a file, or a recipe of chunks, which are compressed here
 * and whose headers may lie.
 */
#include <fcntl.h>
#include <string.h>
#include <zstd.h>

#include "fuzz.h"
#include "lib/log.h"
#include "lib/util.h"
#include "unit.h"

const unsigned int fuzz_rounds = 120;

static void fix_checksums(void);
static void cook(struct input *in);

static ZSTD_CCtx *zstd;
static uint8_t file[2 * FUZZ_MAX];
static struct made made = {
	.bytes = file, .room = sizeof(file), .fix = fix_checksums, .cook = cook,
};

static void fix_checksums(void)
{
	struct krr_log_header *h = (struct krr_log_header *)file;
	struct krr_chunk_header c;
	size_t at = sizeof(*h);

	if (made.len < sizeof(*h))
		return;
	h->crc = krr_crc32(0, h, offsetof(struct krr_log_header, crc));
	while (made.len - at >= sizeof(c)) {
		memcpy(&c, file + at, sizeof(c));
		c.crc = krr_crc32(0, &c, offsetof(struct krr_chunk_header, crc));
		memcpy(file + at, &c, sizeof(c));
		at += sizeof(c);
		if (c.compressed > made.len - at)
			return;
		at += c.compressed;
	}
}

static void put_header(struct krr_chunk_header *h)
{
	h->crc = krr_crc32(0, h, offsetof(struct krr_chunk_header, crc));
	must(made.len + sizeof(*h) <= sizeof(file));
	memcpy(file + made.len, h, sizeof(*h));
	made.len += sizeof(*h);
}

/* Each lie is a number that is added. */
static void lie(struct input *in, struct krr_chunk_header *h)
{
	unsigned int which = (unsigned int)take(in, 1);

	h->events += which & 1 ? (uint32_t)take(in, 4) : 0;
	h->raw += which & 2 ? (uint32_t)take(in, 4) : 0;
	h->compressed += which & 4 ? (uint32_t)take(in, 4) : 0;
	h->first_event += which & 8 ? take(in, 8) : 0;
	h->first_offset += which & 16 ? take(in, 8) : 0;
	h->magic += which & 32 ? (uint32_t)take(in, 4) : 0;
	h->sum += which & 64 ? (uint32_t)take(in, 4) : 0;
}

/* How a chunk is packed: as in version 1, as the first of a frame, as one more of it. */
enum { ALONE, FIRST, MORE, HOWS };

static size_t pack(unsigned int how, uint8_t *to, size_t room, const uint8_t *raw, size_t len)
{
	ZSTD_inBuffer from = { raw, len, 0 };
	ZSTD_outBuffer out = { to, room, 0 };
	size_t n;

	if (how != MORE) {
		ZSTD_CCtx_reset(zstd, ZSTD_reset_session_only);
		ZSTD_CCtx_setParameter(zstd, ZSTD_c_checksumFlag, how == ALONE);
	}
	do {
		n = ZSTD_compressStream2(zstd, &out, &from, how == ALONE ? ZSTD_e_end : ZSTD_e_flush);
		must(!ZSTD_isError(n) && out.pos < out.size);
	} while (n);
	return out.pos;
}

static void put_chunk(struct input *in, struct krr_decoder *d)
{
	unsigned int how = (unsigned int)take(in, 1) % HOWS;
	struct krr_chunk_header h = { .magic = how == MORE ? KRR_LOG_MORE : KRR_LOG_CHUNK,
				      .first_event = d->number, .first_offset = d->offset };
	uint8_t *frame = file + made.len + sizeof(h);
	struct krr_event ev;
	const uint8_t *raw;
	size_t len, at = 0;

	raw = take_bytes(in, &len);
	while (at < len && krr_decode(d, raw + at, len - at, &ev) > 0)
		at += ev.size;
	h.compressed = (uint32_t)pack(how, frame, sizeof(file) - made.len - sizeof(h), raw, len);
	h.events = (uint32_t)(d->number - h.first_event);
	h.raw = (uint32_t)len;
	h.sum = how == ALONE ? 0 : krr_log_sum(raw, len);
	len = h.compressed;
	lie(in, &h);
	put_header(&h);
	made.len += len;
}

static void cook(struct input *in)
{
	struct krr_log_header h = { .version = KRR_LOG_VERSION, .header_bytes = sizeof(h),
				    .format = KRR_FORMAT_VERSION };
	struct krr_chunk_header end = { .magic = KRR_LOG_END };
	struct krr_decoder d;
	unsigned int chunks = 0;

	memcpy(h.magic, KRR_LOG_MAGIC, sizeof(h.magic));
	memcpy(file, &h, sizeof(h));
	made.len = sizeof(h);
	krr_decoder_init(&d);
	if (!zstd)
		must((zstd = ZSTD_createCCtx()) != NULL);
	ZSTD_CCtx_reset(zstd, ZSTD_reset_session_and_parameters);
	while (in->p < in->end && chunks++ < 50)
		put_chunk(in, &d);
	end.first_event = d.number;
	end.first_offset = d.offset;
	put_header(&end);
	((struct krr_log_header *)file)->crc =
		krr_crc32(0, file, offsetof(struct krr_log_header, crc));
}

static int read_events(bool sealed, uint64_t *events)
{
	struct krr_log_reader *r;
	struct krr_event ev;
	uint64_t total, bytes;
	int n;

	n = krr_log_open(fuzz_dir(), "log.krr", sealed, &r);
	if (n)
		return n;
	for (*events = 0; (n = krr_log_next(r, &ev)) > 0; ++*events) {
		must(ev.number == *events && ev.size >= 2);
		must(krr_log_event_bytes(r, &ev)[0] == ev.kind);
	}
	must(krr_log_good_bytes(r) <= made.len);
	krr_log_totals(r, &total, &bytes);
	/* a log that is whole holds what it says */
	must(!sealed || n || (total == *events && bytes == krr_log_decoder(r)->offset));
	krr_log_close(r);
	return n;
}

static void read_chunks(void)
{
	struct krr_log_reader *r;
	const uint8_t *raw;
	size_t len;

	if (krr_log_open(fuzz_dir(), "log.krr", false, &r))
		return;
	while (krr_log_next_chunk(r, &raw, &len) > 0)
		must(len && len <= KRR_LOG_MAX_RAW && krr_crc32(0, raw, len) + 1);
	krr_log_close(r);
}

/* As events of an epoch: from any place in the stream. */
static void read_part(void)
{
	struct krr_log_reader *r;
	struct krr_decoder d;
	struct krr_log_writer *w;
	struct krr_event ev;
	uint64_t number = 0;
	bool first = true;
	int n;

	if (krr_log_open_part(fuzz_dir(), "log.krr", &r))
		return;
	for (; (n = krr_log_next(r, &ev)) > 0; first = false) {
		must(first || ev.number == number + 1);
		number = ev.number;
	}
	krr_log_close(r);
	if (n)
		return;
	krr_decoder_init(&d);
	must(!krr_log_resume(fuzz_dir(), "log.krr", true, &d, &w));
	must(first ? !d.number : d.number == number + 1);
	krr_log_writer_free(w);
}

/* What is whole can be gone on with, and is whole with an end then. */
static void resume(uint64_t events)
{
	struct krr_log_writer *w;
	struct krr_decoder d;
	uint64_t again;

	krr_decoder_init(&d);
	must(!krr_log_resume(fuzz_dir(), "log.krr", false, &d, &w));
	must(d.number == events);
	must(!krr_log_finish(w, &d));
	krr_log_writer_free(w);
	must(!read_events(true, &again) && again == events);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	uint64_t events;

	if (!make_file(&made, data, len))
		return 0;
	fuzz_file("log.krr", file, made.len);
	read_events(true, &events);
	read_chunks();
	read_part();
	fuzz_file("log.krr", file, made.len);
	if (!read_events(false, &events))
		resume(events);
	return 0;
}

static size_t some_events(struct dice *dice, uint8_t *buf, size_t room, unsigned int n)
{
	uint8_t data[60];
	struct krr_event ev;
	size_t len = 0;
	int one;

	while (n--) {
		random_event(dice, &ev, data, sizeof(data));
		one = krr_encode(buf + len, room - len, &ev);
		must(one > 0);
		len += (size_t)one;
	}
	return len;
}

void fuzz_seeds(void)
{
	static struct output out;
	struct dice dice = { 92 };
	uint8_t events[4000];
	unsigned int i, chunks;
	size_t len;

	for (i = 0; i < 4; i++) {
		give(&out, FUZZ_RECIPE, 1);
		for (chunks = 0; chunks < i; chunks++) {
			len = some_events(&dice, events, sizeof(events), 1 + 12 * i);
			give(&out, i == 1 ? ALONE : chunks ? MORE : FIRST, 1);
			give_bytes(&out, events, len);
			give(&out, 0, 1);
		}
		seed_made(&made, &out);
	}
}
