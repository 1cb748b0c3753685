// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM or TCG for a replay.
 *
 * KVM is many times faster.  It takes a host whose KVM runs the guest's kernel, and whose
 * processor has what the recording's CPU has; the vendor does not matter, since a replay
 * executes no instruction whose result depends on it.  Whether all this is so only the
 * replay itself can tell: so its first events are tried under KVM, and what is found is
 * remembered until the host reboots.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "lib/util.h"
#include "vmm/kvm-probe.h"
#include "vmm/replay-accel.h"
#include "vmm/replay.h"

#define TRIAL_EVENTS	1000u	/* a KVM that fails has taken 11 events before */
#define TRIAL_S		5u	/* without one; all take some 10 ms */
#define TRIAL_FILE	".kvm-replay"

static int open_kvm(void)
{
	int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* Does it take so many events, or come to its end? */
static bool trial_goes_on(struct krr_replay *rp)
{
	enum krr_replay_state state = KRR_REPLAY_RUNNING;

	rp->timeout_s = TRIAL_S;
	if (krr_replay_go(rp))
		return false;
	while (!krr_replay_poll(rp, &state) && state == KRR_REPLAY_RUNNING &&
	       krr_replay_events(rp) < TRIAL_EVENTS)
		krr_sleep_ms(2);
	return state == KRR_REPLAY_RUNNING || state == KRR_REPLAY_ENDED || state == KRR_REPLAY_CUT;
}

static bool trial(const struct krr_recording *rec)
{
	const struct krr_replay_how how = { .accel = "kvm", .trial = true };
	struct krr_replay rp;
	bool ok;

	ok = !krr_replay_start(rec, &how, &rp) && trial_goes_on(&rp);
	krr_replay_end(&rp);
	return ok;
}

static bool trial_remembered(const struct krr_recording *rec)
{
	__free_ptr char *version = NULL, *of = NULL, *why = NULL;
	struct krr_machine m;
	int ok;

	krr_machine_defaults(&m);
	if (!krr_qemu_version(m.qemu, &version))
		of = krr_strf("%s %s %s", version, rec->m.machine, rec->m.cpu);
	krr_machine_free(&m);
	if (!of)
		return false;
	ok = krr_kvm_remembered(TRIAL_FILE, of, &why);
	if (ok >= 0)
		return ok;
	ok = trial(rec);
	krr_kvm_remember(TRIAL_FILE, of, ok, "");
	return ok;
}

/**
 * krr_replay_choose() - the accelerator for a replay
 * @rec: recording
 * @want: "auto", "kvm" or "tcg"
 * @accel: result, "kvm" or "tcg"; "auto" is KVM if a trial shows that it replays this recording
 *
 * Return: 0, or -ENODEV when KVM is wanted and not there (said on stderr).
 */
int krr_replay_choose(const struct krr_recording *rec, const char *want, const char **accel)
{
	int fd;

	*accel = "tcg";
	if (!strcmp(want, "tcg"))
		return 0;
	fd = open_kvm();
	if (fd < 0 && !strcmp(want, "auto"))
		return 0;
	if (fd < 0) {
		krr_err("--accel kvm: /dev/kvm: %s; load kvm_intel or kvm_amd, be in its group, or "
			"try --accel tcg", strerror(-fd));
		return -ENODEV;
	}
	close(fd);
	if (!strcmp(want, "kvm") || trial_remembered(rec))
		*accel = "kvm";
	return 0;
}
