// SPDX-License-Identifier: GPL-2.0-only
/*
 * krrctl export: a recording as a timeline, in the trace-event format that the
 * Perfetto UI and chrome://tracing open.
 *
 * One process of the trace is the guest's kernel: a lane for each CPU shows when it is
 * in the kernel, for whom and what for, and counters show who has the RR lock and how
 * often it changed hands. The other ones are the guest's processes: what annotations
 * know the length of is a slice there, on the lane of the thread; that of interrupts is
 * on the lane of the CPU, and block I/O, which belongs to neither, has lanes of its own.
 * All other annotations are instants on the lane of the CPU.
 *
 * Events stand in the order in which they ended, which viewers do not mind.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <linux/types.h>
#include <string.h>

#include "bpf/records.h"
#include "krrctl/krrctl.h"
#include "krrctl/lanes.h"
#include "krrctl/position.h"
#include "krrctl/timeline.h"
#include "lib/names.h"
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

/* pid of the kernel, and its CPUs are the next ones: more than any tid of the guest */
#define KERNEL	5000000

struct export {
	struct timeline t;		/* first: ended() gets a pointer to it */
	struct lanes lanes;
	uint64_t from, to;
	uint64_t before;		/* hand-overs before @from */
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

/*
 * Whole nanoseconds, as Perfetto has them: it cuts off what is behind them, of a
 * slice's begin and of its length, and two borders that were one would be so no more.
 */
static int64_t ns_at(const struct export *x, uint64_t tsc)
{
	double ns = timeline_us(&x->t, tsc) * 1000 + 0.5;

	return ns > 0 && ns < (double)INT64_MAX ? (int64_t)ns : 0;	/* a log may be wrong */
}

static int64_t now(const struct export *x)
{
	return ns_at(x, x->t.tsc);
}

static double us(int64_t ns)
{
	return (double)ns / 1000;
}

static void put_process(struct export *x, uint32_t pid, const char *name)
{
	put(x, json_pack("{s:s,s:s,s:i,s:{s:s}}", "name", "process_name", "ph", "M",
			 "pid", (int)pid, "args", "name", name));
}

static void put_thread(struct export *x, uint32_t pid, uint32_t tid, const char *name)
{
	put(x, json_pack("{s:s,s:s,s:i,s:i,s:{s:s}}", "name", "thread_name", "ph", "M",
			 "pid", (int)pid, "tid", (int)tid, "args", "name", name));
}

static uint32_t tid_of_cpu(uint32_t cpu)
{
	return KERNEL + 1 + cpu;
}

static struct lane *lane_of_cpu(struct export *x, uint32_t cpu)
{
	return lane_get(&x->lanes, KERNEL, tid_of_cpu(cpu));
}

/* The kernel comes first, and its CPUs in their order. */
static void put_kernel(struct export *x, const struct krr_recording *rec)
{
	__free_ptr char *name = krr_strf("kernel of %s", rec->name);
	uint32_t cpu;

	put_process(x, KERNEL, name);
	put(x, json_pack("{s:s,s:s,s:i,s:{s:i}}", "name", "process_sort_index", "ph", "M",
			 "pid", KERNEL, "args", "sort_index", -1));
	for (cpu = 0; cpu < rec->m.smp; cpu++) {
		__free_ptr char *lane = krr_strf("CPU %u", cpu);

		put_thread(x, KERNEL, tid_of_cpu(cpu), lane);
		put(x, json_pack("{s:s,s:s,s:i,s:i,s:{s:i}}", "name", "thread_sort_index",
				 "ph", "M", "pid", KERNEL, "tid", (int)tid_of_cpu(cpu),
				 "args", "sort_index", (int)cpu));
	}
}

static void put_counter(struct export *x, const char *name, int64_t at, const char *series,
			uint64_t value)
{
	put(x, json_pack("{s:s,s:s,s:f,s:i,s:{s:I}}", "name", name, "ph", "C", "ts", us(at),
			 "pid", KERNEL, "args", series, (json_int_t)value));
}

/*
 * One without a length is an instant: viewers that make a begin and an end of each slice
 * cannot tell which is which of those at one place. Takes over @args.
 */
static void put_slice(struct export *x, struct lane *l, const char *name, const char *category,
		      int64_t begin, int64_t end, json_t *args)
{
	json_t *o;

	begin = lane_fit(l, begin, end);
	o = json_pack("{s:s,s:s,s:s,s:f,s:i,s:i,s:o}", "name", name, "cat", category,
		      "ph", begin < end ? "X" : "i", "ts", us(begin), "pid", (int)l->pid,
		      "tid", (int)l->tid, "args", args);
	if (begin < end)
		json_object_set_new(o, "dur", json_real(us(end - begin)));
	else
		json_object_set_new(o, "s", json_string("t"));
	put(x, o);
}

/* A CPU gave the RR lock up. */
static void slice_ended(struct timeline *t, const struct slice *s)
{
	struct export *x = (struct export *)t;
	int64_t begin = ns_at(x, s->begin), end = ns_at(x, s->end);
	__free_ptr char *name = krr_strf("%s%s%s", s->who, *s->who ? ": " : "", s->what);
	__free_ptr char *lock = krr_strf("RR lock CPU %u", s->cpu);
	json_t *args;

	if (s->event < x->from)
		return;
	args = json_pack("{s:I,s:s}", "event_number", (json_int_t)s->event, "what", s->what);
	if (*s->who) {
		json_object_set_new(args, "comm", json_string(s->who));
		json_object_set_new(args, "tid", json_integer(s->tid));
	}
	put_slice(x, lane_of_cpu(x, s->cpu), name, "kernel", begin, end, args);
	if (begin == end)
		return;
	put_counter(x, lock, begin, "held", 1);
	put_counter(x, lock, end, "held", 0);
}

static void put_handovers(struct export *x)
{
	if (x->handovers == x->t.handovers - x->before)
		return;
	x->handovers = x->t.handovers - x->before;
	put_counter(x, "RR lock hand-overs", now(x), "count", x->handovers);
}

/* On the lane of its CPU, or with "p" through all lanes of the kernel. Takes over @args. */
static void put_instant(struct export *x, const struct krr_event *ev, const char *name,
			const char *category, const char *scope, json_t *args)
{
	json_object_set_new(args, "event_number", json_integer((json_int_t)ev->number));
	put(x, json_pack("{s:s,s:s,s:s,s:s,s:f,s:i,s:i,s:o}", "name", name, "cat", category,
			 "ph", "i", "s", scope, "ts", us(now(x)), "pid", KERNEL,
			 "tid", (int)tid_of_cpu(ev->cpu), "args", args));
}

/* An annotation, and what the timeline makes of it. */
struct note {
	const struct krr_event *ev;
	struct krr_record r;
	char name[64];		/* "net.drop"; of a system call its own */
	int64_t begin, end;	/* ns; of a slice: they differ */
};

static uint64_t member(const struct krr_record *r, const char *name)
{
	const struct krr_field *f = r->schema ? krr_schema_field(r->schema, name) : NULL;

	return f && krr_field_is_number(f) ? krr_record_number(r, f, 0) : 0;
}

static void member_text(const struct krr_record *r, const char *name, char text[UINT8_MAX + 2])
{
	const struct krr_field *f = r->schema ? krr_schema_field(r->schema, name) : NULL;

	text[0] = '\0';
	if (f && f->kind == KRR_FIELD_STRING)
		krr_record_string(r, f, text);
}

static json_t *args_of(const struct note *n)
{
	json_t *args = krr_record_json(n->r.subsys, n->r.bytes, n->r.len);

	json_object_set_new(args, "event_number", json_integer((json_int_t)n->ev->number));
	return args;
}

/* Its name may have become another one since. */
static void name_lane(struct export *x, struct lane *l, const char *comm)
{
	if (!*comm || !lane_rename(l, comm))
		return;
	put_thread(x, l->pid, l->tid, comm);
	if (l->pid == l->tid)
		put_process(x, l->pid, comm);
}

static struct lane *lane_of_task(struct export *x, const struct note *n)
{
	uint32_t pid = (uint32_t)member(&n->r, "pid"), tid = (uint32_t)member(&n->r, "tid");
	char comm[UINT8_MAX + 2];
	struct lane *l;

