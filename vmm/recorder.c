// SPDX-License-Identifier: GPL-2.0-only
/*
 * The recorder is a thread that looks at the header every few milliseconds.
 * The guest parks for it at the start and the end of each recording, so
 * nothing is lost by looking late; only the pause gets longer.
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
#include <sys/stat.h>
#include <time.h>

#include "lib/util.h"
#include "vmm/drain.h"
#include "vmm/recorder.h"
#include "vmm/snapshot.h"

#define POLL_MS		5
#define SEARCH_NS	100000000ull

struct krr_recorder {
	struct krr_vm *vm;
	const struct krr_machine *machine;
	struct krr_ram ram;
	struct krr_qmp *qmp;
	pthread_t thread;
	bool quit;
	uint64_t next_search;

	/* the recording under way */
	bool active;
	bool answered;		/* this PARKED_START was answered */
	struct krr_recording rec;
	struct krr_log_writer *log;
	struct krr_drain drain;
	uint64_t begun_ns;
	off_t console_from;

	pthread_mutex_t lock;	/* of what is below */
	enum krr_recorder_ring ring;
	struct krr_outcome outcome;
};

static uint64_t ms_since(uint64_t ns)
{
	return (krr_now_ns() - ns + 500000) / 1000000;
}

static char *utc_now(const char *format)
{
	time_t t = time(NULL);
	struct tm tm;
	char text[64];

	gmtime_r(&t, &tm);
	strftime(text, sizeof(text), format, &tm);
	return krr_strf("%s", text);
}

static void fill_manifest(struct krr_recorder *r)
{
	const struct krr_hdr *h = r->ram.hdr;
	struct krr_manifest *m = &r->rec.m;
	uint32_t id = h->build_id_len;

	m->name = krr_strf("%s", r->rec.name);
	m->created = utc_now("%Y-%m-%dT%H:%M:%SZ");
	m->build_id = krr_hex(h->build_id, id <= sizeof(h->build_id) ? id : 0);
	m->release = krr_printable(h->release, sizeof(h->release));
	m->kversion = krr_printable(h->kversion, sizeof(h->kversion));
	m->cmdline = r->machine->append ? krr_strf("%s", r->machine->append) : NULL;
	m->tsc_khz = h->tsc_khz;
	m->qemu_version = krr_strf("%s", r->vm->qemu_version);
	m->qemu_argv = krr_strf("%s", r->vm->argv);
	krr_machine_to_manifest(r->machine, m);
	m->hdr_gpa = r->ram.hdr_at;
	m->ring_base = r->drain.base;
	m->generation = h->generation;
	m->ram_path = krr_strf("%s", r->vm->ram);
	m->stop_reason = krr_strf("none");
}

