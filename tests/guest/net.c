// SPDX-License-Identifier: GPL-2.0-only
/*
 * net - the virtio network card (krrctl --net): TCP and UDP to an echo server
 * of the host, which QEMU's user-mode network shows as 10.0.2.2
 *
 * net AMOUNT PORT talks to it; net --serve is it, and prints its port.
 */
#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include "test.h"

#define CHUNK	60000
#define DGRAM	1400
#define CARD	"eth0"

static uint8_t buf[CHUNK];

static struct sockaddr_in address(const char *ip, int port)
{
	struct sockaddr_in sin = {
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = inet_addr(ip),
	};

	return sin;
}

static void echo_stream(int c)
{
	ssize_t n;

	if (fork())
		return;
	while ((n = recv(c, buf, sizeof(buf), 0)) > 0)
		if (send(c, buf, (size_t)n, MSG_NOSIGNAL) != n)
			break;
	_exit(0);
}

static void echo_datagram(int s)
{
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	ssize_t n = recvfrom(s, buf, sizeof(buf), 0, (void *)&from, &len);

	if (n >= 0)
		sendto(s, buf, (size_t)n, 0, (void *)&from, len);
}

static int serve(void)
{
	struct sockaddr_in sin = address("127.0.0.1", 0);
	socklen_t len = sizeof(sin);
	struct pollfd p[2] = {
		{ .fd = socket(AF_INET, SOCK_STREAM, 0), .events = POLLIN },
		{ .fd = socket(AF_INET, SOCK_DGRAM, 0), .events = POLLIN },
	};

	CHECK(!bind(p[0].fd, (void *)&sin, len) && !listen(p[0].fd, 8));
	CHECK(!getsockname(p[0].fd, (void *)&sin, &len));
	CHECK(!bind(p[1].fd, (void *)&sin, len));
	printf("%d\n", ntohs(sin.sin_port));
	fflush(stdout);
	while (poll(p, 2, -1) > 0) {
		if (p[0].revents) {
			int c = accept(p[0].fd, NULL, NULL);

			echo_stream(c);
			close(c);
		}
		if (p[1].revents)
			echo_datagram(p[1].fd);
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
	}
	return 0;
}

static void card(int up)
{
	struct ifreq ifr = { 0 };
	struct sockaddr_in sin = address("10.0.2.15", 0);
	int s = socket(AF_INET, SOCK_DGRAM, 0);

	strcpy(ifr.ifr_name, CARD);
	if (up) {
		memcpy(&ifr.ifr_addr, &sin, sizeof(sin));
		CHECK(!ioctl(s, SIOCSIFADDR, &ifr));
		sin = address("255.255.255.0", 0);
		memcpy(&ifr.ifr_netmask, &sin, sizeof(sin));
		CHECK(!ioctl(s, SIOCSIFNETMASK, &ifr));
	}
	CHECK(!ioctl(s, SIOCGIFFLAGS, &ifr));
	ifr.ifr_flags = (short)(up ? ifr.ifr_flags | IFF_UP : ifr.ifr_flags & ~IFF_UP);
	CHECK(!ioctl(s, SIOCSIFFLAGS, &ifr));
	close(s);
}

static void stream(int port, unsigned int seed)
{
	struct sockaddr_in sin = address("10.0.2.2", port);
	int s = socket(AF_INET, SOCK_STREAM, 0);

	CHECK(s >= 0 && !connect(s, (void *)&sin, sizeof(sin)));
	test_fill(buf, CHUNK, seed);
	CHECK(send(s, buf, CHUNK, 0) == CHUNK);
	memset(buf, 0, CHUNK);
	CHECK(recv(s, buf, CHUNK, MSG_WAITALL) == CHUNK && test_same(buf, CHUNK, seed));
	close(s);
}

/* Datagrams may get lost on the way; one of some has to come back. */
static void datagram(int port, unsigned int seed)
{
	struct sockaddr_in sin = address("10.0.2.2", port);
	struct timeval second = { 1, 0 };
	int s = socket(AF_INET, SOCK_DGRAM, 0), tries;

	CHECK(s >= 0 && !connect(s, (void *)&sin, sizeof(sin)));
	CHECK(!setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &second, sizeof(second)));
	for (tries = 0; tries < 5; tries++) {
		test_fill(buf, DGRAM, seed);
		CHECK(send(s, buf, DGRAM, 0) == DGRAM);
		memset(buf, 0, DGRAM);
		if (recv(s, buf, CHUNK, 0) == DGRAM)
			break;
	}
	CHECK(tries < 5 && test_same(buf, DGRAM, seed));
	close(s);
}

int main(int argc, char **argv)
{
	struct amount a;
	int port;

	if (argc > 1 && !strcmp(argv[1], "--serve"))
		return serve();
	a = test_amount(argc, argv);
	port = argc > 2 ? atoi(argv[2]) : 0;
	if (!if_nametoindex(CARD) || !port)
		return test_skip("no network card, or no port of a server of the host");
	test_alone();
	while (test_more(&a)) {
		card(1);
		stream(port, (unsigned int)a.rounds);
		datagram(port, (unsigned int)a.rounds + 5);
		card(0);
	}
	return test_ok(&a, "echoed by the host");
}
