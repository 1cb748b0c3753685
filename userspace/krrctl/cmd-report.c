// SPDX-License-Identifier: GPL-2.0-only
/*
 * krrctl report: what happened, for a person on call.  One pass over the log; what
 * it says about time needs annotations, or reads of the clock.
 */
#include <getopt.h>
#include <inttypes.h>
#include <linux/types.h>
#include <string.h>

#include "bpf/records.h"
#include "krrctl/krrctl.h"
#include "krrctl/position.h"
#include "krrctl/timeline.h"
#include "lib/record.h"
#include "lib/util.h"

#define SLOWEST		5
#define LAST		30	/* annotations before the end */
#define LINE		200
#define OOPS_LINES	60

static const char usage[] =
	"usage: krrctl report RECORDING\n"
	"\n"
	"Tells what happened: the panic, what each CPU and each subsystem did, the slowest\n"
	"system calls and I/O, the longest stays in the kernel, and the last annotations.\n";

/* The slowest of a kind, slowest first. */
struct slowest {
	uint64_t ns[SLOWEST];
	char line[SLOWEST][LINE];
	unsigned int n;
};

struct cpu {
	uint64_t entries, irqs, slices;
	double us, longest_us;		/* in the kernel */
	uint64_t longest_event;
	char longest[64];
};

struct last {
	uint64_t event, tsc;
	uint32_t cpu;
	char line[LINE];
};

struct report {
	struct timeline t;		/* first: ended() gets a pointer to it */
	struct cpu cpu[KRR_MAX_CPUS];
	uint64_t records[KRR_NR_SUBSYS];
	struct slowest calls, io;
	struct last last[LAST];
	uint64_t nr_last;
};

static void slice_ended(struct timeline *t, const struct slice *s)
{
	struct report *r = (struct report *)t;
	struct cpu *c = &r->cpu[s->cpu];
	double us = timeline_us(t, s->end) - timeline_us(t, s->begin);

	c->slices++;
	c->us += us;
	if (us <= c->longest_us)
		return;
	c->longest_us = us;
	c->longest_event = s->event;
	snprintf(c->longest, sizeof(c->longest), "%s", s->what);
}

static void note_slow(struct slowest *s, uint64_t ns, const struct krr_event *ev, const char *text)
{
	unsigned int i, at;

	for (at = 0; at < s->n && s->ns[at] >= ns; at++)
		;
	if (at == SLOWEST || !ns)
		return;
	if (s->n < SLOWEST)
		s->n++;
	for (i = s->n - 1; i > at; i--) {
		s->ns[i] = s->ns[i - 1];
		memcpy(s->line[i], s->line[i - 1], LINE);
	}
	s->ns[at] = ns;
	snprintf(s->line[at], LINE, "%10" PRIu64 "  %.160s", ev->number, text);
}

static uint64_t latency_of(uint32_t subsys, const uint8_t *bytes, size_t len)
{
	struct krr_record r = { krr_schema_by_id(subsys), subsys, bytes, len };
	const struct krr_field *f = krr_schema_field(r.schema, "latency");

	return f ? krr_record_number(&r, f, 0) : 0;
}

static void take_annotation(struct report *r, const struct krr_event *ev)
{
	struct last *l = &r->last[r->nr_last % LAST];
	const uint8_t *bytes;
	uint32_t subsys;
	int len = krr_event_annotation(ev, &subsys, &bytes);

	if (len < 0 || subsys >= KRR_NR_SUBSYS)
		return;
	r->records[subsys]++;
	r->nr_last++;
	l->event = ev->number;
	l->tsc = r->t.tsc;
	l->cpu = ev->cpu;
	krr_record_text(subsys, bytes, (size_t)len, l->line, sizeof(l->line));
	if (subsys == KRR_SUBSYS_SYSCALL)
		note_slow(&r->calls, latency_of(subsys, bytes, (size_t)len), ev, l->line);
	else if (subsys == KRR_SUBSYS_BLOCK)
		note_slow(&r->io, latency_of(subsys, bytes, (size_t)len), ev, l->line);
}

static void take(struct report *r, const struct krr_decoder *d, const struct krr_event *ev)
{
	timeline_take(&r->t, d, ev);
	if (ev->kind == KRR_EV_ENTRY)
		r->cpu[ev->cpu].entries++;
	else if (ev->kind == KRR_EV_IRQ)
		r->cpu[ev->cpu].irqs++;
	else if (ev->kind == KRR_EV_ANNOTATE)
		take_annotation(r, ev);
}

static int read_log(const struct krr_recording *rec, struct report *r)
{
	struct krr_log_reader *log;
	struct krr_event ev;
	int n;

	n = krr_log_open(rec->dirfd, "log.krr", true, &log);
	if (n)
		return n;
	while ((n = krr_log_next(log, &ev)) > 0)
		take(r, krr_log_decoder(log), &ev);
	timeline_end(&r->t);
	krr_log_close(log);
	return n;
}

