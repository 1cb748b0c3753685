// SPDX-License-Identifier: GPL-2.0-only
/*
 * The recorder is a thread that looks at the header every few milliseconds.
 * The guest parks for it at the start and the end of each recording, and between
 * epochs, so nothing is lost by looking late; only the pause gets longer.
 *
 * What can be done while the guest runs on is not done in these pauses.  A guest says
 * that it will begin, and RAM is copied, with a hash of each page; when it has parked,
 * only the pages are copied that have changed since.  At the end, those that have
 * changed since the start are kept in memory, and end.ram is made of start.ram and
 * them when the guest has gone on.
 *
 * A recording's directory is complete at every moment: the manifest is written
 * right after the snapshot, with the place of the RAM file in it, and
 * krr_salvage() in any later process can go on from there.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <linux/types.h>

#include "bpf/policy.h"
#include "bpf/records.h"
#include "lib/util.h"
#include "vmm/drain.h"
#include "vmm/keeper.h"
#include "vmm/ram-copy.h"
#include "vmm/recorder.h"
#include "vmm/salvage.h"
#include "vmm/snapshot.h"
#include "vmm/uffd.h"

#define POLL_MS		5
#define SOON_MS		1	/* the same, where the guest is about to park */
#define SEARCH_NS	100000000ull
#define HURRY		(-10)	/* nice, where the guest waits */
#define HANG_NS		10000000000ull	/* the kernel runs and logs nothing for so long */
#define LEAST_RESERVE	(32ull << 20)
#define MOST_AT_FIRST	(512ull << 20)	/* of the reserve, when nothing was written yet */
#define LEAST_FLIGHT_MS	60000u		/* one that failed sooner would fail again */

struct krr_recorder {
	struct krr_vm *vm;
	const struct krr_machine *machine;
	struct krr_ram ram;
	struct krr_qmp *qmp;
	struct krr_writes writes;	/* to RAM; opened before the first recording */
	struct krr_reserve reserve;	/* for copies of RAM */
	bool reserves, follows;		/* for the thread of @reserve; @writes has begun */
	pthread_t thread;
	bool quit;
	uint64_t next_search;

	/* the recording that is about to begin */
	bool ready;		/* PREPARING was answered */
	int ready_err;		/* what became of it */
	char asked[sizeof(((struct krr_hdr *)0)->name)];
	bool flight;
	struct krr_ram_copy copy;	/* its start.ram or base.ram; a keeper takes the tracker */

	/* the recording under way */
	bool active;
	bool answered;		/* this PARKED_START was answered */
	bool waits;		/* after RESUME the guest waits for the files to be made */
	struct krr_recording rec;
	struct krr_log_writer *log;
	struct krr_drain drain;
	uint64_t begun_ns;
	off_t console_from;

	/* if it is a flight */
	struct krr_keeper *keeper;
	uint64_t head, head_ns;	/* the last that was seen, and since when */
	bool hung;		/* said already */

	/* if it is none */
	bool ruled;		/* a rule has asked for its end */
	bool go_on;		/* it has ended; when the guest has seen that, see krr_outcome */

	pthread_mutex_t lock;	/* of what is below */
	enum krr_recorder_ring ring;
	struct krr_outcome outcome;
};

static uint64_t ms_since(uint64_t ns)
{
	return (krr_now_ns() - ns + 500000) / 1000000;
}

/* What a guest may write before the reserve can follow: a sixteenth of its RAM, within bounds. */
static uint64_t first_reserve(const struct krr_recorder *r)
{
	uint64_t bytes = r->ram.size / 16;

	return bytes < LEAST_RESERVE ? LEAST_RESERVE :
	       bytes > MOST_AT_FIRST ? MOST_AT_FIRST : bytes;
}

/*
 * Memory for the pages that will be copied at the next border or at the end, and some more:
 * a thread of its own keeps it ready.  At most a quarter of what the host has available.
 */
static uint64_t reserve_wants(void *arg)
{
	struct krr_recorder *r = arg;
	uint64_t pages = 0, want, most = krr_pages_to_spare() / 2 * KRR_BLOCK;

	if (!__atomic_load_n(&r->reserves, __ATOMIC_ACQUIRE))
		return 0;
	if (__atomic_load_n(&r->follows, __ATOMIC_ACQUIRE))
		pages = krr_writes_peek(&r->writes) + krr_ahead_pending(&r->copy.ahead);
	want = (pages + pages / 8) * KRR_BLOCK + first_reserve(r);
	return want < most ? want : most;
}

