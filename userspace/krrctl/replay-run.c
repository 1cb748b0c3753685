// SPDX-License-Identifier: GPL-2.0-only
/* A replay from start to end: progress, verdict, comparison of memory. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#include "krrctl/krrctl.h"
#include "krrctl/position.h"
#include "lib/util.h"
#include "vmm/options.h"
#include "vmm/replay-accel.h"

#define POLL_MS		2
#define SHOW_NS		200000000ull

static void show_progress(struct krr_replay *rp, uint64_t now)
{
	uint64_t total = rp->rec->m.raw_bytes, done = krr_replay_consumed(rp);
	double part = total ? (double)done / (double)total : 1;
	double s = (double)(now - rp->begun_ns) / 1e9;
	char bar[31];
	unsigned int i;

	if (part > 1)
		part = 1;
	for (i = 0; i < sizeof(bar) - 1; i++)
		bar[i] = i < part * (sizeof(bar) - 1) ? '#' : '.';
	bar[sizeof(bar) - 1] = '\0';
	fprintf(stderr, "\r[%s] %3.0f%%  %" PRIu64 " events  %.0f/s  %.0f s left ", bar, part * 100,
		krr_replay_events(rp), s > 0 ? (double)krr_replay_events(rp) / s : 0,
		part > 0 ? s / part - s : 0);
}

static int wait_for_end(struct krr_replay *rp, struct replay_verdict *v, bool progress)
{
	uint64_t now, shown = 0;
	int err;

	for (;;) {
		err = krr_replay_poll(rp, &v->state);
		now = krr_now_ns();
		v->seconds = (double)(now - rp->begun_ns) / 1e9;
		v->events = krr_replay_events(rp);
		if (err || v->state != KRR_REPLAY_RUNNING)
			break;
		if (progress && now - shown > SHOW_NS) {
			show_progress(rp, now);
			shown = now;
		}
		krr_sleep_ms(POLL_MS);
	}
	if (progress)
		fprintf(stderr, "\r%78s\r", "");
	return err;
}

static int compare_memory(struct krr_replay *rp, struct replay_verdict *v)
{
	struct krr_ram end = { .fd = -1 };
	int err;

	err = krr_recording_check(rp->rec, KRR_FILE_END_RAM);
	if (err)
		return err;
	err = krr_ram_open_at(rp->rec->dirfd, "end.ram", false, &end);
	krr_ram_split(&end, rp->ram.low);
	if (!err)
		err = krr_ram_use(&end, rp->rec->m.hdr_gpa);
	if (!err)
		err = krr_verify(&end, &rp->ram, &v->verify);
	if (err) {
		krr_err("%s/end.ram is not the memory of this recording", rp->rec->path);
		err = -EBADMSG;
	}
	krr_ram_close(&end);
	v->verified = !err;
	return err;
}

static int compare_console(struct krr_replay *rp, struct replay_verdict *v)
{
	__close_fd int recorded = openat(rp->rec->dirfd, krr_file_name(KRR_FILE_CONSOLE), KRR_O_READ);
	__close_fd int replayed = open(rp->vm.console, O_RDONLY | O_CLOEXEC);
	int err = krr_recording_check(rp->rec, KRR_FILE_CONSOLE);

	if (err)
		return err;
	err = krr_console_compare(recorded, replayed, &v->console);
	if (err)
		krr_err("cannot compare the consoles of \"%s\": %s", rp->rec->name, strerror(-err));
	return err;
}

static int compare(struct krr_replay *rp, struct replay_verdict *v)
{
	int err;

	if (!rp->rec->m.complete) {
		krr_err("\"%s\" was cut off and has no memory image to compare with; "
			"replaying it is all that can be done", rp->rec->name);
		return -EOPNOTSUPP;
	}
	err = krr_replay_pause(rp);
	if (!err)
		err = compare_memory(rp, v);
	return err ? err : compare_console(rp, v);
}

/* What the end of a replay means, for this recording. */
static int judge(struct krr_replay *rp, const struct replay_verdict *v, bool json)
{
	switch (v->state) {
	case KRR_REPLAY_ENDED:
		return 0;
	case KRR_REPLAY_CUT:
		if (!rp->rec->m.complete)
			return 0;
		krr_err("the log of \"%s\" ended before the recording did", rp->rec->name);
		return -EBADMSG;
	case KRR_REPLAY_DIVERGED:
		report_divergence(rp, json);
		return -EILSEQ;
	case KRR_REPLAY_HUNG:
		report_stall(rp, -ETIMEDOUT);
		return -ETIMEDOUT;
	case KRR_REPLAY_BROKEN:
		report_stall(rp, -ENODEV);
		return -ENODEV;
	default:
		report_hang(rp, "ended with QEMU");
		return -EIO;
	}
}