static int save_state(struct krr_recorder *r)
{
	__close_fd int fd = openat(r->rec.dirfd, "start.state",
				   O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	return fd < 0 ? -errno : krr_snapshot_save(r->qmp, fd);
}

/* Pause, take the snapshot, go on. The guest is parked all along. */
static int take_snapshot(struct krr_recorder *r)
{
	uint64_t t0 = krr_now_ns();
	int err, err2;

	err = krr_qmp_call(r->qmp, "stop", NULL, NULL);
	if (err)
		return err;
	err = save_state(r);
	if (!err) {
		err = krr_copy_ram(r->ram.fd, r->rec.dirfd, "start.ram",
				   r->rec.m.sum[KRR_FILE_START_RAM]);
		if (err)
			krr_err("cannot copy guest RAM to %s: %s", r->rec.path, strerror(-err));
	}
	err2 = krr_qmp_call(r->qmp, "cont", NULL, NULL);
	r->rec.m.start_pause_ms = ms_since(t0);
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

static int begin(struct krr_recorder *r)
{
	__free_ptr char *name = krr_printable(r->ram.hdr->name, sizeof(r->ram.hdr->name));
	struct krr_hdr *h = r->ram.hdr;
	uint64_t base = krr_load(&h->head);
	int err;

	if (!*name) {
		free(name);
		name = utc_now("rec-%Y%m%d-%H%M%S");
	}
	err = krr_recording_create(name, &r->rec);
	if (err)
		return err;
	krr_store(&h->host_flags, 0u);
	krr_store(&h->tail, base);
	r->console_from = console_size(r);
	err = take_snapshot(r);
	if (!err)
		err = krr_log_create(r->rec.dirfd, "log.krr", &r->log);
	if (!err)
		err = krr_drain_init(&r->drain, &r->ram, r->log, base);
	if (!err) {
		fill_manifest(r);
		err = krr_manifest_save(r->rec.dirfd, &r->rec.m);
	}
	if (!err)
		err = command_record(r);
	if (err)
		return err;
	r->active = true;
	r->begun_ns = krr_now_ns();
	return 0;
}

static void publish(struct krr_recorder *r, int err)
{
	const struct krr_manifest *m = &r->rec.m;
	struct krr_outcome *o = &r->outcome;

	pthread_mutex_lock(&r->lock);
	o->count++;
	o->err = err;
	snprintf(o->name, sizeof(o->name), "%s", r->rec.name ? r->rec.name : "");
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

static void give_up_start(struct krr_recorder *r, int err)
{
	krr_err("the recording was not begun: %s", strerror(-err));
	krr_store(&r->ram.hdr->command, (uint32_t)KRR_CMD_ABORT);
	memset(&r->drain.d, 0, sizeof(r->drain.d));
	publish(r, err);
	krr_drain_free(&r->drain);
	krr_log_writer_free(r->log);
	r->log = NULL;
	/* A name that was taken is somebody else's directory. */
	if (r->rec.lockfd >= 0)
		krr_recording_discard(&r->rec);
	else
		krr_recording_close(&r->rec);
}

static void copy_console(struct krr_recorder *r)
{
	__close_fd int from = open(r->vm->console, O_RDONLY | O_CLOEXEC);
	__close_fd int to = openat(r->rec.dirfd, "console.log",
				   O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	off_t at = r->console_from;
	char buf[65536];
	ssize_t n = -1;

	while (from >= 0 && to >= 0 && (n = krr_pread_full(from, buf, sizeof(buf), at)) > 0) {
		at += n;
		n = krr_write_full(to, buf, (size_t)n);
		if (n < 0)
			break;
	}
	if (n < 0)
		krr_err("cannot copy the console to %s/console.log", r->rec.path);
}

/* The guest is parked at the end: what its memory holds now is the truth. */
static int copy_end_ram(struct krr_recorder *r)
{
	uint64_t t0 = krr_now_ns();
	int err, err2;

	err = krr_qmp_call(r->qmp, "stop", NULL, NULL);
	if (err)
		return err;
	err = krr_copy_ram(r->ram.fd, r->rec.dirfd, "end.ram", r->rec.m.sum[KRR_FILE_END_RAM]);
	err2 = krr_qmp_call(r->qmp, "cont", NULL, NULL);
	r->rec.m.end_pause_ms = ms_since(t0);
	return err ? err : err2;
}

static void set_text(char **field, char *value)
{
	free(*field);
	*field = value;
}

/* Fill in what is known at the end, write the end of the log, seal. */
static int seal(struct krr_recording *rec, struct krr_drain *dr, const struct krr_hdr *h)
{
	struct krr_manifest *m = &rec->m;
	uint32_t reason = dr->d.stopped ? dr->d.stop_reason : KRR_STOP_NONE;
	int err;

	if (h && !reason)
		reason = krr_load(&h->stop_reason);
	err = krr_log_finish(dr->log, &dr->d);
	if (err) {
		krr_err("cannot write the end of %s/log.krr: %s", rec->path, strerror(-err));
		return err;
	}
	krr_manifest_set_counts(m, &dr->d);
	m->log_bytes = krr_log_written(dr->log);
	set_text(&m->stop_reason, krr_strf("%s", dr->damaged ? "damaged" : krr_stop_name(reason)));
	if (h) {
		set_text(&m->message, krr_printable(h->message, sizeof(h->message)));
		m->throttled = h->throttled;
		m->handovers = h->lock_handovers;
	}
	set_text(&m->ram_path, NULL);
	return krr_recording_seal(rec);
}

/* @parked: the guest waits at its end barrier. */
static void finish(struct krr_recorder *r, bool parked)
{
	int err = krr_drain_step(&r->drain, true), err2;

	if (err)
		krr_err("cannot write %s/log.krr: %s", r->rec.path, strerror(-err));
	r->rec.m.duration_ms = ms_since(r->begun_ns);
	if (parked && !err) {
		err = copy_end_ram(r);
		if (err)
			krr_err("cannot copy guest RAM to %s: %s", r->rec.path, strerror(-err));
		r->rec.m.complete = !err && !r->drain.damaged && r->drain.d.stopped;
	}
	copy_console(r);
	err2 = seal(&r->rec, &r->drain, r->ram.hdr);
	r->active = false;
	publish(r, err ? err : err2);
	krr_drain_free(&r->drain);
	krr_log_writer_free(r->log);
	r->log = NULL;
	krr_recording_close(&r->rec);
	if (parked)
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
	switch (state) {
	case KRR_ST_PARKED_START:
		if (r->answered)
			return;
		r->answered = true;
		if (r->active)		/* the VM was reset while recording */
			finish(r, false);
		err = begin(r);
		if (err)
			give_up_start(r, err);
		return;
	case KRR_ST_PARKED_END:
		if (r->active)
			finish(r, true);
		return;
	case KRR_ST_RECORDING:
		if (r->active && krr_drain_step(&r->drain, false)) {
			krr_err("cannot write %s/log.krr; the recording ends here", r->rec.path);
			finish(r, false);
		}
		return;
	default:
		if (r->active)
			finish(r, false);
		else if (state != KRR_ST_REPLAYING && krr_load(&h->command) != KRR_CMD_NONE)
			krr_store(&h->command, (uint32_t)KRR_CMD_NONE);
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
		krr_sleep_ms(POLL_MS);
	}
	if (r->active)
		finish(r, false);
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
	r->rec.dirfd = r->rec.lockfd = -1;
	pthread_mutex_init(&r->lock, NULL);
	err = krr_ram_open(vm->ram, true, &r->ram);
	if (!err)
		err = krr_qmp_connect(vm->rec, 10000, &r->qmp);
	if (err) {
		krr_err("cannot reach QEMU: %s", strerror(-err));
	} else {
		sigfillset(&all);
		pthread_sigmask(SIG_SETMASK, &all, &old);
		err = -pthread_create(&r->thread, NULL, run, r);
		pthread_sigmask(SIG_SETMASK, &old, NULL);
	}
	if (err) {
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
	krr_ram_close(&r->ram);
	krr_qmp_close(r->qmp);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

/* Take what the dead recorder left in the ring, if the RAM file is still there. */
static void drain_rest(struct krr_recording *rec, struct krr_drain *dr, struct krr_ram *ram)
{
	if (!rec->m.ram_path || krr_ram_open(rec->m.ram_path, true, ram))
		return;
	if (krr_ram_use(ram, rec->m.hdr_gpa) || ram->hdr->generation < rec->m.generation) {
		krr_ram_close(ram);
		return;
	}
	dr->ram = ram;
	krr_drain_step(dr, true);
}

static int salvage(struct krr_recording *rec)
{
	struct krr_ram ram = { .fd = -1 };
	struct krr_drain dr = { 0 };
	struct krr_decoder d;
	int err;

	err = krr_log_resume(rec->dirfd, "log.krr", &d, &dr.log);
	if (err)
		return err;
	err = krr_drain_init(&dr, NULL, dr.log, rec->m.ring_base);
	if (!err) {
		dr.d = d;
		drain_rest(rec, &dr, &ram);
		err = seal(rec, &dr, ram.hdr);
	}
	if (!err)
		krr_info("recording \"%s\" had been cut off; sealed with %" PRIu64 " events",
			 rec->name, rec->m.events);
	krr_drain_free(&dr);
	krr_log_writer_free(dr.log);
	krr_ram_close(&ram);
	return err;
}

static void salvage_one(const char *name)
{
	struct krr_recording rec;
	int err;

	err = krr_recording_adopt(name, &rec);
	if (err) {
		krr_recording_close(&rec);
		return;
	}
	err = krr_manifest_load(rec.dirfd, &rec.m);
	if (err == -ENOENT) {
		krr_info("recording \"%s\" had been cut off before its snapshot was complete; "
			 "removed",
			 name);
		krr_recording_discard(&rec);
		return;
	}
	if (!err)
		err = salvage(&rec);
	if (err)
		krr_info("incomplete recording \"%s\" cannot be sealed; krrctl rm %s removes it",
			 name, name);
	krr_recording_close(&rec);
}

/**
 * krr_salvage() - seal recordings whose recorder died, then clear up its VMs
 *
 * To be called before anything looks at the store.
 */
void krr_salvage(void)
{
	char **names, **p;

	if (krr_store_list(&names, true) >= 0) {
		for (p = names; *p; p++)
			salvage_one(*p);
		krr_store_list_free(names);
	}
	krr_vm_sweep();
}
