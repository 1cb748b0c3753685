// SPDX-License-Identifier: GPL-2.0-only
/*
 * pack.c - what other ways to compress a log would make of recordings
 *
 *	pack RECORDING...
 *
 * The chunks of each log.krr are packed again: each by itself, as in version 1, or as a
 * stream in which they refer to those before; with several levels of zstd, and with its
 * search for long matches or without.  A line for each way: bytes of an event, and CPU time
 * for a MiB of events.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zstd.h>

#include "lib/log.h"
#include "lib/store.h"
#include "lib/util.h"

#define WINDOW_LOG	23

struct way {
	bool stream, far;
	int level;
};

static const struct way ways[] = {
	{ false, false, 1 }, { false, false, 3 },
	{ true, false, 1 }, { true, false, 3 },
	{ true, true, 1 }, { true, true, 2 }, { true, true, 3 }, { true, true, 5 },
};

/* All chunks of a log. */
struct chunks {
	uint8_t *raw;
	size_t bytes, nr, *len;
	uint64_t events;
};

static int read_chunks(const struct krr_recording *rec, struct chunks *c)
{
	struct krr_log_reader *log;
	const uint8_t *raw;
	uint64_t bytes;
	size_t len;
	int n;

	memset(c, 0, sizeof(*c));
	n = krr_log_open(rec->dirfd, "log.krr", true, &log);
	if (n)
		return n;
	krr_log_totals(log, &c->events, &bytes);
	c->raw = malloc(bytes + 1);
	c->len = calloc(c->events + 1, sizeof(*c->len));
	while (c->raw && c->len && (n = krr_log_next_chunk(log, &raw, &len)) > 0) {
		if (len > bytes - c->bytes || c->nr == c->events) {
			n = -EBADMSG;
			break;
		}
		memcpy(c->raw + c->bytes, raw, len);
		c->bytes += len;
		c->len[c->nr++] = len;
	}
	krr_log_close(log);
	return c->raw && c->len ? n : -ENOMEM;
}

static double cpu_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* Return: bytes of all frames, 0 if zstd failed. */
static size_t pack(const struct chunks *c, const struct way *way)
{
	size_t room = ZSTD_compressBound(KRR_LOG_MAX_RAW) + 1024, all = 0, at = 0, i, n;
	__free_ptr uint8_t *to = malloc(room);
	ZSTD_CCtx *zstd = ZSTD_createCCtx();
	ZSTD_inBuffer in;
	ZSTD_outBuffer out;

	if (!to || !zstd)
		return 0;
	ZSTD_CCtx_setParameter(zstd, ZSTD_c_compressionLevel, way->level);
	if (way->stream)
		ZSTD_CCtx_setParameter(zstd, ZSTD_c_windowLog, WINDOW_LOG);
	ZSTD_CCtx_setParameter(zstd, ZSTD_c_enableLongDistanceMatching, way->far);
	for (i = 0; i < c->nr; i++, all += out.pos) {
		in = (ZSTD_inBuffer){ c->raw + at, c->len[i], 0 };
		out = (ZSTD_outBuffer){ to, room, 0 };
		n = ZSTD_compressStream2(zstd, &out, &in, way->stream ? ZSTD_e_flush : ZSTD_e_end);
		if (n) {
			all = 0;
			break;
		}
		at += c->len[i];
	}
	ZSTD_freeCCtx(zstd);
	return all;
}

static int try(const char *name)
{
	struct krr_recording rec;
	struct chunks c = { 0 };
	unsigned int i;
	double ms;
	size_t n;
	int err;

	err = krr_recording_open(name, &rec);
	if (!err)
		err = read_chunks(&rec, &c);
	if (!err && c.events) {
		printf("%s: %llu events in %zu chunks, raw %.2f, the file %.2f\n", name,
		       (unsigned long long)c.events, c.nr, (double)c.bytes / (double)c.events,
		       (double)rec.m.log_bytes / (double)c.events);
		for (i = 0; i < sizeof(ways) / sizeof(*ways); i++) {
			ms = cpu_ms();
			n = pack(&c, &ways[i]);
			ms = cpu_ms() - ms;
			printf("  %-6s level %d %-4s %8.2f %8.2f ms\n",
			       ways[i].stream ? "stream" : "alone", ways[i].level,
			       ways[i].far ? "far" : "", (double)n / (double)c.events,
			       ms / ((double)c.bytes / (1 << 20)));
		}
	}
	free(c.raw);
	free(c.len);
	krr_recording_close(&rec);
	return err;
}

int main(int argc, char **argv)
{
	int err = 0;

	if (argc < 2) {
		fprintf(stderr, "usage: pack RECORDING...\n");
		return 2;
	}
	while (*++argv)
		err = try(*argv) ? 1 : err;
	return err;
}
