// SPDX-License-Identifier: GPL-2.0-only
/* What krrctl tells about a replay that did not end as it should. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "krrctl/krrctl.h"
#include "lib/util.h"
#include "vmm/options.h"

#define LAST 8			/* events of the CPU that are shown */
#define LINE 240

/** human_bytes() - "12.3 MB", freed by free() */
char *human_bytes(uint64_t bytes)
{
	static const char *const units[] = { "B", "kB", "MB", "GB", "TB" };
	double v = (double)bytes;
	size_t i = 0;

	for (; v >= 1000 && i + 1 < ARRAY_SIZE(units); i++)
		v /= 1000;
	return krr_strf(i ? "%.1f %s" : "%.0f %s", v, units[i]);
}

/** report_kept() - a line on why the flight recorder kept it, if it did */
void report_kept(const struct krr_manifest *m)
{
	if (!m->why)
		return;
	printf("kept for   %s, through %" PRIu64 " epochs", m->why, m->epochs);
	if (m->border_pause_most_ms)
		printf(", paused %" PRIu64 " ms (median), %" PRIu64 " ms (most) between them",
		       m->border_pause_ms, m->border_pause_most_ms);
	printf("\n");
}

static struct krr_symbols *symbols_for(const struct krr_recording *rec)
{
	__free_ptr char *vmlinux = krr_artifact_path(KRR_VMLINUX);
	struct krr_symbols *syms = NULL;

	krr_symbols_open(vmlinux, rec->m.build_id, &syms);
	return syms;
}

/* The events of one CPU before a place in the log, oldest first. */
static void print_last_events(const struct krr_recording *rec, uint32_t cpu, uint64_t before)
{
	char lines[LAST][LINE], text[LINE - 60];
	struct krr_log_reader *log;
	struct krr_event ev;
	unsigned int n = 0, i;

	if (krr_log_open(rec->dirfd, "log.krr", true, &log))
		return;
	while (krr_log_next(log, &ev) > 0 && ev.number < before) {
		if (ev.cpu != cpu)
			continue;
		krr_event_text(krr_log_decoder(log), &ev, text, sizeof(text));
		snprintf(lines[n++ % LAST], LINE, "%10" PRIu64 "  %-9s %s", ev.number,
			 krr_kind_name(ev.kind), text);
	}
	krr_log_close(log);
	if (n)
		fprintf(stderr, "  last events of cpu %u before it:\n", cpu);
	for (i = n > LAST ? n - LAST : 0; i < n; i++)
		fprintf(stderr, "  %s\n", lines[i % LAST]);
}

/**
 * report_event() - print an event of a log
 * @to: where
 * @what: in front of it
 * @rec: recording
 * @number: of the event; nothing is printed if there is none
 */
void report_event(FILE *to, const char *what, const struct krr_recording *rec, uint64_t number)
{
	struct krr_log_reader *log;
	struct krr_event ev;
	char text[LINE];
	int n;

	if (krr_log_open(rec->dirfd, "log.krr", true, &log))
		return;
	while ((n = krr_log_next(log, &ev)) > 0 && ev.number < number)
		;
	if (n > 0) {
		krr_event_text(krr_log_decoder(log), &ev, text, sizeof(text));
		fprintf(to, "  %-9s %s fp %02x  cpu %u  %s\n", what, krr_kind_name(ev.kind),
			ev.fp, ev.cpu, text);
	}
	krr_log_close(log);
}

/**
 * report_divergence() - what the guest said about it, and what surrounds it
 * @rp: replay in the state diverged
 * @json: only the short form
 */
void report_divergence(struct krr_replay *rp, bool json)
{
	struct krr_diverged d = rp->ram.hdr->diverged;
	__free_ptr char *what = krr_printable(d.what, sizeof(d.what));
	struct krr_symbols *syms;
	char site[256], ip[256];

	krr_err("replay of \"%s\" diverged at event %" PRIu64 " of %" PRIu64 ", cpu %u: %s",
		rp->rec->name, (uint64_t)d.event, rp->rec->m.events, d.cpu, what);
	if (json)
		return;
	syms = symbols_for(rp->rec);
	fprintf(stderr, "  expected  %s fp %02x  at %s\n",
		d.want_kind > 255 ? "(any)" : krr_kind_name(d.want_kind), d.want_fp,
		krr_symbol(syms, d.site, site, sizeof(site)));
	report_event(stderr, "found", rp->rec, d.event);
	fprintf(stderr, "  guest saw kind %02x (%s) fp %02x, values %#" PRIx64 " and %#" PRIx64
		"\n", d.got_kind, krr_kind_name(d.got_kind), d.got_fp, (uint64_t)d.value[0],
		(uint64_t)d.value[1]);
	fprintf(stderr, "  position  %" PRIu64 ", stream offset %" PRIu64 ", ip %s, sp %#" PRIx64
		"\n",
		(uint64_t)d.pos, (uint64_t)d.offset - rp->rec->m.ring_base,
		krr_symbol(syms, d.ip, ip, sizeof(ip)), (uint64_t)d.sp);
	krr_symbols_free(syms);
	print_last_events(rp->rec, d.cpu, d.event);
	fprintf(stderr, "  to look inside: krrctl gdb %s --at %" PRIu64 "\n", rp->rec->name,
		(uint64_t)d.event);
}

