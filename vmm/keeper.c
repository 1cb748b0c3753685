// SPDX-License-Identifier: GPL-2.0-only
/*
 * Epochs are as long as a quarter of the time that is to be kept, and shorter where
 * the guest logs much: so what goes at once is never much.
 *
 * What is kept gets a tail, and then a border of its own, so that it has an image of
 * memory at its end and can be verified.  A thread makes the recording; until it is
 * done, no epoch goes.
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <pthread.h>
#include <string.h>

#include <linux/types.h>

#include "bpf/policy.h"
#include "bpf/records.h"
#include "lib/util.h"
#include "vmm/keeper.h"

#define NS_PER_MS	1000000ull
#define LEAST_EPOCH_MS	2000u
#define MOST_EPOCH_MS	30000u
#define ROUNDS_AHEAD	4
#define FEW_PAGES	1024u	/* that a round has copied: not worth another one */
#define TAIL_MS		1000u	/* kept after what there is to be seen */
#define STATUS_MS	500u
#define PAUSES		256	/* the last ones are remembered */
#define RULE_MS		10000u	/* a rule has no more than one recording made in so long */
#define RULES		32u	/* that are told apart */

/* What somebody asked to be kept. */
struct request {
	bool there;
	char *label, *why;
	uint64_t since_ns, due_ns;
};

struct krr_keeper {
	struct krr_flight f;
	struct krr_vm *vm;
	const struct krr_recording *rec;
	const struct krr_ram *ram;
	struct krr_delta delta;		/* between scan, and epoch or end */
	uint64_t interval_ns;
	uint64_t raw_from;		/* raw bytes of the log when the epoch began */
	uint32_t wanted;		/* the last epoch that was asked for */

	struct request request, at_border;
	pthread_t thread;
	bool working;			/* @thread is to be joined */
	struct krr_keeping job;
	int job_err;

	struct {
		char name[KRR_DEV_LEN];
		uint64_t ns;		/* of its last request */
	} rule[RULES];			/* a ring */
	unsigned int rules;
	unsigned int suppressed;	/* requests of rules that came too soon */
	unsigned int kept, failed;	/* recordings made */
	char last[KRR_NAME_MAX + 1];
	uint64_t pause_ms[PAUSES];
	unsigned int pauses;		/* in all */
	uint64_t told_ns;		/* the status was written */
};

/* --- status ------------------------------------------------------------------------- */

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* Of @n times, which are put in order. */
static void sum_up(uint64_t *ms, size_t n, uint64_t *median, uint64_t *most)
{
	qsort(ms, n, sizeof(*ms), by_size);
	*median = n ? ms[n / 2] : 0;
	*most = n ? ms[n - 1] : 0;
}

static json_t *pauses_json(const struct krr_keeper *k)
{
	size_t n = k->pauses < PAUSES ? k->pauses : PAUSES;
	uint64_t ms[PAUSES], median, most;

	memcpy(ms, k->pause_ms, n * sizeof(*ms));
	sum_up(ms, n, &median, &most);
	return json_pack("{s:i,s:I,s:I}", "count", (int)k->pauses,
			 "median_ms", (json_int_t)median, "max_ms", (json_int_t)most);
}

/* For krrctl status: replaced as a whole. */
static void tell(struct krr_keeper *k)
{
	__free_ptr char *path = krr_strf("%s/flight.json", k->vm->dir);
	__free_ptr char *tmp = krr_strf("%s.tmp", path);
	uint64_t now = krr_now_ns();
	json_t *root = json_pack("{s:s,s:i,s:I,s:I,s:I,s:I,s:i,s:i,s:i,s:s,s:b,s:o}",
		"name", k->rec->name, "epochs", (int)k->f.epochs,
		"held_ms", (json_int_t)((now - k->f.epoch[0].began_ns) / NS_PER_MS),
		"keep_ms", (json_int_t)(k->f.keep_ns / NS_PER_MS),
		"bytes", (json_int_t)krr_flight_bytes(&k->f), "budget", (json_int_t)k->f.budget,
		"kept", (int)k->kept, "failed", (int)k->failed,
		"suppressed", (int)k->suppressed, "last", k->last,
		"keeping", k->working || k->request.there || k->at_border.there,
		"pauses", pauses_json(k));

	k->told_ns = now;
	if (!json_dump_file(root, tmp, JSON_INDENT(2)))
		rename(tmp, path);
	json_decref(root);
}

