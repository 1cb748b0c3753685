// SPDX-License-Identifier: GPL-2.0-only
/* Frames between host and guest. */
#include <errno.h>
#include <string.h>

#include "lib/proto.h"
#include "lib/util.h"

/**
 * krr_frame_header() - fill in a header
 * @f: result
 * @type: enum krr_frame_type
 * @len: bytes that will follow, at most KRR_FRAME_MAX
 */
void krr_frame_header(struct krr_frame *f, uint32_t type, uint32_t len)
{
	f->magic = KRR_FRAME_MAGIC;
	f->type = type;
	f->len = len;
	f->crc = krr_crc32(0, f, offsetof(struct krr_frame, crc));
}

static void discard(struct krr_framer *fr, size_t n)
{
	memmove(fr->buf, fr->buf + n, fr->have - n);
	fr->have -= n;
}

/**
 * krr_framer_room() - where to read more bytes to
 * @fr: framer; add what was read to fr->have
 * @where: result
 *
 * Return: bytes there, never 0 once krr_framer_next() returned 0.
 */
size_t krr_framer_room(struct krr_framer *fr, uint8_t **where)
{
	*where = fr->buf + fr->have;
	return sizeof(fr->buf) - fr->have;
}

/**
 * krr_framer_next() - take a frame
 * @fr: framer
 * @type: not checked
 * @payload: valid until the next call
 * @len: bytes of it
 *
 * Return: 1, or 0 when more bytes are needed.  Bytes that belong to no frame
 * are dropped.
 */
int krr_framer_next(struct krr_framer *fr, uint32_t *type, uint8_t **payload, uint32_t *len)
{
	struct krr_frame f;
	size_t at = fr->used;

	fr->used = 0;
	for (; fr->have - at >= sizeof(f); at++, fr->dropped++) {
		memcpy(&f, fr->buf + at, sizeof(f));
		if (f.magic == KRR_FRAME_MAGIC && f.len <= KRR_FRAME_MAX &&
		    f.crc == krr_crc32(0, &f, offsetof(struct krr_frame, crc)))
			break;
	}
	discard(fr, at);
	if (fr->have < sizeof(f) || fr->have < sizeof(f) + f.len)
		return 0;
	*type = f.type;
	*payload = fr->buf + sizeof(f);
	*len = f.len;
	fr->used = sizeof(f) + f.len;
	return 1;
}

/**
 * krr_split_strings() - take a payload of NUL-ended strings apart
 * @payload: untrusted; the result points into it
 * @len: bytes of it
 * @out: result, NULL-terminated
 * @max: pointers in @out
 *
 * Return: how many, or -EBADMSG.
 */
int krr_split_strings(char *payload, uint32_t len, char **out, int max)
{
	char *p = payload, *end = payload + len;
	int n = 0;

	if (!len || end[-1])
		return -EBADMSG;
	for (; p < end; p += strlen(p) + 1) {
		if (n == max - 1)
			return -EBADMSG;
		out[n++] = p;
	}
	out[n] = NULL;
	return n;
}
