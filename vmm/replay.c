// SPDX-License-Identifier: GPL-2.0-only
/*
 * The replayer.  It copies the RAM of the snapshot (the recording is never
 * written to), puts REPLAY into the header's command word, loads the device
 * state and lets the machine run.  From then on it fills the ring from the log
 * as the guest empties it, and looks at the state word.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "lib/util.h"
#include "vmm/cpu.h"
#include "vmm/replay.h"
#include "vmm/state.h"
#include "vmm/verify.h"

#define ASK_NS		1000000000ull	/* no progress that long: is QEMU well? */
#define QEMU_UP_MS	30000u	/* to come up; a nested host is slow */

/* A log that was cut off is done when all of it is taken and nothing follows. */
#define CUT_NS		3000000000ull
#define SETTLE_NS	200000000ull	/* the ring empty that long: it waits for more */

static int copy_start_ram(struct krr_replay *rp)
{
	__close_fd int from = openat(rp->rec->dirfd, "start.ram", KRR_O_READ);
	__close_fd int to = open(rp->vm.ram, O_RDWR | O_TRUNC | O_NOFOLLOW | O_CLOEXEC);
	struct krr_copy copy;
	struct stat st;
	int err;

	if (from < 0 || fstat(from, &st) < 0) {
		krr_err("%s/start.ram cannot be read: %s", rp->rec->path, strerror(errno));
		return -EBADMSG;
	}
	if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size != rp->rec->m.mem) {
		krr_err("%s/start.ram has %lld bytes, the manifest says %llu", rp->rec->path,
			(long long)st.st_size, (unsigned long long)rp->rec->m.mem);
		return -EBADMSG;
	}
	if (to < 0)
		return -errno;
	err = krr_copy_sparse(from, to, &copy);
	if (!err && !*copy.sum)
		err = krr_sum_fd(to, copy.sum);
	if (!err)
		return krr_recording_check_sum(rp->rec, KRR_FILE_START_RAM, copy.sum);
	krr_err("cannot copy start.ram to %s: %s", rp->vm.ram, strerror(-err));
	return err;
}

static int prepare_ram(struct krr_replay *rp)
{
	int err;

	err = copy_start_ram(rp);
	if (!err)
		err = krr_ram_open(rp->vm.ram, true, &rp->ram);
	if (err)
		return err;
	krr_ram_split(&rp->ram, krr_machine_low_ram(rp->machine.machine, rp->machine.mem));
	err = krr_ram_use(&rp->ram, rp->rec->m.hdr_gpa);
	if (!err && rp->ram.hdr->state != KRR_ST_PARKED_START &&
	    rp->ram.hdr->state != KRR_ST_PARKED_EPOCH)
		err = -ENOENT;
	if (err) {
		krr_err("%s/start.ram holds no kernel parked at the start barrier, or at an epoch's, at 0x%llx",
			rp->rec->path, (unsigned long long)rp->rec->m.hdr_gpa);
		return -EBADMSG;
	}
	rp->head = rp->rec->m.ring_base;
	krr_store(&rp->ram.hdr->head, rp->head);
	krr_store(&rp->ram.hdr->tail, rp->head);
	krr_store(&rp->ram.hdr->host_flags, rp->how->poison ? KRR_HOST_POISON : 0u);
	krr_store(&rp->ram.hdr->command, (uint32_t)KRR_CMD_REPLAY);
	return rp->how->poison ? krr_poison(&rp->ram) : 0;
}

/* What QEMU gets, in memory: the recording stays what QEMU saved. */
static int filter_state(struct krr_replay *rp, const struct krr_saved *state)
{
	int fd = memfd_create("krr-state", MFD_CLOEXEC);
	int err;

	if (fd < 0)
		return -errno;
	err = krr_state_filter(state, rp->machine.smp, fd);
	if (!err && lseek(fd, 0, SEEK_SET) < 0)
		err = -errno;
	if (!err)
		return fd;
	close(fd);
	return err;
}

