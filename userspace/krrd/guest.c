// SPDX-License-Identifier: GPL-2.0-only
/*
 * krrd in the guest: one command at a time, for one host.
 *
 * There are two ports: commands and their output on one, and the other for
 * requests that must get through meanwhile, as the start of a recording.
 *
 * They are read and written without blocking.  POLLHUP means that nobody
 * listens on the host; then a command under way is killed, as ssh does.  A port
 * that hung up is left alone until SIGIO says that something changed, so an
 * idle krrd does not wake up at all and adds nothing to a recording.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>

#include "krrd/krrd.h"
#include "lib/proto.h"
#include "lib/util.h"

#define CONTROL		"/dev/krr"
#define MAX_ARGS	1024
#define WAIT_MS		100
#define LINGER_MS	200	/* for output of children that outlive the command */

struct port {
	int fd;			/* -1: there is none */
	bool up;		/* somebody is connected on the host */
	struct krr_framer in;
};

struct guest {
	struct port port[KRR_NR_PORTS];
	struct port *from;	/* whom to answer */
	pid_t child;
	int out, err;		/* pipes from it, -1 once closed */
	bool recording;		/* stop when it ends */
	bool ended;		/* and was reaped; output may be left */
	int status;
	uint64_t ended_ns;
};

/* Ports have a name in sysfs; /dev/virtio-ports needs udev. */
static int open_by_name(const char *name)
{
	DIR *dir = opendir("/sys/class/virtio-ports");
	struct dirent *de;
	int fd = -1;

	while (dir && fd < 0 && (de = readdir(dir))) {
		__free_ptr char *sys = krr_strf("/sys/class/virtio-ports/%s/name", de->d_name);
		__free_ptr char *dev = krr_strf("/dev/%s", de->d_name);
		__free_ptr char *text = krr_read_file_at(AT_FDCWD, sys, 256);

		if (text && !strncmp(text, name, strlen(name)) && text[strlen(name)] == '\n')
			fd = open(dev, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	}
	if (dir)
		closedir(dir);
	return fd;
}

static int open_port(const char *path, const char *name)
{
	int fd = path ? open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC) : open_by_name(name);

	if (fd >= 0 && (fcntl(fd, F_SETOWN, getpid()) < 0 ||
			fcntl(fd, F_SETFL, O_NONBLOCK | O_ASYNC) < 0)) {
		close(fd);
		fd = -1;
	}
	return fd;
}

static bool host_gone(const struct port *port)
{
	struct pollfd p = { .fd = port->fd, .events = POLLOUT };

	return poll(&p, 1, 0) == 1 && p.revents & POLLHUP;
}

static int put(const struct port *port, const void *buf, size_t len)
{
	struct pollfd p = { .fd = port->fd, .events = POLLOUT };
	const char *at = buf;
	ssize_t n;

	while (len) {
		n = write(port->fd, at, len);
		if (n > 0) {
			at += n;
			len -= (size_t)n;
			continue;
		}
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return -errno;
		if (host_gone(port))
			return -EPIPE;
		poll(&p, 1, WAIT_MS);
	}
	return 0;
}

static int send_frame(const struct port *port, uint32_t type, const void *payload, size_t len)
{
	struct krr_frame f;
	int err;

	krr_frame_header(&f, type, (uint32_t)len);
	err = put(port, &f, sizeof(f));
	return err ? err : put(port, payload, len);
}

static void reply(struct guest *g, int result, const char *text)
{
	size_t len = strlen(text);
	__free_ptr char *buf = NULL;
	int32_t r = result;

	if (len > KRR_FRAME_MAX - sizeof(r))
		len = KRR_FRAME_MAX - sizeof(r);
	buf = malloc(sizeof(r) + len);
	if (!buf)
		return;
	memcpy(buf, &r, sizeof(r));
	memcpy(buf + sizeof(r), text, len);
	send_frame(g->from, KRR_FR_REPLY, buf, sizeof(r) + len);
}

static char *control_text(void)
{
	char *text = krr_read_file_at(AT_FDCWD, CONTROL, 16384);

	return text ? text : krr_strf("%s", "");
}

