// SPDX-License-Identifier: GPL-2.0-only
/* krrctl ls */
#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <string.h>

#include "krrctl/krrctl.h"
#include "lib/util.h"

static const char usage[] =
	"usage: krrctl ls [--json]\n"
	"\n"
	"Lists the recordings; those that are not sealed yet are marked.\n";

static const struct option options[] = {
	{ "json", no_argument, NULL, 'j' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

#define NAME_WIDTH 32

static void print_line(const struct krr_recording *rec)
{
	const struct krr_manifest *m = &rec->m;
	__free_ptr char *log = human_bytes(m->log_bytes);
	__free_ptr char *disk = human_bytes(krr_recording_disk_bytes(rec));

	bool panic = m->stop_reason && !strcmp(m->stop_reason, krr_stop_name(KRR_STOP_PANIC));
	const char *more = panic && m->message && *m->message ? m->message : m->why;

	printf("%-*s %-20s %4" PRIu64 " %5" PRIu64 "M %10" PRIu64 " %9s %9s %7.2fs  %s%s%s%s\n",
	       NAME_WIDTH, rec->name, m->created, m->smp, m->mem >> 20, m->events, log, disk,
	       (double)m->duration_ms / 1000, m->stop_reason ? m->stop_reason : "none",
	       more ? ": " : "", more ? more : "", m->complete ? "" : " (cut off)");
}

static json_t *line_json(const struct krr_recording *rec)
{
	const struct krr_manifest *m = &rec->m;

	return json_pack("{s:s,s:s,s:I,s:I,s:I,s:I,s:I,s:I,s:s,s:b,s:s,s:s?,s:s?}", "name", rec->name,
			 "created", m->created, "smp", (json_int_t)m->smp,
			 "mem", (json_int_t)m->mem, "events", (json_int_t)m->events,
			 "log_bytes", (json_int_t)m->log_bytes,
			 "disk_bytes", (json_int_t)krr_recording_disk_bytes(rec),
			 "duration_ms", (json_int_t)m->duration_ms,
			 "stop_reason", m->stop_reason ? m->stop_reason : "none",
			 "complete", m->complete, "release", m->release, "why", m->why,
			 "message", m->message);
}

static int list(json_t *out)
{
	struct krr_recording rec;
	char **names, **p;
	int n, status = 0;

	n = krr_store_list(&names, false);
	if (n < 0)
		return krr_exit_code(n);
	if (!out && n)
		printf("%-*s %-20s %4s %6s %10s %9s %9s %8s  %s\n", NAME_WIDTH, "NAME", "CREATED", "CPUS",
		       "MEM", "EVENTS", "LOG", "DISK", "TIME", "ENDED BY");
	for (p = names; *p; p++) {
		if (krr_recording_open(*p, &rec))
			status = KRR_EXIT_DAMAGED;
		else if (out)
			json_array_append_new(out, line_json(&rec));
		else
			print_line(&rec);
		krr_recording_close(&rec);
	}
	krr_store_list_free(names);
	return status;
}

static void list_incomplete(json_t *out)
{
	char **names, **p;

	if (krr_store_list(&names, true) < 0)
		return;
	for (p = names; *p; p++) {
		if (out)
			json_array_append_new(out, json_pack("{s:s,s:b}", "name", *p,
							     "recording", 1));
		else
			printf("%-*s (being recorded)\n", NAME_WIDTH, *p);
	}
	krr_store_list_free(names);
}

int cmd_ls(int argc, char **argv)
{
	json_t *out = NULL;
	int opt, status;

	while ((opt = getopt_long(argc, argv, "h", options, NULL)) >= 0) {
		if (opt == 'h')
			return usage_help(usage);
		if (opt != 'j')
			return usage_error(usage);
		if (!out)
			out = json_array();
	}
	if (optind != argc)
		return usage_error(usage);
	status = list(out);
	list_incomplete(out);
	if (out) {
		json_dumpf(out, stdout, JSON_INDENT(2));
		putchar('\n');
		json_decref(out);
	}
	return status;
}
