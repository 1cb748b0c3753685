// SPDX-License-Identifier: GPL-2.0-only
/*
 * What libbpf says of a program that the kernel's verifier rejects is long, and its
 * reason stands near the end:
 *
 *	libbpf: prog 'NAME': BPF program load failed: Permission denied
 *	libbpf: prog 'NAME': -- BEGIN PROG LOAD LOG --
 *	(what the verifier went through)
 *	R0 invalid mem access 'scalar'
 *	processed 10 insns (limit 1000000) ...
 *	-- END PROG LOAD LOG --
 *	libbpf: prog 'NAME': failed to load: -13
 */
#include <string.h>

#include "lib/util.h"
#include "lib/verifier.h"

#define LINES		8	/* to show */
#define BEGIN		"-- BEGIN PROG LOAD LOG --"
#define END		"-- END PROG LOAD LOG --"
#define STATISTICS	"processed "
#define PREFIX		"libbpf: "
#define FAILED		"': failed to load"

/* The line before @at, which is where a line begins, or the end; NULL: there is none. */
static const char *line_before(const char *text, const char *at)
{
	if (at == text)
		return NULL;
	for (at--; at > text && at[-1] != '\n'; at--)
		;
	return at;
}

static const char *last_of(const char *text, const char *what)
{
	const char *found = NULL, *p;

	for (p = strstr(text, what); p; p = strstr(p + 1, what))
		found = p;
	return found;
}

static bool begins(const char *line, const char *with)
{
	return !strncmp(line, with, strlen(with));
}

static bool line_has(const char *line, const char *end, const char *what)
{
	const char *p = strstr(line, what);

	return p && p < end;
}

static void add_line(char **text, const char *line)
{
	int n = (int)strcspn(line, "\n");
	char *more;

	if (begins(line, PREFIX)) {
		line += strlen(PREFIX);
		n -= (int)strlen(PREFIX);
	}
	more = krr_strf("%s\n    %.*s", *text, n, line);
	free(*text);
	*text = more;
}

/* The last lines of @from up to @to, where a line begins. */
static void add_last(char **text, const char *from, const char *to)
{
	const char *line = to, *before;
	int n;

	for (n = 0; n < LINES && (before = line_before(from, line)); n++) {
		if (line_has(before, line, BEGIN))
			break;
		line = before;
	}
	for (; line < to; line += strcspn(line, "\n") + 1)
		add_line(text, line);
}

/* Of "libbpf: prog 'NAME': failed to load: -13". Return: for free(). */
static char *program_of(const char *text)
{
	const char *failed = strstr(text, FAILED), *p = failed;

	while (p && p > text && p[-1] != '\'')
		p--;
	return p && p > text ? krr_strf(" %.*s", (int)(failed - p), p) : krr_strf("%s", "");
}

/**
 * krr_verifier_says() - the end of what libbpf said, for people
 * @said: that, or the last part of it; lines
 *
 * Return: lines to go behind a message, each after its line break; freed by free().
 */
char *krr_verifier_says(const char *said)
{
	const char *end = last_of(said, END), *before;
	__free_ptr char *name = NULL;
	char *text;

	if (!end) {
		text = krr_strf("%s", "");
		add_last(&text, said, said + strlen(said));
		return text;
	}
	name = program_of(end);
	text = krr_strf("\n    the kernel's verifier rejects program%s; the end of what it says:",
			name);
	before = line_before(said, end);
	if (before && begins(before, STATISTICS))
		end = before;
	add_last(&text, said, end);
	return text;
}