/* Write one line to /dev/krr. */
static int control(const char *verb, const char *arg)
{
	__free_ptr char *line = krr_strf("%s%s%s\n", verb, *arg ? " " : "", arg);
	__close_fd int fd = open(CONTROL, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	return write(fd, line, strlen(line)) < 0 ? -errno : 0;
}

/* What an error of /dev/krr means, freed by free(). */
static char *control_error(const char *verb, int err)
{
	__free_ptr char *text = NULL;

	switch (err) {
	case -ENOENT:
	case -ENXIO:
		return krr_strf("%s: the guest kernel has no krr (no " CONTROL "): boot one made "
				"by make kernel", verb);
	case -ENODEV:
		return krr_strf("%s: no recorder on the host answers the guest kernel", verb);
	case -EBUSY:
		return krr_strf("%s: a recording is under way already", verb);
	case -ETIMEDOUT:
		return krr_strf("%s: the recorder on the host did not answer in time", verb);
	case -ECANCELED:
		return krr_strf("%s: the recorder on the host could not begin", verb);
	}
	text = control_text();
	return krr_strf("%s: %s%s%s", verb, strerror(-err), *text ? "; the kernel says:\n" : "",
			text);
}

static int do_control(struct guest *g, const char *verb, const char *arg)
{
	__free_ptr char *text = NULL;
	int err;

	if (strpbrk(arg, "\r\n")) {
		reply(g, -EINVAL, "a name may not have line breaks");
		return -EINVAL;
	}
	err = control(verb, arg);
	if (err) {
		text = control_error(verb, err);
		reply(g, err, text);
	}
	return err;
}

static void child(char **argv, int out, int err)
{
	int in = open("/dev/null", O_RDONLY);
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
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

static int spawn(struct guest *g, char **argv)
{
	int out[2], err[2];

	if (pipe2(out, O_CLOEXEC) < 0)
		return -errno;
	if (pipe2(err, O_CLOEXEC) < 0) {
		close(out[0]);
		close(out[1]);
		return -errno;
	}
	g->ended = false;
	g->child = fork();
	if (!g->child)
		child(argv, out[1], err[1]);
	close(out[1]);
	close(err[1]);
	g->out = out[0];
	g->err = err[0];
	if (g->child > 0)
		return 0;
	close(g->out);
	close(g->err);
	g->out = g->err = -1;
	g->child = 0;
	return -EAGAIN;
}

static void do_exec(struct guest *g, char *payload, uint32_t len)
{
	char *argv[MAX_ARGS + 3];
	int n = krr_split_strings(payload, len, argv, MAX_ARGS + 3), err;

	if (n < 2) {
		reply(g, -EINVAL, "a command is needed, of at most 1024 words");
		return;
	}
	if (g->child || g->from != &g->port[KRR_PORT_EXEC]) {
		reply(g, -EBUSY, "a command is running already");
		return;
	}
	if (*argv[0] && do_control(g, "start", argv[0]))
		return;
	g->recording = *argv[0];
	err = spawn(g, argv + 1);
	if (!err)
		return;
	if (g->recording)
		control("stop", "");
	g->recording = false;
	reply(g, err, "cannot make a process");
}

static void do_hello(struct guest *g, const uint8_t *payload, uint32_t len)
{
	__free_ptr char *text = NULL, *buf = NULL;
	struct utsname u;

	if (len != 8)
		return;
	uname(&u);
	text = krr_strf("release=%s\nversion=%s\ncpus=%ld\nkrr=%s\n", u.release, u.version,
			sysconf(_SC_NPROCESSORS_ONLN), access(CONTROL, F_OK) ? "no" : "yes");
	buf = malloc(8 + strlen(text));
	if (!buf)
		return;
	memcpy(buf, payload, 8);
	memcpy(buf + 8, text, strlen(text));
	send_frame(g->from, KRR_FR_HELLO_OK, buf, 8 + strlen(text));
}

static void do_status(struct guest *g)
{
	__free_ptr char *text = control_text();

	reply(g, access(CONTROL, F_OK) ? -errno : 0, text);
}

static void do_poweroff(struct guest *g)
{
	reply(g, 0, "");
	sync();
	reboot(RB_POWER_OFF);
}

static const char *string_of(char *payload, uint32_t len)
{
	return len && !payload[len - 1] ? payload : "";
}

static void kill_child(struct guest *g)
{
	if (g->child)
		kill(-g->child, SIGKILL);
}

static void handle(struct guest *g, uint32_t type, uint8_t *payload, uint32_t len)
{
	char *text = (char *)payload;

	switch (type) {
	case KRR_FR_HELLO:
		do_hello(g, payload, len);
		return;
	case KRR_FR_EXEC:
		do_exec(g, text, len);
		return;
	case KRR_FR_START:
		if (!do_control(g, "start", string_of(text, len)))
			reply(g, 0, "");
		return;
	case KRR_FR_STOP:
		if (!do_control(g, "stop", ""))
			reply(g, 0, "");
		return;
	case KRR_FR_MARK:
		if (!do_control(g, "mark", string_of(text, len)))
			reply(g, 0, "");
		return;
	case KRR_FR_STATUS:
		do_status(g);
		return;
	case KRR_FR_KILL:
		kill_child(g);
		return;
	case KRR_FR_POWEROFF:
		do_poweroff(g);
		return;
	default:
		reply(g, -ENOSYS, "krrd does not know this request: is it older than krrctl?");
	}
}

static void read_port(struct guest *g, struct port *port)
{
	uint32_t type, len;
	uint8_t *where;
	size_t room = krr_framer_room(&port->in, &where);
	ssize_t n = read(port->fd, where, room);

	if (n <= 0)
		return;
	port->in.have += (size_t)n;
	g->from = port;
	while (krr_framer_next(&port->in, &type, &where, &len))
		handle(g, type, where, len);
}

static void forward(struct guest *g, int *fd, uint32_t type)
{
	char buf[16384];
	ssize_t n = read(*fd, buf, sizeof(buf));

	if (n > 0) {
		send_frame(&g->port[KRR_PORT_EXEC], type, buf, (size_t)n);
	} else if (!n || errno != EINTR) {
		close(*fd);
		*fd = -1;
	}
}

static void reap(struct guest *g)
{
	int status;

	if (!g->child || g->ended || waitpid(g->child, &status, WNOHANG) != g->child)
		return;
	g->ended = true;
	g->ended_ns = krr_now_ns();
	g->status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static bool output_done(const struct guest *g)
{
	return (g->out < 0 && g->err < 0) ||
	       krr_now_ns() - g->ended_ns > LINGER_MS * 1000000ull;
}

static void finish(struct guest *g)
{
	const struct port *port = &g->port[KRR_PORT_EXEC];
	__free_ptr char *text = NULL;
	int32_t status = g->status;
	int err;

	if (g->out >= 0)
		close(g->out);
	if (g->err >= 0)
		close(g->err);
	g->out = g->err = -1;
	g->child = 0;
	if (g->recording) {
		err = control("stop", "");
		if (err) {
			text = control_error("krrd: stop", err);
			send_frame(port, KRR_FR_STDERR, text, strlen(text));
			send_frame(port, KRR_FR_STDERR, "\n", 1);
		}
		g->recording = false;
	}
	send_frame(port, KRR_FR_EXIT, &status, sizeof(status));
}

static void look_at_ports(struct guest *g)
{
	struct port *port;
	bool up;

	for (port = g->port; port < g->port + KRR_NR_PORTS; port++) {
		up = port->fd >= 0 && !host_gone(port);
		if (port->up && !up && port == &g->port[KRR_PORT_EXEC])
			kill_child(g);
		port->up = up;
	}
}

/* SIGIO and SIGCHLD are let in here only, so nothing happens unseen. */
static void serve(struct guest *g)
{
	static const struct timespec soon = { 0, 10000000 };
	struct pollfd p[KRR_NR_PORTS + 2];
	sigset_t none;
	int i;

	look_at_ports(g);
	reap(g);
	for (i = 0; i < KRR_NR_PORTS; i++)
		p[i] = (struct pollfd){ g->port[i].up ? g->port[i].fd : -1, POLLIN, 0 };
	p[i++] = (struct pollfd){ g->out, POLLIN, 0 };
	p[i++] = (struct pollfd){ g->err, POLLIN, 0 };
	sigemptyset(&none);
	if (ppoll(p, (nfds_t)i, g->child && g->ended ? &soon : NULL, &none) < 0)
		return;
	if (p[KRR_NR_PORTS].revents)
		forward(g, &g->out, KRR_FR_STDOUT);
	if (p[KRR_NR_PORTS + 1].revents)
		forward(g, &g->err, KRR_FR_STDERR);
	for (i = 0; i < KRR_NR_PORTS; i++)
		if (p[i].revents & POLLIN)
			read_port(g, &g->port[i]);
	reap(g);
	if (g->child && g->ended && output_done(g))
		finish(g);
}

static void on_signal(int sig)
{
	(void)sig;
}

static void catch_signals(void)
{
	struct sigaction sa = { .sa_handler = on_signal };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGIO);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	sigaction(SIGIO, &sa, NULL);
	sigaction(SIGCHLD, &sa, NULL);
	signal(SIGPIPE, SIG_IGN);
}

/**
 * krrd_guest() - the guest's role; serves until it is killed
 * @argc: words
 * @argv: "--guest", then options
 *
 * Return: exit status.
 */
int krrd_guest(int argc, char **argv)
{
	static struct guest g = { .out = -1, .err = -1 };
	const char *path = NULL;

	if (argc == 3 && !strcmp(argv[1], "--port")) {
		path = argv[2];
	} else if (argc != 1) {
		krr_err("after --guest, only --port PATH is understood");
		return KRR_EXIT_USAGE;
	}
	catch_signals();
	g.port[KRR_PORT_EXEC].fd = open_port(path, KRR_PORT_NAME);
	g.port[KRR_PORT_CONTROL].fd = open_port(NULL, KRR_CONTROL_NAME);
	if (g.port[KRR_PORT_EXEC].fd < 0) {
		krr_err("no virtio-serial port %s: this must run in a VM that krrctl started",
			path ? path : KRR_PORT_NAME);
		return KRR_EXIT_PRECONDITION;
	}
	for (;;)
		serve(&g);
}