/* What the replayed kernel says itself about its end. */
static void print_end(const struct krr_replay *rp)
{
	const struct krr_hdr *h = rp->ram.hdr;
	__free_ptr char *message = krr_printable(h->message, sizeof(h->message));

	printf("%s: ended by %s%s%s\n", rp->rec->name, rp->rec->m.stop_reason ?: "none",
	       *message ? ": " : "", message);
	if (krr_load(&h->stop_reason) == KRR_STOP_PANIC)
		printf("%s: krrctl replay --console %s shows what the kernel printed\n",
		       rp->rec->name, rp->rec->name);
}

static void print_text(struct krr_replay *rp, const struct replay_verdict *v)
{
	const struct krr_manifest *m = &rp->rec->m;
	__free_ptr char *vmlinux = krr_artifact_path(KRR_VMLINUX);
	struct krr_symbols *syms = NULL;

	printf("%s: replayed %" PRIu64 " events in %.2f s under %s (recorded in %.2f s under %s), "
	       "%s\n", rp->rec->name, v->events, v->seconds, rp->machine.accel,
	       (double)m->duration_ms / 1000, m->accel, replay_state_name(v->state));
	if (m->stop_reason && strcmp(m->stop_reason, krr_stop_name(KRR_STOP_REQUEST)))
		print_end(rp);
	fflush(stdout);
	if (!v->verified)
		return;
	if (v->verify.bad_pages)
		krr_symbols_open(vmlinux, m->build_id, &syms);
	report_verify(&v->verify, syms, rp->rec->name);
	krr_symbols_free(syms);
	report_console(&v->console, rp->rec->name);
	if (!v->verify.bad_pages && v->console.equal)
		printf("%s: verified, kernel memory is equal in %" PRIu64 " pages, and %" PRIu64
		       " bytes of console\n", rp->rec->name, v->verify.pages, v->console.recorded);
}

static void print_console(const struct krr_replay *rp)
{
	FILE *f = fopen(rp->vm.console, "re");
	int c;

	while (f && (c = getc(f)) != EOF)
		putchar(c);
	if (f)
		fclose(f);
	fflush(stdout);
}

static int replay(struct krr_replay *rp, const struct replay_options *opts)
{
	struct replay_verdict v = { 0 };
	int err;

	if (opts->timeout_s != REPLAY_TIMEOUT_AUTO)
		rp->timeout_s = opts->timeout_s;
	err = krr_replay_go(rp);
	if (!err)
		err = wait_for_end(rp, &v, !opts->json && !krr_quiet && isatty(2));
	if (err)
		return err;
	if (opts->console)
		print_console(rp);
	err = judge(rp, &v, opts->json);
	if (!err && opts->verify)
		err = compare(rp, &v);
	if (opts->json)
		report_json(rp, &v);
	else if (!err)
		print_text(rp, &v);
	if (!err && v.verified && (v.verify.bad_pages || !v.console.equal))
		err = -EILSEQ;
	return err;
}

/* Up to a position only. */
static int replay_until(struct krr_replay *rp, const struct replay_options *opts, uint64_t event)
{
	int err;

	if (opts->timeout_s != REPLAY_TIMEOUT_AUTO)
		rp->timeout_s = opts->timeout_s;
	err = krr_replay_until(rp, event);
	if (err) {
		report_stall(rp, err);
		return err;
	}
	if (krr_load(&rp->ram.hdr->state) == KRR_ST_DIVERGED) {
		report_divergence(rp, false);
		return -EILSEQ;
	}
	printf("%s: replayed up to event %" PRIu64 " of %" PRIu64 "\n", rp->rec->name, event,
	       rp->rec->m.events);
	report_event(stdout, "next", rp->rec, event);
	printf("  krrctl gdb --at %" PRIu64 " %s looks inside\n", event, rp->rec->name);
	return 0;
}

static int start(const struct krr_recording *rec, const struct replay_options *opts)
{
	struct krr_replay_how how = { .poison = opts->poison };
	struct krr_replay rp;
	uint64_t until = 0;
	int err = 0;

	if (opts->until)
		err = position_find(rec, opts->until, &until);
	if (err)
		return err;
	err = krr_replay_choose(rec, opts->accel, &how.accel);
	if (err)
		return err;
	err = krr_replay_start(rec, &how, &rp);
	if (!err)
		err = opts->until ? replay_until(&rp, opts, until) : replay(&rp, opts);
	krr_replay_end(&rp);
	return err;
}

/**
 * replay_run() - replay a recording and tell how it went
 * @name: recording
 * @opts: how
 *
 * Return: exit status.
 */
int replay_run(const char *name, const struct replay_options *opts)
{
	struct krr_recording rec;
	int err;

	err = krr_recording_open(name, &rec);
	if (!err)
		err = start(&rec, opts);
	krr_recording_close(&rec);
	return usage_code(err);
}