/* --- requests ------------------------------------------------------------------------- */

static void forget(struct request *q)
{
	free(q->label);
	free(q->why);
	memset(q, 0, sizeof(*q));
}

/* What a name of a recording may have; the rest becomes '-'. */
static char *clean(const char *label)
{
	char *s = krr_strf("%.40s", label), *p;

	for (p = s; *p; p++)
		if (!isalnum((unsigned char)*p) && !strchr("._-", *p))
			*p = '-';
	return s;
}

/**
 * krr_keeper_ask() - keep what there is
 * @k: keeper
 * @label: for its name
 * @why: in words
 * @last_ms: so much of the past, 0 for all there is
 * @now: without a tail and a border: the guest may not get to one
 *
 * One that waits already takes this one along, and does not wait if this one cannot.
 */
void krr_keeper_ask(struct krr_keeper *k, const char *label, const char *why, uint64_t last_ms,
		    bool now)
{
	struct request *q = &k->request;
	uint64_t t = krr_now_ns(), since = last_ms && last_ms * NS_PER_MS < t ?
					   t - last_ms * NS_PER_MS : 0;

	if (q->there) {
		q->since_ns = since < q->since_ns ? since : q->since_ns;
		q->due_ns = now ? 0 : q->due_ns;
		return;
	}
	*q = (struct request){
		.there = true, .label = clean(label), .why = krr_strf("%s", why),
		.since_ns = since, .due_ns = now ? 0 : t + TAIL_MS * NS_PER_MS,
	};
}

static bool too_soon(struct krr_keeper *k, const char *name)
{
	uint64_t now = krr_now_ns();
	unsigned int i;

	for (i = 0; i < k->rules && i < RULES && strcmp(k->rule[i].name, name); i++)
		;
	if (i < k->rules && i < RULES) {
		if (now - k->rule[i].ns < RULE_MS * NS_PER_MS)
			return true;
	} else {
		i = k->rules++ % RULES;
		snprintf(k->rule[i].name, sizeof(k->rule[i].name), "%s", name);
	}
	k->rule[i].ns = now;
	return false;
}

/**
 * krr_event_mark() - what a rule that was hit has left in the log
 * @ev: annotation, its data still valid
 * @mark: result; what the record does not hold is 0
 *
 * Return: false if it is another annotation.
 */
bool krr_event_mark(const struct krr_event *ev, struct krr_mark *mark)
{
	const uint8_t *record;
	uint32_t subsys;
	int len = krr_event_annotation(ev, &subsys, &record);

	memset(mark, 0, sizeof(*mark));
	if (len < 0 || subsys != KRR_SUBSYS_MARK)
		return false;
	memcpy(mark, record, (size_t)len < sizeof(*mark) ? (size_t)len : sizeof(*mark));
	return true;
}

static void see_rule(struct krr_keeper *k, const struct krr_event *ev)
{
	struct krr_mark mark;
	__free_ptr char *name = NULL, *why = NULL;

	if (!krr_event_mark(ev, &mark) || !(mark.action & KRR_ACT_KEEP))
		return;
	name = krr_printable(mark.name, sizeof(mark.name));
	if (too_soon(k, name)) {
		k->suppressed++;
		return;
	}
	why = krr_strf("rule %s", name);
	krr_keeper_ask(k, name, why, 0, false);
}

/**
 * krr_keeper_see() - look whether an event asks for something
 * @keeper: keeper
 * @ev: KRR_EV_KEEP or KRR_EV_ANNOTATE, fresh from the ring
 */
void krr_keeper_see(void *keeper, const struct krr_event *ev)
{
	struct krr_keeper *k = keeper;
	__free_ptr char *text = NULL;
	const char *why;
	uint64_t ms;
	int len;

	if (ev->kind == KRR_EV_ANNOTATE) {
		see_rule(k, ev);
		return;
	}
	len = krr_event_keep(ev, &ms, &why);
	if (len < 0)
		return;
	text = krr_printable(why, (size_t)len);
	krr_keeper_ask(k, "save", *text ? text : "asked for", ms, false);
}

