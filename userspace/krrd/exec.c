// SPDX-License-Identifier: GPL-2.0-only
/*
 * The part of krrd in the guest that keeps root's privileges, since it runs root's
 * commands: one at a time, for the host alone.  It reads four kinds of request, and
 * does nothing but this.
 *
 * When nobody listens on the host a command under way is killed, as ssh does; so it
 * is when this process ends.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/reboot.h>
#include <sys/wait.h>

#include "krrd/control.h"
#include "krrd/flight.h"
#include "krrd/notify.h"
#include "krrd/parts.h"
#include "krrd/port.h"
#include "lib/proto.h"
#include "lib/util.h"

#define MAX_ARGS	1024
#define LINGER_MS	200	/* for output of children that outlive the command */

struct commands {
	struct port port;
	pid_t child;
	int out, err;		/* pipes from it, -1 once closed */
	bool recording;		/* stop when it ends */
	bool ended;		/* and was reaped; output may be left */
	int status;
	uint64_t ended_ns;
};

static void child(char **argv, int out, int err)
{
	int in = open("/dev/null", O_RDONLY);
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setsid();
	dup2(in, 0);
	dup2(out, 1);
	dup2(err, 2);
	if (in > 2)
		close(in);
	execvp(argv[0], argv);
	dprintf(2, "krrd: %s: %s\n", argv[0], strerror(errno));
	_exit(errno == ENOENT ? 127 : 126);
}

static int spawn(struct commands *c, char **argv)
{
	int out[2], err[2];

	if (pipe2(out, O_CLOEXEC) < 0)
		return -errno;
	if (pipe2(err, O_CLOEXEC) < 0) {
		close(out[0]);
		close(out[1]);
		return -errno;
	}
	c->ended = false;
	c->child = fork();
	if (!c->child)
		child(argv, out[1], err[1]);
	close(out[1]);
	close(err[1]);
	c->out = out[0];
	c->err = err[0];
	if (c->child > 0)
		return 0;
	close(c->out);
	close(c->err);
	c->out = c->err = -1;
	c->child = 0;
	return -EAGAIN;
}

/* Return: 0, or -errno (said to the host). */
static int start_recording(struct commands *c, const char *name)
{
	__free_ptr char *text = NULL;
	int err;

	if (!*name)
		return 0;
	flight_end();
	err = control("start", name);
	if (!err)
		return 0;
	text = control_error("start", err);
	port_reply(&c->port, err, text);
	return err;
}

static void do_exec(struct commands *c, char *payload, uint32_t len)
{
	char *argv[MAX_ARGS + 3];
	int n = krr_split_strings(payload, len, argv, MAX_ARGS + 3), err;

	if (n < 2) {
		port_reply(&c->port, -EINVAL, "a command is needed, of at most 1024 words");
		return;
	}
	if (strpbrk(argv[0], "\r\n")) {
		port_reply(&c->port, -EINVAL, "a name may not have line breaks");
		return;
	}
	if (c->child) {
		port_reply(&c->port, -EBUSY, "a command is running already");
		return;
	}
	if (start_recording(c, argv[0]))
		return;
	c->recording = *argv[0];
	err = spawn(c, argv + 1);
	if (!err)
		return;
	if (c->recording)
		control("stop", "");
	c->recording = false;
	port_reply(&c->port, err, "cannot make a process");
}

static void do_poweroff(struct commands *c)
{
	port_reply(&c->port, 0, "");
	sync();
	reboot(RB_POWER_OFF);
}

static void kill_child(struct commands *c)
{
	if (c->child)
		kill(-c->child, SIGKILL);
}

static void handle(void *ctx, struct port *port, uint32_t type, uint8_t *payload, uint32_t len)
{
	struct commands *c = ctx;

	switch (type) {
	case KRR_FR_HELLO:
		port_hello(port, payload, len, !control_there());
		return;
	case KRR_FR_EXEC:
		do_exec(c, (char *)payload, len);
		return;
	case KRR_FR_KILL:
		kill_child(c);
		return;
	case KRR_FR_POWEROFF:
		do_poweroff(c);
		return;
	default:
		port_reply(port, -ENOSYS, "this port is for commands; all else is asked for at "
			   KRR_CONTROL_NAME);
	}
}

