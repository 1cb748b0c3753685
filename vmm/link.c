// SPDX-License-Identifier: GPL-2.0-only
/* Talking to krrd in the guest. The guest is not trusted: see lib/proto.h. */
#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/file.h>
#include <fcntl.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "lib/util.h"
#include "vmm/link.h"
#include "vmm/ram.h"
#include "vmm/socket.h"

#define HELLO_MS	500u

struct krr_link {
	int fd, lockfd;
	char *identity;
	char *refusal;		/* of krrd, instead of an answer to HELLO */
	struct krr_framer in;
};

/**
 * krr_link_connect() - connect to krrd
 * @path: unix socket
 * @timeout_ms: how long to wait for somebody to make it
 * @out: link, freed by krr_link_close()
 */
int krr_link_connect(const char *path, unsigned int timeout_ms, struct krr_link **out)
{
	int fd = krr_socket_connect(path, krr_now_ns() + timeout_ms * 1000000ull);
	struct krr_link *l;

	if (fd < 0)
		return fd;
	l = calloc(1, sizeof(*l));
	if (!l)
		abort();
	l->fd = fd;
	l->lockfd = -1;
	*out = l;
	return 0;
}

/**
 * krr_link_open() - connect to the port
 * @path: unix socket of QEMU; it serves one client at a time
 * @timeout_ms: how long to wait for QEMU to make it
 * @out: link, freed by krr_link_close()
 *
 * Return: 0, -EBUSY when another process uses it, or -errno.
 */