static void print_registers(struct krr_replay *rp)
{
	static const char *const wanted[] = { "CPU#", "RIP=" };
	struct krr_symbols *syms = symbols_for(rp->rec);
	char *text = NULL, *line, *save = NULL, name[256];
	uint64_t ip;
	size_t i;

	if (krr_qmp_hmp(rp->qmp, "info registers -a", &text)) {
		krr_symbols_free(syms);
		return;
	}
	for (line = strtok_r(text, "\r\n", &save); line; line = strtok_r(NULL, "\r\n", &save)) {
		for (i = 0; i < ARRAY_SIZE(wanted); i++)
			if (!strncmp(line, wanted[i], strlen(wanted[i])))
				fprintf(stderr, "    %s\n", line);
		if (sscanf(line, "RIP=%" SCNx64, &ip) == 1)
			fprintf(stderr, "      %s\n", krr_symbol(syms, ip, name, sizeof(name)));
	}
	krr_symbols_free(syms);
	free(text);
}

/**
 * report_hang() - where a replay stands that does not go on
 * @rp: replay
 * @what: happened, in words
 */
void report_hang(struct krr_replay *rp, const char *what)
{
	struct krr_hdr *h = rp->ram.hdr;
	uint64_t events = krr_replay_events(rp);

	krr_err("replay of \"%s\" %s at event %" PRIu64 " of %" PRIu64 ", guest is %s",
		rp->rec->name, what, events, rp->rec->m.events,
		krr_state_name(krr_load(&h->state)));
	report_event(stderr, "found", rp->rec, events);
	if (krr_vm_running(&rp->vm))
		print_registers(rp);
	else
		krr_vm_explain(&rp->vm);
	fprintf(stderr, "  to look inside: krrctl gdb %s --at %" PRIu64 "\n", rp->rec->name,
		events);
}

/**
 * report_stall() - why a replay takes no more events
 * @rp: replay
 * @err: -ETIMEDOUT, or -ENODEV when QEMU stopped the guest; others have been reported
 */
void report_stall(struct krr_replay *rp, int err)
{
	if (err == -ENODEV)
		report_hang(rp, "was stopped by QEMU for an internal error");
	else if (err == -ETIMEDOUT)
		report_hang(rp, "made no progress any more");
	else
		return;
	if (!strcmp(rp->machine.accel, "kvm"))
		fprintf(stderr, "  this host's KVM may not be able to run this kernel: try --accel tcg\n");
}

static void print_difference(const struct krr_difference *d, const struct krr_symbols *syms)
{
	char name[256];

	bool percpu = d->class == KRR_CLASS_PERCPU;

	fprintf(stderr, "    %#011" PRIx64 "  %-18s %4u bytes", d->gpa, krr_class_name(d->class),
		d->bytes);
	fprintf(stderr, "  recorded %016" PRIx64 " replayed %016" PRIx64 "  ", d->recorded,
		d->replayed);
	if (percpu)
		fprintf(stderr, "cpu %u ", d->cpu);
	fputs(krr_symbol(syms, percpu ? d->percpu : d->va, name, sizeof(name)), stderr);
	if (d->cache)
		fprintf(stderr, "  cache %#" PRIx64, d->cache);
	fputc('\n', stderr);
}

/**
 * report_verify() - the result of comparing memory
 * @v: result
 * @syms: or NULL
 * @name: of the recording
 */
void report_verify(const struct krr_verify *v, const struct krr_symbols *syms, const char *name)
{
	unsigned int c, i, most = 20;

	for (c = 0; c < KRR_NR_CLASSES; c++)
		if (v->differ[c])
			fprintf(stderr, "  %-20s %6" PRIu64 " pages %9" PRIu64 " bytes differ%s\n",
				krr_class_name(c), v->differ[c], v->bytes[c],
				krr_class_tolerated(c) ? ", not replayed" : "  <--");
	if (!v->bad_pages)
		return;
	krr_err("\"%s\": every event matched, but %" PRIu64 " kernel bytes in %" PRIu64
		" pages differ: an input was missed", name, v->bad_bytes, v->bad_pages);
	if (v->inert_lost)
		fprintf(stderr, "  the list of memory that devices and user mode share is incomplete, it lacks "
			"%" PRIu32 " ranges: the bytes may be such\n", v->inert_lost);
	for (i = 0; i < v->shown && i < most; i++)
		print_difference(&v->first[i], syms);
	if (v->bad_pages > i)
		fprintf(stderr, "    ... and %" PRIu64 " pages more\n", v->bad_pages - i);
}

/**
 * report_console() - the result of comparing consoles, if they differ
 * @d: result
 * @name: of the recording
 */
void report_console(const struct krr_console_diff *d, const char *name)
{
	if (d->equal)
		return;
	krr_err("\"%s\": the replay printed another text on the console than the recording: line %"
		PRIu64 ", byte %" PRIu64 " of %" PRIu64 " and %" PRIu64, name, d->line, d->offset,
		d->recorded, d->replayed);
	fprintf(stderr, "  recorded  %s\n", *d->recorded_line ? d->recorded_line : "(ended)");
	fprintf(stderr, "  replayed  %s\n", *d->replayed_line ? d->replayed_line : "(ended)");
}
