// SPDX-License-Identifier: GPL-2.0-only
/* A replay from start to end: progress, verdict, comparison of memory. */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <string.h>

#include "krrctl/krrctl.h"
#include "lib/util.h"
#include "vmm/options.h"

#define POLL_MS		2
#define SHOW_NS		200000000ull

static const char *const states[] = {
	[KRR_REPLAY_RUNNING] = "running",
	[KRR_REPLAY_ENDED] = "ok",
	[KRR_REPLAY_CUT] = "ok (recording was cut off)",
	[KRR_REPLAY_DIVERGED] = "diverged",
	[KRR_REPLAY_HUNG] = "hung",
	[KRR_REPLAY_DIED] = "QEMU ended",
};

struct verdict {
	enum krr_replay_state state;
	double seconds;
	uint64_t events;
	bool verified;
	struct krr_verify verify;
};

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

static int wait_for_end(struct krr_replay *rp, struct verdict *v, bool progress)
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

static int compare(struct krr_replay *rp, struct verdict *v)
{
	struct krr_ram end = { .fd = -1 };
	int err;

	if (!rp->rec->m.complete) {
		krr_err("\"%s\" was cut off and has no memory image to compare with; replaying it is all that can be done",
			rp->rec->name);
		return -EOPNOTSUPP;
	}
	err = krr_replay_pause(rp);
	if (err)
		return err;
	err = krr_ram_open_at(rp->rec->dirfd, "end.ram", false, &end);
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

/* What the end of a replay means, for this recording. */
static int judge(struct krr_replay *rp, const struct verdict *v, bool json)
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
		report_hang(rp, "made no progress any more");
		return -ETIMEDOUT;
	default:
		report_hang(rp, "ended with QEMU");
		return -EIO;
	}
}

static json_t *verify_json(const struct krr_verify *v)
{
	json_t *classes = json_object(), *list = json_array();
	unsigned int i;

	for (i = 0; i < KRR_NR_CLASSES; i++)
		json_object_set_new(classes, krr_class_name(i),
				    json_pack("{s:I,s:I,s:b}", "pages", (json_int_t)v->differ[i],
					      "bytes", (json_int_t)v->bytes[i],
					      "tolerated", krr_class_tolerated(i)));
	for (i = 0; i < v->shown; i++)
		json_array_append_new(list, json_pack("{s:I,s:s,s:i,s:I}", "gpa",
						      (json_int_t)v->first[i].gpa, "class",
						      krr_class_name(v->first[i].class), "bytes",
						      (int)v->first[i].bytes, "cache",
						      (json_int_t)v->first[i].cache));
	return json_pack("{s:I,s:I,s:I,s:o,s:o}", "pages", (json_int_t)v->pages,
			 "unexplained_pages", (json_int_t)v->bad_pages,
			 "unexplained_bytes", (json_int_t)v->bad_bytes, "classes", classes,
			 "first", list);
}

static json_t *divergence_json(const struct krr_diverged *d)
{
	__free_ptr char *what = krr_hdr_text(d->what, sizeof(d->what));

	return json_pack("{s:I,s:i,s:s,s:i,s:i,s:i,s:i,s:I,s:I}", "event", (json_int_t)d->event,
			 "cpu", (int)d->cpu, "what", what, "want_kind", (int)d->want_kind,
			 "want_fp", (int)d->want_fp, "got_kind", (int)d->got_kind,
			 "got_fp", (int)d->got_fp, "pos", (json_int_t)d->pos,
			 "site", (json_int_t)d->site);
}

static void print_json(struct krr_replay *rp, const struct verdict *v)
{
	struct krr_diverged d = rp->ram.hdr->diverged;
	json_t *root = json_pack("{s:s,s:s,s:I,s:I,s:f,s:f}", "recording", rp->rec->name,
				 "result", states[v->state], "events", (json_int_t)v->events,
				 "bytes", (json_int_t)krr_replay_consumed(rp),
				 "seconds", v->seconds,
				 "recorded_seconds", (double)rp->rec->m.duration_ms / 1000);

	if (v->state == KRR_REPLAY_DIVERGED)
		json_object_set_new(root, "divergence", divergence_json(&d));
	if (v->verified)
		json_object_set_new(root, "verify", verify_json(&v->verify));
	json_dumpf(root, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(root);
}

static void print_text(struct krr_replay *rp, const struct verdict *v)
{
	const struct krr_manifest *m = &rp->rec->m;
	__free_ptr char *vmlinux = krr_artifact_path(KRR_VMLINUX);
	struct krr_symbols *syms = NULL;

	printf("%s: replayed %" PRIu64 " events in %.2f s (recorded in %.2f s), %s\n",
	       rp->rec->name, v->events, v->seconds, (double)m->duration_ms / 1000, states[v->state]);
	if (m->message && *m->message)
		printf("%s: ended by %s: %s\n", rp->rec->name, m->stop_reason, m->message);
	fflush(stdout);
	if (!v->verified)
		return;
	if (v->verify.bad_pages)
		krr_symbols_open(vmlinux, m->build_id, &syms);
	report_verify(&v->verify, syms, rp->rec->name);
	krr_symbols_free(syms);
	if (!v->verify.bad_pages)
		printf("%s: verified, kernel memory is equal in %" PRIu64 " pages\n", rp->rec->name,
		       v->verify.pages);
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
	struct verdict v = { 0 };
	int err;

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
		print_json(rp, &v);
	else if (!err)
		print_text(rp, &v);
	return err ? err : v.verify.bad_pages ? -EILSEQ : 0;
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
	struct krr_replay rp;
	int err;

	err = krr_recording_open(name, &rec);
	if (!err) {
		err = krr_replay_start(&rec, false, &rp);
		if (!err)
			err = replay(&rp, opts);
		krr_replay_end(&rp);
	}
	krr_recording_close(&rec);
	return krr_exit_code(err);
}
