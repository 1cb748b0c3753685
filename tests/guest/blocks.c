// SPDX-License-Identifier: GPL-2.0-only
/*
 * blocks - a packet ring of blocks (TPACKET_V3) whose headers user mode writes as well
 *
 * The kernel looks at the number of packets in a block to see whether it has to be retired.
 */
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <pthread.h>
#include <sys/socket.h>
#include "test.h"

#define BLOCKS	4u
#define SIZE	(4 * PAGE)

static struct tpacket_block_desc *block[BLOCKS];
static volatile int ended;

static int open_ring(void)
{
	struct tpacket_req3 req = { .tp_block_size = SIZE, .tp_block_nr = BLOCKS,
				    .tp_frame_size = 2048, .tp_frame_nr = SIZE / 2048 * BLOCKS,
				    .tp_retire_blk_tov = 4 };
	struct sockaddr_ll ll = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_IP),
				  .sll_ifindex = (int)if_nametoindex("lo") };
	int s = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_IP)), version = TPACKET_V3;
	uint8_t *ring;

	if (s < 0)
		return s;
	CHECK(!setsockopt(s, SOL_PACKET, PACKET_VERSION, &version, sizeof(version)));
	CHECK(!setsockopt(s, SOL_PACKET, PACKET_RX_RING, &req, sizeof(req)));
	ring = mmap(NULL, SIZE * BLOCKS, PROT_READ | PROT_WRITE, MAP_SHARED, s, 0);
	CHECK(ring != MAP_FAILED && !bind(s, (void *)&ll, sizeof(ll)));
	for (unsigned int i = 0; i < BLOCKS; i++)
		block[i] = (void *)(ring + i * SIZE);
	return s;
}

/* Give blocks back as soon as they come, and write the number of packets all along. */
static void *scribble(void *seen)
{
	for (unsigned int i = 0; !ended; i++) {
		struct tpacket_hdr_v1 *h = &block[i % BLOCKS]->hdr.bh1;

		h->num_pkts = i >> 4 & 1;
		if (__atomic_load_n(&h->block_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER) {
			++*(volatile long *)seen;
			__atomic_store_n(&h->block_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
		}
	}
	return NULL;
}

int main(int argc, char **argv)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(9),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct amount a = test_amount(argc, argv);
	int s = open_ring(), udp = socket(AF_INET, SOCK_DGRAM, 0);
	volatile long seen = 0;
	pthread_t t;

	if (s < 0)
		return test_skip("no packet sockets");
	CHECK(udp >= 0 && !pthread_create(&t, NULL, scribble, (void *)&seen));
	while (test_more(&a)) {
		for (long before = seen; seen == before; usleep(500))
			CHECK(sendto(udp, "krr", 4, 0, (void *)&to, sizeof(to)) == 4);
	}
	ended = 1;
	pthread_join(t, NULL);
	return test_ok(&a, "%ld blocks", seen);
}
