// SPDX-License-Identifier: GPL-2.0-only
/* The host's end of a port whose guest says too much, or the wrong things. */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/util.h"
#include "unit.h"
#include "vmm/link.h"

static void send_frame(int fd, uint32_t type, const void *payload, uint32_t len)
{
	struct krr_frame f;

	krr_frame_header(&f, type, len);
	if (!krr_write_full(fd, &f, sizeof(f)))
		krr_write_full(fd, payload, len);
}

/* Take a request; its header is enough to look at. */
static uint32_t request(int fd, uint8_t payload[64])
{
	struct krr_frame f;

	if (krr_read_full(fd, &f, sizeof(f)) != (ssize_t)sizeof(f) || f.len > 64 ||
	    krr_read_full(fd, payload, f.len) != (ssize_t)f.len)
		return 0;
	return f.type;
}

static void good_guest(int fd)
{
	uint8_t payload[64];
	char hello[20];
	uint32_t type;

	while ((type = request(fd, payload))) {
		if (type == KRR_FR_HELLO) {
			memset(hello, 'x', 8);
			send_frame(fd, KRR_FR_HELLO_OK, hello, 8);	/* an old one */
			memcpy(hello, payload, 8);
			memcpy(hello + 8, "cpus=2\n\33", 8);
			send_frame(fd, KRR_FR_HELLO_OK, hello, 16);
		} else {
			send_frame(fd, KRR_FR_STDOUT, "noise", 5);
			send_frame(fd, KRR_FR_REPLY, "", 1);
			send_frame(fd, KRR_FR_REPLY, "\xf0\xff\xff\xff" "text", 8);
		}
	}
}

/* It has answered and hung up before it could read anything. */
static void unwilling_guest(int fd)
{
	send_frame(fd, KRR_FR_REPLY, "\xff\xff\xff\xff" "not \033you", 12);
}

static void refusal(void **state)
{
	struct krr_link *l;
	struct peer p;

	(void)state;
	peer_begin(&p, unwilling_guest);
	assert_int_equal(krr_link_connect(p.path, 5000, &l), 0);
	assert_string_equal(krr_link_refusal(l), "");
	assert_int_equal(krr_link_hello(l, 5000), -EPERM);
	assert_string_equal(krr_link_refusal(l), "not ?you");
	krr_link_close(l);
	peer_end(&p);
	/* on a port it may be the rest of an answer to somebody else */
	peer_begin(&p, unwilling_guest);
	assert_int_equal(krr_link_open(p.path, 5000, &l), 0);
	assert_int_equal(krr_link_hello(l, 5000), -EPIPE);
	assert_string_equal(krr_link_refusal(l), "");
	krr_link_close(l);
	peer_end(&p);
}

/* Replies on their way to a terminal. */
static void rude_guest(int fd)
{
	static const char text[] = "\0\0\0\0" "a\033b\x7f" "c\td\n\xc2\x9b\xc3\xa4"
				   "\\u001B\\u007fx\\\\u001b\\u00e4\\u00";
	uint8_t payload[64];

	while (request(fd, payload))
		send_frame(fd, KRR_FR_REPLY, text, sizeof(text) - 1);
}

static void plain_text(void **state)
{
	struct krr_link *l;
	struct peer p;
	char *reply;

	(void)state;
	peer_begin(&p, rude_guest);
	assert_int_equal(krr_link_open(p.path, 5000, &l), 0);
	assert_int_equal(krr_link_request(l, KRR_FR_STATUS, NULL, &reply, 5000), 0);
	assert_string_equal(reply, "a?b?c\td\n??\xc3\xa4" "?????B?????fx\\\\u001b\\u00e4\\u00");
	free(reply);
	krr_link_close(l);
	peer_end(&p);
}

static void talk(void **state)
{
	struct krr_link *l;
	struct peer p;
	char *reply;

	(void)state;
	peer_begin(&p, good_guest);
	assert_int_equal(krr_link_open(p.path, 5000, &l), 0);
	assert_int_equal(krr_link_hello(l, 5000), 0);
	assert_string_equal(krr_link_identity(l), "cpus=2 ?");
	assert_int_equal(krr_link_request(l, KRR_FR_STATUS, NULL, &reply, 5000), -EBUSY);
	assert_string_equal(reply, "text");
	free(reply);
	krr_link_close(l);
	peer_end(&p);
}

/* Frames without an end, none of them an answer. */
static void talker(int fd)
{
	struct timeval tv = { .tv_sec = 1 };
	struct krr_frame f;

	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
	krr_frame_header(&f, KRR_FR_STDERR, 0);
	while (!krr_write_full(fd, &f, sizeof(f)))
		;
}

static void talkative(void **state)
{
	struct krr_link *l;
	struct peer p;
	uint64_t begun = krr_now_ns();

	(void)state;
	peer_begin(&p, talker);
	assert_int_equal(krr_link_open(p.path, 5000, &l), 0);
	assert_int_equal(krr_link_hello(l, 50), -ETIMEDOUT);
	assert_int_equal(krr_link_request(l, KRR_FR_STATUS, NULL, NULL, 50), -ETIMEDOUT);
	assert_true(krr_now_ns() - begun < 20 * 1000000000ull);
	krr_link_close(l);
	peer_end(&p);
}

static void deaf(int fd)
{
	struct pollfd p = { .fd = fd };		/* until we hang up */

	poll(&p, 1, -1);
}

/* The socket's buffer is full long before. */
static void never_reads(void **state)
{
	struct krr_link *l;
	struct peer p;
	int i;

	(void)state;
	peer_begin(&p, deaf);
	assert_int_equal(krr_link_open(p.path, 5000, &l), 0);
	for (i = 0; i < 2000; i++)
		assert_int_equal(krr_link_hello(l, 1), -ETIMEDOUT);
	krr_link_close(l);
	peer_end(&p);
}

static void one_word(int fd)
{
	uint8_t payload[64];

	request(fd, payload);
	send_frame(fd, KRR_FR_REPLY, "\1\0\0", 4);
	shutdown(fd, SHUT_WR);
	request(fd, payload);
}

static void no_such_result(void **state)
{
	struct krr_link *l;
	struct peer p;

	(void)state;
	peer_begin(&p, one_word);
	assert_int_equal(krr_link_open(p.path, 5000, &l), 0);
	assert_int_equal(krr_link_request(l, KRR_FR_STOP, NULL, NULL, 5000), -EPROTO);
	assert_int_equal(krr_link_request(l, KRR_FR_STOP, NULL, NULL, 5000), -EPIPE);
	krr_link_close(l);
	peer_end(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(talk),
		cmocka_unit_test(refusal),
		cmocka_unit_test(plain_text),
		cmocka_unit_test(talkative),
		cmocka_unit_test(never_reads),
		cmocka_unit_test(no_such_result),
	};

	return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
