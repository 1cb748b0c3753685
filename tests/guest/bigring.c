// SPDX-License-Identifier: GPL-2.0-only
/*
 * bigring - a packet ring of 32 MiB in blocks of a page, all of it written by user mode,
 * that is still mapped when the recording ends
 */
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <arpa/inet.h>
#include <sys/socket.h>
#include "test.h"

#define BLOCKS	8192
#define STATUS	8		/* tp_status, whose owner is the kernel */

/* Pages of the ring differ in each run: nobody replays user mode. */
static void scribble(uint8_t *ring)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	for (size_t i = 0; i < BLOCKS; i++)
		test_fill(ring + i * PAGE + STATUS, PAGE - STATUS, (unsigned int)(ts.tv_nsec + i));
}

/* Hold the ring after main() has ended. */
static void hold(int *pipe)
{
	char done = 1;

	CHECK(write(pipe[1], &done, 1) == 1);
	for (int fd = 0; fd < 3; fd++)
		close(fd);
	for (;;)
		pause();
}

int main(int argc, char **argv)
{
	struct tpacket_req req = { .tp_block_size = PAGE, .tp_block_nr = BLOCKS,
				   .tp_frame_size = PAGE, .tp_frame_nr = BLOCKS };
	struct amount a = test_amount(argc, argv);
	int s = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_IP)), pipe_[2];
	char done = 0;
	uint8_t *ring;
	pid_t pid;

	CHECK(s >= 0 && !setsockopt(s, SOL_PACKET, PACKET_RX_RING, &req, sizeof(req)));
	ring = mmap(NULL, BLOCKS * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, s, 0);
	CHECK(ring != MAP_FAILED && !pipe(pipe_));
	while (test_more(&a))
		scribble(ring);
	pid = fork();
	CHECK(pid >= 0);
	if (!pid)
		hold(pipe_);
	CHECK(read(pipe_[0], &done, 1) == 1 && done);
	return test_ok(&a, "%d blocks", BLOCKS);
}
