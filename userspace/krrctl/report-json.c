// SPDX-License-Identifier: GPL-2.0-only
/* The result of a replay as JSON. */
#include <jansson.h>

#include "krrctl/krrctl.h"
#include "lib/util.h"

static const char *const states[] = {
	[KRR_REPLAY_RUNNING] = "running",
	[KRR_REPLAY_ENDED] = "ok",
	[KRR_REPLAY_CUT] = "ok (recording was cut off)",
	[KRR_REPLAY_DIVERGED] = "diverged",
	[KRR_REPLAY_HUNG] = "hung",
	[KRR_REPLAY_DIED] = "QEMU ended",
	[KRR_REPLAY_BROKEN] = "QEMU stopped it",
};

/** replay_state_name() - how a replay stands, in words */
const char *replay_state_name(enum krr_replay_state state)
{
	return states[state];
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
	return json_pack("{s:I,s:I,s:I,s:I,s:o,s:o}", "pages", (json_int_t)v->pages,
			 "unexplained_pages", (json_int_t)v->bad_pages,
			 "unexplained_bytes", (json_int_t)v->bad_bytes,
			 "inert_lost", (json_int_t)v->inert_lost, "classes", classes,
			 "first", list);
}

static json_t *console_json(const struct krr_console_diff *d)
{
	json_t *root = json_pack("{s:b,s:I,s:I}", "equal", d->equal,
				 "recorded_bytes", (json_int_t)d->recorded,
				 "replayed_bytes", (json_int_t)d->replayed);

	if (!d->equal)
		json_object_update_new(root, json_pack("{s:I,s:I,s:s,s:s}",
						       "offset", (json_int_t)d->offset,
						       "line", (json_int_t)d->line,
						       "recorded", d->recorded_line,
						       "replayed", d->replayed_line));
	return root;
}

static json_t *divergence_json(const struct krr_diverged *d)
{
	__free_ptr char *what = krr_printable(d->what, sizeof(d->what));

	return json_pack("{s:I,s:i,s:s,s:i,s:i,s:i,s:i,s:I,s:I}", "event", (json_int_t)d->event,
			 "cpu", (int)d->cpu, "what", what, "want_kind", (int)d->want_kind,
			 "want_fp", (int)d->want_fp, "got_kind", (int)d->got_kind,
			 "got_fp", (int)d->got_fp, "pos", (json_int_t)d->pos,
			 "site", (json_int_t)d->site);
}

/**
 * report_json() - the result of a replay, on stdout
 * @rp: replay
 * @v: its result
 */
void report_json(struct krr_replay *rp, const struct replay_verdict *v)
{
	const struct krr_hdr *h = rp->ram.hdr;
	__free_ptr char *message = krr_printable(h->message, sizeof(h->message));
	struct krr_diverged d = h->diverged;
	json_t *root = json_pack("{s:s,s:s,s:s,s:s,s:s,s:I,s:I,s:f,s:f}", "recording", rp->rec->name,
				 "result", replay_state_name(v->state),
				 "accel", rp->machine.accel, "recorded_accel", rp->rec->m.accel,
				 "qemu_version", rp->vm.qemu_version,
				 "events", (json_int_t)v->events,
				 "bytes", (json_int_t)krr_replay_consumed(rp),
				 "seconds", v->seconds,
				 "recorded_seconds", (double)rp->rec->m.duration_ms / 1000);

	if (v->state == KRR_REPLAY_ENDED)
		json_object_update_new(root, json_pack("{s:s,s:s}", "stop_reason",
						       krr_stop_name(krr_load(&h->stop_reason)),
						       "message", message));
	if (v->state == KRR_REPLAY_DIVERGED)
		json_object_set_new(root, "divergence", divergence_json(&d));
	if (v->verified)
		json_object_set_new(root, "verify", verify_json(&v->verify));
	if (v->console.compared)
		json_object_set_new(root, "console", console_json(&v->console));
	json_dumpf(root, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(root);
}
