// SPDX-License-Identifier: GPL-2.0-only
/*
 * QMP: lines of JSON over a unix socket.  Events that come between a command
 * and its answer are skipped: whatever krr needs to know it asks for.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/util.h"
#include "vmm/qmp.h"
#include "vmm/socket.h"

#define CALL_MS		30000u
#define LINE_MAX_BYTES	(4u << 20)

struct krr_qmp {
	int fd;
	char *buf;
	size_t have, room;
	size_t used;		/* bytes of the line given last */
};

static int wait_readable(struct krr_qmp *q, uint64_t deadline)
{
	struct pollfd p = { .fd = q->fd, .events = POLLIN };
	uint64_t now = krr_now_ns();
	int n;

	if (now >= deadline)
		return -ETIMEDOUT;
	n = poll(&p, 1, (int)((deadline - now) / 1000000) + 1);
	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	return 0;
}

static int fill(struct krr_qmp *q, uint64_t deadline)
{
	ssize_t n;
	int err;

	if (q->have == q->room) {
		if (q->room >= LINE_MAX_BYTES)
			return -EPROTO;
		q->room = q->room ? q->room * 2 : 65536;
		q->buf = realloc(q->buf, q->room);
		if (!q->buf)
			abort();
	}
	err = wait_readable(q, deadline);
	if (err)
		return err;
	n = recv(q->fd, q->buf + q->have, q->room - q->have, MSG_DONTWAIT);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (!n)
		return -EPIPE;
	q->have += (size_t)n;
	return 0;
}

static int read_line(struct krr_qmp *q, uint64_t deadline, json_t **line)
{
	json_error_t error;
	char *end;
	int err;

	if (q->used)
		memmove(q->buf, q->buf + q->used, q->have - q->used);
	q->have -= q->used;
	q->used = 0;
	while (!(end = q->have ? memchr(q->buf, '\n', q->have) : NULL)) {
		err = fill(q, deadline);
		if (err)
			return err;
	}
	q->used = (size_t)(end - q->buf) + 1;
	*line = json_loadb(q->buf, q->used, 0, &error);
	return *line ? 0 : -EPROTO;
}

/**
 * krr_qmp_connect() - connect and do the greeting
 * @path: unix socket of QEMU
 * @timeout_ms: how long to wait for QEMU to make it
 * @out: client, freed by krr_qmp_close()
 */
int krr_qmp_connect(const char *path, unsigned int timeout_ms, struct krr_qmp **out)
{
	uint64_t deadline = krr_now_ns() + timeout_ms * 1000000ull;
	struct krr_qmp *q = NULL;
	json_t *greeting;
	int fd, err;

	fd = krr_socket_connect(path, deadline);
	if (fd < 0)
		return fd;
	q = calloc(1, sizeof(*q));
	if (!q)
		abort();
	q->fd = fd;
	err = read_line(q, deadline, &greeting);
	if (!err) {
		json_decref(greeting);
		err = krr_qmp_call(q, "qmp_capabilities", NULL, NULL);
	}
	if (err) {
		krr_qmp_close(q);
		return err;
	}
	*out = q;
	return 0;
}

static int send_text(struct krr_qmp *q, const char *text, int pass_fd)
{
	struct iovec iov = { (void *)text, strlen(text) };
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} u = { .buf = { 0 } };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *c;
	ssize_t n;

	if (pass_fd >= 0) {
		msg.msg_control = u.buf;
		msg.msg_controllen = sizeof(u.buf);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &pass_fd, sizeof(int));
	}
	n = sendmsg(q->fd, &msg, MSG_NOSIGNAL);
	if (n < 0)
		return -errno;
	return (size_t)n == iov.iov_len ? 0 : -EPIPE;
}

static int answer(const char *command, json_t *line, json_t **result)
{
	json_t *error = json_object_get(line, "error");
	const char *text = json_string_value(json_object_get(error, "desc"));

	if (error) {
		krr_err("QEMU refused \"%s\": %s", command, text ? text : "no reason given");
		return -EIO;
	}
	if (result)
		*result = json_incref(json_object_get(line, "return"));
	return 0;
}

static int call(struct krr_qmp *q, const char *command, json_t *args, int pass_fd, json_t **result)
{
	uint64_t deadline = krr_now_ns() + CALL_MS * 1000000ull;
	json_t *req = json_pack("{s:s}", "execute", command), *line;
	__free_ptr char *text = NULL;
	bool done = false;
	int err;

	if (args)
		json_object_set_new(req, "arguments", args);
	text = json_dumps(req, JSON_COMPACT);
	json_decref(req);
	err = text ? send_text(q, text, pass_fd) : -ENOMEM;
	while (!err && !done) {
		err = read_line(q, deadline, &line);
		if (err)
			break;
		done = !json_object_get(line, "event");
		if (done)
			err = answer(command, line, result);
		json_decref(line);
	}
	if (err == -ETIMEDOUT)
		krr_err("QEMU did not answer \"%s\" in %u s", command, CALL_MS / 1000);
	return err;
}

/**
 * krr_qmp_call() - run a command and wait for its answer
 * @q: client
 * @command: name
 * @args: arguments or NULL; the reference is taken over
 * @result: answer, or NULL; to be freed by json_decref()
 *
 * Return: 0, -EIO when QEMU refused (said on stderr), -ETIMEDOUT, or -EPIPE
 * when QEMU is gone.
 */
int krr_qmp_call(struct krr_qmp *q, const char *command, json_t *args, json_t **result)
{
	return call(q, command, args, -1, result);
}

/**
 * krr_qmp_send_fd() - give QEMU a file descriptor
 * @q: client
 * @name: how commands will name it, e.g. "fd:NAME"
 * @fd: stays ours
 */
int krr_qmp_send_fd(struct krr_qmp *q, const char *name, int fd)
{
	return call(q, "getfd", json_pack("{s:s}", "fdname", name), fd, NULL);
}

/**
 * krr_qmp_hmp() - run a line of the human monitor
 * @q: client
 * @line: what to run
 * @text: its output, freed by free()
 */
int krr_qmp_hmp(struct krr_qmp *q, const char *line, char **text)
{
	json_t *result = NULL;
	int err;

	err = krr_qmp_call(q, "human-monitor-command",
			   json_pack("{s:s}", "command-line", line), &result);
	if (!err)
		*text = krr_strf("%s", json_is_string(result) ? json_string_value(result) : "");
	json_decref(result);
	return err;
}

/**
 * krr_qmp_status() - what QEMU says of its VM: "running", "paused", "internal-error" and so on
 * @q: client
 *
 * Return: freed by free(); NULL when QEMU does not say.
 */
char *krr_qmp_status(struct krr_qmp *q)
{
	const char *status;
	json_t *r = NULL;
	char *copy;

	if (krr_qmp_call(q, "query-status", NULL, &r))
		return NULL;
	status = json_string_value(json_object_get(r, "status"));
	copy = status ? krr_strf("%s", status) : NULL;
	json_decref(r);
	return copy;
}

/** krr_qmp_close() - hang up; QEMU goes on */
void krr_qmp_close(struct krr_qmp *q)
{
	if (!q)
		return;
	close(q->fd);
	free(q->buf);
	free(q);
}