/* --- making recordings ------------------------------------------------------------------ */

static void *work(void *arg)
{
	struct krr_keeper *k = arg;

	k->job_err = krr_flight_keep(k->rec->dirfd, &k->rec->m, &k->job);
	__atomic_store_n(&k->f.busy, 0u, __ATOMIC_RELEASE);
	return NULL;
}

static void note_kept(struct krr_keeper *k)
{
	if (!k->job_err) {
		k->kept++;
		snprintf(k->last, sizeof(k->last), "%s", k->job.name);
		krr_info("kept \"%s\": %s", k->job.name, k->job.why ? k->job.why : "");
	} else {
		k->failed++;
	}
	krr_keeping_free(&k->job);
	tell(k);
}

static void join(struct krr_keeper *k)
{
	if (!k->working)
		return;
	pthread_join(k->thread, NULL);
	k->working = false;
	note_kept(k);
}

static char *new_name(const struct krr_keeper *k, const char *label)
{
	__free_ptr char *when = krr_utc_now(KRR_UTC_NAME);
	__free_ptr char *stem = krr_strf("%.40s-%s-%s", k->vm->name, label, when);

	return krr_recording_free_name(stem);
}

/* Of the borders from that behind epoch index @i on, the last ones if there are many. */
static void sum_up_pauses(struct krr_keeper *k, size_t i)
{
	uint64_t ms[PAUSES];
	size_t n = 0, e;

	for (e = k->f.epochs - 1; e > i && n < PAUSES; e--)
		ms[n++] = k->f.epoch[e].pause_ms;
	sum_up(ms, n, &k->job.pause_ms, &k->job.most_pause_ms);
}

/* Fill in k->job: from epoch index @i to the last but one, or the last. */
static void describe(struct krr_keeper *k, size_t i, size_t last, const char *label, char *why,
		     const char *stop_reason)
{
	const struct krr_epoch *first = &k->f.epoch[i];

	k->job = (struct krr_keeping){
		.name = new_name(k, label), .why = why, .stop_reason = krr_strf("%s", stop_reason),
		.base = k->f.epoch[0].number, .first = first->number,
		.last = k->f.epoch[last].number, .end = KRR_NO_EPOCH, .offset = first->offset,
		.console = krr_strf("%s", k->vm->console), .console_from = first->console,
		.duration_ms = (krr_now_ns() - first->began_ns) / NS_PER_MS,
	};
	sum_up_pauses(k, i);
}

static void start_work(struct krr_keeper *k)
{
	__atomic_store_n(&k->f.busy, 1u, __ATOMIC_RELEASE);
	if (pthread_create(&k->thread, NULL, work, k)) {
		work(k);
		note_kept(k);
		return;
	}
	k->working = true;
}

/* The border that the request waited for has just been passed. */
static void keep_to_border(struct krr_keeper *k)
{
	struct request *q = &k->at_border;
	size_t border = k->f.epochs - 1;
	size_t i = krr_flight_since(&k->f, q->since_ns);

	describe(k, i < border ? i : border - 1, border - 1, q->label, q->why, KRR_KEPT);
	q->why = NULL;
	k->job.end = k->f.epoch[border].number;
	k->job.console_to = k->f.epoch[border].console;
	k->job.duration_ms = (k->f.epoch[border].began_ns - k->f.epoch[i].began_ns) / NS_PER_MS;
	forget(q);
	start_work(k);
}

/* The guest does not get to a border: what was logged until now. */
static void keep_now(struct krr_keeper *k, off_t console)
{
	struct request *q = &k->request;

	describe(k, krr_flight_since(&k->f, q->since_ns), k->f.epochs - 1, q->label, q->why,
		 krr_stop_name(KRR_STOP_NONE));
	q->why = NULL;
	k->job.console_to = console;
	forget(q);
	start_work(k);
}

/* --- epochs -------------------------------------------------------------------------- */

static uint64_t interval_of(uint64_t keep_ms)
{
	uint64_t ms = keep_ms / 4;

	ms = ms < LEAST_EPOCH_MS ? LEAST_EPOCH_MS : ms > MOST_EPOCH_MS ? MOST_EPOCH_MS : ms;
	return ms * NS_PER_MS;
}

