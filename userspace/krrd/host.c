// SPDX-License-Identifier: GPL-2.0-only
/*
 * krrd on the host: owns one VM and its recorder until QEMU ends.
 *
 * The parent returns when the guest answers, so that the next command can use
 * it; the child stays.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "krrd/krrd.h"
#include "lib/util.h"
#include "vmm/boot.h"
#include "vmm/options.h"
#include "vmm/salvage.h"

#define TICK_MS		50u
#define HELLO_MS	2000u
#define TELL_NS		60000000000ull	/* as long as krrctl may wait for the guest, and more */

const char krrd_role[] = "--host";
const char krrd_usage[] =
	"usage: krrd --host NAME [options of \"krrctl vm start\"]\n"
	"\n"
	"Runs a VM and records whatever its guest starts to record; \"krrctl vm start\"\n"
	"starts it.  The krrd that runs in guests is another build of this one.\n";

static volatile sig_atomic_t told_to_end;

static void on_signal(int sig)
{
	(void)sig;
	told_to_end = 1;
}

static const struct option options[] = { KRR_MACHINE_OPTIONS, { NULL, 0, NULL, 0 } };

/* krrctl record shows what comes after this, if it fails. */
static void leave_terminal(const struct krr_vm *vm)
{
	__close_fd int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	__close_fd int log = open(vm->krrd_log, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW |
				  O_CLOEXEC, 0600);

	dup2(null, 0);
	dup2(null, 1);
	dup2(log < 0 ? null : log, 2);
}

/* Told once, but krrctl may be talking to the guest: then once more. */
struct going_on {
	unsigned int asked;	/* of struct krr_outcome */
	uint64_t until;		/* 0: nothing to tell */
};

static int tell_ended(const struct krr_vm *vm)
{
	struct krr_link *link = NULL;
	int err = krr_link_open(vm->control, 0, &link);

	if (!err)
		err = krr_link_hello(link, HELLO_MS);
	if (!err)
		err = krr_link_request(link, KRR_FR_ENDED, NULL, NULL, KRR_HELLO_MS);
	krr_link_close(link);
	return err;
}

/* A recording has ended unasked: krrd in the guest begins the flight recorder again. */
static void go_on(struct going_on *g, const struct krr_vm *vm, struct krr_recorder *rec)
{
	struct krr_outcome o;
	int err;

	krr_recorder_outcome(rec, &o);
	if (o.go_ons != g->asked)
		g->until = krr_now_ns() + TELL_NS;
	g->asked = o.go_ons;
	if (!g->until)
		return;
	err = tell_ended(vm);
	if ((err != -EBUSY && err != -ETIMEDOUT) || krr_now_ns() > g->until)
		g->until = 0;
}

/* @tell: pipe to the parent; gets one byte, the exit status of "vm start". */
static int own_vm(const char *name, struct krr_machine *m, int tell)
{
	struct krr_recorder *rec = NULL;
	struct krr_link *link = NULL;
	struct going_on g = { 0 };
	struct krr_vm vm;
	uint8_t status;
	int err;

	err = krr_vm_boot(name, m, &told_to_end, &vm, &rec, &link);
	krr_link_close(link);		/* for krrctl */
	status = (uint8_t)krr_exit_code(err);
	krr_write_full(tell, &status, 1);
	close(tell);
	if (!err)
		leave_terminal(&vm);
	while (!err && !told_to_end && krr_vm_running(&vm)) {
		go_on(&g, &vm, rec);
		krr_sleep_ms(TICK_MS);
	}
	krr_recorder_end(rec, NULL);
	krr_vm_destroy(&vm);
	return status;
}

static int fork_daemon(const char *name, struct krr_machine *m)
{
	uint8_t status = KRR_EXIT_FAILED;
	int tell[2];
	pid_t pid;

	if (pipe2(tell, O_CLOEXEC) < 0)
		return KRR_EXIT_FAILED;
	pid = fork();
	if (!pid) {
		struct sigaction sa = { .sa_handler = on_signal };

		close(tell[0]);
		setsid();
		sigaction(SIGTERM, &sa, NULL);
		signal(SIGPIPE, SIG_IGN);
		_exit(own_vm(name, m, tell[1]));
	}
	close(tell[1]);
	if (pid > 0 && krr_read_full(tell[0], &status, 1) != 1)
		status = KRR_EXIT_FAILED;
	close(tell[0]);
	return status;
}

/**
 * krrd_serve() - the host's role
 * @argc: words
 * @argv: "--host", name of the VM, options of the machine
 *
 * Return: exit status, once the guest answers.
 */
int krrd_serve(int argc, char **argv)
{
	struct krr_machine m;
	int opt, status = 0;

	krr_machine_defaults(&m);
	krr_machine_option(&m, KRR_OPT_ACCEL, "auto");
	argv[0] = (char *)krr_program;	/* for getopt's messages */
	while ((opt = getopt_long(argc, argv, "", options, NULL)) >= 0)
		if (krr_machine_option(&m, opt, optarg))
			return KRR_EXIT_USAGE;
	if (optind + 1 != argc || !krr_name_ok(argv[optind])) {
		krr_err("--host takes the name of a VM (up to %d of A-Z a-z 0-9 . _ -), and "
			"options",
			KRR_NAME_MAX);
		return KRR_EXIT_USAGE;
	}
	krr_salvage();
	status = krr_exit_code(krr_machine_complete(&m));
	return status ? status : fork_daemon(argv[optind], &m);
}