static void print_identity(const struct krr_recording *rec)
{
	const struct krr_manifest *m = &rec->m;

	printf("recording  %s of %s, %.2f s, %" PRIu64 " events\n", rec->name, m->created,
	       (double)m->duration_ms / 1000, m->events);
	printf("kernel     %s, build-id %s\n", m->release, m->build_id);
	printf("machine    %" PRIu64 " CPUs, %" PRIu64 " MiB, QEMU %s, %s\n", m->smp, m->mem >> 20,
	       m->qemu_version, m->accel);
	printf("ended by   %s%s%s\n", m->stop_reason ? m->stop_reason : "none",
	       m->message && *m->message ? ": " : "", m->message ? m->message : "");
	report_kept(m);
}

/* The console from its last oops on. */
static void print_oops(const struct krr_recording *rec)
{
	__free_ptr char *text = krr_read_file_at(rec->dirfd, krr_file_name(KRR_FILE_CONSOLE),
						 64u << 20);
	static const char *const begins[] = { "BUG:", "Oops:", "Kernel panic" };
	char *at = NULL, *p, *line;
	unsigned int i, n;

	if (!text || strcmp(rec->m.stop_reason ? rec->m.stop_reason : "", "panic"))
		return;
	for (i = 0; !at && i < ARRAY_SIZE(begins); i++)
		for (p = text; (p = strstr(p, begins[i])); p++)
			at = p;
	if (!at)
		return;
	while (at > text && at[-1] != '\n')
		at--;
	printf("\nconsole\n");
	for (n = 0; n < OOPS_LINES && (line = strsep(&at, "\n")); n++) {
		__free_ptr char *clean = krr_printable(line, strcspn(line, "\r"));

		printf("  %s\n", clean);
	}
}

static void print_cpus(const struct report *r, const struct krr_recording *rec)
{
	double all = timeline_us(&r->t, r->t.tsc);
	const struct cpu *c;
	uint32_t i;

	printf("\nCPU    entries  interrupts  in the kernel   longest stay (both at least)\n");
	for (i = 0; i < rec->m.smp && i < KRR_MAX_CPUS; i++) {
		c = &r->cpu[i];
		printf("%3u %10" PRIu64 "  %10" PRIu64 "  %12.1f%%   %.1f ms, %s, event %" PRIu64 "\n",
		       i, c->entries, c->irqs, all > 0 ? 100 * c->us / all : 0,
		       c->longest_us / 1000, c->longest, c->longest_event);
	}
	printf("RR lock: %" PRIu64 " hand-overs", r->t.handovers);
	if (!rec->m.why && rec->m.lock_hold_us)	/* the flight recorder's are older than this */
		printf("; waited for %.3f s in all, held for %.3f s, %.1f ms at most",
		       (double)rec->m.lock_wait_us / 1e6, (double)rec->m.lock_hold_us / 1e6,
		       (double)rec->m.lock_hold_max_us / 1e3);
	printf("\n");
}

static void print_subsystems(const struct report *r)
{
	const struct krr_schema *s = NULL;

	if (!r->nr_last) {
		printf("\nno annotations: krrctl enable, before or while a recording is made, has "
		       "them\n");
		return;
	}
	printf("\nannotations\n");
	while ((s = krr_schema_next(s)))
		if (r->records[s->id])
			printf("  %-9s %10" PRIu64 "\n", s->name, r->records[s->id]);
}

static void print_slowest(const char *what, const struct slowest *s)
{
	unsigned int i;

	if (s->n)
		printf("\n%s\n", what);
	for (i = 0; i < s->n; i++)
		printf("  %9.3f ms  %s\n", (double)s->ns[i] / 1e6, s->line[i]);
}

static void print_last(const struct report *r)
{
	uint64_t i = r->nr_last > LAST ? r->nr_last - LAST : 0;
	const struct last *l;

	if (r->nr_last)
		printf("\nlast annotations: event, ms before the end\n");
	for (; i < r->nr_last; i++) {
		l = &r->last[i % LAST];
		printf("%10" PRIu64 "  %9.3f  cpu %u  %s\n", l->event,
		       (timeline_us(&r->t, r->t.tsc) - timeline_us(&r->t, l->tsc)) / 1000, l->cpu,
		       l->line);
	}
}

static void print(const struct report *r, const struct krr_recording *rec)
{
	print_identity(rec);
	print_oops(rec);
	print_cpus(r, rec);
	print_subsystems(r);
	print_slowest("slowest system calls", &r->calls);
	print_slowest("slowest block I/O", &r->io);
	print_last(r);
	printf("\nkrrctl replay %s; krrctl gdb --at EVENT %s\n", rec->name, rec->name);
}

int cmd_report(int argc, char **argv)
{
	struct report r = { .t.ended = slice_ended };
	struct krr_recording rec;
	int err;

	if (usage_wanted(argc, argv))
		return usage_help(usage);
	if (argc != 2 || !krr_name_ok(argv[1]))
		return usage_error(usage);
	err = krr_recording_open(argv[1], &rec);
	if (!err) {
		r.t.tsc_khz = rec.m.tsc_khz;
		names_of_kernel(&rec);
		err = read_log(&rec, &r);
	}
	if (!err)
		print(&r, &rec);
	krr_recording_close(&rec);
	return krr_exit_code(err);
}
