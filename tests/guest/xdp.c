// SPDX-License-Identifier: GPL-2.0-only
/*
 * xdp - packets through the rings of an AF_XDP socket on the loopback device, in both
 * directions
 *
 * Indices, addresses, descriptors and frames are read where user mode writes them.
 */
#include <arpa/inet.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/if_xdp.h>
#include <net/if.h>
#include <poll.h>
#include <sys/socket.h>
#include "test.h"

#define PROTOCOL	0x88b6		/* for experiments */
#define FRAME		2048u
#define ENTRIES		8u
#define FRAMES		(2 * ENTRIES)	/* the first half is to send, the other to receive */

#define INSN(c, d, s, o, i) { .code = (c), .dst_reg = (d), .src_reg = (s), .off = (o), .imm = (i) }

struct queue {
	uint32_t *producer, *consumer;
	void *desc;
};

static int sock, ifindex;
static uint8_t *umem;
static struct queue fill, done, rx, tx;

static long bpf(int cmd, union bpf_attr *attr)
{
	return syscall(SYS_bpf, cmd, attr, sizeof(*attr));
}

/* A program for XDP that gives packets of queue 0 to the socket in @map, passes others. */
static int load(int map)
{
	struct bpf_insn prog[] = {
		INSN(BPF_LD | BPF_DW | BPF_IMM, 1, BPF_PSEUDO_MAP_FD, 0, map),
		INSN(0, 0, 0, 0, 0),
		INSN(BPF_ALU64 | BPF_MOV | BPF_K, 2, 0, 0, 0),
		INSN(BPF_ALU64 | BPF_MOV | BPF_K, 3, 0, 0, XDP_PASS),
		INSN(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_redirect_map),
		INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
	};
	union bpf_attr attr = { .prog_type = BPF_PROG_TYPE_XDP, .insns = (uintptr_t)prog,
				.insn_cnt = sizeof(prog) / sizeof(*prog), .license = (uintptr_t)"GPL" };

	return (int)bpf(BPF_PROG_LOAD, &attr);
}

/* Return: the link that keeps the program attached. */
static int attach(void)
{
	union bpf_attr create = { .map_type = BPF_MAP_TYPE_XSKMAP, .key_size = 4, .value_size = 4,
				  .max_entries = 1 };
	uint32_t key = 0;
	int map = (int)bpf(BPF_MAP_CREATE, &create), prog = load(map);
	union bpf_attr set = { .map_fd = (uint32_t)map, .key = (uintptr_t)&key, .value = (uintptr_t)&sock };
	union bpf_attr link = { 0 };

	CHECK(map >= 0 && prog >= 0 && !bpf(BPF_MAP_UPDATE_ELEM, &set));
	link.link_create.prog_fd = (uint32_t)prog;
	link.link_create.target_ifindex = (uint32_t)ifindex;
	link.link_create.attach_type = BPF_XDP;
	link.link_create.flags = XDP_FLAGS_SKB_MODE;
	return (int)bpf(BPF_LINK_CREATE, &link);
}

static void map_queue(struct queue *q, int option, off_t at, const struct xdp_ring_offset *off,
		      size_t entry)
{
	unsigned int n = ENTRIES;
	uint8_t *p;

	CHECK(!setsockopt(sock, SOL_XDP, option, &n, sizeof(n)));
	p = mmap(NULL, off->desc + n * entry, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, sock, at);
	CHECK(p != MAP_FAILED);
	q->producer = (uint32_t *)(p + off->producer);
	q->consumer = (uint32_t *)(p + off->consumer);
	q->desc = p + off->desc;
}

