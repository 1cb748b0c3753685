// SPDX-License-Identifier: GPL-2.0-only
/*
 * krrd in the guest: one command at a time, for one host.
 *
 * There are two ports: commands and their output on one, and the other for
 * requests that must get through meanwhile, as the start of a recording.  Clients
 * in the guest itself make the same requests through a unix socket.
 *
 * When nobody listens on the host a command under way is killed, as ssh does.  A port
 * that hung up is left alone until SIGIO says that something changed, so an
 * idle krrd does not wake up at all and adds nothing to a recording.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/reboot.h>
#include <sys/utsname.h>
#include <sys/wait.h>

#include "krrd/control.h"
#include "krrd/krrd.h"
#include "krrd/pins.h"
#include "krrd/policy.h"
#include "krrd/port.h"
#include "krrd/programs.h"
#include "lib/proto.h"
#include "lib/util.h"

const char krrd_role[] = "--guest";
const char krrd_usage[] =
	"usage: krrd --guest [--port PATH]\n"
	"\n"
	"Runs in a VM and does what krrctl asks for, over the virtio-serial ports\n"
	KRR_PORT_NAME " and " KRR_CONTROL_NAME " or the socket " KRR_GUEST_SOCKET ": commands, start and stop\n"
	"of recordings, what is annotated and looked for.\n";

#define MAX_ARGS	1024
#define CLIENTS		4	/* of the socket, at once */
#define NR_PORTS	(KRR_NR_PORTS + CLIENTS)
#define LINGER_MS	200	/* for output of children that outlive the command */

struct guest {
	struct port port[NR_PORTS];	/* to the host, then to clients */
	int listener;
	struct port *from;	/* whom to answer */
	pid_t child;
	int out, err;		/* pipes from it, -1 once closed */
	bool recording;		/* stop when it ends */
	bool ended;		/* and was reaped; output may be left */
	int status;
	uint64_t ended_ns;
};

static int do_control(struct guest *g, const char *verb, const char *arg)
{
	__free_ptr char *text = NULL;
	int err;

	if (strpbrk(arg, "\r\n")) {
		port_reply(g->from, -EINVAL, "a name may not have line breaks");
		return -EINVAL;
	}
	err = control(verb, arg);
	if (err) {
		text = control_error(verb, err);
		port_reply(g->from, err, text);
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
	if (chdir("/") < 0)
		_exit(126);
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
		port_reply(g->from, -EINVAL, "a command is needed, of at most 1024 words");
		return;
	}
	if (g->child || g->from != &g->port[KRR_PORT_EXEC]) {
		port_reply(g->from, -EBUSY, "a command is running already");
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
	port_reply(g->from, err, "cannot make a process");
}

static void do_hello(struct guest *g, const uint8_t *payload, uint32_t len)
{
	__free_ptr char *text = NULL, *buf = NULL;
	struct utsname u;

	if (len != 8)
		return;
	uname(&u);
	text = krr_strf("release=%s\nversion=%s\ncpus=%ld\nkrr=%s\n", u.release, u.version,
			sysconf(_SC_NPROCESSORS_ONLN), control_there() ? "no" : "yes");
	buf = malloc(8 + strlen(text));
	if (!buf)
		return;
	memcpy(buf, payload, 8);
	memcpy(buf + 8, text, strlen(text));
	port_send(g->from, KRR_FR_HELLO_OK, buf, 8 + strlen(text));
}

static void do_status(struct guest *g)
{
	__free_ptr char *text = control_text();

	port_reply(g->from, control_there(), text);
}

static void do_enable(struct guest *g, char *payload, uint32_t len)
{
	char *words[KRR_POLICY_WORDS + 1];
	__free_ptr char *text = NULL;
	int err;

	if (!len)
		err = policy_enable_files(KRR_POLICY_FILES, &text);
	else if (krr_split_strings(payload, len, words, KRR_POLICY_WORDS + 1) < 0)
		err = -E2BIG;
	else
		err = policy_enable(words, &text);
	port_reply(g->from, err, text ? text : err ? strerror(-err) : "");
}

static void reply_json(struct guest *g, char *json)
{
	port_reply(g->from, 0, json);
	free(json);
}

static void do_poweroff(struct guest *g)
{
	port_reply(g->from, 0, "");
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
			port_reply(g->from, 0, "");
		return;
	case KRR_FR_STOP:
		if (!do_control(g, "stop", ""))
			port_reply(g->from, 0, "");
		return;
	case KRR_FR_MARK:
		if (!do_control(g, "mark", string_of(text, len)))
			port_reply(g->from, 0, "");
		return;
	case KRR_FR_STATUS:
		do_status(g);
		return;
	case KRR_FR_ENABLE:
		do_enable(g, text, len);
		return;
	case KRR_FR_DISABLE:
		policy_disable();
		port_reply(g->from, 0, "");
		return;
	case KRR_FR_POLICY:
		reply_json(g, policy_status());
		return;
	case KRR_FR_SUBSYS:
		reply_json(g, policy_subsys());
		return;
	case KRR_FR_KILL:
		kill_child(g);
		return;
	case KRR_FR_POWEROFF:
		do_poweroff(g);
		return;
	default:
		port_reply(g->from, -ENOSYS, "krrd does not know this request: is it older than krrctl?");
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
		port_send(&g->port[KRR_PORT_EXEC], type, buf, (size_t)n);
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
			port_send(port, KRR_FR_STDERR, text, strlen(text));
			port_send(port, KRR_FR_STDERR, "\n", 1);
		}
		g->recording = false;
	}
	port_send(port, KRR_FR_EXIT, &status, sizeof(status));
}

