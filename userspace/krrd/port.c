// SPDX-License-Identifier: GPL-2.0-only
/*
 * What speaks the frames of lib/proto.h: virtio-serial ports to the host, and
 * clients of a unix socket in the guest.
 *
 * They are read and written without blocking.  POLLHUP means that nobody
 * listens on the other side.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/utsname.h>

#include "krrd/port.h"
#include "lib/util.h"

#define WAIT_MS		100
#define BUSY_TRIES	30
#define BACKLOG		4
#define MAX_GROUPS	64

/* Ports have a name in sysfs; /dev/virtio-ports needs udev. */
static int open_by_name(const char *name)
{
	DIR *dir = opendir("/sys/class/virtio-ports");
	struct dirent *de;
	int fd = -1, err = ENOENT;

	while (dir && fd < 0 && (de = readdir(dir))) {
		__free_ptr char *sys = krr_strf("/sys/class/virtio-ports/%s/name", de->d_name);
		__free_ptr char *dev = krr_strf("/dev/%s", de->d_name);
		__free_ptr char *text = krr_read_file_at(AT_FDCWD, sys, 256);

		if (text && !strncmp(text, name, strlen(name)) && text[strlen(name)] == '\n') {
			fd = open(dev, O_RDWR | O_NONBLOCK | O_CLOEXEC);
			err = errno;
		}
	}
	if (dir)
		closedir(dir);
	errno = err;
	return fd;
}

/**
 * port_open() - open a port; SIGIO comes when something changes there
 * @path: device, or NULL
 * @name: of the port if there is no @path
 *
 * A port can be open once: the process before this one may not be quite gone.
 *
 * Return: file descriptor, or -1.
 */
int port_open(const char *path, const char *name)
{
	int fd = -1, tries;

	for (tries = 0; fd < 0 && (!tries || errno == EBUSY) && tries < BUSY_TRIES; tries++) {
		if (tries)
			krr_sleep_ms(WAIT_MS);
		fd = path ? open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC) : open_by_name(name);
	}
	if (fd >= 0 && (fcntl(fd, F_SETOWN, getpid()) < 0 ||
			fcntl(fd, F_SETFL, O_NONBLOCK | O_ASYNC) < 0)) {
		close(fd);
		fd = -1;
	}
	return fd;
}

/** port_gone() - does nobody listen on the other side? */
bool port_gone(const struct port *port)
{
	struct pollfd p = { .fd = port->fd, .events = POLLOUT };

	return poll(&p, 1, 0) == 1 && p.revents & POLLHUP;
}

/* Nobody who does not read may keep krrd from all others. */
static int give_up(const struct port *port)
{
	shutdown(port->fd, SHUT_RDWR);	/* port_gone() from now on, if it is a socket */
	return -ETIMEDOUT;
}

static int put(const struct port *port, const void *buf, size_t len)
{
	struct pollfd p = { .fd = port->fd, .events = POLLOUT };
	uint64_t since = krr_now_ns();
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
		if (port_gone(port))
			return -EPIPE;
		if (port->patience_ms && krr_now_ns() - since > port->patience_ms * 1000000ull)
			return give_up(port);
		poll(&p, 1, WAIT_MS);
	}
	return 0;
}

/** port_send() - send a frame; waits for room as long as somebody listens, and patience lasts */
int port_send(const struct port *port, uint32_t type, const void *payload, size_t len)
{
	struct krr_frame f;
	int err;

	krr_frame_header(&f, type, (uint32_t)len);
	err = put(port, &f, sizeof(f));
	return err ? err : put(port, payload, len);
}

/**
 * port_reply() - answer a request
 * @port: that it came by
 * @result: 0 or -errno
 * @text: for people, or JSON; cut at the end of a frame
 */
void port_reply(const struct port *port, int result, const char *text)
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
	port_send(port, KRR_FR_REPLY, buf, sizeof(r) + len);
}

/**
 * port_hello() - answer HELLO: who this guest is
 * @port: that it came by
 * @payload: of it
 * @len: bytes
 * @krr: has the kernel a recorder?
 */