/* Another QEMU may lack a section, or know it in another version only; QEMU says which. */
static int explain_load(struct krr_replay *rp, const struct krr_saved *state)
{
	__free_ptr char *sections = krr_state_text(state);
	const struct krr_manifest *m = &rp->rec->m;
	bool other = strcmp(rp->vm.qemu_version, m->qemu_version) ||
		     strcmp(rp->machine.accel, m->accel);

	krr_err("QEMU %s under %s did not load the state that QEMU %s saved under %s, of which it "
		"was given: %s; try QEMU %s (KRR_QEMU)%s",
		rp->vm.qemu_version, rp->machine.accel, m->qemu_version, m->accel, sections,
		m->qemu_version, other ? "" : ", or copy the recording again");
	krr_vm_explain(&rp->vm);
	return other ? -ENODEV : -EBADMSG;
}

static int load_state(struct krr_replay *rp)
{
	__free_ptr char *path = krr_strf("%s/start.state", rp->rec->path);
	__close_fd int from = openat(rp->rec->dirfd, "start.state", KRR_O_READ);
	struct krr_saved state;
	int err, fd;

	if (from < 0) {
		krr_err("%s: %s", path, strerror(errno));
		return -EBADMSG;
	}
	err = krr_state_read(from, path, &state);
	fd = err ? err : filter_state(rp, &state);
	err = fd < 0 ? fd : krr_snapshot_load(rp->qmp, fd);
	if (err && fd >= 0)
		err = explain_load(rp, &state);
	if (fd >= 0)
		close(fd);
	krr_state_free(&state);
	return err;
}

static int check_log(const struct krr_replay *rp)
{
	const struct krr_manifest *m = &rp->rec->m;
	uint64_t events, bytes;

	krr_log_totals(rp->log, &events, &bytes);
	if (events == m->events && bytes == m->raw_bytes)
		return krr_recording_check(rp->rec, KRR_FILE_LOG);
	krr_err("%s/log.krr has %llu events in %llu bytes, the manifest says %llu in %llu: it is "
		"the log of another recording",
		rp->rec->path, (unsigned long long)events, (unsigned long long)bytes,
		(unsigned long long)m->events, (unsigned long long)m->raw_bytes);
	return -EBADMSG;
}

/* A replay executes the kernel's code for the CPU of the recording. */
static int check_cpu(struct krr_replay *rp)
{
	__free_ptr char *missing = NULL;
	int err = krr_cpu_missing(rp->qmp, &missing);

	if (err || !*missing)
		return err;
	if (rp->how->trial)
		return -ENODEV;
	if (!strcmp(rp->machine.accel, "kvm"))
		krr_err("the CPU of \"%s\", %s, has features that KVM on this host lacks: %s; try "
			"--accel tcg, or a host whose processor has them", rp->rec->name,
			rp->machine.cpu, missing);
	else
		krr_err("the CPU of \"%s\", %s, has features that TCG of QEMU %s lacks: %s; try a "
			"newer QEMU (KRR_QEMU), or --accel kvm on a host whose processor has them",
			rp->rec->name, rp->machine.cpu, rp->vm.qemu_version, missing);
	return -ENODEV;
}

static int start_qemu(struct krr_replay *rp)
{
	struct krr_machine_io io = { .replay = true };
	int err;

	if (rp->how->gdb)
		io.gdb = rp->gdb = krr_strf("%s/gdb.sock", rp->vm.dir);
	err = krr_vm_spawn(&rp->vm, &rp->machine, &io);
	if (err)
		return err;
	err = krr_qmp_connect(rp->vm.qmp, QEMU_UP_MS, &rp->qmp);
	if (!err)
		return check_cpu(rp);
	if (rp->how->trial)
		return -ENODEV;
	krr_err("QEMU %s did not come up for the replay under %s: %s", rp->vm.qemu_version,
		rp->machine.accel, strerror(-err));
	krr_vm_explain(&rp->vm);
	return -ENODEV;
}

