// SPDX-License-Identifier: GPL-2.0-only
/*
 * krrctl gdb: a replay with gdb on QEMU's own stub.
 *
 * --at goes there first; then the machine is paused, gdb attaches, and the rest of
 * the log is there for it to go on.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "krrctl/krrctl.h"
#include "krrctl/position.h"
#include "lib/util.h"
#include "vmm/options.h"
#include "vmm/replay-accel.h"

#define MAX_ARGS	64

extern const char gdb_unwind_py[], gdb_unwind_py_end[];	/* gdb-unwind.S */

static const char usage[] =
	"usage: krrctl gdb [--at POSITION] [--accel A] RECORDING [-- GDB-ARGUMENTS]\n"
	"\n"
	"Replays under gdb, paused at the start, or where the event at POSITION is about\n"
	"to be taken.  \"continue\" lets the replay go on.  KRR_GDB names another gdb.\n"
	"\n"
	"  --accel A      auto, kvm or tcg (tcg; under kvm take hbreak in place of break, as\n"
	"                 break writes to the kernel's text)\n"
	"\n" KRR_POSITION_HELP;

static const struct option options[] = {
	{ "at", required_argument, NULL, 'a' },
	{ "accel", required_argument, NULL, 'A' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

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

/* Write the script for backtraces into the VM's directory. Return: its path, freed by free(). */
static char *write_script(const struct krr_vm *vm)
{
	char *path = krr_strf("%s/unwind.py", vm->dir);
	__close_fd int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	int err = fd < 0 ? -errno : krr_write_full(fd, gdb_unwind_py,
						   (size_t)(gdb_unwind_py_end - gdb_unwind_py));

	if (err)
		krr_err("cannot write %s: %s; backtraces will end in the recorder", path,
			strerror(-err));
	return path;
}

static pid_t start_gdb(struct krr_replay *rp, uint32_t cpu, char **extra)
{
	__free_ptr char *vmlinux = krr_artifact_path(KRR_VMLINUX);
	__free_ptr char *target = krr_strf("target remote %s", rp->gdb);
	__free_ptr char *trust = trust_scripts(vmlinux);
	__free_ptr char *script = write_script(&rp->vm);
	__free_ptr char *thread = krr_strf("thread %u", cpu + 1);
	const char *gdb = getenv("KRR_GDB");
	const char *argv[MAX_ARGS] = {
		gdb && *gdb ? gdb : "gdb", "-q", "-iex", "set pagination off", "-iex", trust,
		"-x", script, "-ex", "set confirm off", "-ex", target, "-ex", thread,
	};
	unsigned int n = 14;
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

/* The CPU that is about to take event @at. */
static uint32_t cpu_at(const struct krr_recording *rec, uint64_t at)
{
	struct krr_log_reader *log;
	struct krr_event ev = { 0 };

	if (krr_log_open(rec->dirfd, "log.krr", true, &log))
		return 0;
	while (krr_log_next(log, &ev) > 0 && ev.number < at)
		;
	krr_log_close(log);
	return ev.cpu;
}

static int debug(const struct krr_recording *rec, const struct krr_replay_how *how, uint64_t at,
		 char **extra)
{
	uint32_t cpu = cpu_at(rec, at);
	struct krr_replay rp;
	int err, status;
	pid_t pid;

	err = krr_replay_start(rec, how, &rp);
	if (!err && at) {
		err = krr_replay_until(&rp, at);
		report_stall(&rp, err);
	}
	rp.timeout_s = 0;	/* gdb may hold it for as long as it likes */
	if (!err) {
		pid = start_gdb(&rp, cpu, extra);
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
	struct krr_replay_how how = { .gdb = true };
	const char *position = "0", *accel = "tcg";
	struct krr_recording rec;
	uint64_t at = 0;
	int opt, status;

	while ((opt = getopt_long(argc, argv, "h", options, NULL)) >= 0) {
		if (opt == 'h')
			return usage_help(usage);
		if (opt == 'a')
			position = optarg;
		else if (opt == 'A')
			accel = optarg;
		else
			return usage_error(usage);
	}
	if (krr_accel_check(accel))
		return KRR_EXIT_USAGE;
	if (optind + 1 != argc)
		return usage_error(usage);
	status = krr_exit_code(krr_recording_open(argv[optind], &rec));
	if (!status)
		status = usage_code(position_find(&rec, position, &at));
	if (!status)
		status = check_vmlinux(&rec);
	if (!status)
		status = krr_exit_code(krr_replay_choose(&rec, accel, &how.accel));
	if (!status)
		status = debug(&rec, &how, at, extra);
	krr_recording_close(&rec);
	return status;
}
