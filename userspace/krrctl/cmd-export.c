// SPDX-License-Identifier: GPL-2.0-only
/*
 * krrctl export: a recording as a timeline, in the trace-event format that the
 * Perfetto UI and chrome://tracing open.
 *
 * A lane for each CPU shows when it is in the kernel and what for, annotations are
 * instants on it, and the hand-overs of the RR lock are a counter.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <string.h>

#include "krrctl/krrctl.h"
#include "krrctl/position.h"
#include "krrctl/timeline.h"
#include "lib/record.h"
#include "lib/util.h"

static const char usage[] =
	"usage: krrctl export --perfetto [--from A] [--to B] RECORDING\n"
	"\n"
	"Writes a timeline to stdout: trace-event JSON, for ui.perfetto.dev.\n"
	"\n"
	"  --from A    from event A on\n"
	"  --to B      up to event B\n";

static const struct option options[] = {
	{ "perfetto", no_argument, NULL, 'p' },
	{ "from", required_argument, NULL, 'f' },
	{ "to", required_argument, NULL, 't' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

struct export {
	struct timeline t;		/* first: ended() gets a pointer to it */
	uint64_t from, to;
	uint64_t handovers;		/* that were written */
	bool some, failed;		/* an object was written; one could not be */
};

/* Takes over @o. */
static void put(struct export *x, json_t *o)
{
	if (!o || printf("%s\n", x->some ? "," : "") < 0 ||
	    json_dumpf(o, stdout, JSON_COMPACT | JSON_REAL_PRECISION(15)) < 0)
		x->failed = true;
	x->some = true;
	json_decref(o);
}

static void put_lane(struct export *x, uint32_t cpu)
{
	put(x, json_pack("{s:s,s:s,s:i,s:i,s:{s:o}}", "name", "thread_name", "ph", "M", "pid", 1,
			 "tid", (int)cpu, "args", "name", json_sprintf("CPU %u", cpu)));
}

static void put_slice(struct timeline *t, const struct slice *s)
{
	struct export *x = (struct export *)t;
	double begin = timeline_us(t, s->begin), end = timeline_us(t, s->end);

	if (s->event < x->from)
		return;
	put(x, json_pack("{s:s,s:s,s:s,s:f,s:f,s:i,s:i,s:{s:I}}", "name", s->what, "cat", "kernel",
			 "ph", "X", "ts", begin, "dur", end - begin, "pid", 1, "tid", (int)s->cpu,
			 "args", "event", (json_int_t)s->event));
}

static void put_handovers(struct export *x)
{
	if (x->handovers == x->t.handovers)
		return;
	x->handovers = x->t.handovers;
	put(x, json_pack("{s:s,s:s,s:f,s:i,s:{s:I}}", "name", "RR lock hand-overs", "ph", "C", "ts",
			 timeline_us(&x->t, x->t.tsc), "pid", 1, "args", "hand-overs",
			 (json_int_t)x->handovers));
}

static void put_instant(struct export *x, const struct krr_event *ev, const char *name,
			json_t *args)
{
	json_object_set_new(args, "event_number", json_integer((json_int_t)ev->number));
	put(x, json_pack("{s:s,s:s,s:s,s:s,s:f,s:i,s:i,s:o}", "name", name, "cat", "annotation",
			 "ph", "i", "s", "t", "ts", timeline_us(&x->t, x->t.tsc), "pid", 1,
			 "tid", (int)ev->cpu, "args", args));
}

/* "net.drop" out of the text of a record, which begins so */
static void put_annotation(struct export *x, const struct krr_event *ev)
{
	const uint8_t *record;
	uint32_t subsys;
	int len = krr_event_annotation(ev, &subsys, &record);
	char name[64];

	if (len < 0)
		return;
	krr_record_text(subsys, record, (size_t)len, name, sizeof(name));
	name[strcspn(name, " ")] = '\0';
	put_instant(x, ev, name, krr_record_json(subsys, record, (size_t)len));
}

static void put_text(struct export *x, const struct krr_event *ev, const char *what)
{
	__free_ptr char *text = krr_printable((const char *)ev->data, ev->len);

	put_instant(x, ev, what, json_pack("{s:s}", "text", text));
}

static void take(struct export *x, const struct krr_decoder *d, const struct krr_event *ev)
{
	timeline_take(&x->t, d, ev);
	if (ev->number < x->from)
		return;
	if (ev->kind == KRR_EV_ACQUIRE)
		put_handovers(x);
	else if (ev->kind == KRR_EV_ANNOTATE)
		put_annotation(x, ev);
	else if (ev->kind == KRR_EV_MARK || ev->kind == KRR_EV_PANIC)
		put_text(x, ev, krr_kind_name(ev->kind));
}

static int export(const struct krr_recording *rec, struct export *x)
{
	struct krr_log_reader *log;
	struct krr_event ev;
	uint32_t cpu;
	int n;

	n = krr_log_open(rec->dirfd, "log.krr", true, &log);
	if (n)
		return n;
	printf("{\"displayTimeUnit\":\"ns\",\"traceEvents\":[");
	put(x, json_pack("{s:s,s:s,s:i,s:{s:s}}", "name", "process_name", "ph", "M", "pid", 1,
			 "args", "name", rec->name));
	for (cpu = 0; cpu < rec->m.smp; cpu++)
		put_lane(x, cpu);
	while (!x->failed && (n = krr_log_next(log, &ev)) > 0 && ev.number <= x->to)
		take(x, krr_log_decoder(log), &ev);
	timeline_end(&x->t);
	if (printf("\n]}\n") < 0 || fflush(stdout))
		x->failed = true;
	krr_log_close(log);
	if (x->failed)
		krr_err("export: cannot write: %s", strerror(errno));
	return n < 0 ? n : x->failed ? -EIO : 0;
}

int cmd_export(int argc, char **argv)
{
	struct export x = { .t.ended = put_slice, .to = UINT64_MAX };
	struct krr_recording rec;
	bool perfetto = false;
	int opt, err;

	while ((opt = getopt_long(argc, argv, "h", options, NULL)) >= 0) {
		if (opt == 'h')
			return usage_help(usage);
		if (opt == 'p')
			perfetto = true;
		else if (opt == '?' || krr_parse_u64(optarg, opt == 'f' ? &x.from : &x.to))
			return usage_error(usage);
	}
	if (optind + 1 != argc || !perfetto)
		return usage_error(usage);
	err = krr_recording_open(argv[optind], &rec);
	if (!err) {
		x.t.tsc_khz = rec.m.tsc_khz;
		names_of_kernel(&rec);
		err = export(&rec, &x);
	}
	krr_recording_close(&rec);
	return krr_exit_code(err);
}
