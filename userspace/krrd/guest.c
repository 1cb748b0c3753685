// SPDX-License-Identifier: GPL-2.0-only
/*
 * The part of krrd in the guest that serves requests: of the host, by a port of its
 * own, so that they get through while a command runs; and of clients in the guest
 * itself, through a unix socket.
 *
 * It reads what others wrote, so it has dropped all privileges that it can do without
 * before it reads the first byte.
 *
 * A port that hung up is left alone until SIGIO says that something changed, so an
 * idle krrd does not wake up at all and adds nothing to a recording.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>

#include "krrd/control.h"
#include "krrd/flight.h"
#include "krrd/notify.h"
#include "krrd/parts.h"
#include "krrd/pins.h"
#include "krrd/policy.h"
#include "krrd/port.h"
#include "krrd/privilege.h"
#include "krrd/programs.h"
#include "lib/proto.h"
#include "lib/util.h"

#define CLIENTS		4	/* of the socket, at once */
/* with one who does not read, while others wait */
#define PATIENCE_MS	5000
#define HOST_PATIENCE_MS 30000

enum { HOST, FIRST_CLIENT, NR_PORTS = FIRST_CLIENT + CLIENTS };

struct guest {
	struct port port[NR_PORTS];	/* to the host, then to clients */
	int listener;
	struct port *from;	/* whom to answer */
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

static void do_keep(struct guest *g, const char *line)
{
	if (!flight_running())
		port_reply(g->from, -ENODEV, "save: no flight recorder runs; krrctl enable begins one");
	else if (!do_control(g, "keep", line))
		port_reply(g->from, 0, "");
}

static void reply_json(struct guest *g, char *json)
{
	port_reply(g->from, 0, json);
	free(json);
}

static const char *string_of(char *payload, uint32_t len)
{
	return len && !payload[len - 1] ? payload : "";
}

static void handle(void *ctx, struct port *port, uint32_t type, uint8_t *payload, uint32_t len)
{
	char *text = (char *)payload;
	struct guest *g = ctx;

	g->from = port;
	switch (type) {
	case KRR_FR_HELLO:
		port_hello(port, payload, len, !control_there());
		return;
	case KRR_FR_START:
		flight_end();
		if (!do_control(g, "start", string_of(text, len)))
			port_reply(g->from, 0, "");
		else
			policy_stopped();
		return;
	case KRR_FR_STOP:
		if (!do_control(g, "stop", ""))
			port_reply(g->from, 0, "");
		policy_stopped();
		return;
	case KRR_FR_ENDED:
		policy_stopped();
		port_reply(g->from, 0, "");
		return;
	case KRR_FR_KEEP:
		do_keep(g, string_of(text, len));
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
	case KRR_FR_EXEC:
	case KRR_FR_KILL:
	case KRR_FR_POWEROFF:
		port_reply(port, -EPERM, "only the host can do this, at " KRR_PORT_NAME);
		return;
	default:
		port_reply(g->from, -ENOSYS, "krrd does not know this request: is it older than krrctl?");
	}
}

static void look_at_ports(struct guest *g)
{
	struct port *port;

	for (port = g->port; port < g->port + NR_PORTS; port++) {
		port->up = port->fd >= 0 && !port_gone(port);
		if (!port->up && port >= g->port + FIRST_CLIENT)
			port_close(port);
	}
}

static void take_client(struct guest *g)
{
	struct port *port = g->port + FIRST_CLIENT;
	int fd = port_accept(g->listener, KRR_GROUP);

	while (port < g->port + NR_PORTS && port->fd >= 0)
		port++;
	if (fd < 0)
		return;
	if (port == g->port + NR_PORTS) {
		__free_ptr char *why = krr_strf("krrd talks to %d clients at once; try again",
						CLIENTS);

		port_refuse(fd, -EBUSY, why);
		return;
	}
	port->fd = fd;
	port->up = true;
}

/* SIGIO is let in here only, so nothing happens unseen. */
static void serve(struct guest *g)
{
	struct pollfd p[NR_PORTS + 1];
	sigset_t none;
	int i;

	look_at_ports(g);
	for (i = 0; i < NR_PORTS; i++)
		p[i] = (struct pollfd){ g->port[i].up ? g->port[i].fd : -1, POLLIN, 0 };
	p[NR_PORTS] = (struct pollfd){ g->listener, POLLIN, 0 };
	sigemptyset(&none);
	if (ppoll(p, ARRAY_SIZE(p), NULL, &none) < 0)
		return;
	for (i = 0; i < NR_PORTS; i++)
		if (p[i].revents & POLLIN)
			port_read(&g->port[i], handle, g);
	if (p[NR_PORTS].revents)
		take_client(g);
}

/* All that takes root. Return: 0, or an exit status. */
static int prepare(struct guest *g)
{
	struct identity id = privilege_identity(KRR_USER);
	int i, err;

	control_open();
	krr_programs_measure();
	for (i = FIRST_CLIENT; i < NR_PORTS; i++) {
		g->port[i].fd = -1;
		g->port[i].patience_ms = PATIENCE_MS;
	}
	g->port[HOST].patience_ms = HOST_PATIENCE_MS;
	g->port[HOST].fd = port_open(NULL, KRR_CONTROL_NAME);
	if (g->port[HOST].fd < 0)
		krr_err("no virtio-serial port " KRR_CONTROL_NAME ": the host will not reach krrd");
	g->listener = port_listen(KRR_GUEST_SOCKET, KRR_GROUP);
	if (g->listener < 0)
		krr_err("%s: %s; krrctl in this guest will not reach krrd", KRR_GUEST_SOCKET,
			strerror(-g->listener));
	if (g->port[HOST].fd < 0 && g->listener < 0)
		return KRR_EXIT_PRECONDITION;
	err = pins_enter(KRR_PINS, id.uid, id.gid);
	if (err)
		krr_err(KRR_PINS ": %s; policies will end with krrd", strerror(-err));
	if (!id.uid)
		krr_err("there is no user " KRR_USER ": krrd stays root, without capabilities");
	err = privilege_drop(&id);
	if (err)
		krr_err("cannot drop privileges: %s", strerror(-err));
	return err ? KRR_EXIT_FAILED : 0;
}

/**
 * control_part() - serve requests, with the policy that there was before
 *
 * Return: only on failure, an exit status.
 */
int control_part(void)
{
	__free_ptr char *why = NULL;
	static struct guest g;
	int status, err;

	ports_catch_signals();
	status = prepare(&g);
	if (status)
		return status;
	part_stay_with_parent();
	err = policy_adopt(&why);
	if (err)
		krr_err("what was enabled is no longer: %s", why ? why : strerror(-err));
	notify_ready("serves requests of krrctl");
	for (;;)
		serve(&g);
}
