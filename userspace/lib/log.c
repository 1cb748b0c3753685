// SPDX-License-Identifier: GPL-2.0-only
/* Writer and reader of log.krr. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <zstd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "lib/log.h"
#include "lib/util.h"

/*
 * Of zstd.  3 packs a tenth better and takes longer.  Big chunks are those of a writer that
 * does not keep up; it goes back to 3 when they are small again.
 */
#define LEVEL		3
#define LEVEL_IN_HURRY	1
#define HURRY		(1u << 20)	/* bytes in a chunk */
#define NO_HURRY	(512u << 10)
#define WINDOW_LOG	23		/* how far back a chunk may refer: 8 MiB of events */
/* What a flush adds is not in the bound. */
#define MAX_COMPRESSED	(ZSTD_COMPRESSBOUND(KRR_LOG_MAX_RAW) + 1024)
/* One more than it may be: zstd stops when the room is full, with input left or not. */
#define ROOM_FOR_RAW	(KRR_LOG_MAX_RAW + 1)

struct krr_log_writer {
	int fd;
	uint64_t written;
	ZSTD_CCtx *zstd;
	int level;		/* of the frame */
	bool begun;		/* there is a frame to go on with */
	bool broken;		/* something stands behind @written */
	uint8_t *frame;		/* a chunk header and room for its frame */
};

struct krr_log_reader {
	int fd;
	bool sealed;		/* an end header is a must */
	bool part;		/* the first chunk says where in the stream it is */
	bool ended;
	uint64_t at, size;	/* in the file; all below @at is good */
	uint64_t chunk;
	ZSTD_DCtx *zstd;
	bool begun;		/* there is a frame that may go on */
	uint8_t *raw, *frame;
	size_t raw_len, raw_at;	/* events not taken yet: from raw_at */
	struct krr_decoder d;
	uint64_t next_event, next_offset;	/* of the next chunk */
	uint64_t events, bytes;	/* in all, if sealed */
};

/**
 * krr_log_sum() - checksum of the events of a chunk
 * @raw: events
 * @len: bytes
 *
 * Return: the low half of their XXH64, or 1 in place of 0.
 */
uint32_t krr_log_sum(const uint8_t *raw, size_t len)
{
	uint32_t sum = (uint32_t)XXH64(raw, len, 0);

	return sum ? sum : 1;
}

static void seal_header(struct krr_chunk_header *h)
{
	h->crc = krr_crc32(0, h, offsetof(struct krr_chunk_header, crc));
}

static int writer_new(int fd, struct krr_log_writer **out)
{
	struct krr_log_writer *w = calloc(1, sizeof(*w));

	if (!w) {
		close(fd);
		return -ENOMEM;
	}
	w->fd = fd;
	w->level = LEVEL;
	w->frame = malloc(sizeof(struct krr_chunk_header) + MAX_COMPRESSED);
	w->zstd = ZSTD_createCCtx();
	if (!w->frame || !w->zstd) {
		krr_log_writer_free(w);
		return -ENOMEM;
	}
	ZSTD_CCtx_setParameter(w->zstd, ZSTD_c_windowLog, WINDOW_LOG);
	ZSTD_CCtx_setParameter(w->zstd, ZSTD_c_enableLongDistanceMatching, 1);
	*out = w;
	return 0;
}

/**
 * krr_log_create() - begin a log
 * @dirfd: directory of the recording
 * @name: file; must not exist
 * @out: writer, freed by krr_log_writer_free()
 */
int krr_log_create(int dirfd, const char *name, struct krr_log_writer **out)
{
	struct krr_log_header h = {
		.version = KRR_LOG_VERSION,
		.header_bytes = sizeof(h),
		.format = KRR_FORMAT_VERSION,
	};
	int fd, err;

	memcpy(h.magic, KRR_LOG_MAGIC, sizeof(h.magic));
	h.crc = krr_crc32(0, &h, offsetof(struct krr_log_header, crc));
	fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	err = krr_write_full(fd, &h, sizeof(h));
	if (err) {
		close(fd);
		return err;
	}
	err = writer_new(fd, out);
	if (!err)
		(*out)->written = sizeof(h);
	return err;
}