static void look_at_ports(struct guest *g)
{
	struct port *port;
	bool up;

	for (port = g->port; port < g->port + NR_PORTS; port++) {
		up = port->fd >= 0 && !port_gone(port);
		if (port->up && !up && port == &g->port[KRR_PORT_EXEC])
			kill_child(g);
		port->up = up;
		if (!up && port >= g->port + KRR_NR_PORTS)
			port_close(port);
	}
}

/* There may be no slot: then the client is told by hanging up. */
static void take_client(struct guest *g)
{
	struct port *port = g->port + KRR_NR_PORTS;
	int fd = port_accept(g->listener, KRR_GROUP);

	while (port < g->port + NR_PORTS && port->fd >= 0)
		port++;
	if (fd < 0)
		return;
	if (port == g->port + NR_PORTS) {
		close(fd);
		return;
	}
	port->fd = fd;
	port->up = true;
}

/* SIGIO and SIGCHLD are let in here only, so nothing happens unseen. */
static void serve(struct guest *g)
{
	static const struct timespec soon = { 0, 10000000 };
	struct pollfd p[NR_PORTS + 3];
	sigset_t none;
	int i;

	look_at_ports(g);
	reap(g);
	for (i = 0; i < NR_PORTS; i++)
		p[i] = (struct pollfd){ g->port[i].up ? g->port[i].fd : -1, POLLIN, 0 };
	p[i++] = (struct pollfd){ g->out, POLLIN, 0 };
	p[i++] = (struct pollfd){ g->err, POLLIN, 0 };
	p[i++] = (struct pollfd){ g->listener, POLLIN, 0 };
	sigemptyset(&none);
	if (ppoll(p, (nfds_t)i, g->child && g->ended ? &soon : NULL, &none) < 0)
		return;
	if (p[NR_PORTS].revents)
		forward(g, &g->out, KRR_FR_STDOUT);
	if (p[NR_PORTS + 1].revents)
		forward(g, &g->err, KRR_FR_STDERR);
	for (i = 0; i < NR_PORTS; i++)
		if (p[i].revents & POLLIN)
			read_port(g, &g->port[i]);
	if (p[NR_PORTS + 2].revents)
		take_client(g);
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

/* A krrd that ended may have left a policy. */
static void adopt_policy(void)
{
	__free_ptr char *why = NULL;
	int err = pins_enter(KRR_PINS, geteuid(), getegid());

	if (err)
		krr_err(KRR_PINS ": %s; policies will end with krrd", strerror(-err));
	krr_programs_measure();
	err = policy_adopt(&why);
	if (err)
		krr_err("what was enabled is no longer: %s", why ? why : strerror(-err));
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
	static struct guest g = { .out = -1, .err = -1 };
	const char *path = NULL;
	int i;

	if (argc == 3 && !strcmp(argv[1], "--port")) {
		path = argv[2];
	} else if (argc != 1) {
		krr_err("after --guest, only --port PATH is understood");
		return KRR_EXIT_USAGE;
	}
	catch_signals();
	for (i = KRR_NR_PORTS; i < NR_PORTS; i++)
		g.port[i].fd = -1;
	g.listener = port_listen(KRR_GUEST_SOCKET, KRR_GROUP);
	if (g.listener < 0)
		krr_err("%s: %s; krrctl in this guest will not reach krrd", KRR_GUEST_SOCKET,
			strerror(-g.listener));
	g.port[KRR_PORT_EXEC].fd = port_open(path, KRR_PORT_NAME);
	g.port[KRR_PORT_CONTROL].fd = port_open(NULL, KRR_CONTROL_NAME);
	if (g.port[KRR_PORT_EXEC].fd < 0) {
		krr_err("no virtio-serial port %s: this must run in a VM that krrctl started",
			path ? path : KRR_PORT_NAME);
		return KRR_EXIT_PRECONDITION;
	}
	adopt_policy();
	for (;;)
		serve(&g);
}