static int start(struct krr_replay *rp)
{
	__free_ptr char *name = krr_strf("replay-%d", (int)getpid());
	int err;

	err = krr_machine_from_manifest(&rp->machine, &rp->rec->m);
	if (err)
		return err;
	krr_set_text(&rp->machine.accel, rp->how->accel);
	err = krr_vm_create(name, rp->rec->m.mem, &rp->vm);
	if (!err)
		err = krr_log_open(rp->rec->dirfd, "log.krr", true, &rp->log);
	if (!err)
		err = check_log(rp);
	if (!err)
		err = krr_recording_check(rp->rec, KRR_FILE_START_STATE);
	if (!err)
		err = prepare_ram(rp);
	if (!err)
		err = start_qemu(rp);
	return err ? err : load_state(rp);
}

/**
 * krr_replay_timeout() - seconds without an event after which a replay hangs
 * @recorded: accelerator of the recording
 * @replayed: that of the replay
 *
 * A kernel that took no event for 10 s while it was recorded hung there; the flight recorder
 * says so, too.  Under TCG code takes up to 50 times as long as under KVM.
 */
unsigned int krr_replay_timeout(const char *recorded, const char *replayed)
{
	return !strcmp(recorded, "kvm") && strcmp(replayed, "kvm") ? 600 : 30;
}

/**
 * krr_replay_start() - bring a recording to its start barrier, stopped
 * @rec: sealed recording; outlives the replay
 * @how: as krr_replay_choose() said; outlives the replay
 * @rp: result, freed by krr_replay_end() also after an error
 *
 * Return: 0 or -errno (said on stderr); -ENODEV if this QEMU, accelerator or host cannot do it.
 */
int krr_replay_start(const struct krr_recording *rec, const struct krr_replay_how *how,
		     struct krr_replay *rp)
{
	memset(rp, 0, sizeof(*rp));
	rp->rec = rec;
	rp->how = how;
	rp->ram.fd = rp->vm.lockfd = -1;
	rp->limit = UINT64_MAX;
	rp->begun_ns = rp->last_change_ns = krr_now_ns();
	rp->timeout_s = krr_replay_timeout(rec->m.accel, how->accel);
	return start(rp);
}

/** krr_replay_go() - let the machine run */
int krr_replay_go(struct krr_replay *rp)
{
	rp->begun_ns = rp->last_change_ns = krr_now_ns();
	return krr_qmp_call(rp->qmp, "cont", NULL, NULL);
}

/** krr_replay_pause() - stop the machine */
int krr_replay_pause(struct krr_replay *rp)
{
	return krr_qmp_call(rp->qmp, "stop", NULL, NULL);
}

/* Fill the ring. @head moves only past whole events. */
static int feed(struct krr_replay *rp)
{
	struct krr_hdr *h = rp->ram.hdr;
	uint64_t tail = krr_load(&h->tail);
	int n;

	if (rp->head - tail > rp->ram.ring_bytes)
		return 0;	/* the guest is beside itself: its state word says more */
	while (!rp->eof) {
		n = rp->have_event ? 1 : krr_log_next(rp->log, &rp->ev);
		if (n < 0)
			return n;
		if (!n) {
			rp->eof = true;
			break;
		}
		rp->have_event = true;
		if (rp->ev.number >= rp->limit ||
		    rp->head + rp->ev.size - tail > rp->ram.ring_bytes)
			break;
		krr_ring_write(&rp->ram, rp->head, krr_log_event_bytes(rp->log, &rp->ev),
			       rp->ev.size);
		rp->head += rp->ev.size;
		rp->have_event = false;
	}
	krr_store(&h->head, rp->head);
	if (rp->eof)
		krr_store(&h->host_flags, krr_load(&h->host_flags) | KRR_HOST_EOF);
	return 0;
}

/* A KVM that cannot go on has QEMU stop the guest; nothing else would tell. */
static bool is_broken(struct krr_replay *rp, uint64_t now)
{
	__free_ptr char *status = NULL;

	if (strcmp(rp->machine.accel, "kvm") || now - rp->last_change_ns < ASK_NS ||
	    now - rp->asked_ns < ASK_NS)
		return false;
	rp->asked_ns = now;
	status = krr_qmp_status(rp->qmp);
	return status && !strcmp(status, "internal-error");
}

static enum krr_replay_state state_of(struct krr_replay *rp)
{
	uint64_t tail = krr_load(&rp->ram.hdr->tail), now = krr_now_ns();

