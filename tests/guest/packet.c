// SPDX-License-Identifier: GPL-2.0-only
/*
 * packet - frames of the loopback seen through a mapped AF_PACKET ring
 */
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sys/socket.h>
#include "test.h"

#define FRAME 2048
#define FRAMES 32
#define TEXT "krr packet test"

static int open_ring(uint8_t **ring)
{
	struct tpacket_req req = { .tp_block_size = PAGE, .tp_block_nr = FRAME * FRAMES / PAGE,
				   .tp_frame_size = FRAME, .tp_frame_nr = FRAMES };
	struct sockaddr_ll ll = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_IP),
				  .sll_ifindex = (int)if_nametoindex("lo") };
	int s = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_IP));

	if (s < 0)
		return s;
	CHECK(ll.sll_ifindex > 0);
	CHECK(!setsockopt(s, SOL_PACKET, PACKET_RX_RING, &req, sizeof(req)));
	*ring = mmap(NULL, FRAME * FRAMES, PROT_READ | PROT_WRITE, MAP_SHARED, s, 0);
	CHECK(*ring != MAP_FAILED && !bind(s, (void *)&ll, sizeof(ll)));
	return s;
}

/* give @h back to the kernel; was it one of ours? */
static int take(struct tpacket_hdr *h)
{
	uint8_t *p = (uint8_t *)h + h->tp_mac;
	int ours = h->tp_snaplen >= 14 + 28 + sizeof(TEXT) && !memcmp(p + 14 + 28, TEXT, sizeof(TEXT));

	__atomic_store_n(&h->tp_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
	return ours;
}

int main(int argc, char **argv)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(9),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct amount a = test_amount(argc, argv);
	uint8_t *ring = NULL;
	int s = open_ring(&ring), udp = socket(AF_INET, SOCK_DGRAM, 0), next = 0;
	long seen = 0;

	if (s < 0)
		return test_skip("no packet sockets");
	CHECK(udp >= 0);
	while (test_more(&a)) {
		struct pollfd p = { .fd = s, .events = POLLIN };
		long before = seen;

		CHECK(sendto(udp, TEXT, sizeof(TEXT), 0, (void *)&to, sizeof(to)) == sizeof(TEXT));
		while (seen == before) {
			struct tpacket_hdr *h = (void *)(ring + next * FRAME);

			if (!(__atomic_load_n(&h->tp_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER)) {
				CHECK(poll(&p, 1, 2000) == 1);
				continue;
			}
			seen += take(h);
			next = (next + 1) % FRAMES;
		}
	}
	return test_ok(&a, "%ld frames", seen);
}