static void forward(struct commands *c, int *fd, uint32_t type)
{
	char buf[16384];
	ssize_t n = read(*fd, buf, sizeof(buf));

	if (n > 0) {
		port_send(&c->port, type, buf, (size_t)n);
	} else if (!n || errno != EINTR) {
		close(*fd);
		*fd = -1;
	}
}

static void reap(struct commands *c)
{
	int status;

	if (!c->child || c->ended || waitpid(c->child, &status, WNOHANG) != c->child)
		return;
	c->ended = true;
	c->ended_ns = krr_now_ns();
	c->status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static bool output_done(const struct commands *c)
{
	return (c->out < 0 && c->err < 0) ||
	       krr_now_ns() - c->ended_ns > LINGER_MS * 1000000ull;
}

/* Return: 0, or -errno (said to the host). */
static int stop_recording(struct commands *c)
{
	__free_ptr char *text = NULL;
	int err = control("stop", "");

	if (!err)
		return 0;
	/* the kernel, or the host for want of room, was first and has said why */
	text = err == -EINVAL ? krr_strf("krrd: the recording had ended before the command did") :
				control_error("krrd: stop", err);
	port_send(&c->port, KRR_FR_STDERR, text, strlen(text));
	port_send(&c->port, KRR_FR_STDERR, "\n", 1);
	return err;
}

static void finish(struct commands *c)
{
	int32_t status = c->status;

	if (c->out >= 0)
		close(c->out);
	if (c->err >= 0)
		close(c->err);
	c->out = c->err = -1;
	c->child = 0;
	if (c->recording)
		stop_recording(c);
	c->recording = false;
	port_send(&c->port, KRR_FR_EXIT, &status, sizeof(status));
}

static void look_at_port(struct commands *c)
{
	bool up = !port_gone(&c->port);

	if (c->port.up && !up)
		kill_child(c);
	c->port.up = up;
}

/* SIGIO and SIGCHLD are let in here only, so nothing happens unseen. */
static void serve(struct commands *c)
{
	static const struct timespec soon = { 0, 10000000 };
	struct pollfd p[3];
	sigset_t none;

	look_at_port(c);
	reap(c);
	p[0] = (struct pollfd){ c->port.up ? c->port.fd : -1, POLLIN, 0 };
	p[1] = (struct pollfd){ c->out, POLLIN, 0 };
	p[2] = (struct pollfd){ c->err, POLLIN, 0 };
	sigemptyset(&none);
	if (ppoll(p, ARRAY_SIZE(p), c->child && c->ended ? &soon : NULL, &none) < 0)
		return;
	if (p[1].revents)
		forward(c, &c->out, KRR_FR_STDOUT);
	if (p[2].revents)
		forward(c, &c->err, KRR_FR_STDERR);
	if (p[0].revents & POLLIN)
		port_read(&c->port, handle, c);
	reap(c);
	if (c->child && c->ended && output_done(c))
		finish(c);
}

/* Whoever waits for the command of a process before this one shall not wait for ever. */
static void say_restarted(const struct port *port)
{
	static const char text[] = "krrd was started again; the command is gone\n";
	int32_t status = 128 + SIGKILL;

	if (port_gone(port))
		return;
	port_send(port, KRR_FR_STDERR, text, strlen(text));
	port_send(port, KRR_FR_EXIT, &status, sizeof(status));
}

/**
 * exec_part() - serve the port for commands
 * @path: of the port; NULL: it is found by its name
 *
 * Return: only on failure, an exit status.
 */
int exec_part(const char *path)
{
	static struct commands c = { .out = -1, .err = -1 };

	part_stay_with_parent();
	ports_catch_signals();
	control_open();
	c.port.fd = port_open(path, KRR_PORT_NAME);
	if (c.port.fd < 0) {
		krr_err("no virtio-serial port %s: this must run in a VM that krrctl started",
			path ? path : KRR_PORT_NAME);
		return KRR_EXIT_PRECONDITION;
	}
	say_restarted(&c.port);
	notify_ready("runs commands for the host");
	for (;;)
		serve(&c);
}
