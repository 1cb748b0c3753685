// SPDX-License-Identifier: GPL-2.0-only
/*
 * The flight recorder runs while something is enabled and nothing else is recorded.  A
 * recording that somebody asks for by name takes its place.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "krrd/control.h"
#include "krrd/flight.h"
#include "lib/util.h"

#define MOST_KEEP_MS	86400000u
#define MOST_BUDGET	(1ull << 44)

static int no(char **text, const char *option, const char *arg, const char *expected)
{
	*text = krr_strf("%s \"%s\": %s is expected", option, arg, expected);
	return -EINVAL;
}

/**
 * flight_option() - take an option of krrctl enable
 * @f: what is wanted
 * @option: "--keep" or "--budget"
 * @arg: what stands behind it
 * @text: what is wrong with it, freed by free()
 *
 * Return: 0 or -EINVAL.
 */
int flight_option(struct flight *f, const char *option, const char *arg, char **text)
{
	uint64_t v;

	if (!strcmp(option, "--keep")) {
		if (krr_parse_ms(arg, &v) || v < 1000 || v > MOST_KEEP_MS)
			return no(text, option, arg, "a time of 1s to 24h");
		f->keep_ms = (uint32_t)v;
	} else {
		if (krr_parse_size(arg, &v) || v < 1u << 20 || v > MOST_BUDGET)
			return no(text, option, arg, "a size of 1M or more");
		f->budget_mib = (uint32_t)(v >> 20);
	}
	return 0;
}

/* Is it on? Return: what the kernel says, "KEEP_MS BUDGET_MIB", or NULL; freed by free(). */
static char *running(void)
{
	__free_ptr char *text = control_text();
	const char *line = strstr(text, "\nflight=");
	size_t len;

	if (!line)
		return NULL;
	line += strlen("\nflight=");
	len = strcspn(line, "\n");
	return len == 1 && *line == '0' ? NULL : krr_strf("%.*s", (int)len, line);
}

/**
 * flight_begin() - see to it that the flight recorder runs, if it is wanted
 * @f: what is wanted
 * @before: result, for flight_restore()
 * @text: why not, freed by free()
 *
 * A recording that was asked for goes on, and nothing is begun; neither is it where no
 * recorder listens on the host.
 *
 * Return: 0 or -errno, and then it is as it was before.
 */
int flight_begin(const struct flight *f, char **before, char **text)
{
	__free_ptr char *line = krr_strf("%" PRIu32 " %" PRIu32, f->keep_ms, f->budget_mib);
	int err;

	*before = running();
	if (f->wanted ? *before && !strcmp(*before, line) : !*before)
		return 0;
	flight_end();
	err = f->wanted ? control("flight", line) : 0;
	if (err == -EBUSY || err == -ENODEV || err == -ENOENT || err == -ENXIO)
		return 0;
	if (err) {
		*text = control_error("flight recorder", err);
		flight_restore(*before);
	}
	return err;
}

/**
 * flight_restore() - as before flight_begin(), but for what it had held
 * @before: result of that, or NULL
 */
void flight_restore(const char *before)
{
	__free_ptr char *now = running();

	if (before && now && !strcmp(before, now))
		return;
	flight_end();
	if (before)
		control("flight", before);
}

/** flight_running() - does it run? */
bool flight_running(void)
{
	__free_ptr char *now = running();

	return now;
}

/** flight_end() - end it, if it runs; what it holds is not kept */
void flight_end(void)
{
	__free_ptr char *now = running();

	if (now)
		control("drop", "");
}