/**
 * krr_keeper_new() - a flight begins
 * @vm: running; outlives the keeper, as do
 * @rec: the incomplete recording, with base.ram and epoch-0.state in it, and
 * @ram: of the guest; its header says how much is to be kept
 * @t: knows what is in base.ram; the keeper's afterwards
 * @console: bytes that the guest has printed
 * @out: keeper
 *
 * Return: 0 or -errno (said on stderr).
 */
int krr_keeper_new(struct krr_vm *vm, const struct krr_recording *rec, const struct krr_ram *ram,
		   struct krr_tracker *t, off_t console, struct krr_keeper **out)
{
	uint64_t keep_ms = krr_load(&ram->hdr->keep_ms);
	uint64_t budget = (uint64_t)krr_load(&ram->hdr->budget_mib) << 20;
	struct krr_keeper *k = calloc(1, sizeof(*k));
	int err;

	if (!k)
		return -ENOMEM;
	k->vm = vm;
	k->rec = rec;
	k->ram = ram;
	k->interval_ns = interval_of(keep_ms);
	err = krr_flight_begin(&k->f, rec->dirfd, t, keep_ms, budget, console);
	if (err) {
		krr_keeper_free(k);
		return err;
	}
	tell(k);
	*out = k;
	return 0;
}

/**
 * krr_keeper_wants() - is an epoch to begin?
 * @k: keeper
 * @raw_bytes: of the log until now
 *
 * Return: its number for hdr.wanted, or 0.
 */
uint32_t krr_keeper_wants(struct krr_keeper *k, uint64_t raw_bytes)
{
	const struct krr_epoch *e = &k->f.epoch[k->f.epochs - 1];
	uint64_t now = krr_now_ns();
	bool due = now - e->began_ns >= k->interval_ns ||
		   (raw_bytes - k->raw_from > k->f.budget / 8 &&
		    now - e->began_ns >= LEAST_EPOCH_MS / 2 * NS_PER_MS);

	if (k->wanted > e->number)
		return 0;	/* asked for already */
	if (k->request.there && k->request.due_ns && now >= k->request.due_ns &&
	    !k->working && !k->at_border.there) {
		k->at_border = k->request;
		memset(&k->request, 0, sizeof(k->request));
	}
	if (k->at_border.there && !k->working)
		due = true;
	if (!due)
		return 0;
	k->wanted = e->number + 1;
	return k->wanted;
}

/** krr_keeper_next() - number of the epoch that comes next */
uint32_t krr_keeper_next(const struct krr_keeper *k)
{
	return k->f.epoch[k->f.epochs - 1].number + 1;
}

/**
 * krr_keeper_scan() - find what changed since the last border, or since this was done last
 * @k: keeper
 * @paused: the VM is, at a border or at its end
 * @most: pages that there is memory for
 *
 * Return: as krr_tracker_scan().
 */
int krr_keeper_scan(struct krr_keeper *k, bool paused, uint64_t most)
{
	return krr_tracker_scan(&k->f.tracker, k->ram, paused, most, &k->delta);
}

/**
 * krr_keeper_scan_ahead() - a border comes: find what changed while the guest runs
 * @k: keeper
 *
 * In rounds, each of which has to copy only what was written during the one before, until
 * that is little.  Does nothing if all pages would have to be hashed at the border anyway.
 *
 * Return: 0 or -errno, and then what changed is not known any more.
 */
int krr_keeper_scan_ahead(struct krr_keeper *k)
{
	uint64_t before;
	int err, i;

	for (i = 0; i < ROUNDS_AHEAD && !krr_keeper_hashes(k); i++) {
		before = k->delta.pages;
		err = krr_keeper_scan(k, false, UINT64_MAX);
		if (err)
			return err;
		if (k->delta.pages - before < FEW_PAGES)
			break;
	}
	return 0;
}

/** krr_keeper_hash() - from now on look at all pages to find what changed */
void krr_keeper_hash(struct krr_keeper *k)
{
	krr_tracker_use(&k->f.tracker, NULL);
}

/** krr_keeper_hashes() - does it look at all pages? */
bool krr_keeper_hashes(const struct krr_keeper *k)
{
	return !k->f.tracker.writes;
}

