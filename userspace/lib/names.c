// SPDX-License-Identifier: GPL-2.0-only
/* System calls and errors by number and by name, and what was meant by a name. */
#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "lib/names.h"
#include "lib/util.h"

#define LONGEST	40	/* names to compare */

static const char *const calls[] = {
#include "calls.h"
};

/* What only the kernel's <linux/errno.h> has, and other names of the same number. */
static const struct {
	const char *name;
	int number;
} more_errors[] = {
	{ "ERESTARTSYS", 512 },
	{ "ERESTARTNOINTR", 513 },
	{ "ERESTARTNOHAND", 514 },
	{ "ENOIOCTLCMD", 515 },
	{ "ERESTART_RESTARTBLOCK", 516 },
	{ "EPROBE_DEFER", 517 },
	{ "ENOTSUPP", 524 },
	{ "EIOCBQUEUED", 529 },
	{ "EWOULDBLOCK", EWOULDBLOCK },
	{ "ENOTSUP", ENOTSUP },
	{ "EOPNOTSUPP", EOPNOTSUPP },
	{ "EDEADLOCK", EDEADLOCK },
};

#define LAST_ERRNO EHWPOISON

/** krr_call_name() - name of an x86-64 system call, NULL if there is none */
const char *krr_call_name(uint64_t nr)
{
	return nr < ARRAY_SIZE(calls) ? calls[nr] : NULL;
}

/** krr_call_number() - number of an x86-64 system call, -1 if there is none */
int krr_call_number(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(calls); i++)
		if (calls[i] && !strcasecmp(calls[i], name))
			return (int)i;
	return -1;
}

/** krr_errno_name() - name of a positive errno, the kernel's own too, or NULL */
const char *krr_errno_name(int number)
{
	size_t i;

	if (number > 0 && number <= LAST_ERRNO)
		return strerrorname_np(number);
	for (i = 0; i < ARRAY_SIZE(more_errors); i++)
		if (more_errors[i].number == number)
			return more_errors[i].name;
	return NULL;
}

/** krr_errno_number() - positive number of an errno, 0 if there is none */
int krr_errno_number(const char *name)
{
	const char *s;
	size_t i;
	int n;

	for (n = 1; n <= LAST_ERRNO; n++) {
		s = strerrorname_np(n);
		if (s && !strcasecmp(s, name))
			return n;
	}
	for (i = 0; i < ARRAY_SIZE(more_errors); i++)
		if (!strcasecmp(more_errors[i].name, name))
			return more_errors[i].number;
	return 0;
}

static unsigned int min3(unsigned int a, unsigned int b, unsigned int c)
{
	a = a < b ? a : b;
	return a < c ? a : c;
}

static bool swapped(const char *a, const char *b)
{
	return a[-1] == b[0] && a[0] == b[-1];
}

/* Letters to add, drop, replace or swap with the next; case does not count. */
static unsigned int distance(const char *a, size_t la, const char *b, size_t lb)
{
	unsigned int d[LONGEST + 1][LONGEST + 1];
	size_t i, j;

	for (i = 0; i <= la; i++)
		d[i][0] = (unsigned int)i;
	for (j = 0; j <= lb; j++)
		d[0][j] = (unsigned int)j;
	for (i = 1; i <= la; i++) {
		for (j = 1; j <= lb; j++) {
			bool same = tolower((unsigned char)a[i - 1]) ==
				    tolower((unsigned char)b[j - 1]);

			d[i][j] = min3(d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + !same);
			if (i > 1 && j > 1 && swapped(a + i - 1, b + j - 1))
				d[i][j] = min3(d[i][j], d[i - 2][j - 2] + 1, UINT32_MAX);
		}
	}
	return d[la][lb];
}

/**
 * krr_nearest_try() - keep a name if it is more like what was wanted
 * @n: @wanted set, the rest zero before the first call
 * @name: kept as a pointer
 *
 * A name with more than a third of its letters wrong is not like it at all.
 */
void krr_nearest_try(struct krr_nearest *n, const char *name)
{
	size_t la = strlen(n->wanted), lb = strlen(name);
	unsigned int d;

	if (!la || la > LONGEST || lb > LONGEST)
		return;
	d = distance(n->wanted, la, name, lb);
	if (d > (la + 2) / 3 || (n->best && d >= n->distance))
		return;
	n->best = name;
	n->distance = d;
}
