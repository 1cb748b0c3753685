// SPDX-License-Identifier: GPL-2.0-only
/*
 * Snapshots: QEMU's migration with x-ignore-shared, which leaves out RAM that
 * is a shared file, and a sparse copy of that file.  QEMU gets the file of the
 * state as a descriptor: no shell, no quoting of paths.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "lib/util.h"
#include "vmm/snapshot.h"

#define WAIT_MS 30000u

static int ignore_shared(struct krr_qmp *q)
{
	return krr_qmp_call(q, "migrate-set-capabilities",
			    json_pack("{s:[{s:s,s:b}]}", "capabilities",
				      "capability", "x-ignore-shared", "state", 1), NULL);
}

/*
 * A device can forbid to be migrated: 9p does while it is mounted, and vsock
 * always; QEMU's own words name it.
 */
static int check_blocked(struct krr_qmp *q)
{
	const char *why;
	json_t *r = NULL;
	int err;

	err = krr_qmp_call(q, "query-migrate", NULL, &r);
	if (err)
		return err;
	why = json_string_value(json_array_get(json_object_get(r, "blocked-reasons"), 0));
	if (why) {
		krr_err("QEMU cannot save the state of this VM now: %s; a shared directory must "
			"not be mounted and no vsock device plugged in before the recording has "
			"begun, then they may be", why);
		err = -EBUSY;
	}
	json_decref(r);
	return err;
}

static int migration_status(struct krr_qmp *q)
{
	const char *status, *why;
	json_t *r = NULL;
	int err;

	err = krr_qmp_call(q, "query-migrate", NULL, &r);
	if (err)
		return err;
	status = json_string_value(json_object_get(r, "status"));
	why = json_string_value(json_object_get(r, "error-desc"));
	if (status && !strcmp(status, "completed")) {
		err = 0;
	} else if (status && (!strcmp(status, "failed") || !strcmp(status, "cancelled"))) {
		krr_err("QEMU's migration of the device state failed: %s", why ? why : status);
		err = -EIO;
	} else {
		err = -EAGAIN;
	}
	json_decref(r);
	return err;
}

/*
 * QEMU reports a migration as completed a moment before it leaves the run state
 * "finish-migrate", in which it refuses "cont".
 */
static int migration_final(struct krr_qmp *q)
{
	__free_ptr char *status = krr_qmp_status(q);

	if (!status)
		return -EIO;
	return strcmp(status, "finish-migrate") ? 0 : -EAGAIN;
}

static int wait_migration(struct krr_qmp *q)
{
	uint64_t deadline = krr_now_ns() + WAIT_MS * 1000000ull;
	int err;

	for (;;) {
		err = migration_status(q);
		if (!err)
			err = migration_final(q);
		if (err != -EAGAIN)
			return err;
		if (krr_now_ns() > deadline) {
			krr_err("QEMU's migration of the device state took more than %u s",
				WAIT_MS / 1000);
			return -ETIMEDOUT;
		}
		krr_sleep_ms(1);
	}
}

/**
 * krr_snapshot_begin() - have the state of a stopped VM saved
 * @q: its QMP
 * @fd: file to write to; can be closed afterwards
 */
int krr_snapshot_begin(struct krr_qmp *q, int fd)
{
	int err;

	err = check_blocked(q);
	if (!err)
		err = ignore_shared(q);
	if (!err)
		err = krr_qmp_send_fd(q, "state", fd);
	return err ? err : krr_qmp_call(q, "migrate", json_pack("{s:s}", "uri", "fd:state"), NULL);
}

/**
 * krr_snapshot_wait() - wait until the state is saved
 * @q: QMP of the VM, for which krr_snapshot_begin() was done
 *
 * The VM may be resumed with "cont" afterwards.
 */
int krr_snapshot_wait(struct krr_qmp *q)
{
	return wait_migration(q);
}

/**
 * krr_snapshot_load() - load a state into a QEMU started with -incoming defer -S
 * @q: its QMP
 * @fd: what krr_state_filter() wrote, from where it stands
 */
int krr_snapshot_load(struct krr_qmp *q, int fd)
{
	int err;

	err = krr_qmp_send_fd(q, "state", fd);
	if (!err)
		err = krr_qmp_call(q, "migrate-incoming", json_pack("{s:s}", "uri", "fd:state"),
				   NULL);
	return err ? err : wait_migration(q);
}

/**
 * krr_copy_ram() - copy a RAM file into a recording
 * @from: the file
 * @dirfd: directory to make the copy in
 * @name: its name there; must not exist
 * @sum: its checksum, empty when it has still to be made
 */
int krr_copy_ram(int from, int dirfd, const char *name, char sum[KRR_SUM_TEXT])
{
	__close_fd int to = openat(dirfd, name,
				   O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	struct krr_copy copy;
	int err;

	if (to < 0)
		return -errno;
	err = krr_copy_sparse(from, to, &copy);
	strcpy(sum, copy.sum);
	return err;
}
