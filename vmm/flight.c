// SPDX-License-Identifier: GPL-2.0-only
/* The ring of epochs on disk, and recordings made of it. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/util.h"
#include "vmm/cause.h"
#include "vmm/flight.h"

/** krr_epoch_file() - name of a file of an epoch ("state", "delta", "krr"), freed by free() */
char *krr_epoch_file(uint32_t number, const char *what)
{
	return krr_strf("epoch-%" PRIu32 ".%s", number, what);
}

static uint64_t disk_bytes(int dirfd, const char *name)
{
	struct stat st;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	return (uint64_t)st.st_blocks * 512;
}

static uint64_t epoch_file_bytes(int dirfd, uint32_t number, const char *what)
{
	__free_ptr char *name = krr_epoch_file(number, what);

	return disk_bytes(dirfd, name);
}

static void remove_file(int dirfd, uint32_t number, const char *what)
{
	__free_ptr char *name = krr_epoch_file(number, what);

	unlinkat(dirfd, name, 0);
}

/* --- the ring ---------------------------------------------------------------------- */

/**
 * krr_flight_add() - an epoch has begun; its state, and but for the first its delta, are there
 * @f: flight
 * @number: of the epoch
 * @offset: in the stream, of its first event
 * @console: bytes that the guest has printed
 * @pause_ms: that the VM stood still for it
 */
int krr_flight_add(struct krr_flight *f, uint32_t number, uint64_t offset, off_t console,
		   uint64_t pause_ms)
{
	size_t room = f->room ? 2 * f->room : 16;
	struct krr_epoch *more;

	if (f->epochs == f->room) {
		more = realloc(f->epoch, room * sizeof(*more));
		if (!more)
			return -ENOMEM;
		f->epoch = more;
		f->room = room;
	}
	f->epoch[f->epochs++] = (struct krr_epoch){
		.number = number, .began_ns = krr_now_ns(), .offset = offset, .console = console,
		.pause_ms = pause_ms,
		.bytes = epoch_file_bytes(f->dirfd, number, "state") +
			 epoch_file_bytes(f->dirfd, number, "delta"),
	};
	return 0;
}

/**
 * krr_flight_begin() - the first snapshot is in base.ram and epoch-0.state
 * @f: result, freed by krr_flight_free() also after an error
 * @dirfd: directory
 * @t: knows what is in base.ram; the flight's afterwards
 * @keep_ms: so much of the past is kept at least, as long as
 * @budget: so many bytes are enough for it
 * @console: bytes that the guest has printed
 *
 * Return: 0, -ENOSPC when the budget does not hold one snapshot (said on stderr), or -errno.
 */
int krr_flight_begin(struct krr_flight *f, int dirfd, struct krr_tracker *t,
		     uint64_t keep_ms, uint64_t budget, off_t console)
{
	*f = (struct krr_flight){
		.dirfd = dirfd, .keep_ns = keep_ms * 1000000, .budget = budget,
		.base_bytes = disk_bytes(dirfd, KRR_BASE_RAM), .tracker = *t,
	};
	memset(t, 0, sizeof(*t));
	if (f->base_bytes > budget) {
		krr_err("one snapshot of this guest takes %" PRIu64 " MiB, more than the budget of %"
			PRIu64 " MiB: give it more (--budget), at least twice as much",
			f->base_bytes >> 20, budget >> 20);
		return -ENOSPC;
	}
	return krr_flight_add(f, 0, 0, console, 0);
}

static uint64_t bytes_of(const struct krr_flight *f, const struct krr_epoch *e)
{
	return e->bytes + epoch_file_bytes(f->dirfd, e->number, "krr");
}

/** krr_flight_bytes() - what the flight takes on disk now */
uint64_t krr_flight_bytes(const struct krr_flight *f)
{
	uint64_t bytes = f->base_bytes;
	size_t i;

	for (i = 0; i < f->epochs; i++)
		bytes += bytes_of(f, &f->epoch[i]);
	return bytes;
}

static int apply_delta(int dirfd, uint32_t number, bool must, int ram)
{
	__free_ptr char *name = krr_epoch_file(number, "delta");
	int err = krr_delta_apply(dirfd, name, ram);

	if (err != -ENOENT)
		return err;
	if (!must)
		return 0;
	krr_err("%s is missing", name);
	return -EBADMSG;
}