	switch (krr_load(&rp->ram.hdr->state)) {
	case KRR_ST_PARKED_END:
		return KRR_REPLAY_ENDED;
	case KRR_ST_DIVERGED:
		return KRR_REPLAY_DIVERGED;
	case KRR_ST_CUT:
		/* one that was kept ends at a border, and all CPUs wait there */
		return rp->rec->m.complete && rp->rec->m.stop_reason &&
		       !strcmp(rp->rec->m.stop_reason, KRR_KEPT) ? KRR_REPLAY_ENDED : KRR_REPLAY_CUT;
	}
	if (!krr_vm_running(&rp->vm))
		return KRR_REPLAY_DIED;
	if (tail != rp->last_tail) {
		rp->last_tail = tail;
		rp->last_change_ns = now;
	}
	if (is_broken(rp, now))
		return KRR_REPLAY_BROKEN;
	if (rp->eof && tail == rp->head && !rp->rec->m.complete &&
	    now - rp->last_change_ns > CUT_NS)
		return KRR_REPLAY_CUT;
	if (rp->timeout_s && now - rp->last_change_ns > rp->timeout_s * 1000000000ull)
		return KRR_REPLAY_HUNG;
	return KRR_REPLAY_RUNNING;
}

/**
 * krr_replay_poll() - feed the guest and see how it does
 * @rp: replay, to be polled every few milliseconds
 * @state: result
 *
 * Return: 0, or -EBADMSG when the log is damaged (said on stderr).
 */
int krr_replay_poll(struct krr_replay *rp, enum krr_replay_state *state)
{
	*state = state_of(rp);
	return *state == KRR_REPLAY_RUNNING ? feed(rp) : 0;
}

/* The guest has taken what it was given and waits for an event that is held back. */
static bool waits_at_limit(const struct krr_replay *rp)
{
	return rp->have_event && rp->ev.number >= rp->limit &&
	       krr_load(&rp->ram.hdr->tail) == rp->head;
}

/**
 * krr_replay_until() - replay until the guest has taken all events below @at, and stop
 * @rp: replay, not yet running
 * @at: number of an event
 *
 * The guest gets no more than those: it stands where it asks for the next one.
 *
 * Return: 0, also when it ended or diverged before, -ETIMEDOUT when it hangs, -ENODEV when its
 * KVM cannot run it, or -errno.
 */
int krr_replay_until(struct krr_replay *rp, uint64_t at)
{
	enum krr_replay_state state;
	uint64_t empty_since = 0, now;
	int err;

	rp->limit = at;
	err = krr_replay_go(rp);
	while (!err) {
		err = krr_replay_poll(rp, &state);
		if (!err && state == KRR_REPLAY_HUNG)
			err = -ETIMEDOUT;
		if (!err && state == KRR_REPLAY_BROKEN)
			err = -ENODEV;
		if (err || state != KRR_REPLAY_RUNNING)
			break;
		now = krr_now_ns();
		if (!waits_at_limit(rp))
			empty_since = now;
		else if (now - empty_since > SETTLE_NS)
			break;
		krr_sleep_ms(2);
	}
	if (!err)
		err = krr_replay_pause(rp);
	rp->limit = UINT64_MAX;
	return err;
}

/** krr_replay_consumed() - bytes of the stream that the guest has taken */
uint64_t krr_replay_consumed(const struct krr_replay *rp)
{
	return krr_load(&rp->ram.hdr->tail) - rp->rec->m.ring_base;
}

/** krr_replay_events() - events that the guest says it has taken */
uint64_t krr_replay_events(const struct krr_replay *rp)
{
	return krr_load(&rp->ram.hdr->events);
}

/** krr_replay_end() - end QEMU, remove its files, free */
void krr_replay_end(struct krr_replay *rp)
{
	krr_qmp_close(rp->qmp);
	krr_log_close(rp->log);
	krr_ram_close(&rp->ram);
	krr_vm_destroy(&rp->vm);
	krr_machine_free(&rp->machine);
	free(rp->gdb);
	memset(rp, 0, sizeof(*rp));
}
