// SPDX-License-Identifier: GPL-2.0-only
/* Running a command in a guest with its output and status passed through. */
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "krrctl/krrctl.h"
#include "lib/util.h"
#include "vmm/link.h"
#include "vmm/recorder.h"

#define TICK_MS		200
#define GRACE_TICKS	15	/* for the guest to reboot after a panic */

volatile sig_atomic_t session_interrupted;

static void on_signal(int sig)
{
	session_interrupted = sig;
}

/** session_catch_signals() - ^C ends the command in the guest, not krrctl */
void session_catch_signals(void)
{
	struct sigaction sa = { .sa_handler = on_signal };

	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGHUP, &sa, NULL);
	signal(SIGPIPE, SIG_IGN);
}

struct exec {
	struct krr_link *link;
	struct krr_vm *vm;
	struct krr_recorder *recorder;
	unsigned int outcomes;	/* before the command */
	unsigned int grace;
	bool killed;
};

static int refused(const uint8_t *payload, uint32_t len)
{
	int32_t result = -EPROTO;

	if (len >= sizeof(result))
		memcpy(&result, payload, sizeof(result));
	krr_err("the guest did not run the command: %.*s", (int)(len - sizeof(result)),
		(const char *)payload + sizeof(result));
	return result < 0 && result > -4096 ? result : -EPROTO;
}

/* Return: 1 when the command has ended, 0 to go on, -errno. */
static int take_frame(uint32_t type, const uint8_t *payload, uint32_t len, int *status)
{
	int32_t exited;

	switch (type) {
	case KRR_FR_STDOUT:
		return krr_write_full(1, payload, len);
	case KRR_FR_STDERR:
		return krr_write_full(2, payload, len);
	case KRR_FR_REPLY:
		return refused(payload, len);
	case KRR_FR_EXIT:
		if (len != sizeof(exited))
			return -EPROTO;
		memcpy(&exited, payload, sizeof(exited));
		*status = exited & 255;
		return 1;
	default:
		return 0;
	}
}

/* Between frames: is there still somebody who can send one? */
static int check(struct exec *x)
{
	struct krr_outcome o;

	if (x->vm && !krr_vm_running(x->vm))
		return -EPIPE;
	if (session_interrupted && !x->killed) {
		x->killed = true;
		krr_link_send(x->link, KRR_FR_KILL, NULL, 0);
	} else if (session_interrupted && ++x->grace > 2 * GRACE_TICKS) {
		return -EINTR;
	}
	if (!x->recorder)
		return 0;
	krr_recorder_outcome(x->recorder, &o);
	if (o.count > x->outcomes &&
	    (o.stop_reason == KRR_STOP_PANIC || o.stop_reason == KRR_STOP_REBOOT) &&
	    ++x->grace > GRACE_TICKS)
		return -EPIPE;
	return 0;
}

/**
 * session_exec() - run a command in a guest
 * @link: to its krrd, after hello
 * @vm: to notice that QEMU ended; or NULL
 * @recorder: to notice a panic that was recorded; or NULL
 * @record: name of a recording to make, or ""
 * @argv: command
 * @status: its exit status
 *
 * Return: 0, -EPIPE when the guest is gone, or -errno; a refusal of the guest
 * has been said on stderr.
 */
int session_exec(struct krr_link *link, struct krr_vm *vm, struct krr_recorder *recorder,
		 const char *record, char *const argv[], int *status)
{
	struct exec x = { .link = link, .vm = vm, .recorder = recorder };
	struct krr_outcome o = { 0 };
	uint32_t type, len;
	uint8_t *payload;
	int err;

	if (recorder)
		krr_recorder_outcome(recorder, &o);
	x.outcomes = o.count;
	err = krr_link_exec(link, record, argv);
	while (!err) {
		err = krr_link_recv(link, &type, &payload, &len, TICK_MS);
		if (err == -ETIMEDOUT || err == -EINTR)
			err = check(&x);
		else if (!err)
			err = take_frame(type, payload, len, status);
	}
	return err > 0 ? 0 : err;
}