/* If it fails half way, the next one is the oldest, as after a crash. */
static int drop_oldest(struct krr_flight *f)
{
	__close_fd int base = openat(f->dirfd, KRR_BASE_RAM, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	uint32_t gone = f->epoch[0].number, next = f->epoch[1].number;
	int err;

	if (base < 0)
		return -errno;
	remove_file(f->dirfd, gone, "state");
	remove_file(f->dirfd, gone, "krr");
	memmove(f->epoch, f->epoch + 1, --f->epochs * sizeof(*f->epoch));
	err = apply_delta(f->dirfd, gone, false, base);
	if (!err)
		err = apply_delta(f->dirfd, next, true, base);
	if (err)
		return err;
	remove_file(f->dirfd, gone, "delta");
	remove_file(f->dirfd, next, "delta");
	f->epoch[0].bytes = epoch_file_bytes(f->dirfd, next, "state");
	f->base_bytes = disk_bytes(f->dirfd, KRR_BASE_RAM);
	return 0;
}

/**
 * krr_flight_trim() - drop the oldest epochs that are over time or budget
 * @f: flight; nothing goes while somebody reads
 *
 * Return: 0 or -errno.
 */
int krr_flight_trim(struct krr_flight *f)
{
	uint64_t now = krr_now_ns();
	int err = 0;

	while (!err && f->epochs > 1 && !__atomic_load_n(&f->busy, __ATOMIC_ACQUIRE) &&
	       (now - f->epoch[1].began_ns >= f->keep_ns || krr_flight_bytes(f) > f->budget))
		err = drop_oldest(f);
	return err;
}

/**
 * krr_flight_since() - the epoch to begin with
 * @f: flight
 * @ns: time that is to be in it, krr_now_ns()
 *
 * Return: index of the last epoch that began before, or of the oldest one.
 */
size_t krr_flight_since(const struct krr_flight *f, uint64_t ns)
{
	size_t i = 0;

	while (i + 1 < f->epochs && f->epoch[i + 1].began_ns <= ns)
		i++;
	return i;
}

/** krr_flight_free() - free; the files stay */
void krr_flight_free(struct krr_flight *f)
{
	krr_tracker_free(&f->tracker);
	free(f->epoch);
	memset(f, 0, sizeof(*f));
}

/* --- a recording made of it ------------------------------------------------------------ */

static int create(int dirfd, const char *name)
{
	return openat(dirfd, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
}

static int copy_file(int from_dir, const char *name, int to_dir, const char *to_name)
{
	__close_fd int from = openat(from_dir, name, KRR_O_READ);
	__close_fd int to = create(to_dir, to_name);
	struct krr_copy copy;

	if (from < 0 || to < 0)
		return -errno;
	return krr_copy_sparse(from, to, &copy);
}

/* A copy of RAM becomes what it was when epoch @at began.  That of the base may be there. */
static int apply_deltas(int dirfd, const struct krr_keeping *k, uint32_t from, uint32_t at,
			int to_dir, const char *name)
{
	__close_fd int to = openat(to_dir, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	uint32_t n;
	int err = to < 0 ? -errno : 0;

	for (n = from; n <= at && !err; n++)
		err = apply_delta(dirfd, n, n > k->base, to);
	return err;
}

static int make_start_ram(int dirfd, const struct krr_keeping *k, const struct krr_recording *rec)
{
	int err = copy_file(dirfd, KRR_BASE_RAM, rec->dirfd, "start.ram");

	return err ? err : apply_deltas(dirfd, k, k->base, k->first, rec->dirfd, "start.ram");
}

static int append_chunk(struct krr_log_writer *w, struct krr_decoder *d, const uint8_t *raw,
			size_t len, uint8_t *last)
{
	struct krr_decoder before = *d;
	struct krr_event ev;
	size_t used;
	int n;

	for (used = 0; used < len; used += (size_t)n) {
		n = krr_decode(d, raw + used, len - used, &ev);
		*last = ev.kind;
		if (n > 0)
			continue;
		krr_err("the events of an epoch are damaged: %s", n ? d->error : "one is not whole");
		return -EBADMSG;
	}
	return krr_log_append(w, &before, d, raw, len);
}

/* @border: it is known to have ended, so its last event is there. */
static int append_epoch(struct krr_log_writer *w, struct krr_decoder *d, int dirfd,
			uint32_t number, bool border)
{
	__free_ptr char *name = krr_epoch_file(number, "krr");
	struct krr_log_reader *r;
	const uint8_t *raw;
	uint8_t last = 0;
	size_t len;
	int n, err;

	err = krr_log_open_part(dirfd, name, &r);
	if (err)
		return err;
	do {
		n = krr_log_next_chunk(r, &raw, &len);
		err = n > 0 ? append_chunk(w, d, raw, len, &last) : n;
	} while (n > 0 && !err);
	krr_log_close(r);
	if (err || !border || last == KRR_EV_EPOCH)
		return err;
	krr_err("%s is damaged: it ends before its epoch does", name);
	return -EBADMSG;
}

static bool ends_at_border(const struct krr_keeping *k)
{
	return k->end != KRR_NO_EPOCH && !k->parked;
}

static int make_log(int dirfd, const struct krr_keeping *k, struct krr_recording *rec)
{
	struct krr_log_writer *w;
	struct krr_decoder d;
	uint32_t n;
	int err;

	err = krr_log_create(rec->dirfd, "log.krr", &w);
	if (err)
		return err;
	krr_decoder_init(&d);
	for (n = k->first; n <= k->last && !err; n++)
		err = append_epoch(w, &d, dirfd, n, n < k->last || ends_at_border(k));
	if (!err)
		err = krr_log_finish(w, &d);
	krr_manifest_set_counts(&rec->m, &d);
	rec->m.log_bytes = krr_log_written(w);
	krr_log_writer_free(w);
	return err;
}

static int make_end_ram(int dirfd, const struct krr_keeping *k, const struct krr_recording *rec)
{
	int err;

	if (k->end == KRR_NO_EPOCH)
		return k->parked ? copy_file(dirfd, "end.ram", rec->dirfd, "end.ram") : 0;
	err = copy_file(rec->dirfd, "start.ram", rec->dirfd, "end.ram");
	return err ? err : apply_deltas(dirfd, k, k->first + 1, k->end, rec->dirfd, "end.ram");
}

static int make_console(const struct krr_keeping *k, const struct krr_recording *rec)
{
	__close_fd int from = k->console ? open(k->console, O_RDONLY | O_CLOEXEC) : -1;
	__close_fd int to = create(rec->dirfd, "console.log");
	off_t at = k->console_from;
	char buf[65536];
	ssize_t n = 0;
	size_t want;
	int err = 0;

	if (to < 0)
		return -errno;
	while (from >= 0 && !err && at < k->console_to) {
		want = (size_t)(k->console_to - at) < sizeof(buf) ?
		       (size_t)(k->console_to - at) : sizeof(buf);
		n = krr_pread_full(from, buf, want, at);
		if (n <= 0)
			break;
		at += n;
		err = krr_write_full(to, buf, (size_t)n);
	}
	return n < 0 ? (int)n : err;
}

static void describe(struct krr_recording *rec, const struct krr_manifest *m,
		     const struct krr_keeping *k)
{
	struct krr_manifest *to = &rec->m;
	__free_ptr char *created = krr_utc_now(KRR_UTC_ISO);

	krr_manifest_copy(to, m);
	krr_set_text(&to->name, rec->name);
	krr_set_text(&to->created, created);
	krr_set_text(&to->stop_reason, k->stop_reason);
	krr_set_text(&to->message, k->message);
	krr_set_text(&to->why, k->why);
	krr_set_text(&to->ram_path, NULL);
	memset(to->sum, 0, sizeof(to->sum));
	to->flight = false;
	to->complete = k->parked || k->end != KRR_NO_EPOCH;
	to->ring_base += k->offset;
	to->epochs = k->last - k->first + 1;
	to->border_pause_ms = k->pause_ms;
	to->border_pause_most_ms = k->most_pause_ms;
	to->duration_ms = k->duration_ms;
}

static int make(int dirfd, const struct krr_keeping *k, struct krr_recording *rec)
{
	__free_ptr char *state = krr_epoch_file(k->first, "state");
	int err;

	err = copy_file(dirfd, state, rec->dirfd, "start.state");
	if (!err)
		err = make_start_ram(dirfd, k, rec);
	if (!err)
		err = make_log(dirfd, k, rec);
	if (!err)
		err = make_end_ram(dirfd, k, rec);
	return err ? err : make_console(k, rec);
}

/**
 * krr_flight_keep() - make a recording of some epochs
 * @dirfd: directory of the flight; nothing that is needed goes meanwhile
 * @m: its manifest
 * @k: which epochs, and what to say of them
 *
 * Return: 0 or -errno (said on stderr).
 */
int krr_flight_keep(int dirfd, const struct krr_manifest *m, const struct krr_keeping *k)
{
	struct krr_recording rec;
	int err;

	err = krr_recording_create(k->name, &rec);
	if (err) {
		krr_recording_close(&rec);
		return err;
	}
	describe(&rec, m, k);
	err = make(dirfd, k, &rec);
	if (!err) {
		krr_name_cause(&rec);
		err = krr_recording_seal(&rec);
	}
	if (!err) {
		krr_recording_close(&rec);
		return 0;
	}
	krr_err("cannot keep \"%s\": %s", k->name, strerror(-err));
	krr_recording_discard(&rec);
	return err;
}

/** krr_keeping_free() - free the texts */
void krr_keeping_free(struct krr_keeping *k)
{
	free(k->name);
	free(k->why);
	free(k->message);
	free(k->stop_reason);
	free(k->console);
	memset(k, 0, sizeof(*k));
}

/* --- after a crash ------------------------------------------------------------------------ */

/* Numbers of the epochs whose @what is there: the least and the greatest. */
static int find_epochs(int dirfd, const char *what, uint32_t *least, uint32_t *greatest)
{
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), n = 0;
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *de;

	*least = UINT32_MAX;
	*greatest = 0;
	while (dir && (de = readdir(dir))) {
		__free_ptr char *name = NULL;
		uint32_t number;

		if (sscanf(de->d_name, "epoch-%" SCNu32 ".", &number) != 1)
			continue;
		name = krr_epoch_file(number, what);
		if (strcmp(name, de->d_name))
			continue;
		*least = number < *least ? number : *least;
		*greatest = number > *greatest ? number : *greatest;
		n++;
	}
	if (dir)
		closedir(dir);
	return n;
}

/* Where in the stream the first event of an epoch is; -ENODATA if it has none. */
static int find_offset(int dirfd, uint32_t number, uint64_t *offset)
{
	__free_ptr char *name = krr_epoch_file(number, "krr");
	struct krr_log_reader *r;
	struct krr_event ev;
	int n, err;

	err = krr_log_open_part(dirfd, name, &r);
	if (err)
		return err;
	n = krr_log_next(r, &ev);
	*offset = ev.offset;
	krr_log_close(r);
	return n > 0 ? 0 : n ? n : -ENODATA;
}

/* Who died over the first bytes of a log had no events for it yet. */
static void remove_stump(int dirfd, uint32_t number)
{
	__free_ptr char *name = krr_epoch_file(number, "krr");
	struct stat st;

	if (!fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) &&
	    (uint64_t)st.st_size < sizeof(struct krr_log_header))
		unlinkat(dirfd, name, 0);
}

/**
 * krr_flight_last() - the events that a recorder was killed over
 * @dirfd: directory of the flight
 * @d: result: decoder at the end of them
 * @log: result: writer to go on with
 *
 * Return: 0 or -errno.
 */
int krr_flight_last(int dirfd, struct krr_decoder *d, struct krr_log_writer **log)
{
	uint32_t least, greatest;
	__free_ptr char *name = NULL;
	int err;

	krr_decoder_init(d);
	if (find_epochs(dirfd, "krr", &least, &greatest))
		remove_stump(dirfd, greatest);
	if (!find_epochs(dirfd, "krr", &least, &greatest))
		return -ENODATA;
	if (greatest > least) {
		/* an epoch without events begins where the one before ends */
		__free_ptr char *before = krr_epoch_file(greatest - 1, "krr");
		struct krr_log_writer *w;

		err = krr_log_resume(dirfd, before, true, d, &w);
		if (err)
			return err;
		krr_log_writer_free(w);
	}
	name = krr_epoch_file(greatest, "krr");
	err = krr_log_resume(dirfd, name, true, d, log);
	/* nothing says where in the stream it begins */
	if (!err && greatest && !d->number) {
		krr_log_writer_free(*log);
		*log = NULL;
		return -ENODATA;
	}
	return err;
}

/* Milliseconds from the start of epoch @first to the last event of @last, by the files' times. */
static uint64_t time_between(int dirfd, uint32_t first, uint32_t last)
{
	__free_ptr char *from = krr_epoch_file(first, "state"), *to = krr_epoch_file(last, "krr");
	struct stat a, b;
	int64_t ms;

	if (fstatat(dirfd, from, &a, AT_SYMLINK_NOFOLLOW) < 0 ||
	    fstatat(dirfd, to, &b, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	ms = (b.st_mtim.tv_sec - a.st_mtim.tv_sec) * 1000 +
	     (b.st_mtim.tv_nsec - a.st_mtim.tv_nsec) / 1000000;
	return ms < 0 ? 0 : (uint64_t)ms;
}

/**
 * krr_flight_all() - all that a killed recorder left
 * @dirfd: directory of the flight
 * @k: result: the epochs; the texts stay as they are
 *
 * Return: 0, -ENODATA when there is nothing to replay, or -errno.
 */
int krr_flight_all(int dirfd, struct krr_keeping *k)
{
	uint32_t least, greatest, newest_state;
	int n;

	n = find_epochs(dirfd, "state", &least, &newest_state);
	if (!n || !find_epochs(dirfd, "krr", &k->last, &greatest))
		return -ENODATA;
	k->base = k->first = least;
	k->last = greatest;
	k->end = KRR_NO_EPOCH;
	k->duration_ms = time_between(dirfd, least, greatest);
	return least > greatest ? -ENODATA : find_offset(dirfd, least, &k->offset);
}