void port_hello(const struct port *port, const uint8_t *payload, uint32_t len, bool krr)
{
	__free_ptr char *text = NULL, *buf = NULL;
	struct utsname u;

	if (len != 8)
		return;
	uname(&u);
	text = krr_strf("release=%s\nversion=%s\ncpus=%ld\nkrr=%s\n", u.release, u.version,
			sysconf(_SC_NPROCESSORS_ONLN), krr ? "yes" : "no");
	buf = malloc(8 + strlen(text));
	if (!buf)
		return;
	memcpy(buf, payload, 8);
	memcpy(buf + 8, text, strlen(text));
	port_send(port, KRR_FR_HELLO_OK, buf, 8 + strlen(text));
}

/**
 * port_read() - read once, and take the frames that are complete
 * @port: that has something to read
 * @handle: gets each of them
 * @ctx: for @handle
 */
void port_read(struct port *port, port_handler *handle, void *ctx)
{
	uint32_t type, len;
	uint8_t *where;
	size_t room = krr_framer_room(&port->in, &where);
	ssize_t n = read(port->fd, where, room);

	if (n <= 0)
		return;
	port->in.have += (size_t)n;
	while (krr_framer_next(&port->in, &type, &where, &len))
		handle(ctx, port, type, where, len);
}

static void on_signal(int sig)
{
	(void)sig;
}

/** ports_catch_signals() - SIGIO and SIGCHLD wake ppoll() up, and come at no other time */
void ports_catch_signals(void)
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

/* Return: the group's number, or (gid_t)-1.  A static program has no getgrnam(). */
static gid_t group_of(const char *name)
{
	__close_file FILE *f = fopen("/etc/group", "re");
	struct group *g;

	while (f && (g = fgetgrent(f)))
		if (!strcmp(g->gr_name, name))
			return g->gr_gid;
	return (gid_t)-1;
}

/**
 * port_listen() - make a socket for clients in this guest
 * @path: of the socket; the directory is there
 * @group: whose members may connect, besides root; it need not exist
 *
 * Return: file descriptor or -errno.
 */
int port_listen(const char *path, const char *group)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	gid_t gid = group_of(group);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), err;

	if (fd < 0)
		return -errno;
	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path);
	unlink(path);
	if (bind(fd, (const struct sockaddr *)&sa, sizeof(sa)) < 0 ||
	    chmod(path, gid == (gid_t)-1 ? 0600 : 0660) < 0 ||
	    (gid != (gid_t)-1 && chown(path, (uid_t)-1, gid) < 0) || listen(fd, BACKLOG) < 0) {
		err = -errno;
		close(fd);
		return err;
	}
	return fd;
}

static bool in_group(int fd, gid_t gid)
{
	gid_t groups[MAX_GROUPS];
	socklen_t len = sizeof(groups);
	size_t i;

	if (gid == (gid_t)-1 || getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len) < 0)
		return false;
	for (i = 0; i < len / sizeof(*groups); i++)
		if (groups[i] == gid)
			return true;
	return false;
}

/** port_refuse() - tell a client why not, and hang up */
void port_refuse(int fd, int err, const char *why)
{
	struct port port = { .fd = fd, .patience_ms = 1 };

	port_reply(&port, err, why);
	close(fd);
}

/**
 * port_accept() - take a client, if it may
 * @listener: of port_listen()
 * @group: as there
 *
 * Return: file descriptor, or -errno; -EPERM when it is neither root nor in @group, and
 * was told so.
 */
int port_accept(int listener, const char *group)
{
	int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct ucred peer = { .uid = (uid_t)-1 };
	__free_ptr char *why = NULL;
	socklen_t len = sizeof(peer);
	gid_t gid = group_of(group);

	if (fd < 0)
		return -errno;
	if (!getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) &&
	    (!peer.uid || (gid != (gid_t)-1 && peer.gid == gid) || in_group(fd, gid)))
		return fd;
	why = krr_strf("krrd does not talk to user %u: be root, or in the group %s", peer.uid,
		       group);
	port_refuse(fd, -EPERM, why);
	return -EPERM;
}

/** port_close() - hang up */
void port_close(struct port *port)
{
	if (port->fd >= 0)
		close(port->fd);
	port->fd = -1;
	port->up = false;
	port->in.have = port->in.used = 0;
}
