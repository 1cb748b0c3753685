// SPDX-License-Identifier: GPL-2.0-only
/*
 * krrctl gdb: a replay with gdb on QEMU's own stub.
 *
 * --at N feeds the guest events below N only: it stops by itself where it asks
 * for event N.  Then the machine is paused, gdb attaches, and the rest of the
 * log is there for it to go on.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "krrctl/krrctl.h"
#include "lib/util.h"
#include "vmm/options.h"

#define SETTLE_NS	200000000ull	/* the ring empty that long: it waits for more */
#define MAX_ARGS	64

static const char usage[] =
	"usage: krrctl gdb [--at EVENT] RECORDING [-- GDB-ARGUMENTS]\n"
	"\n"
	"Replays under gdb, paused at the start, or where EVENT is about to be taken.\n"
	"\"continue\" lets the replay go on.  KRR_GDB names another gdb.\n";

static const struct option options[] = {
	{ "at", required_argument, NULL, 'a' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

/* Replay until the guest has taken all events below @at. */
static int go_to(struct krr_replay *rp, uint64_t at)
{
	enum krr_replay_state state;
	uint64_t empty_since = 0, now;
	int err;

	rp->limit = at;
	rp->timeout_s = 0;
	err = krr_replay_go(rp);
	while (!err) {
		err = krr_replay_poll(rp, &state);
		if (err || state != KRR_REPLAY_RUNNING)
			break;
		now = krr_now_ns();
		if (!rp->have_event || krr_load(&rp->ram.hdr->tail) != rp->head)
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

static int check_vmlinux(const struct krr_recording *rec)
{
	__free_ptr char *vmlinux = krr_artifact_path(KRR_VMLINUX);
	struct krr_symbols *syms = NULL;
	int err = krr_symbols_open(vmlinux, rec->m.build_id, &syms);

	krr_symbols_free(syms);
	return err ? KRR_EXIT_PRECONDITION : KRR_EXIT_OK;
}

/* gdb's command to load the script beside @vmlinux, which has the lx-* commands. */
static char *trust_scripts(const char *vmlinux)
{
	__free_ptr char *real = realpath(vmlinux, NULL);

	return krr_strf("add-auto-load-safe-path %s-gdb.py", real ? real : vmlinux);
}

static pid_t start_gdb(struct krr_replay *rp, char **extra)
{
	__free_ptr char *vmlinux = krr_artifact_path(KRR_VMLINUX);
	__free_ptr char *target = krr_strf("target remote %s", rp->gdb);
	__free_ptr char *trust = trust_scripts(vmlinux);
	const char *gdb = getenv("KRR_GDB");
	const char *argv[MAX_ARGS] = {
		gdb && *gdb ? gdb : "gdb", "-q", "-iex", "set pagination off", "-iex", trust,
		"-ex", "set confirm off", "-ex", target,
	};
	unsigned int n = 10;
	pid_t pid;

	while (*extra && n < MAX_ARGS - 2)
		argv[n++] = *extra++;
	argv[n++] = vmlinux;
	pid = fork();
	if (pid)
		return pid;
	execvp(argv[0], (char **)argv);
	krr_err("cannot run %s: %s (install gdb, or set KRR_GDB)", argv[0], strerror(errno));
	_exit(127);
}

/* Keep feeding while gdb has the machine. */
static int serve(struct krr_replay *rp, pid_t gdb)
{
	enum krr_replay_state state;
	int status = 0, err = 0;

	signal(SIGINT, SIG_IGN);	/* is gdb's */
	while (!waitpid(gdb, &status, WNOHANG)) {
		if (!err)
			err = krr_replay_poll(rp, &state);
		krr_sleep_ms(2);
	}
	if (err)
		return krr_exit_code(err);
	return WIFEXITED(status) ? WEXITSTATUS(status) : KRR_EXIT_FAILED;
}

static int debug(const struct krr_recording *rec, uint64_t at, char **extra)
{
	struct krr_replay rp;
	int err, status;
	pid_t pid;

	err = krr_replay_start(rec, true, &rp);
	if (!err && at)
		err = go_to(&rp, at);
	if (!err) {
		pid = start_gdb(&rp, extra);
		err = pid < 0 ? -EAGAIN : 0;
	}
	status = err ? krr_exit_code(err) : serve(&rp, pid);
	krr_replay_end(&rp);
	return status;
}

/* Take what stands behind "--" off the arguments: getopt would mix it up with the rest. */
static char **cut_gdb_arguments(int *argc, char **argv)
{
	int i;

	for (i = 1; i < *argc; i++) {
		if (strcmp(argv[i], "--"))
			continue;
		*argc = i;
		argv[i] = NULL;
		return argv + i + 1;
	}
	return argv + *argc;
}

int cmd_gdb(int argc, char **argv)
{
	char **extra = cut_gdb_arguments(&argc, argv);
	struct krr_recording rec;
	uint64_t at = 0;
	int opt, status;

	while ((opt = getopt_long(argc, argv, "h", options, NULL)) >= 0) {
		if (opt == 'h')
			return usage_help(usage);
		if (opt != 'a' || krr_parse_u64(optarg, &at))
			return usage_error(usage);
	}
	if (optind + 1 != argc)
		return usage_error(usage);
	status = krr_exit_code(krr_recording_open(argv[optind], &rec));
	if (!status && at > rec.m.events) {
		krr_err("\"%s\" has %" PRIu64 " events, so none with number %" PRIu64, rec.name,
			rec.m.events, at);
		status = KRR_EXIT_USAGE;
	}
	if (!status)
		status = check_vmlinux(&rec);
	if (!status)
		status = debug(&rec, at, extra);
	krr_recording_close(&rec);
	return status;
}