int krr_link_open(const char *path, unsigned int timeout_ms, struct krr_link **out)
{
	__free_ptr char *lock = krr_strf("%s.lock", path);
	__close_fd int fd = open(lock, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	int err;

	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return -EBUSY;
	err = krr_link_connect(path, timeout_ms, out);
	if (!err) {
		(*out)->lockfd = fd;
		fd = -1;
	}
	return err;
}

/**
 * krr_link_send() - send a frame
 * @l: link
 * @type: enum krr_frame_type
 * @payload: bytes
 * @len: how many, at most KRR_FRAME_MAX
 */
int krr_link_send(struct krr_link *l, uint32_t type, const void *payload, uint32_t len)
{
	struct krr_frame f;
	int err;

	if (len > KRR_FRAME_MAX)
		return -E2BIG;
	krr_frame_header(&f, type, len);
	/* a signal would end us before we have read why the other side hung up */
	err = krr_send_full(l->fd, &f, sizeof(f));
	return err ? err : krr_send_full(l->fd, payload, len);
}

/**
 * krr_link_recv() - wait for a frame
 * @l: link
 * @type: result
 * @payload: result, valid until the next call
 * @len: result
 * @timeout_ms: of waiting
 *
 * Return: 0, -ETIMEDOUT, -EINTR after a signal, -EPIPE when QEMU is gone.
 */
int krr_link_recv(struct krr_link *l, uint32_t *type, uint8_t **payload, uint32_t *len,
		  unsigned int timeout_ms)
{
	uint64_t deadline = krr_now_ns() + timeout_ms * 1000000ull, now;
	struct pollfd p = { .fd = l->fd, .events = POLLIN };
	uint8_t *where;
	size_t room;
	ssize_t n;

	while (!krr_framer_next(&l->in, type, payload, len)) {
		now = krr_now_ns();
		if (now > deadline)
			return -ETIMEDOUT;
		n = poll(&p, 1, (int)((deadline - now) / 1000000) + 1);
		if (n < 0)
			return -errno;
		if (!n)
			continue;
		room = krr_framer_room(&l->in, &where);
		n = read(l->fd, where, room);
		if (n < 0)
			return errno == ECONNRESET ? -EPIPE : -errno;
		if (!n)
			return -EPIPE;
		l->in.have += (size_t)n;
	}
	return 0;
}

/* 0: the deadline is over; a guest that talks all the time does not move it. */
static unsigned int ms_left(uint64_t deadline)
{
	uint64_t now = krr_now_ns();

	return now < deadline ? (unsigned int)((deadline - now) / 1000000) + 1 : 0;
}

/*
 * What the guest says is shown on terminals, as it is or as JSON: no control characters
 * but line breaks and tabs, neither as bytes, nor as UTF-8, nor as \u escapes of JSON.
 */
static void make_plain(char *text)
{
	unsigned char *s = (unsigned char *)text;

	for (; *s; s++) {
		if (s[0] == 0xc2 && s[1] >= 0x80 && s[1] < 0xa0)
			s[0] = s[1] = '?';
		else if (iscntrl(*s) && *s != '\n' && *s != '\t')
			*s = '?';
		else if (s[0] != '\\' || !s[1])
			continue;
		else if (!strncmp((char *)s + 1, "u00", 3) && s[4] && strchr("01789", s[4]))
			memset(s, '?', 5);
		else
			s++;	/* what a backslash takes the meaning of */
	}
}

/* A REPLY's result, and its text for free(). */
static int read_reply(const uint8_t *payload, uint32_t len, char **text)
{
	int32_t result;

	memcpy(&result, payload, sizeof(result));
	if (text) {
		*text = krr_strf("%.*s", (int)(len - sizeof(result)),
				 (const char *)payload + sizeof(result));
		make_plain(*text);
	}
	return result > 0 || result < -4095 ? -EPROTO : result;
}

/* On a socket that is ours alone a REPLY can only mean that krrd does not want us. */
static int refused(struct krr_link *l, const uint8_t *payload, uint32_t len)
{
	__free_ptr char *text = NULL;
	int err = read_reply(payload, len, &text);

	free(l->refusal);
	l->refusal = krr_printable(text, strlen(text));
	return err ? err : -EPROTO;
}

static int wait_hello(struct krr_link *l, const uint64_t *nonce, unsigned int timeout_ms)
{
	uint64_t deadline = krr_now_ns() + timeout_ms * 1000000ull;
	uint32_t type, len;
	unsigned int ms;
	uint8_t *payload;
	int err;

	while ((ms = ms_left(deadline))) {
		err = krr_link_recv(l, &type, &payload, &len, ms);
		if (err)
			return err;
		if (type == KRR_FR_REPLY && len >= sizeof(int32_t) && l->lockfd < 0)
			return refused(l, payload, len);
		if (type != KRR_FR_HELLO_OK || len < sizeof(*nonce) ||
		    memcmp(payload, nonce, sizeof(*nonce)))
			continue;
		free(l->identity);
		l->identity = krr_printable((char *)payload + sizeof(*nonce), len - sizeof(*nonce));
		return 0;
	}
	return -ETIMEDOUT;
}

/* A guest that reads nothing for minutes has enough of ours to answer. */
static bool would_block(const struct krr_link *l)
{
	struct pollfd p = { .fd = l->fd, .events = POLLOUT };

	return !poll(&p, 1, 0);
}

/**
 * krr_link_hello() - find out if krrd answers
 * @l: link
 * @timeout_ms: how long to wait
 *
 * A frame can get lost where the client before this one hung up: the rest of
 * an answer to it swallows the beginning of ours.  So ask more than once.
 *
 * Return: 0, -ETIMEDOUT, -EPIPE when QEMU is gone, -EINTR after a signal; or what krrd
 * refuses us with, see krr_link_refusal().
 */
int krr_link_hello(struct krr_link *l, unsigned int timeout_ms)
{
	unsigned int ms;
	uint64_t nonce;
	int err;

	if (getrandom(&nonce, sizeof(nonce), 0) != sizeof(nonce))
		return -EIO;
	do {
		ms = timeout_ms < HELLO_MS ? timeout_ms : HELLO_MS;
		timeout_ms -= ms;
		err = would_block(l) ? 0 : krr_link_send(l, KRR_FR_HELLO, &nonce, sizeof(nonce));
		if (!err || err == -EPIPE)
			err = wait_hello(l, &nonce, ms);
	} while (err == -ETIMEDOUT && timeout_ms);
	return err;
}

/** krr_link_identity() - what the guest said about itself: "key=value key=value" */
const char *krr_link_identity(const struct krr_link *l)
{
	return l->identity ? l->identity : "";
}

/** krr_link_refusal() - why krrd does not want us, in its words; "" if it did not say */
const char *krr_link_refusal(const struct krr_link *l)
{
	return l->refusal ? l->refusal : "";
}

/**
 * krr_link_ask() - send a frame and wait for its REPLY
 * @l: link
 * @type: of the request
 * @payload: of the request
 * @n: bytes of it
 * @reply: text of the answer, freed by free(), or NULL
 * @timeout_ms: of waiting, other frames from the guest included
 *
 * Return: what the guest answered: 0 or -errno; or as krr_link_recv().
 */
int krr_link_ask(struct krr_link *l, uint32_t type, const void *payload, uint32_t n, char **reply,
		 unsigned int timeout_ms)
{
	uint64_t deadline = krr_now_ns() + timeout_ms * 1000000ull;
	uint32_t got, len;
	uint8_t *answer;
	unsigned int ms;
	int err;

	err = krr_link_send(l, type, payload, n);
	while (!err) {
		ms = ms_left(deadline);
		err = ms ? krr_link_recv(l, &got, &answer, &len, ms) : -ETIMEDOUT;
		if (!err && got == KRR_FR_REPLY && len >= sizeof(int32_t))
			break;
	}
	return err ? err : read_reply(answer, len, reply);
}

/** krr_link_request() - krr_link_ask() with a string, or NULL, for payload */
int krr_link_request(struct krr_link *l, uint32_t type, const char *text, char **reply,
		     unsigned int timeout_ms)
{
	return krr_link_ask(l, type, text, text ? (uint32_t)strlen(text) + 1 : 0, reply,
			    timeout_ms);
}

/**
 * krr_link_exec() - ask the guest to run a command
 * @l: link
 * @record: name of a recording to make of it, or ""
 * @argv: command
 *
 * The answers STDOUT, STDERR, REPLY (the command was not run) and EXIT come by
 * krr_link_recv().
 */
int krr_link_exec(struct krr_link *l, const char *record, char *const argv[])
{
	__free_ptr char *buf = malloc(KRR_FRAME_MAX);
	size_t n = strlen(record) + 1, len;
	int i;

	if (!buf)
		abort();
	if (n > KRR_FRAME_MAX)
		return -E2BIG;
	memcpy(buf, record, n);
	for (i = 0; argv[i]; i++) {
		len = strlen(argv[i]) + 1;
		if (n + len > KRR_FRAME_MAX) {
			krr_err("the command is longer than %u bytes", KRR_FRAME_MAX);
			return -E2BIG;
		}
		memcpy(buf + n, argv[i], len);
		n += len;
	}
	return krr_link_send(l, KRR_FR_EXEC, buf, (uint32_t)n);
}

/** krr_link_close() - hang up */
void krr_link_close(struct krr_link *l)
{
	if (!l)
		return;
	if (l->fd >= 0)
		close(l->fd);
	if (l->lockfd >= 0)
		close(l->lockfd);
	free(l->identity);
	free(l->refusal);
	free(l);
}