static enum krr_writes_way changes_of(const struct krr_recorder *r)
{
	bool hash = r->keeper ? krr_keeper_hashes(r->keeper) : !r->copy.tracker.writes;

	return hash ? KRR_WRITES_HASH : r->writes.way;
}

static void fill_manifest(struct krr_recorder *r)
{
	const struct krr_hdr *h = r->ram.hdr;
	struct krr_manifest *m = &r->rec.m;
	uint32_t id = h->build_id_len;

	m->name = krr_strf("%s", r->rec.name);
	m->created = krr_utc_now(KRR_UTC_ISO);
	m->build_id = krr_hex(h->build_id, id <= sizeof(h->build_id) ? id : 0);
	m->release = krr_printable(h->release, sizeof(h->release));
	m->kversion = krr_printable(h->kversion, sizeof(h->kversion));
	m->cmdline = r->machine->append ? krr_strf("%s", r->machine->append) : NULL;
	m->tsc_khz = h->tsc_khz;
	m->qemu_version = krr_strf("%s", r->vm->qemu_version);
	m->qemu_argv = krr_strf("%s", r->vm->argv);
	krr_machine_to_manifest(r->machine, m);
	m->hdr_gpa = krr_ram_gpa(&r->ram, r->ram.hdr_at);
	m->ring_base = r->drain.base;
	m->generation = h->generation;
	m->ram_path = krr_strf("%s", r->vm->ram);
	m->stop_reason = krr_strf("none");
	krr_set_text(&m->changes, krr_writes_name(changes_of(r)));
}

/* Return: @err, said on stderr. */
static int said_copy(const struct krr_recorder *r, int err)
{
	if (err)
		krr_err("cannot copy guest RAM to %s: %s", r->rec.path, strerror(-err));
	return err;
}

/* What of RAM has changed since it was copied is put into the copy, which is a snapshot then. */
static int follow_ram(struct krr_recorder *r)
{
	return said_copy(r, krr_ram_copy_follow(&r->copy, &r->ram,
						r->rec.m.sum[KRR_FILE_START_RAM]));
}

/*
 * Does another process write to RAM by a mapping of its own?  vhost-user devices do.  One
 * that cannot be seen because QEMU does not answer is taken for one.
 */
static bool has_foreign_writer(struct krr_recorder *r)
{
	static const char *const paths[] = { "/machine/peripheral", "/machine/peripheral-anon" };
	bool found = false;
	json_t *list, *dev;
	const char *type;
	size_t i, j;

	for (i = 0; i < ARRAY_SIZE(paths) && !found; i++) {
		if (krr_qmp_call(r->qmp, "qom-list", json_pack("{s:s}", "path", paths[i]), &list))
			return true;
		json_array_foreach(list, j, dev) {
			type = json_string_value(json_object_get(dev, "type"));
			found |= type && strstr(type, "vhost-user");
		}
		json_decref(list);
	}
	return found;
}

/* Before pages that changed are looked for: can the host's kernel tell? */
static void check_writers(struct krr_recorder *r)
{
	if (r->keeper ? krr_keeper_hashes(r->keeper) : !r->copy.tracker.writes)
		return;
	if (!has_foreign_writer(r))
		return;
	krr_set_text(&r->rec.m.changes, krr_writes_name(KRR_WRITES_HASH));
	if (r->keeper)
		krr_keeper_hash(r->keeper);
	else
		krr_tracker_use(&r->copy.tracker, NULL);
}

/*
 * The guest waits for this thread, and for those that it starts.  Return: what it was, for
 * stop_hurry(); who may not do so does not.
 */
static int hurry(void)
{
	int nice = getpriority(PRIO_PROCESS, 0);

	setpriority(PRIO_PROCESS, 0, HURRY);	/* of this thread */
	return nice;
}

static void stop_hurry(int nice)
{
	setpriority(PRIO_PROCESS, 0, nice);
}

static int begin_state(struct krr_recorder *r, const char *name)
{
	__close_fd int fd = openat(r->rec.dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
				   0600);

	return fd < 0 ? -errno : krr_snapshot_begin(r->qmp, fd);
}