	if (!tid || pid >= KERNEL || tid >= KERNEL)
		return lane_of_cpu(x, n->ev->cpu);	/* idle, or not to be believed */
	member_text(&n->r, "comm", comm);
	l = lane_get(&x->lanes, pid, tid);
	name_lane(x, l, comm);
	return l;
}

/* Only a CPU's stay in the kernel may reach to before its own begin. */
static void put_on_cpu(struct export *x, struct note *n)
{
	int64_t begin = ns_at(x, x->t.now.begin);

	if (n->begin < begin)
		n->begin = begin;
	put_slice(x, lane_of_cpu(x, n->ev->cpu), n->name, n->r.schema->name, n->begin, n->end,
		  args_of(n));
}

static void put_async(struct export *x, const struct note *n)
{
	static const char form[] = "{s:s,s:s,s:s,s:I,s:f,s:i,s:i,s:o}";
	json_int_t id = (json_int_t)n->ev->number;
	int tid = (int)tid_of_cpu(n->ev->cpu);

	put(x, json_pack(form, "name", n->name, "cat", n->r.schema->name, "ph", "b", "id", id,
			 "ts", us(n->begin), "pid", KERNEL, "tid", tid, "args", args_of(n)));
	put(x, json_pack(form, "name", n->name, "cat", n->r.schema->name, "ph", "e", "id", id,
			 "ts", us(n->end), "pid", KERNEL, "tid", tid, "args", json_object()));
}

/* The next task had slept; its process is known if it ever said something itself. */
static void put_blocked(struct export *x, const struct note *n)
{
	struct lane *l = lane_find(&x->lanes, (uint32_t)member(&n->r, "other_tid"));

	if (l && l->pid != KERNEL)
		put_slice(x, l, "blocked", "sched", n->begin, n->end, args_of(n));
}

static void put_measured(struct export *x, struct note *n)
{
	struct lane *l;

	if (n->r.subsys == KRR_SUBSYS_BLOCK) {
		put_async(x, n);
		return;
	}
	if (n->r.subsys == KRR_SUBSYS_SCHED) {
		put_blocked(x, n);
		return;
	}
	l = n->r.subsys == KRR_SUBSYS_IRQ ? NULL : lane_of_task(x, n);
	if (!l || l->pid == KERNEL)
		put_on_cpu(x, n);
	else
		put_slice(x, l, n->name, n->r.schema->name, n->begin, n->end, args_of(n));
}

static void name_note(struct note *n)
{
	const char *call = krr_call_name(member(&n->r, "nr"));
	char text[UINT8_MAX + 2];

	if (n->r.subsys == KRR_SUBSYS_MARK) {
		member_text(&n->r, "name", text);
		snprintf(n->name, sizeof(n->name), "mark:%.50s", text);
	} else if (n->r.subsys == KRR_SUBSYS_SYSCALL && call) {
		snprintf(n->name, sizeof(n->name), "%s", call);
	} else {
		/* "net.drop" out of the text of the record, which begins so */
		krr_record_text(n->r.subsys, n->r.bytes, n->r.len, n->name, sizeof(n->name));
		n->name[strcspn(n->name, " ")] = '\0';
	}
}

static void put_annotation(struct export *x, const struct krr_event *ev)
{
	struct note n = { .ev = ev, .end = now(x) };
	int len = krr_event_annotation(ev, &n.r.subsys, &n.r.bytes);
	bool switches = n.r.subsys == KRR_SUBSYS_SCHED, mark = n.r.subsys == KRR_SUBSYS_MARK;
	uint64_t ns;

	if (len < 0)
		return;
	n.r.len = (size_t)len;
	n.r.schema = krr_schema_by_id(n.r.subsys);
	name_note(&n);
	ns = member(&n.r, switches ? "blocked" : "latency");
	n.begin = ns < (uint64_t)n.end ? n.end - (int64_t)ns : 0;
	if (ns)
		put_measured(x, &n);
	if (!ns || switches)
		put_instant(x, ev, n.name, n.r.schema ? n.r.schema->name : "unknown",
			    mark ? "p" : "t", args_of(&n));
}

static void put_text(struct export *x, const struct krr_event *ev)
{
	const char *kind = krr_kind_name(ev->kind), *bytes = (const char *)ev->data;
	int len = (int)ev->len;
	uint64_t ms;

	if (ev->kind == KRR_EV_KEEP)
		len = krr_event_keep(ev, &ms, &bytes);
	if (len >= 0) {
		__free_ptr char *text = krr_printable(bytes, (size_t)len);
		__free_ptr char *name = krr_strf("%s:%.50s", kind, text);

		put_instant(x, ev, name, "krr", "p", json_pack("{s:s}", "text", text));
	}
}

static void take(struct export *x, const struct krr_decoder *d, const struct krr_event *ev)
{
	timeline_take(&x->t, d, ev);
	if (ev->number < x->from) {
		x->before = x->t.handovers;
		return;
	}
	switch (ev->kind) {
	case KRR_EV_ACQUIRE:
		put_handovers(x);
		return;
	case KRR_EV_ANNOTATE:
		put_annotation(x, ev);
		return;
	case KRR_EV_MARK:
	case KRR_EV_KEEP:
	case KRR_EV_PANIC:
		put_text(x, ev);
		return;
	case KRR_EV_EPOCH:
		put_instant(x, ev, "epoch", "krr", "p",
			    json_pack("{s:I}", "epoch", (json_int_t)ev->arg[0]));
		return;
	case KRR_EV_STOP:
		put_instant(x, ev, "stop", "krr", "p",
			    json_pack("{s:s}", "reason", krr_stop_name((uint32_t)ev->arg[0])));
		return;
	}
}

static int export(const struct krr_recording *rec, struct export *x)
{
	struct krr_log_reader *log;
	struct krr_event ev;
	int n;

	n = krr_log_open(rec->dirfd, "log.krr", true, &log);
	if (n)
		return n;
	printf("{\"displayTimeUnit\":\"ns\",\"traceEvents\":[");
	put_kernel(x, rec);
	while (!x->failed && (n = krr_log_next(log, &ev)) > 0 && ev.number <= x->to)
		take(x, krr_log_decoder(log), &ev);
	timeline_end(&x->t);
	if (printf("\n]}\n") < 0 || fflush(stdout))
		x->failed = true;
	krr_log_close(log);
	lanes_free(&x->lanes);
	if (x->failed)
		krr_err("export: cannot write: %s", strerror(errno));
	return n < 0 ? n : x->failed ? -EIO : 0;
}

int cmd_export(int argc, char **argv)
{
	struct export x = { .t.ended = slice_ended, .to = UINT64_MAX };
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
