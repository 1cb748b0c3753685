// SPDX-License-Identifier: GPL-2.0-only
/*
 * What made a kernel panic, from what it printed.
 *
 * panic() is mostly told "Fatal exception" or the like; the reason stands further up,
 * in the first line of the oops, and the place in its RIP line.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cause.h"
#include "lib/util.h"

#define LINE_ROOM	160

/* Panic messages that say no more than that something was reported before. */
static const char *const vague[] = {
	"Fatal exception", "Attempted to kill", "panic_on_warn set", "hung tasks", "blocked tasks",
	"RCU Stall", "warned too often", "a crash kernel takes over",
};

/* How such reports begin. */
static const char *const begins[] = {
	"BUG: ", "kernel BUG at ", "WARNING: ", "INFO: task ", "watchdog: BUG: ", "rcu: INFO: ",
	"traps: PANIC: ",
};

static const char rip[] = "RIP: 0010:";

static bool is_one_of(const char *at, const char *const *list, size_t n)
{
	while (n--)
		if (!strncmp(at, list[n], strlen(list[n])))
			return true;
	return false;
}

static bool is_vague(const char *message)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(vague); i++)
		if (strstr(message, vague[i]))
			return true;
	return false;
}

/* "Oops: 0002 [#1] SMP" or another exception: the second line of some oopses, the first of others. */
static bool is_header(const char *text)
{
	const char *at = strstr(text, " [#");

	return at && at < text + strcspn(text, "\n");
}

/* The text of a line behind its time stamp and the number of its task or CPU. */
static const char *text_of(const char *line)
{
	const char *end;

	while (*line == '[' || *line == ' ') {
		if (*line == '[') {
			end = strpbrk(line, "]\n");
			if (!end || *end == '\n')
				break;
			line = end;
		}
		line++;
	}
	return line;
}

/* Return: a line without its end and the colon or full stop before it, at most LINE_ROOM of it. */
static char *cut(const char *at)
{
	size_t len = strcspn(at, "\r\n");

	if (len > LINE_ROOM)
		len = LINE_ROOM;
	while (len && strchr(":.", at[len - 1]))
		len--;
	return krr_printable(at, len);
}

/* Interrupts come at a window only: who opened it stands in the call trace. */
static bool is_window(const char *place)
{
	static const char window[] = "krr_";

	return !strncmp(place, window, strlen(window));
}

/* An entry of a call trace that the unwinder is sure of. */
static bool is_frame(const char *text)
{
	size_t len = strcspn(text, " \r\n");

	return *text != '?' && memmem(text, len, "+0x", 3) && !is_window(text);
}

/**
 * krr_panic_cause() - what a panic was about, in one line
 * @console: what the kernel has printed; read up to its last panic
 * @message: that panic() was given
 *
 * Return: "REPORT, at FUNCTION+OFFSET/SIZE: MESSAGE", freed by free(); NULL if @message
 * says it all, or nothing was reported.
 */
char *krr_panic_cause(const char *console, const char *message)
{
	const char *line, *end = NULL, *p, *text, *report = NULL, *place = NULL;
	bool traced = false;
	__free_ptr char *what = NULL, *where = NULL;

	if (!is_vague(message))
		return NULL;
	for (p = console; (p = strstr(p, "Kernel panic - not syncing")); p++)
		end = p;
	for (line = console; line && (!end || line < end); line = p ? p + 1 : NULL) {
		p = strchr(line, '\n');
		text = text_of(line);
		if (is_one_of(text, begins, ARRAY_SIZE(begins)) ||
		    (is_header(text) && (!report || place))) {
			report = text;
			place = NULL;
			traced = false;
		} else if (report && !place && !strncmp(text, rip, strlen(rip))) {
			place = text + strlen(rip);
		} else if (place && is_window(place)) {
			traced |= !strncmp(text, "Call Trace:", 11);
			if (traced && is_frame(text))
				place = text;
		}
	}
	if (!report)
		return NULL;
	what = cut(report);
	where = place ? cut(place) : NULL;
	if (where && strstr(what, where)) {
		free(where);
		where = NULL;
	}
	return krr_strf("%s%s%s: %s", what, where ? ", at " : "", where ? where : "", message);
}