/**
 * krr_log_resume() - go on with a log whose writer died
 * @dirfd: directory of the recording
 * @name: file; a torn last chunk is cut off
 * @part: it is a part, as krr_log_open_part() reads it
 * @d: decoder before the first event; at the end of what is there, afterwards
 * @out: writer
 */
int krr_log_resume(int dirfd, const char *name, bool part, struct krr_decoder *d,
		   struct krr_log_writer **out)
{
	struct krr_log_reader *r;
	struct krr_event ev;
	uint64_t good;
	int fd, err;

	err = part ? krr_log_open_part(dirfd, name, &r) : krr_log_open(dirfd, name, false, &r);
	if (err)
		return err;
	do {
		err = krr_log_next(r, &ev);
	} while (err > 0);
	good = krr_log_good_bytes(r);
	if (r->chunk)
		*d = *krr_log_decoder(r);
	krr_log_close(r);
	if (err)
		return err;
	fd = openat(dirfd, name, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (ftruncate(fd, (off_t)good) < 0 || lseek(fd, 0, SEEK_END) < 0) {
		err = -errno;
		close(fd);
		return err;
	}
	err = writer_new(fd, out);
	if (!err)
		(*out)->written = good;
	return err;
}

/* Write at the end, all of it or nothing: a full disk may have room again later. */
static int put(struct krr_log_writer *w, const void *bytes, size_t len)
{
	int err = w->broken ? -EIO : krr_write_full(w->fd, bytes, len);

	if (!err)
		w->written += len;
	else if (ftruncate(w->fd, (off_t)w->written) < 0 || lseek(w->fd, 0, SEEK_END) < 0)
		w->broken = true;
	return err;
}

/* A frame has one level from its begin to its end. */
static void choose_level(struct krr_log_writer *w, size_t len)
{
	int level = len >= HURRY ? LEVEL_IN_HURRY : len < NO_HURRY ? LEVEL : w->level;

	w->begun = w->begun && level == w->level;
	w->level = level;
}

/* Return: bytes after the header in w->frame, or 0 (said on stderr). */
static size_t compress(struct krr_log_writer *w, const uint8_t *raw, size_t len)
{
	ZSTD_inBuffer in = { raw, len, 0 };
	ZSTD_outBuffer out = { w->frame + sizeof(struct krr_chunk_header), MAX_COMPRESSED, 0 };
	size_t n;

	if (!w->begun) {
		ZSTD_CCtx_reset(w->zstd, ZSTD_reset_session_only);
		ZSTD_CCtx_setParameter(w->zstd, ZSTD_c_compressionLevel, w->level);
	}
	do {
		n = ZSTD_compressStream2(w->zstd, &out, &in, ZSTD_e_flush);
	} while (n && !ZSTD_isError(n) && out.pos < out.size);
	if (!n)
		return out.pos;
	krr_err("zstd cannot compress %zu bytes of events: %s", len,
		ZSTD_isError(n) ? ZSTD_getErrorName(n) : "they become too many");
	return 0;
}

/**
 * krr_log_append() - add a chunk
 * @w: writer
 * @before: decoder before the first of the events
 * @after: decoder after the last
 * @raw: whole events
 * @len: bytes of them, at most KRR_LOG_MAX_RAW
 *
 * Return: 0 or -errno; after an error nothing of the chunk is there, and it may be
 * tried again.
 */
int krr_log_append(struct krr_log_writer *w, const struct krr_decoder *before,
		   const struct krr_decoder *after, const uint8_t *raw, size_t len)
{
	struct krr_chunk_header h = {
		.raw = (uint32_t)len,
		.events = (uint32_t)(after->number - before->number),
		.first_event = before->number,
		.first_offset = before->offset,
	};
	size_t n;
	int err;

	if (!len || len > KRR_LOG_MAX_RAW)
		return -EINVAL;
	choose_level(w, len);
	n = compress(w, raw, len);
	h.magic = w->begun ? KRR_LOG_MORE : KRR_LOG_CHUNK;
	w->begun = false;
	if (!n)
		return -EIO;
	h.compressed = (uint32_t)n;
	h.sum = krr_log_sum(raw, len);
	seal_header(&h);
	memcpy(w->frame, &h, sizeof(h));
	err = put(w, w->frame, sizeof(h) + n);
	w->begun = !err;
	return err;
}

/**
 * krr_log_finish() - end the log and bring it to the disk
 * @w: writer
 * @d: decoder after the last event
 */
int krr_log_finish(struct krr_log_writer *w, const struct krr_decoder *d)
{
	struct krr_chunk_header h = {
		.magic = KRR_LOG_END,
		.first_event = d->number,
		.first_offset = d->offset,
	};
	int err;

	seal_header(&h);
	err = put(w, &h, sizeof(h));
	if (err)
		return err;
	return fdatasync(w->fd) < 0 ? -errno : 0;
}

/** krr_log_written() - bytes in the file */
uint64_t krr_log_written(const struct krr_log_writer *w)
{
	return w->written;
}

/** krr_log_writer_free() - close; the log stays as it is */
void krr_log_writer_free(struct krr_log_writer *w)
{
	if (!w)
		return;
	close(w->fd);
	ZSTD_freeCCtx(w->zstd);
	free(w->frame);
	free(w);
}

static int damaged(const struct krr_log_reader *r, const char *what)
{
	krr_err("log.krr is damaged: chunk %" PRIu64 " at byte %" PRIu64 ": %s",
		r->chunk, r->at, what);
	return -EBADMSG;
}

static int check_file_header(struct krr_log_reader *r)
{
	struct krr_log_header h;

	if (krr_pread_full(r->fd, &h, sizeof(h), 0) != (ssize_t)sizeof(h)) {
		krr_err("log.krr is damaged: %" PRIu64 " bytes, shorter than its header", r->size);
		return -EBADMSG;
	}
	if (memcmp(h.magic, KRR_LOG_MAGIC, sizeof(h.magic)) ||
	    h.crc != krr_crc32(0, &h, offsetof(struct krr_log_header, crc))) {
		krr_err("log.krr is damaged: no krr log starts like this file");
		return -EBADMSG;
	}
	if (!h.version || h.version > KRR_LOG_VERSION || h.format != KRR_FORMAT_VERSION ||
	    h.header_bytes != sizeof(h)) {
		krr_err("log.krr has version %u.%u, this krrctl reads %u.%u; use the krr that "
			"made it",
			h.version, h.format, KRR_LOG_VERSION, KRR_FORMAT_VERSION);
		return -EBADMSG;
	}
	r->at = sizeof(h);
	return 0;
}

/* A sealed log says at its end how much there is; look there before all else. */
static int check_end(struct krr_log_reader *r)
{
	struct krr_chunk_header h;

	if (r->size < sizeof(struct krr_log_header) + sizeof(h) ||
	    krr_pread_full(r->fd, &h, sizeof(h), (off_t)(r->size - sizeof(h))) !=
	    (ssize_t)sizeof(h) || h.magic != KRR_LOG_END ||
	    h.crc != krr_crc32(0, &h, offsetof(struct krr_chunk_header, crc))) {
		krr_err("log.krr is damaged: its end mark is missing; it was cut off, or "
			"something was added");
		return -EBADMSG;
	}
	r->events = h.first_event;
	r->bytes = h.first_offset;
	return 0;
}

/**
 * krr_log_open() - read a log from its start
 * @dirfd: directory of the recording
 * @name: file
 * @sealed: the log must have its end header; otherwise a torn last chunk
 *	counts as the end
 * @out: reader, freed by krr_log_close()
 */
int krr_log_open(int dirfd, const char *name, bool sealed, struct krr_log_reader **out)
{
	struct krr_log_reader *r = calloc(1, sizeof(*r));
	struct stat st;
	int err;

	if (!r)
		return -ENOMEM;
	r->sealed = sealed;
	r->raw = malloc(ROOM_FOR_RAW);
	r->frame = malloc(MAX_COMPRESSED);
	r->zstd = ZSTD_createDCtx();
	r->fd = openat(dirfd, name, KRR_O_READ);
	krr_decoder_init(&r->d);
	err = r->raw && r->frame && r->zstd ? 0 : -ENOMEM;
	if (!err)
		ZSTD_DCtx_setParameter(r->zstd, ZSTD_d_windowLogMax, WINDOW_LOG);
	if (!err && (r->fd < 0 || fstat(r->fd, &st) < 0)) {
		err = errno == ENOENT ? -EBADMSG : -errno;
		krr_err("cannot open %s: %s", name, strerror(errno));
	}
	if (!err) {
		r->size = (uint64_t)st.st_size;
		err = check_file_header(r);
	}
	if (!err && sealed)
		err = check_end(r);
	if (err) {
		krr_log_close(r);
		return err;
	}
	*out = r;
	return 0;
}

/**
 * krr_log_open_part() - read events that begin in the middle of a stream
 * @dirfd: directory
 * @name: a log that was begun where an epoch begins, and not sealed
 * @out: reader, freed by krr_log_close()
 */
int krr_log_open_part(int dirfd, const char *name, struct krr_log_reader **out)
{
	int err = krr_log_open(dirfd, name, false, out);

	if (!err)
		(*out)->part = true;
	return err;
}

static int check_chunk(struct krr_log_reader *r, const struct krr_chunk_header *h)
{
	if (h->crc != krr_crc32(0, h, offsetof(struct krr_chunk_header, crc)))
		return damaged(r, "checksum of the header is wrong");
	if (h->magic != KRR_LOG_CHUNK && h->magic != KRR_LOG_MORE && h->magic != KRR_LOG_END)
		return damaged(r, "no chunk starts here");
	if (h->magic == KRR_LOG_MORE && !r->begun)
		return damaged(r, "goes on with what nothing has begun");
	if (r->part && !r->chunk) {
		r->d.number = r->next_event = h->first_event;
		r->d.offset = r->next_offset = h->first_offset;
	}
	if (h->first_event != r->next_event || h->first_offset != r->next_offset)
		return damaged(r, "does not follow the one before; chunks were lost or moved");
	if (h->magic != KRR_LOG_END &&
	    (!h->raw || h->raw > KRR_LOG_MAX_RAW || h->compressed > MAX_COMPRESSED))
		return damaged(r, "sizes that no writer makes");
	return 0;
}

/* The file ends inside a chunk: fine if its writer was killed. */
static int torn(struct krr_log_reader *r)
{
	if (r->sealed)
		return damaged(r, "the file ends here, too early; it was cut off");
	return 0;
}

static int decompress(struct krr_log_reader *r, const struct krr_chunk_header *h)
{
	ZSTD_inBuffer in = { r->frame, h->compressed, 0 };
	ZSTD_outBuffer out = { r->raw, ROOM_FOR_RAW, 0 };
	size_t n = 1;

	if (h->magic == KRR_LOG_CHUNK)
		ZSTD_DCtx_reset(r->zstd, ZSTD_reset_session_only);
	r->begun = true;
	while (in.pos < in.size && out.pos < out.size) {
		n = ZSTD_decompressStream(r->zstd, &out, &in);
		if (ZSTD_isError(n))
			return damaged(r, ZSTD_getErrorName(n));
	}
	if (in.pos < in.size || out.pos != h->raw)
		return damaged(r, "wrong size");
	/* without a sum, the end of the frame has one, which zstd has looked at */
	if (h->sum ? h->sum != krr_log_sum(r->raw, h->raw) : n)
		return damaged(r, "checksum of the events is wrong");
	return 0;
}

/**
 * krr_log_next_chunk() - decompress the next chunk
 * @r: reader; do not mix with krr_log_next()
 * @raw: events of the chunk, valid until the next call
 * @len: bytes of them
 *
 * Return: 1, 0 at the end, -EBADMSG (said on stderr), or -errno.
 */
int krr_log_next_chunk(struct krr_log_reader *r, const uint8_t **raw, size_t *len)
{
	struct krr_chunk_header h;
	int err;

	if (r->ended)
		return 0;
	if (r->size - r->at < sizeof(h))
		return torn(r);
	if (krr_pread_full(r->fd, &h, sizeof(h), (off_t)r->at) != (ssize_t)sizeof(h))
		return damaged(r, "cannot be read");
	err = check_chunk(r, &h);
	if (err)
		return err;
	if (h.magic == KRR_LOG_END) {
		r->ended = true;
		if (r->size != r->at + sizeof(h))
			return damaged(r, "something stands after the end");
		return 0;
	}
	if (r->size - r->at - sizeof(h) < h.compressed)
		return torn(r);
	if (krr_pread_full(r->fd, r->frame, h.compressed, (off_t)(r->at + sizeof(h))) !=
	    (ssize_t)h.compressed)
		return damaged(r, "cannot be read");
	err = decompress(r, &h);
	if (err)
		return err;
	r->at += sizeof(h) + h.compressed;
	r->chunk++;
	r->next_event += h.events;
	r->next_offset += h.raw;
	*raw = r->raw;
	*len = h.raw;
	return 1;
}

/**
 * krr_log_next() - decode the next event
 * @r: reader; do not mix with krr_log_next_chunk()
 * @ev: result, its data valid until the next call
 *
 * Return: 1, 0 at the end, -EBADMSG (said on stderr), or -errno.
 */
int krr_log_next(struct krr_log_reader *r, struct krr_event *ev)
{
	const uint8_t *raw;
	int n;

	if (r->raw_at == r->raw_len) {
		if (r->d.number != r->next_event)
			return damaged(r, "the chunk before held another number of events");
		n = krr_log_next_chunk(r, &raw, &r->raw_len);
		r->raw_at = 0;
		if (n <= 0) {
			r->raw_len = 0;
			return n;
		}
	}
	n = krr_decode(&r->d, r->raw + r->raw_at, r->raw_len - r->raw_at, ev);
	if (n <= 0)
		return damaged(r, n ? r->d.error : "its last event is not whole");
	r->raw_at += (size_t)n;
	return 1;
}

/** krr_log_event_bytes() - the event that krr_log_next() gave last, as it stands in the stream */
const uint8_t *krr_log_event_bytes(const struct krr_log_reader *r, const struct krr_event *ev)
{
	return r->raw + r->raw_at - ev->size;
}

/** krr_log_decoder() - state after the last event that krr_log_next() gave */
const struct krr_decoder *krr_log_decoder(const struct krr_log_reader *r)
{
	return &r->d;
}

/** krr_log_totals() - what a sealed log holds, as it says itself */
void krr_log_totals(const struct krr_log_reader *r, uint64_t *events, uint64_t *bytes)
{
	*events = r->events;
	*bytes = r->bytes;
}

/** krr_log_good_bytes() - bytes of the file up to the end of the last whole chunk */
uint64_t krr_log_good_bytes(const struct krr_log_reader *r)
{
	return r->at;
}

/** krr_log_close() - free the reader */
void krr_log_close(struct krr_log_reader *r)
{
	if (!r)
		return;
	if (r->fd >= 0)
		close(r->fd);
	ZSTD_freeDCtx(r->zstd);
	free(r->raw);
	free(r->frame);
	free(r);
}
