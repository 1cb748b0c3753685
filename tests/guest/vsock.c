// SPDX-License-Identifier: GPL-2.0-only
/*
 * vsock - streams to the host by a virtio vsock device (krrctl vm vsock), which
 * is plugged in while the guest runs
 */
#include <sys/socket.h>
#include <linux/vm_sockets.h>
#include "test.h"

#define CHUNK	20000
#define PORT	1234
#define RESCAN	"/sys/bus/pci/rescan"

static uint8_t buf[CHUNK];

static int host(void)
{
	struct sockaddr_vm svm = {
		.svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_HOST, .svm_port = PORT,
	};
	int s = socket(AF_VSOCK, SOCK_STREAM, 0);

	if (s >= 0 && !connect(s, (void *)&svm, sizeof(svm)))
		return s;
	close(s);
	return -1;
}

static void echo(unsigned int seed)
{
	int s = host();

	CHECK(s >= 0);
	test_fill(buf, CHUNK, seed);
	CHECK(send(s, buf, CHUNK, 0) == CHUNK);
	memset(buf, 0, CHUNK);
	CHECK(recv(s, buf, CHUNK, MSG_WAITALL) == CHUNK && test_same(buf, CHUNK, seed));
	CHECK(!shutdown(s, SHUT_RDWR) && !close(s));
}

int main(int argc, char **argv)
{
	struct amount a = test_amount(argc, argv);
	int s;

	test_put(RESCAN, "1");		/* where nobody hears of it by ACPI */
	s = host();
	if (s < 0)
		return test_skip("no vsock device, or nobody at its other end");
	close(s);
	while (test_more(&a))
		echo((unsigned int)a.rounds);
	return test_ok(&a, "echoed by the host");
}
