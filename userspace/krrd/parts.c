// SPDX-License-Identifier: GPL-2.0-only
/*
 * krrd in the guest is two processes: one serves requests and has no privileges to
 * speak of (guest.c), the other runs root's commands and does nothing else (exec.c).
 * Neither depends on the other.
 *
 * systemd runs each as a service of its own.  Where it does not, this process, which
 * reads nothing, starts both and starts again what ended.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "krrd/krrd.h"
#include "krrd/parts.h"
#include "lib/proto.h"
#include "lib/util.h"

const char krrd_role[] = "--guest";
const char krrd_usage[] =
	"usage: krrd --guest [--only control|exec] [--port PATH]\n"
	"\n"
	"Runs in a VM and does what krrctl asks for, over the virtio-serial ports\n"
	KRR_PORT_NAME ": commands, or the one at PATH, and " KRR_CONTROL_NAME " or the socket "
	KRR_GUEST_SOCKET ":\n"
	"start and stop of recordings, what is annotated and looked for.  --only has one\n"
	"half of it done, as the systemd units do.\n";

#define BRIEF_MS	1000	/* a part that ends so soon is not started again at once */

struct part {
	const char *name;
	int (*run)(void);
	pid_t pid;
	uint64_t began_ns;
};

static const char *exec_path;

static int run_exec(void)
{
	return exec_part(exec_path);
}

static struct part parts[] = {
	{ .name = "control", .run = control_part },
	{ .name = "exec", .run = run_exec },
};

static pid_t supervisor;	/* of a part: whose child it is; 0: systemd's */

/**
 * part_stay_with_parent() - end when it does, so that there is never a second one of a part
 *
 * To be called after the last change of credentials, which would undo it.
 */
void part_stay_with_parent(void)
{
	if (!supervisor)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != supervisor)
		_exit(KRR_EXIT_FAILED);
}

static int begin(struct part *part)
{
	pid_t parent = getpid(), pid = fork();

	if (!pid) {
		supervisor = parent;
		_exit(part->run());
	}
	part->began_ns = krr_now_ns();
	part->pid = pid;
	return pid < 0 ? -errno : 0;
}

static struct part *part_of(pid_t pid)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(parts); i++)
		if (parts[i].pid == pid)
			return &parts[i];
	return NULL;
}

/* Return: 0 to go on, or an exit status: starting it again would not help. */
static int begin_again(struct part *part, int status)
{
	int err;

	if (WIFEXITED(status) && WEXITSTATUS(status) == KRR_EXIT_PRECONDITION)
		return KRR_EXIT_PRECONDITION;
	krr_err("%s ended, %s %d; it is started again", part->name,
		WIFSIGNALED(status) ? "signal" : "status",
		WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	if (krr_now_ns() - part->began_ns < BRIEF_MS * 1000000ull)
		krr_sleep_ms(BRIEF_MS);
	err = begin(part);
	if (err)
		krr_err("cannot make a process: %s", strerror(-err));
	return err ? KRR_EXIT_FAILED : 0;
}

/* The parts end with this process. */
static int supervise(void)
{
	struct part *part;
	int status, ret = 0;
	size_t i;
	pid_t pid;

	for (i = 0; !ret && i < ARRAY_SIZE(parts); i++)
		if (begin(&parts[i]))
			ret = KRR_EXIT_FAILED;
	while (!ret && (pid = wait(&status)) > 0) {
		part = part_of(pid);
		if (part)
			ret = begin_again(part, status);
	}
	return ret ? ret : KRR_EXIT_FAILED;
}

static int usage(void)
{
	krr_err("after --guest, only --port PATH and --only control or exec are understood");
	return KRR_EXIT_USAGE;
}

/**
 * krrd_serve() - the guest's role; serves until it is killed
 * @argc: words
 * @argv: "--guest", then options
 *
 * Return: exit status.
 */
int krrd_serve(int argc, char **argv)
{
	const char *only = NULL;
	size_t i;

	for (; argc > 2; argc -= 2, argv += 2) {
		if (!strcmp(argv[1], "--port"))
			exec_path = argv[2];
		else if (!strcmp(argv[1], "--only"))
			only = argv[2];
		else
			return usage();
	}
	if (argc != 1)
		return usage();
	if (!only)
		return supervise();
	for (i = 0; i < ARRAY_SIZE(parts); i++)
		if (!strcmp(only, parts[i].name))
			return parts[i].run();
	return usage();
}
