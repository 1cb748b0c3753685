// SPDX-License-Identifier: GPL-2.0-only
/*
 * vnethdr - packets sent from a ring, each behind a virtio header (PACKET_VNET_HDR) that a
 * thread changes while the kernel reads it
 */
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <pthread.h>
#include <sys/socket.h>
#include "test.h"

#define PROTOCOL	0x88b5		/* for experiments */
#define FRAME		2048u
#define FRAMES		4u
#define LENGTH		400u
#define DATA_OFF	(TPACKET2_HDRLEN - sizeof(struct sockaddr_ll))

static uint8_t *ring;
static volatile int ended;

static struct virtio_net_hdr *header(unsigned int i)
{
	return (void *)(ring + i * FRAME + DATA_OFF);
}

static int open_ring(struct sockaddr_ll *lo)
{
	struct tpacket_req req = { .tp_block_size = FRAME * FRAMES, .tp_block_nr = 1,
				   .tp_frame_size = FRAME, .tp_frame_nr = FRAMES };
	int s = socket(AF_PACKET, SOCK_RAW, htons(PROTOCOL)), version = TPACKET_V2, one = 1;

	if (s < 0)
		return s;
	CHECK(!bind(s, (void *)lo, sizeof(*lo)));
	CHECK(!setsockopt(s, SOL_PACKET, PACKET_VNET_HDR, &one, sizeof(one)));
	CHECK(!setsockopt(s, SOL_PACKET, PACKET_LOSS, &one, sizeof(one)));
	CHECK(!setsockopt(s, SOL_PACKET, PACKET_VERSION, &version, sizeof(version)));
	CHECK(!setsockopt(s, SOL_PACKET, PACKET_TX_RING, &req, sizeof(req)));
	ring = mmap(NULL, FRAME * FRAMES, PROT_READ | PROT_WRITE, MAP_SHARED, s, 0);
	CHECK(ring != MAP_FAILED);
	return s;
}

/* Sums where none can be, and headers that are longer than the packet. */
static void *change_all(void *arg)
{
	unsigned int dice = 7;

	while (!ended) {
		struct virtio_net_hdr *h;

		dice = dice * 1664525 + 1013904223;
		h = header(dice >> 16 & (FRAMES - 1));
		h->flags = dice & 0x100 ? VIRTIO_NET_HDR_F_NEEDS_CSUM : 0;
		h->csum_start = 14 + (dice >> 18 & 0xff);
		h->csum_offset = 16;
		h->hdr_len = dice >> 20 & 0x1ff;
	}
	return arg;
}

int main(int argc, char **argv)
{
	struct amount a = test_amount(argc, argv);
	struct sockaddr_ll lo = {
		.sll_family = AF_PACKET, .sll_protocol = htons(PROTOCOL),
		.sll_ifindex = (int)if_nametoindex("lo"), .sll_halen = ETH_ALEN,
	};
	int s = open_ring(&lo);
	long sent = 0;
	pthread_t t;

	if (s < 0)
		return test_skip("no packet sockets");
	CHECK(!pthread_create(&t, NULL, change_all, NULL));
	while (test_more(&a)) {
		for (unsigned int i = 0; i < FRAMES; i++) {
			struct tpacket2_hdr *h = (void *)(ring + i * FRAME);
			struct ethhdr *eth = (void *)(header(i) + 1);

			eth->h_proto = htons(PROTOCOL);
			h->tp_len = sizeof(struct virtio_net_hdr) + LENGTH;
			__atomic_store_n(&h->tp_status, TP_STATUS_SEND_REQUEST, __ATOMIC_RELEASE);
		}
		sent += sendto(s, NULL, 0, 0, (void *)&lo, sizeof(lo)) > 0;
	}
	ended = 1;
	pthread_join(t, NULL);
	CHECK(sent);
	return test_ok(&a, "%ld times sent", sent);
}
