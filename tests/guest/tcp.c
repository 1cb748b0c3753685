// SPDX-License-Identifier: GPL-2.0-only
/*
 * tcp - connections over the loopback, IPv4 and IPv6, with data checked
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include "test.h"

#define CHUNK 20000

static int listen_on(int family, struct sockaddr_storage *ss, socklen_t *len)
{
	struct sockaddr_in *v4 = (void *)ss;
	struct sockaddr_in6 *v6 = (void *)ss;
	int s = socket(family, SOCK_STREAM, 0);

	memset(ss, 0, sizeof(*ss));
	ss->ss_family = (sa_family_t)family;
	if (family == AF_INET)
		v4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	else
		v6->sin6_addr = in6addr_loopback;
	*len = family == AF_INET ? sizeof(*v4) : sizeof(*v6);
	CHECK(s >= 0 && !bind(s, (void *)ss, *len) && !listen(s, 8));
	CHECK(!getsockname(s, (void *)ss, len));
	return s;
}

static void serve(int s, unsigned int seed)
{
	static uint8_t buf[CHUNK];
	int c = accept(s, NULL, NULL);

	CHECK(c >= 0);
	CHECK(recv(c, buf, CHUNK, MSG_WAITALL) == CHUNK && test_same(buf, CHUNK, seed));
	CHECK(send(c, buf, CHUNK, 0) == CHUNK);
	_exit(0);
}

static void once(int family, unsigned int seed)
{
	static uint8_t buf[CHUNK];
	struct sockaddr_storage ss;
	socklen_t len;
	int s = listen_on(family, &ss, &len), c, one = 1;
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (!pid)
		serve(s, seed);
	c = socket(family, SOCK_STREAM, 0);
	CHECK(c >= 0 && !connect(c, (void *)&ss, len));
	CHECK(!setsockopt(c, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)));
	test_fill(buf, CHUNK, seed);
	CHECK(send(c, buf, CHUNK, 0) == CHUNK);
	memset(buf, 0, CHUNK);
	CHECK(recv(c, buf, CHUNK, MSG_WAITALL) == CHUNK && test_same(buf, CHUNK, seed));
	close(c);
	close(s);
	test_wait(pid, 0);
}

int main(int argc, char **argv)
{
	struct amount a = test_amount(argc, argv);

	while (test_more(&a)) {
		once(AF_INET, (unsigned int)a.rounds);
		once(AF_INET6, (unsigned int)a.rounds + 7);
	}
	return test_ok(&a, "%ld connections", 2 * a.rounds);
}
