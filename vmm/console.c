// SPDX-License-Identifier: GPL-2.0-only
/*
 * The recorder copies the console from the start barrier to the end barrier,
 * where the guest prints nothing, and a replay prints between the same two:
 * both texts have to be equal to the last byte.
 */
#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/util.h"
#include "vmm/console.h"

#define CHUNK 65536u

struct texts {
	int fd[2];
	uint64_t size[2];
};

static int sizes(struct texts *t)
{
	struct stat st;
	int i;

	for (i = 0; i < 2; i++) {
		if (fstat(t->fd[i], &st) < 0)
			return -errno;
		t->size[i] = (uint64_t)st.st_size;
	}
	return 0;
}

static int read_both(const struct texts *t, uint64_t at, size_t len, char buf[2][CHUNK])
{
	int i;

	for (i = 0; i < 2; i++)
		if (krr_pread_full(t->fd[i], buf[i], len, (off_t)at) != (ssize_t)len)
			return -EIO;
	return 0;
}

/* Return: 0, with @d->offset where they part, or where the shorter one ends. */
static int find_first(const struct texts *t, struct krr_console_diff *d, uint64_t *line_at)
{
	uint64_t end = t->size[0] < t->size[1] ? t->size[0] : t->size[1], at;
	char buf[2][CHUNK];
	size_t len, i;
	int err;

	d->line = 1;
	for (at = 0; at < end; at += len) {
		len = end - at < CHUNK ? end - at : CHUNK;
		err = read_both(t, at, len, buf);
		if (err)
			return err;
		for (i = 0; i < len && buf[0][i] == buf[1][i]; i++) {
			if (buf[0][i] != '\n')
				continue;
			d->line++;
			*line_at = at + i + 1;
		}
		d->offset = at + i;
		if (i < len)
			break;
	}
	return 0;
}

static void take_line(int fd, uint64_t at, char line[KRR_CONSOLE_LINE])
{
	ssize_t n = krr_pread_full(fd, line, KRR_CONSOLE_LINE - 1, (off_t)at);
	char *p;

	line[n < 0 ? 0 : n] = '\0';
	line[strcspn(line, "\r\n")] = '\0';
	for (p = line; *p; p++)
		if (!isprint((unsigned char)*p))
			*p = '?';
}

/**
 * krr_console_compare() - compare two texts from the console
 * @recorded: file
 * @replayed: file
 * @d: result
 *
 * Return: 0 or -errno.
 */
int krr_console_compare(int recorded, int replayed, struct krr_console_diff *d)
{
	struct texts t = { .fd = { recorded, replayed } };
	uint64_t line_at = 0;
	int err;

	memset(d, 0, sizeof(*d));
	err = sizes(&t);
	if (!err)
		err = find_first(&t, d, &line_at);
	if (err)
		return err;
	d->compared = true;
	d->recorded = t.size[0];
	d->replayed = t.size[1];
	d->equal = d->recorded == d->replayed && d->offset == d->recorded;
	if (!d->equal) {
		take_line(recorded, line_at, d->recorded_line);
		take_line(replayed, line_at, d->replayed_line);
	}
	return 0;
}