/* Write what krr_keeper_scan() has found, as the delta of the epoch that comes next. */
static int write_delta(struct krr_keeper *k)
{
	__free_ptr char *name = krr_epoch_file(krr_keeper_next(k), "delta");
	uint64_t bytes;
	int err;

	krr_tracker_settle(&k->f.tracker, &k->delta);
	err = krr_delta_write(&k->delta, k->rec->dirfd, name, &bytes);
	krr_delta_free(&k->delta);
	if (err)
		krr_err("cannot write %s/%s: %s", k->rec->path, name, strerror(-err));
	return err;
}

/**
 * krr_keeper_epoch() - an epoch has begun: krr_keeper_scan() was done, the guest goes on
 * @k: keeper; the state is in the epoch's file
 * @offset: in the stream, of its first event
 * @console: bytes that the guest has printed
 * @pause_ms: that the guest stood still
 *
 * Return: 0 or -errno.
 */
int krr_keeper_epoch(struct krr_keeper *k, uint64_t offset, off_t console, uint64_t pause_ms)
{
	int err;

	k->pause_ms[k->pauses++ % PAUSES] = pause_ms;
	k->raw_from = offset;
	err = write_delta(k);
	if (!err)
		err = krr_flight_add(&k->f, krr_keeper_next(k), offset, console, pause_ms);
	if (err)
		return err;
	/* a hang that ended: what waits for a border gets the next one */
	if (k->at_border.there && !k->working)
		keep_to_border(k);
	err = krr_flight_trim(&k->f);
	tell(k);
	return err;
}

/**
 * krr_keeper_tick() - time goes by
 * @k: keeper
 * @console: bytes that the guest has printed
 *
 * Return: 0 or -errno.
 */
int krr_keeper_tick(struct krr_keeper *k, off_t console)
{
	int err = 0;

	if (k->working && !__atomic_load_n(&k->f.busy, __ATOMIC_ACQUIRE)) {
		join(k);
		err = krr_flight_trim(&k->f);
	}
	if (k->request.there && !k->request.due_ns && !k->working)
		keep_now(k, console);
	if (krr_now_ns() - k->told_ns > STATUS_MS * NS_PER_MS) {
		/* the events of this epoch take room, too */
		if (!err)
			err = krr_flight_trim(&k->f);
		tell(k);
	}
	return err;
}

/** krr_keeper_pending() - was something asked for that is not kept yet? */
bool krr_keeper_pending(const struct krr_keeper *k)
{
	return k->request.there || k->at_border.there;
}

/**
 * krr_keeper_end() - the recording has ended: keep what there is
 * @k: keeper
 * @label: for the name
 * @stop_reason: for the manifest
 * @message: of the guest, or NULL
 * @end: where RAM of the end is
 * @console: bytes that the guest has printed
 * @name: result: of the recording, freed by free()
 *
 * Return: 0 or -errno (said on stderr).
 */
int krr_keeper_end(struct krr_keeper *k, const char *label, const char *stop_reason,
		   const char *message, enum krr_end_ram end, off_t console, char **name)
{
	const struct request *q = k->at_border.there ? &k->at_border : &k->request;
	char *why = q->there ? krr_strf("%s, and %s", label, q->why) : krr_strf("%s", label);

	join(k);
	describe(k, 0, k->f.epochs - 1, label, why, stop_reason);
	k->job.message = message ? krr_strf("%s", message) : NULL;
	k->job.parked = end == KRR_END_RAM_FILE || (end == KRR_END_RAM_SCANNED && !write_delta(k));
	if (k->job.parked && end == KRR_END_RAM_SCANNED)
		k->job.end = krr_keeper_next(k);
	k->job.console_to = console;
	*name = krr_strf("%s", k->job.name);
	work(k);
	note_kept(k);
	return k->job_err;
}

/** krr_keeper_free() - free; the files of the flight stay */
void krr_keeper_free(struct krr_keeper *k)
{
	__free_ptr char *path = NULL;

	if (!k)
		return;
	join(k);
	path = krr_strf("%s/flight.json", k->vm->dir);
	unlink(path);
	forget(&k->request);
	forget(&k->at_border);
	krr_delta_free(&k->delta);
	krr_flight_free(&k->f);
	free(k);
}
