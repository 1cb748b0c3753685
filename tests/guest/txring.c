// SPDX-License-Identifier: GPL-2.0-only
/*
 * txring - packets that are sent from a ring which user mode writes
 *
 * PACKET_TX_RING on the loopback device: length, offset and content of each
 * frame are read by the kernel where they are.  The packets are of a protocol
 * of their own and come back by another packet socket.
 */
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sys/socket.h>

#include "test.h"

#define PROTOCOL	0x88b5		/* for experiments */
#define FRAME		2048u
#define FRAMES		4u
#define DATA_OFF	(TPACKET2_HDRLEN - sizeof(struct sockaddr_ll))

static int packet_socket(int type, struct sockaddr_ll *at)
{
	int s = socket(AF_PACKET, type, htons(PROTOCOL));

	CHECK(s >= 0);
	CHECK(!bind(s, (struct sockaddr *)at, sizeof(*at)));
	return s;
}

static char *tx_ring(int s)
{
	struct tpacket_req req = {
		.tp_block_size = FRAME * FRAMES, .tp_block_nr = 1,
		.tp_frame_size = FRAME, .tp_frame_nr = FRAMES,
	};
	int version = TPACKET_V2;
	char *ring;

	CHECK(!setsockopt(s, SOL_PACKET, PACKET_VERSION, &version, sizeof(version)));
	CHECK(!setsockopt(s, SOL_PACKET, PACKET_TX_RING, &req, sizeof(req)));
	ring = mmap(NULL, FRAME * FRAMES, PROT_READ | PROT_WRITE, MAP_SHARED, s, 0);
	CHECK(ring != MAP_FAILED);
	return ring;
}

static unsigned int length(long round, unsigned int i)
{
	return 100 + (round * 37 + i * 101) % 1200;
}

static void queue(char *ring, long round, unsigned int i)
{
	struct tpacket2_hdr *h = (struct tpacket2_hdr *)(ring + i * FRAME);
	char *data = (char *)h + DATA_OFF;
	unsigned int len = length(round, i);

	memset(data, 0, ETH_HLEN);
	((struct ethhdr *)data)->h_proto = htons(PROTOCOL);
	test_fill(data + ETH_HLEN, len - ETH_HLEN, round + i);
	h->tp_len = len;
	__atomic_store_n(&h->tp_status, TP_STATUS_SEND_REQUEST, __ATOMIC_RELEASE);
}

/* a packet socket on loopback sees a packet going out and coming in */
static void receive(int s, long round, unsigned int i)
{
	struct sockaddr_ll from;
	char buf[FRAME];
	ssize_t n;

	do {
		socklen_t len = sizeof(from);

		n = recvfrom(s, buf, sizeof(buf), 0, (struct sockaddr *)&from, &len);
		CHECK(n >= 0);
	} while (from.sll_pkttype == PACKET_OUTGOING);
	CHECK(n == length(round, i));
	CHECK(test_same(buf + ETH_HLEN, n - ETH_HLEN, round + i));
}

int main(int argc, char **argv)
{
	struct amount a = test_amount(argc, argv);
	struct sockaddr_ll lo = {
		.sll_family = AF_PACKET, .sll_protocol = htons(PROTOCOL),
		.sll_ifindex = if_nametoindex("lo"), .sll_halen = ETH_ALEN,
	};
	int in = packet_socket(SOCK_RAW, &lo), out = packet_socket(SOCK_RAW, &lo);
	char *ring = tx_ring(out);
	unsigned int i;

	while (test_more(&a)) {
		for (i = 0; i < FRAMES; i++)
			queue(ring, a.rounds, i);
		CHECK(sendto(out, NULL, 0, 0, (struct sockaddr *)&lo, sizeof(lo)) > 0);
		for (i = 0; i < FRAMES; i++)
			receive(in, a.rounds, i);
	}
	return test_ok(&a, "%u packets a round", FRAMES);
}
