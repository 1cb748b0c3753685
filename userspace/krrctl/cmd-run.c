// SPDX-License-Identifier: GPL-2.0-only
/* krrctl run: a VM, one command in it, and the end of it. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "krrctl/krrctl.h"
#include "lib/util.h"
#include "vmm/boot.h"
#include "vmm/options.h"

#define RING_MS		2000u	/* after krrd answered: the kernel is long up */

static const char usage[] =
	"usage: krrctl run [OPTIONS] -- COMMAND [ARGUMENTS]\n"
	"\n"
	"Boots a VM, runs COMMAND in it as root, passes its output and exit status on.\n"
	"\n"
	"  --record NAME      record the kernel while COMMAND runs\n"
	"  --verify           then replay it and compare guest memory\n"
	KRR_MACHINE_USAGE
	"  --quiet            only errors and the command's output\n";

struct run {
	struct krr_machine machine;
	struct krr_vm vm;
	struct krr_recorder *recorder;
	struct krr_link *link;
	const char *record;
	bool verify;
	char **command;
};

static const struct option options[] = {
	KRR_MACHINE_OPTIONS,
	{ "record", required_argument, NULL, 'r' },
	{ "verify", no_argument, NULL, 'v' },
	{ "quiet", no_argument, NULL, 'q' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

/* Return: 0 to go on, else 1 + exit status. */
static int parse(struct run *r, int argc, char **argv)
{
	int opt;

	while ((opt = getopt_long(argc, argv, "+h", options, NULL)) >= 0) {
		switch (opt) {
		case 'r':
			r->record = optarg;
			break;
		case 'v':
			r->verify = true;
			break;
		case 'q':
			krr_quiet = true;
			break;
		case 'h':
			return 1 + usage_help(usage);
		case '?':
			return 1 + usage_error(usage);
		default:
			if (krr_machine_option(&r->machine, opt, optarg))
				return 1 + KRR_EXIT_USAGE;
		}
	}
	r->command = argv + optind;
	if (!*r->command) {
		krr_err("run: a command is needed, after --");
		return 1 + usage_error(usage);
	}
	if (r->verify && !r->record) {
		krr_err("run: --verify needs --record NAME");
		return 1 + KRR_EXIT_USAGE;
	}
	if (r->record && !krr_name_ok(r->record)) {
		krr_err("run: \"%s\" cannot be the name of a recording", r->record);
		return 1 + KRR_EXIT_USAGE;
	}
	return 0;
}

static int wait_for_ring(struct run *r)
{
	uint64_t deadline = krr_now_ns() + RING_MS * 1000000ull;
	enum krr_recorder_ring ring;

	while ((ring = krr_recorder_ring(r->recorder)) == KRR_RING_UNKNOWN &&
	       krr_now_ns() < deadline)
		krr_sleep_ms(20);
	if (ring == KRR_RING_FOUND)
		return 0;
	if (ring == KRR_RING_UNKNOWN)
		krr_err("guest kernel has no krr ring: %s must be a kernel that make kernel "
			"built, and krr=SIZE on its command line",
			r->machine.kernel);
	return -ENODEV;
}

static int boot(struct run *r)
{
	__free_ptr char *name = krr_strf("run-%d", (int)getpid());
	int err;

	err = krr_vm_boot(name, &r->machine, &session_interrupted, &r->vm, &r->recorder, &r->link);
	return !err && r->record ? wait_for_ring(r) : err;
}

static void print_outcome(const struct krr_outcome *o)
{
	__free_ptr char *raw = human_bytes(o->raw_bytes), *log = human_bytes(o->log_bytes);

	krr_info("recorded \"%s\": %" PRIu64 " events, %s (%s on disk) in %.2f s, pauses %" PRIu64
		 " + %" PRIu64 " ms", o->name, o->events, raw, log,
		 (double)o->duration_ms / 1000, o->start_pause_ms, o->end_pause_ms);
	if (o->stop_reason == KRR_STOP_NONE)
		krr_err("the recording was cut off: QEMU ended, or the guest gave it up%s%s",
			*o->message ? ": " : "", o->message);
	else if (o->stop_reason == KRR_STOP_PANIC)
		krr_err("the guest's kernel panicked: %s; \"%s\" ends with it: krrctl replay %s",
			*o->message ? o->message : "(no message)", o->name, o->name);
	else if (o->stop_reason != KRR_STOP_REQUEST)
		krr_err("the recording ended by itself: %s%s%s", krr_stop_name(o->stop_reason),
			*o->message ? ": " : "", o->message);
}

static int guest_ended(struct run *r, const struct krr_outcome *o)
{
	/* a panic that was recorded has been told */
	if (o->count && !o->err && o->stop_reason == KRR_STOP_PANIC)
		return KRR_EXIT_FAILED;
	krr_err("the guest ended before the command did");
	krr_vm_explain(&r->vm);
	return KRR_EXIT_FAILED;
}

/* @err: of the session, @status: of the command. Return: exit status. */
static int conclude(struct run *r, int err, int status, const struct krr_outcome *o)
{
	if (o->count && !o->err)
		print_outcome(o);
	else if (o->count && o->err == -EBADMSG)
		krr_err("\"%s\" holds what was logged before the damage: krrctl info %s", o->name,
			o->name);
	if (err == -EPIPE)
		return guest_ended(r, o);
	if (err)
		return krr_exit_code(err);
	if (r->record && (!o->count || o->err || o->stop_reason != KRR_STOP_REQUEST))
		return o->err ? krr_exit_code(o->err) : KRR_EXIT_FAILED;
	return status;
}

static int go(struct run *r, struct krr_outcome *o)
{
	int err, status = 0;

	memset(o, 0, sizeof(*o));
	err = boot(r);
	if (!err)
		err = session_exec(r->link, &r->vm, r->recorder, r->record ? r->record : "",
				   r->command, &status);
	if (!err && session_interrupted)
		status = 128 + session_interrupted;
	if (!err && r->machine.disk_write)
		krr_link_request(r->link, KRR_FR_POWEROFF, NULL, NULL, 2000);
	krr_recorder_end(r->recorder, o);
	return conclude(r, err, status, o);
}

static int run(struct run *r)
{
	struct krr_outcome o;
	int status;

	status = krr_exit_code(krr_machine_complete(&r->machine));
	if (!status && r->record)
		status = krr_exit_code(krr_recording_exists(r->record));
	if (status)
		return status;
	session_catch_signals();
	status = go(r, &o);
	krr_link_close(r->link);
	krr_vm_destroy(&r->vm);
	if (r->verify && o.count && !o.err) {
		struct replay_options opts = {
			.accel = "auto", .timeout_s = REPLAY_TIMEOUT_AUTO, .verify = true,
		};
		int verified = replay_run(o.name, &opts);

		return verified ? verified : status;
	}
	return status;
}

int cmd_run(int argc, char **argv)
{
	struct run r = { 0 };
	int status;

	r.vm.lockfd = -1;
	krr_machine_defaults(&r.machine);
	krr_machine_option(&r.machine, KRR_OPT_ACCEL, "auto");
	status = parse(&r, argc, argv);
	status = status ? status - 1 : run(&r);
	krr_machine_free(&r.machine);
	return status;
}
