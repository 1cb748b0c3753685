// SPDX-License-Identifier: GPL-2.0-only
/*
 * Words of a text: separated by blanks; what is between quotes, of either kind, is part
 * of one; '#' at the beginning of a word begins a comment.
 */
#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "lib/words.h"

/* One word, its quotes taken away in place. Return: where to go on, NULL: no end. */
static char *take_word(char *p)
{
	char *to = p, quote = 0;

	for (; *p && (quote || !isspace((unsigned char)*p)); p++) {
		if (quote ? *p == quote : *p == '"' || *p == '\'')
			quote = quote ? 0 : *p;
		else
			*to++ = *p;
	}
	if (quote)
		return NULL;
	p += *p != '\0';
	*to = '\0';
	return p;
}

/**
 * krr_split_words() - take text apart, as a shell would
 * @text: changed; the words point into it
 * @words: array, with room for @room words and a NULL
 * @room: how many fit
 *
 * Return: how many there are, -E2BIG, or -EINVAL for a quote without an end.
 */
int krr_split_words(char *text, char **words, int room)
{
	char *p = text;
	int n = 0;

	for (;;) {
		p += strspn(p, " \t\r\n");
		if (*p == '#') {
			p += strcspn(p, "\n");
			continue;
		}
		if (!*p)
			break;
		if (n == room)
			return -E2BIG;
		words[n++] = p;
		p = take_word(p);
		if (!p)
			return -EINVAL;
	}
	words[n] = NULL;
	return n;
}