/* RAM of a VM that is stopped stands still, so it is looked at while QEMU saves the state. */
static int save_vm(struct krr_recorder *r, const char *state)
{
	int err = begin_state(r, state), err2;

	if (err)
		return err;
	check_writers(r);
	err = r->keeper ? krr_keeper_scan(r->keeper, true, UINT64_MAX) : follow_ram(r);
	err2 = krr_snapshot_wait(r->qmp);
	return err ? err : err2;
}

/* Pause, take the snapshot, go on. The guest is parked all along. */
static int take_snapshot(struct krr_recorder *r, uint32_t epoch)
{
	__free_ptr char *state = r->flight ? krr_epoch_file(epoch, "state") :
				 krr_strf("start.state");
	int err, err2, nice;

	err = krr_qmp_call(r->qmp, "stop", NULL, NULL);
	if (err)
		return err;
	nice = hurry();
	err = save_vm(r, state);
	stop_hurry(nice);
	err2 = krr_qmp_call(r->qmp, "cont", NULL, NULL);
	return err ? err : err2;
}

static off_t console_size(const struct krr_recorder *r)
{
	struct stat st;

	return stat(r->vm->console, &st) < 0 ? 0 : st.st_size;
}

/* The guest may have lost patience and left; its word counts. */
static int command_record(struct krr_recorder *r)
{
	uint32_t none = KRR_CMD_NONE;

	if (__atomic_compare_exchange_n(&r->ram.hdr->command, &none, (uint32_t)KRR_CMD_RECORD,
					false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
		return 0;
	krr_err("the guest did not wait for the end of the snapshot, which took %" PRIu64
		" ms (its TSC runs at %" PRIu64 " kHz, it says)",
		r->rec.m.start_pause_ms, (uint64_t)r->ram.hdr->tsc_khz);
	return -ETIMEDOUT;
}

static char *name_of(const struct krr_recorder *r)
{
	char *name = krr_printable(r->ram.hdr->name, sizeof(r->ram.hdr->name)), *other;

	if (*name)
		return name;
	free(name);
	if (!r->flight)
		return krr_utc_now("rec-" KRR_UTC_NAME);
	name = krr_strf("%.80s-flight", r->vm->name);
	other = krr_recording_free_name(name);
	free(name);
	return other;
}

static int open_log(struct krr_recorder *r, uint32_t epoch)
{
	__free_ptr char *name = r->flight ? krr_epoch_file(epoch, "krr") : krr_strf("log.krr");

	return krr_log_create(r->rec.dirfd, name, &r->log);
}

/* The guest ends a recording by itself when a rule says so, and krrd there does not hear of it. */
static void see_stop(void *arg, const struct krr_event *ev)
{
	struct krr_recorder *r = arg;
	struct krr_mark mark;

	if (krr_event_mark(ev, &mark))
		r->ruled |= mark.action & KRR_ACT_STOP;
}

/* The snapshot is there: what goes on from it. */
static int begin_files(struct krr_recorder *r, uint64_t base)
{
	int err;

	err = open_log(r, 0);
	if (!err)
		err = krr_drain_init(&r->drain, &r->ram, r->log, base);
	if (!err && r->flight)
		err = krr_keeper_new(r->vm, &r->rec, &r->ram, &r->copy.tracker, r->console_from,
				     &r->keeper);
	if (err)
		return err;
	r->drain.see = r->flight ? krr_keeper_see : see_stop;
	r->drain.arg = r->flight ? (void *)r->keeper : r;
	fill_manifest(r);
	r->rec.m.flight = r->flight;
	return krr_manifest_begin(r->rec.dirfd, &r->rec.m);
}

/* A balloon takes pages from RAM, and nobody says that they are zeros then. */
static struct krr_writes *writes_of(struct krr_recorder *r)
{
	if (!r->writes.bit && krr_writes_open(&r->writes, r->vm->pid,
					      krr_uffd_take(r->vm->uffd_socket), &r->ram))
		return NULL;
	return r->machine->balloon ? NULL : &r->writes;
}

/* The guest will begin soon, or has parked already. */
static int prepare(struct krr_recorder *r)
{
	struct krr_hdr *h = r->ram.hdr;
	__free_ptr char *name = NULL;
	int err;

	memcpy(r->asked, h->name, sizeof(r->asked));
	r->flight = krr_load(&h->flight);
	/* it is filled while RAM is copied */
	__atomic_store_n(&r->reserves, true, __ATOMIC_RELEASE);
	name = name_of(r);
	err = krr_recording_create(name, &r->rec);
	if (err)
		return err;
	err = krr_ram_copy_begin(&r->copy, &r->ram, writes_of(r), r->rec.dirfd,
				 r->flight ? KRR_BASE_RAM : "start.ram");
	r->copy.tracker.reserve = &r->reserve;
	return said_copy(r, err);
}

/* Was it this recording that was prepared? */
static bool is_ready(const struct krr_recorder *r)
{
	const struct krr_hdr *h = r->ram.hdr;

	return r->ready && !memcmp(r->asked, h->name, sizeof(r->asked)) &&
	       r->flight == !!krr_load(&h->flight);
}

static void unprepare(struct krr_recorder *r);

static int begin(struct krr_recorder *r)
{
	struct krr_hdr *h = r->ram.hdr;
	uint64_t base = krr_load(&h->head), t0 = krr_now_ns();
	bool ready = is_ready(r);
	int err;

	if (r->ready && !ready)
		unprepare(r);
	r->waits = ready;
	r->ready = false;
	err = ready ? r->ready_err : prepare(r);
	if (err)
		return err;
	krr_store(&h->host_flags, 0u);
	krr_store(&h->wanted, 0u);
	krr_store(&h->tail, base);
	r->console_from = console_size(r);
	err = take_snapshot(r, 0);
	if (!err)
		err = begin_files(r, base);
	r->rec.m.start_pause_ms = ms_since(t0);
	if (!err)
		err = command_record(r);
	if (err)
		return err;
	krr_ram_copy_close(&r->copy);
	__atomic_store_n(&r->follows, true, __ATOMIC_RELEASE);
	r->active = true;
	r->hung = r->ruled = r->go_on = false;
	r->begun_ns = r->head_ns = krr_now_ns();
	if (!r->flight && krr_ram_copy_ahead(&r->copy, &r->ram, r->rec.dirfd))
		krr_info("no thread can be had to copy memory ahead of the end of \"%s\"",
			 r->rec.name);
	return 0;
}

/* @name: of the recording, NULL if there is none */
static void publish(struct krr_recorder *r, int err, const char *name)
{
	const struct krr_manifest *m = &r->rec.m;
	struct krr_outcome *o = &r->outcome;

	pthread_mutex_lock(&r->lock);
	o->count++;
	o->err = err;
	snprintf(o->name, sizeof(o->name), "%s", name ? name : "");
	snprintf(o->message, sizeof(o->message), "%s", m->message ? m->message : "");
	o->stop_reason = r->drain.d.stopped ? r->drain.d.stop_reason : KRR_STOP_NONE;
	if (!o->stop_reason && r->ram.hdr)
		o->stop_reason = krr_load(&r->ram.hdr->stop_reason);
	o->events = m->events;
	o->raw_bytes = m->raw_bytes;
	o->log_bytes = m->log_bytes;
	o->duration_ms = m->duration_ms;
	o->start_pause_ms = m->start_pause_ms;
	o->end_pause_ms = m->end_pause_ms;
	pthread_mutex_unlock(&r->lock);
}

static void forget(struct krr_recorder *r)
{
	__atomic_store_n(&r->follows, false, __ATOMIC_RELEASE);
	__atomic_store_n(&r->reserves, false, __ATOMIC_RELEASE);
	krr_ram_copy_free(&r->copy);
	krr_keeper_free(r->keeper);
	r->keeper = NULL;
	krr_drain_free(&r->drain);
	krr_log_writer_free(r->log);
	r->log = NULL;
}

/* The recording does not come to be. */
static void discard(struct krr_recorder *r)
{
	forget(r);
	/* A name that was taken is somebody else's directory. */
	if (r->rec.lockfd >= 0)
		krr_recording_discard(&r->rec);
	else
		krr_recording_close(&r->rec);
}

/* It was prepared, and the guest does not begin it. */
static void unprepare(struct krr_recorder *r)
{
	r->ready = false;
	krr_store(&r->ram.hdr->host_flags, 0u);
	discard(r);
}

static void give_up_start(struct krr_recorder *r, int err)
{
	krr_err("the recording was not begun: %s", strerror(-err));
	krr_store(&r->ram.hdr->command, (uint32_t)KRR_CMD_ABORT);
	memset(&r->drain.d, 0, sizeof(r->drain.d));
	publish(r, err, r->rec.name);
	discard(r);
}

/* What was printed until @end; the guest may have gone on. */
static void copy_console(struct krr_recorder *r, off_t end)
{
	__close_fd int from = open(r->vm->console, O_RDONLY | O_CLOEXEC);
	__close_fd int to = openat(r->rec.dirfd, "console.log",
				   O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	off_t at = r->console_from;
	char buf[65536];
	ssize_t n = from < 0 || to < 0 ? -1 : 1;

	while (n > 0 && at < end) {
		n = krr_pread_full(from, buf, end - at < (off_t)sizeof(buf) ?
				   (size_t)(end - at) : sizeof(buf), at);
		if (n <= 0)
			break;
		at += n;
		if (krr_write_full(to, buf, (size_t)n))
			n = -1;
	}
	if (n < 0)
		krr_err("cannot copy the console to %s/console.log", r->rec.path);
}

/*
 * The guest is parked at the end: what its memory holds now is the truth.  The pages
 * that changed since the start, or the last epoch, are kept in memory; if they are too
 * many, all of it is copied at once.
 */
static int keep_end_ram(struct krr_recorder *r, enum krr_end_ram *where)
{
	uint64_t most = krr_pages_to_spare();
	int err, err2, nice;

	err = krr_qmp_call(r->qmp, "stop", NULL, NULL);
	if (err)
		return err;
	nice = hurry();
	check_writers(r);
	err = r->keeper ? krr_keeper_scan(r->keeper, true, most) :
	      krr_ram_copy_scan(&r->copy, &r->ram, most);
	if (!err) {
		*where = KRR_END_RAM_SCANNED;
	} else if (err == -E2BIG || err == -ENOMEM) {
		err = krr_copy_ram(r->ram.fd, r->rec.dirfd, "end.ram",
				   r->rec.m.sum[KRR_FILE_END_RAM]);
		*where = err ? KRR_END_RAM_NONE : KRR_END_RAM_FILE;
	}
	stop_hurry(nice);
	err2 = krr_qmp_call(r->qmp, "cont", NULL, NULL);
	return err ? err : err2;
}

static void finish(struct krr_recorder *r, bool parked);

/* --- epochs -------------------------------------------------------------------------- */

/* The guest is parked at the border, and its last event is that of the border. */
static int change_log(struct krr_recorder *r, uint32_t epoch)
{
	int err = krr_drain_step(&r->drain, true);

	if (!err && r->drain.damaged)
		err = -EBADMSG;
	/* one that lost patience may have logged more, which is not of this epoch */
	if (!err && krr_load(&r->ram.hdr->state) != KRR_ST_PARKED_EPOCH)
		err = -ETIMEDOUT;
	if (err)
		return err;
	krr_log_writer_free(r->log);
	r->log = r->drain.log = NULL;
	err = open_log(r, epoch);
	r->drain.log = r->log;
	return err;
}

static void next_epoch(struct krr_recorder *r)
{
	struct krr_hdr *h = r->ram.hdr;
	uint32_t epoch = krr_load(&h->epoch);
	uint64_t t0 = krr_now_ns(), pause_ms;
	off_t console = console_size(r);
	int err;

	err = epoch == krr_keeper_next(r->keeper) ? take_snapshot(r, epoch) : -EPROTO;
	if (!err)
		err = change_log(r, epoch);
	pause_ms = ms_since(t0);
	krr_store(&h->command, (uint32_t)KRR_CMD_GO_ON);
	if (!err)
		err = krr_keeper_epoch(r->keeper, r->drain.d.offset, console, pause_ms);
	if (!err)
		return;
	krr_err("epoch %" PRIu32 " cannot be begun: %s; the flight recorder ends", epoch,
		strerror(-err));
	finish(r, false);
}

/* Is the kernel stuck?  Idle and user mode log nothing either, but own no lock. */
static void look_for_hang(struct krr_recorder *r)
{
	uint64_t head = krr_load(&r->ram.hdr->head), now = krr_now_ns();
	uint32_t owner = krr_load(&r->ram.hdr->owner);
	__free_ptr char *why = NULL;

	if (head != r->head || !owner) {
		r->head = head;
		r->head_ns = now;
		r->hung = false;
	}
	if (r->hung || now - r->head_ns < HANG_NS)
		return;
	r->hung = true;
	why = krr_strf("hang: CPU %" PRIu32 " has run the kernel for %llu s without an event",
		       owner - 1, HANG_NS / 1000000000);
	krr_keeper_ask(r->keeper, "hang", why, 0, true);
}

/* A border comes: most of what has changed is copied before it, while the guest runs. */
static int copy_ahead(struct krr_recorder *r)
{
	int err = krr_keeper_scan_ahead(r->keeper);

	if (err)
		krr_err("cannot copy the pages that changed: %s; the flight recorder ends",
			strerror(-err));
	return err;
}

/* Between borders, while the guest records. */
static void fly(struct krr_recorder *r)
{
	struct krr_hdr *h = r->ram.hdr;
	uint32_t wanted;
	int err = 0;

	if (krr_load(&h->command) == KRR_CMD_GO_ON)
		krr_store(&h->command, (uint32_t)KRR_CMD_RECORD);
	wanted = krr_keeper_wants(r->keeper, r->drain.d.offset);
	if (wanted) {
		err = copy_ahead(r);
		krr_store(&h->wanted, wanted);
	}
	look_for_hang(r);
	if (err || r->drain.damaged || krr_keeper_tick(r->keeper, console_size(r)))
		finish(r, false);
}

/* --- the end --------------------------------------------------------------------------- */

static uint32_t stop_reason(const struct krr_recorder *r)
{
	return r->drain.d.stopped ? r->drain.d.stop_reason : krr_load(&r->ram.hdr->stop_reason);
}

/* An orderly end is nothing to keep a flight for, but for what was asked for already. */
static bool is_dropped(const struct krr_recorder *r)
{
	uint32_t reason = stop_reason(r);

	return r->keeper && (reason == KRR_STOP_DROP || reason == KRR_STOP_REBOOT) &&
	       !krr_keeper_pending(r->keeper);
}

/*
 * Is the flight recorder to go on?  After a recording that stood in its place, if a rule
 * ended that, since krrctl stop sees to it itself; and after a flight that nobody ended.
 */
static bool is_to_go_on(const struct krr_recorder *r)
{
	uint32_t reason = stop_reason(r);

	if (!r->keeper)
		return r->ruled && reason == KRR_STOP_REQUEST;
	return (reason == KRR_STOP_NONE || reason == KRR_STOP_OVERRUN ||
		reason == KRR_STOP_UNSUPPORTED || reason == KRR_STOP_NMI) &&
	       ms_since(r->begun_ns) >= LEAST_FLIGHT_MS;
}

static void say_go_on(struct krr_recorder *r)
{
	r->go_on = false;
	pthread_mutex_lock(&r->lock);
	r->outcome.go_ons++;
	pthread_mutex_unlock(&r->lock);
}

/* What cannot be kept, for want of room, is left for the next command to try again. */
static int finish_flight(struct krr_recorder *r, enum krr_end_ram end, off_t console, char **name)
{
	__free_ptr char *message = krr_printable(r->ram.hdr->message, sizeof(r->ram.hdr->message));
	uint32_t reason = stop_reason(r);
	const char *label = reason ? krr_stop_name(reason) : "cut";
	int err = 0;

	if (!is_dropped(r))
		err = krr_keeper_end(r->keeper, label, krr_stop_name(reason), message, end,
				     console, name);
	krr_manifest_set_counts(&r->rec.m, &r->drain.d);
	return err;
}

/* The guest is parked at the end.  Return: 0 or -errno (said on stderr). */
static int take_end(struct krr_recorder *r, enum krr_end_ram *where)
{
	int err = keep_end_ram(r, where);

	said_copy(r, err);
	r->rec.m.complete = !err && !r->drain.damaged && r->drain.d.stopped;
	if (!r->rec.m.complete)
		*where = KRR_END_RAM_NONE;
	return err;
}

/* Make the files of it; the guest may run.  @kept: name of what was kept of a flight. */
static int make_files(struct krr_recorder *r, enum krr_end_ram end, off_t console, char **kept)
{
	int err = 0, err2;

	if (r->keeper)
		return finish_flight(r, end, console, kept);
	copy_console(r, console);
	if (end == KRR_END_RAM_SCANNED)
		err = krr_ram_copy_make(&r->copy, r->rec.dirfd, "start.ram", "end.ram",
					r->rec.m.sum[KRR_FILE_END_RAM]);
	r->rec.m.ahead_pages = r->copy.ahead.copied;
	krr_ram_copy_drop(&r->copy);
	if (err) {
		krr_err("cannot write %s/end.ram: %s", r->rec.path, strerror(-err));
		r->rec.m.complete = false;
	}
	err2 = krr_seal(&r->rec, &r->drain, r->ram.hdr);
	return err ? err : err2;
}

/*
 * May the guest run while the files are made?  One that waits for them itself may; one that
 * goes down would leave somebody who sees that without a recording for a moment.
 */
static bool may_run_on(const struct krr_recorder *r)
{
	uint32_t reason = stop_reason(r);

	return r->waits && reason != KRR_STOP_PANIC && reason != KRR_STOP_REBOOT;
}

/* @parked: the guest waits at its end barrier. */
static void finish(struct krr_recorder *r, bool parked)
{
	enum krr_end_ram end = KRR_END_RAM_NONE;
	uint64_t t0 = krr_now_ns();
	int err = r->log ? krr_drain_step(&r->drain, true) : -EIO, err2;
	off_t console = console_size(r);
	char *kept = NULL;
	bool runs;

	if (err)
		krr_err("cannot write %s/log.krr: %s", r->rec.path, strerror(-err));
	r->rec.m.duration_ms = ms_since(r->begun_ns);
	if (parked && !err && !is_dropped(r))
		err = take_end(r, &end);
	r->rec.m.end_pause_ms = parked ? ms_since(t0) : 0;
	runs = parked && may_run_on(r);
	if (runs)
		krr_store(&r->ram.hdr->command, (uint32_t)KRR_CMD_RESUME);
	err2 = make_files(r, end, console, &kept);
	r->active = false;
	r->go_on = is_to_go_on(r);
	/* the drain has said it; what was logged before is a recording, but not all that was asked for */
	if (!err && r->drain.damaged)
		err = -EBADMSG;
	publish(r, err ? err : err2, r->flight ? kept : r->rec.name);
	free(kept);
	forget(r);
	if (r->flight && !err2)
		krr_recording_discard(&r->rec);
	else
		krr_recording_close(&r->rec);
	if (!parked)
		krr_store(&r->ram.hdr->wanted, KRR_WANT_STOP);	/* nobody drains any more */
	else if (!runs)
		krr_store(&r->ram.hdr->command, (uint32_t)KRR_CMD_RESUME);
}

static void search(struct krr_recorder *r)
{
	int err;

	if (krr_now_ns() < r->next_search)
		return;
	r->next_search = krr_now_ns() + SEARCH_NS;
	err = krr_ram_find(&r->ram);
	if (err == -ENOENT)
		return;
	pthread_mutex_lock(&r->lock);
	r->ring = err ? KRR_RING_FAILED : KRR_RING_FOUND;
	pthread_mutex_unlock(&r->lock);
}

static void look(struct krr_recorder *r)
{
	struct krr_hdr *h = r->ram.hdr;
	uint32_t state = krr_load(&h->state);
	int err;

	krr_store(&h->heartbeat, h->heartbeat + 1);
	if (state != KRR_ST_PARKED_START)
		r->answered = false;
	if (r->ready && state != KRR_ST_PREPARING && state != KRR_ST_PARKED_START)
		unprepare(r);
	switch (state) {
	case KRR_ST_PREPARING:
		if (r->ready)
			return;
		if (r->active)		/* the VM was reset while recording */
			finish(r, false);
		r->ready_err = prepare(r);
		r->ready = true;
		krr_store(&h->host_flags, KRR_HOST_READY);
		return;
	case KRR_ST_PARKED_START:
		if (r->answered)
			return;
		r->answered = true;
		if (r->active)		/* as above */
			finish(r, false);
		err = begin(r);
		if (err)
			give_up_start(r, err);
		return;
	case KRR_ST_PARKED_END:
		if (r->active)
			finish(r, true);
		else
			krr_store(&h->command, (uint32_t)KRR_CMD_RESUME);
		return;
	case KRR_ST_PARKED_EPOCH:
		if (krr_load(&h->command) != KRR_CMD_RECORD)
			return;
		if (r->active && r->keeper)
			next_epoch(r);
		else
			krr_store(&h->command, (uint32_t)KRR_CMD_GO_ON);
		return;
	case KRR_ST_RECORDING:
		err = r->active ? krr_drain_step(&r->drain, false) : 0;
		if (err) {
			krr_err("cannot write %s/log.krr: %s; the recording ends here",
				r->rec.path, strerror(-err));
			finish(r, false);
		} else if (r->active && r->keeper) {
			fly(r);
		}
		return;
	default:
		if (r->active)
			finish(r, false);
		else if (state != KRR_ST_REPLAYING && krr_load(&h->command) != KRR_CMD_NONE)
			krr_store(&h->command, (uint32_t)KRR_CMD_NONE);
		else if (state == KRR_ST_IDLE && r->go_on)
			say_go_on(r);
	}
}

static void *run(void *arg)
{
	struct krr_recorder *r = arg;

	while (!__atomic_load_n(&r->quit, __ATOMIC_ACQUIRE)) {
		if (r->ram.hdr)
			look(r);
		else if (r->ring == KRR_RING_UNKNOWN)
			search(r);
		krr_sleep_ms(r->ready ? SOON_MS : POLL_MS);
	}
	if (r->active)
		finish(r, false);
	else if (r->ready)
		discard(r);
	return NULL;
}

/**
 * krr_recorder_start() - begin to serve a VM's recordings
 * @vm: running
 * @m: its machine; both outlive the recorder
 * @out: recorder, freed by krr_recorder_end()
 *
 * Return: 0 or -errno (said on stderr).
 */
int krr_recorder_start(struct krr_vm *vm, const struct krr_machine *m, struct krr_recorder **out)
{
	struct krr_recorder *r = calloc(1, sizeof(*r));
	sigset_t all, old;
	int err;

	if (!r)
		abort();
	r->vm = vm;
	r->machine = m;
	r->rec.dirfd = r->rec.lockfd = r->copy.fd = -1;
	r->writes = (struct krr_writes){ .uffd = -1, .pagemap = -1, .clear_refs = -1 };
	pthread_mutex_init(&r->lock, NULL);
	err = krr_ram_open(vm->ram, true, &r->ram);
	krr_ram_split(&r->ram, krr_machine_low_ram(m->machine, m->mem));
	if (!err)
		err = krr_qmp_connect(vm->rec, 10000, &r->qmp);
	if (err) {
		krr_err("cannot reach QEMU: %s", strerror(-err));
	} else {
		sigfillset(&all);
		pthread_sigmask(SIG_SETMASK, &all, &old);
		krr_reserve_start(&r->reserve, reserve_wants, r);
		err = -pthread_create(&r->thread, NULL, run, r);
		pthread_sigmask(SIG_SETMASK, &old, NULL);
	}
	if (err) {
		krr_reserve_end(&r->reserve);
		krr_ram_close(&r->ram);
		krr_qmp_close(r->qmp);
		free(r);
		return err;
	}
	*out = r;
	return 0;
}

/** krr_recorder_ring() - was the guest's ring found? */
enum krr_recorder_ring krr_recorder_ring(struct krr_recorder *r)
{
	enum krr_recorder_ring ring;

	pthread_mutex_lock(&r->lock);
	ring = r->ring;
	pthread_mutex_unlock(&r->lock);
	return ring;
}

/** krr_recorder_outcome() - what became of the recordings so far */
void krr_recorder_outcome(struct krr_recorder *r, struct krr_outcome *out)
{
	pthread_mutex_lock(&r->lock);
	*out = r->outcome;
	pthread_mutex_unlock(&r->lock);
}

/**
 * krr_recorder_end() - end the recorder
 * @r: recorder; a recording under way is sealed as one that was cut off
 * @out: what became of its recordings, or NULL
 */
void krr_recorder_end(struct krr_recorder *r, struct krr_outcome *out)
{
	if (!r)
		return;
	__atomic_store_n(&r->quit, true, __ATOMIC_RELEASE);
	pthread_join(r->thread, NULL);
	if (out)
		*out = r->outcome;
	krr_reserve_end(&r->reserve);
	krr_writes_close(&r->writes);
	krr_ram_close(&r->ram);
	krr_qmp_close(r->qmp);
	pthread_mutex_destroy(&r->lock);
	free(r);
}
