// SPDX-License-Identifier: GPL-2.0-only
/*
 * stream PORT MIB - so much over TCP to the echo server of the host, and back
 *
 * The server is "net --serve" of tests/guest, which QEMU's user-mode network
 * shows as 10.0.2.2.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include "bench.h"

#define CHUNK	(32 * 1024l)	/* the server reads 60000 bytes at most */
#define MIB	(1024 * 1024l)

static int server(int port)
{
	struct sockaddr_in sin = {
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = inet_addr("10.0.2.2"),
	};
	int s = socket(AF_INET, SOCK_STREAM, 0);

	CHECK(s >= 0 && !connect(s, (void *)&sin, sizeof(sin)));
	return s;
}

int main(int argc, char **argv)
{
	long left = bench_amount(argc, argv) * MIB;
	static uint8_t buf[CHUNK];
	int s;

	CHECK(argc == 3);
	s = server(atoi(argv[1]));
	bench_begin();
	for (; left > 0; left -= CHUNK) {
		CHECK(send(s, buf, CHUNK, 0) == CHUNK);
		CHECK(recv(s, buf, CHUNK, MSG_WAITALL) == CHUNK);
	}
	bench_end();
	return 0;
}