static int open_socket(void)
{
	struct xdp_umem_reg reg = { .len = FRAMES * FRAME, .chunk_size = FRAME };
	struct sockaddr_xdp to = { .sxdp_family = AF_XDP, .sxdp_flags = XDP_COPY };
	struct xdp_mmap_offsets off;
	socklen_t len = sizeof(off);

	sock = socket(AF_XDP, SOCK_RAW, 0);
	if (sock < 0)
		return 0;
	umem = mmap(NULL, FRAMES * FRAME, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(umem != MAP_FAILED);
	reg.addr = (uintptr_t)umem;
	CHECK(!setsockopt(sock, SOL_XDP, XDP_UMEM_REG, &reg, sizeof(reg)));
	CHECK(!getsockopt(sock, SOL_XDP, XDP_MMAP_OFFSETS, &off, &len));
	map_queue(&fill, XDP_UMEM_FILL_RING, XDP_UMEM_PGOFF_FILL_RING, &off.fr, sizeof(uint64_t));
	map_queue(&done, XDP_UMEM_COMPLETION_RING, XDP_UMEM_PGOFF_COMPLETION_RING, &off.cr,
		  sizeof(uint64_t));
	map_queue(&rx, XDP_RX_RING, XDP_PGOFF_RX_RING, &off.rx, sizeof(struct xdp_desc));
	map_queue(&tx, XDP_TX_RING, XDP_PGOFF_TX_RING, &off.tx, sizeof(struct xdp_desc));
	ifindex = (int)if_nametoindex("lo");
	to.sxdp_ifindex = (uint32_t)ifindex;
	CHECK(!bind(sock, (void *)&to, sizeof(to)));
	return 1;
}

static uint32_t length(long round, unsigned int i)
{
	return ETH_HLEN + 50 + (uint32_t)(round * 37 + i * 101) % 1200;
}

static void give_frame(unsigned int i)
{
	uint32_t at = *fill.producer;

	((uint64_t *)fill.desc)[at & (ENTRIES - 1)] = (ENTRIES + i) * FRAME;
	__atomic_store_n(fill.producer, at + 1, __ATOMIC_RELEASE);
}

static void queue_packet(long round, unsigned int i)
{
	uint32_t at = *tx.producer, len = length(round, i);
	struct xdp_desc *d = (struct xdp_desc *)tx.desc + (at & (ENTRIES - 1));
	uint8_t *data = umem + i * FRAME;

	memset(data, 0, ETH_HLEN);
	((struct ethhdr *)data)->h_proto = htons(PROTOCOL);
	test_fill(data + ETH_HLEN, len - ETH_HLEN, (unsigned int)round + i);
	*d = (struct xdp_desc){ .addr = i * FRAME, .len = len };
	__atomic_store_n(tx.producer, at + 1, __ATOMIC_RELEASE);
}

static void receive(long round, unsigned int i)
{
	struct pollfd p = { .fd = sock, .events = POLLIN };
	uint32_t at = *rx.consumer;
	struct xdp_desc *d = (struct xdp_desc *)rx.desc + (at & (ENTRIES - 1));

	while (__atomic_load_n(rx.producer, __ATOMIC_ACQUIRE) == at)
		CHECK(poll(&p, 1, 2000) == 1);
	CHECK(d->len == length(round, i));
	CHECK(test_same(umem + d->addr + ETH_HLEN, d->len - ETH_HLEN, (unsigned int)round + i));
	__atomic_store_n(rx.consumer, at + 1, __ATOMIC_RELEASE);
}

int main(int argc, char **argv)
{
	struct amount a = test_amount(argc, argv);
	int link;

	test_alone();
	if (!open_socket())
		return test_skip("no AF_XDP");
	link = attach();
	CHECK(link >= 0);
	while (test_more(&a)) {
		unsigned int n = 1 + (unsigned int)a.rounds % ENTRIES;

		for (unsigned int i = 0; i < n; i++) {
			give_frame(i);
			queue_packet(a.rounds, i);
		}
		CHECK(sendto(sock, NULL, 0, MSG_DONTWAIT, NULL, 0) >= 0);
		for (unsigned int i = 0; i < n; i++)
			receive(a.rounds, i);
		/* what was sent is free again */
		__atomic_store_n(done.consumer, __atomic_load_n(done.producer, __ATOMIC_ACQUIRE),
				 __ATOMIC_RELEASE);
	}
	close(link);
	return test_ok(&a, "up to %u packets a round", ENTRIES);
}
