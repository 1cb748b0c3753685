// SPDX-License-Identifier: GPL-2.0-only
/*
 * vsock-peer SOCKET - the host's end of a virtio vsock device: echoes streams
 *
 * QEMU's vhost-user-vsock-pci connects to SOCKET and hands over guest memory
 * and two virtqueues, "receive" and "transmit" as seen by the guest.  This
 * does for a test what the vhost_vsock module of a host's kernel would do.
 */
#include <err.h>
#include <errno.h>
#include <linux/vhost_types.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <linux/virtio_vsock.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#define GUEST_CID	42
#define HOST_CID	2
#define CREDIT		(256u << 10)
#define MAX_REGIONS	64
#define MAX_FDS		8
#define MAX_PACKET	(64u << 10)
#define PIECE		2048u		/* receive buffers have room for more */

/* requests of the vhost-user protocol, those that QEMU sends for this device */
enum {
	GET_FEATURES = 1, SET_FEATURES, SET_OWNER,
	SET_VRING_NUM = 8, SET_VRING_ADDR, SET_VRING_BASE, GET_VRING_BASE,
	SET_VRING_KICK, SET_VRING_CALL, SET_VRING_ERR,
	GET_PROTOCOL_FEATURES, SET_PROTOCOL_FEATURES,
	SET_VRING_ENABLE = 18,
	GET_CONFIG = 24,
	GET_MAX_MEM_SLOTS = 36, ADD_MEM_REG, REM_MEM_REG,
};

#define F_PROTOCOL	(1ull << 30)
#define P_CONFIG	(1ull << 9)
#define P_MEM_SLOTS	(1ull << 15)
#define IS_REPLY	(1u | 1u << 2)

struct region {
	uint64_t gpa, size, uaddr, offset;
};

struct message {
	struct {
		uint32_t request, flags, size;
	} head;
	union {
		uint64_t u64;
		struct vhost_vring_state state;
		struct vhost_vring_addr addr;
		struct {
			uint64_t padding;
			struct region region;
		} memory;
		struct {
			uint32_t offset, size, flags;
			uint8_t data[256];
		} config;
	} u;
};

struct ring {
	unsigned int num;
	uint16_t next;			/* in the available ring */
	struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_used *used;
	int kick, call;
};

struct packet {
	struct packet *next;
	struct virtio_vsock_hdr hdr;
	uint8_t data[PIECE];
};

static struct region regions[MAX_REGIONS];
static uint8_t *mapped[MAX_REGIONS];
static unsigned int nr_regions;
static struct ring rx = { .kick = -1, .call = -1 }, tx = { .kick = -1, .call = -1 };
static struct packet *pending, **pending_end = &pending;
static uint32_t taken;			/* bytes of the connection so far */

/* --- guest memory ----------------------------------------------------------------- */

static void *find(uint64_t at, uint64_t len, bool by_gpa)
{
	unsigned int i;
	uint64_t base;

	for (i = 0; i < nr_regions; i++) {
		base = by_gpa ? regions[i].gpa : regions[i].uaddr;
		if (at >= base && len <= regions[i].size && at - base <= regions[i].size - len)
			return mapped[i] + regions[i].offset + (at - base);
	}
	errx(1, "the guest names memory that it does not have: 0x%llx", (unsigned long long)at);
}

static void add_region(const struct region *r, const int *fds, int nr_fds)
{
	if (nr_regions == MAX_REGIONS || nr_fds != 1)
		errx(1, "region %u of memory with %d files", nr_regions, nr_fds);
	regions[nr_regions] = *r;
	mapped[nr_regions] = mmap(NULL, r->size + r->offset, PROT_READ | PROT_WRITE, MAP_SHARED,
				  fds[0], 0);
	if (mapped[nr_regions] == MAP_FAILED)
		err(1, "mmap");
	close(fds[0]);
	nr_regions++;
}

static void remove_region(const struct region *r)
{
	unsigned int i;

	for (i = 0; i < nr_regions; i++)
		if (regions[i].gpa == r->gpa && regions[i].size == r->size)
			break;
	if (i == nr_regions)
		errx(1, "no region of memory at 0x%llx", (unsigned long long)r->gpa);
	munmap(mapped[i], r->size + regions[i].offset);
	nr_regions--;
	regions[i] = regions[nr_regions];
	mapped[i] = mapped[nr_regions];
}

/* --- virtqueues ------------------------------------------------------------------- */

/* Copy to or from a chain of buffers. Return: bytes copied. */
static uint32_t copy_chain(struct ring *r, uint16_t head, void *buf, uint32_t len, bool write)
{
	uint32_t done = 0, n;
	uint16_t i = head;
	void *at;

	for (;;) {
		struct vring_desc d = r->desc[i % r->num];

		n = len - done < d.len ? len - done : d.len;
		if (n && !!(d.flags & VRING_DESC_F_WRITE) == write) {
			at = find(d.addr, n, true);
			if (write)
				memcpy(at, (uint8_t *)buf + done, n);
			else
				memcpy((uint8_t *)buf + done, at, n);
			done += n;
		}
		if (!(d.flags & VRING_DESC_F_NEXT) || done == len)
			return done;
		i = d.next;
	}
}

static bool next_head(struct ring *r, uint16_t *head)
{
	if (!r->num || !r->avail || __atomic_load_n(&r->avail->idx, __ATOMIC_ACQUIRE) == r->next)
		return false;
	*head = r->avail->ring[r->next++ % r->num];
	return true;
}

static void put_used(struct ring *r, uint16_t head, uint32_t len)
{
	uint64_t one = 1;
	uint16_t at = r->used->idx;

	r->used->ring[at % r->num] = (struct vring_used_elem){ head, len };
	__atomic_store_n(&r->used->idx, (uint16_t)(at + 1), __ATOMIC_SEQ_CST);
	if (r->avail->flags & VRING_AVAIL_F_NO_INTERRUPT || r->call < 0)
		return;
	if (write(r->call, &one, sizeof(one)) < 0)
		err(1, "interrupt");
}

/* --- vsock ------------------------------------------------------------------------ */

static void flush_pending(void)
{
	struct packet *p;
	uint16_t head;

	while ((p = pending) && next_head(&rx, &head)) {
		uint32_t len = (uint32_t)sizeof(p->hdr) + p->hdr.len;
		uint8_t all[sizeof(p->hdr) + PIECE];

		memcpy(all, &p->hdr, sizeof(p->hdr));
		memcpy(all + sizeof(p->hdr), p->data, p->hdr.len);
		if (copy_chain(&rx, head, all, len, true) != len)
			errx(1, "a receive buffer is smaller than %u bytes", len);
		put_used(&rx, head, len);
		pending = p->next;
		if (!pending)
			pending_end = &pending;
		free(p);
	}
}

static void answer(const struct virtio_vsock_hdr *to, uint16_t op, const void *data, uint32_t len)
{
	struct packet *p = calloc(1, sizeof(*p));

	if (!p)
		abort();
	p->hdr = (struct virtio_vsock_hdr){
		.src_cid = HOST_CID, .dst_cid = to->src_cid,
		.src_port = to->dst_port, .dst_port = to->src_port,
		.len = len, .type = to->type, .op = op,
		.buf_alloc = CREDIT, .fwd_cnt = taken,
	};
	memcpy(p->data, data ? data : "", len);
	*pending_end = p;
	pending_end = &p->next;
}

static void take(const struct virtio_vsock_hdr *hdr, const uint8_t *data, uint32_t len)
{
	uint32_t at, n;

	switch (hdr->op) {
	case VIRTIO_VSOCK_OP_REQUEST:
		taken = 0;
		answer(hdr, VIRTIO_VSOCK_OP_RESPONSE, NULL, 0);
		break;
	case VIRTIO_VSOCK_OP_RW:
		taken += len;
		for (at = 0; at < len; at += n) {
			n = len - at < PIECE ? len - at : PIECE;
			answer(hdr, VIRTIO_VSOCK_OP_RW, data + at, n);
		}
		break;
	case VIRTIO_VSOCK_OP_CREDIT_REQUEST:
		answer(hdr, VIRTIO_VSOCK_OP_CREDIT_UPDATE, NULL, 0);
		break;
	case VIRTIO_VSOCK_OP_SHUTDOWN:
		answer(hdr, VIRTIO_VSOCK_OP_RST, NULL, 0);
	}
}

static void transmitted(void)
{
	static uint8_t buf[sizeof(struct virtio_vsock_hdr) + MAX_PACKET];
	struct virtio_vsock_hdr hdr;
	uint32_t len;
	uint16_t head;

	while (next_head(&tx, &head)) {
		len = copy_chain(&tx, head, buf, sizeof(buf), false);
		if (len < sizeof(hdr))
			errx(1, "a packet of %u bytes", len);
		memcpy(&hdr, buf, sizeof(hdr));
		if (hdr.len > len - sizeof(hdr))
			errx(1, "a packet of %u bytes says %u", len, hdr.len);
		take(&hdr, buf + sizeof(hdr), hdr.len);
		put_used(&tx, head, 0);
	}
}

/* --- vhost-user ------------------------------------------------------------------- */

static struct ring *ring_of(uint64_t index)
{
	static struct ring other = { .kick = -1, .call = -1 };	/* "event", which QEMU serves */

	return index == 0 ? &rx : index == 1 ? &tx : &other;
}

static void reply(int s, struct message *m, uint32_t size)
{
	struct iovec iov[] = { { &m->head, sizeof(m->head) }, { &m->u, size } };

	m->head.flags = IS_REPLY;
	m->head.size = size;
	if (writev(s, iov, 2) != (ssize_t)(sizeof(m->head) + size))
		err(1, "reply");
}

static void set_addr(const struct vhost_vring_addr *a)
{
	struct ring *r = ring_of(a->index);

	r->desc = find(a->desc_user_addr, sizeof(*r->desc) * r->num, false);
	r->avail = find(a->avail_user_addr, 6 + 2 * r->num, false);
	r->used = find(a->used_user_addr, 6 + sizeof(*r->used->ring) * r->num, false);
}

static void set_fd(int *where, const int *fds, int nr_fds)
{
	if (*where >= 0)
		close(*where);
	*where = nr_fds == 1 ? fds[0] : -1;
}

static void get_config(int s, struct message *m)
{
	struct virtio_vsock_config config = { .guest_cid = GUEST_CID };
	uint32_t at = m->u.config.offset, n = m->u.config.size;

	if (n > sizeof(m->u.config.data))
		errx(1, "%u bytes of configuration wanted", n);
	memset(m->u.config.data, 0, n);
	if (at < sizeof(config))
		memcpy(m->u.config.data, (uint8_t *)&config + at,
		       n < sizeof(config) - at ? n : sizeof(config) - at);
	reply(s, m, 12 + n);
}

static void handle(int s, struct message *m, const int *fds, int nr_fds)
{
	switch (m->head.request) {
	case GET_FEATURES:
		m->u.u64 = 1ull << VIRTIO_F_VERSION_1 | F_PROTOCOL;
		reply(s, m, 8);
		break;
	case GET_PROTOCOL_FEATURES:
		m->u.u64 = P_CONFIG | P_MEM_SLOTS;
		reply(s, m, 8);
		break;
	case GET_MAX_MEM_SLOTS:
		m->u.u64 = MAX_REGIONS;
		reply(s, m, 8);
		break;
	case ADD_MEM_REG:
		add_region(&m->u.memory.region, fds, nr_fds);
		break;
	case REM_MEM_REG:
		remove_region(&m->u.memory.region);
		break;
	case SET_VRING_NUM:
		ring_of(m->u.state.index)->num = m->u.state.num;
		break;
	case SET_VRING_BASE:
		ring_of(m->u.state.index)->next = (uint16_t)m->u.state.num;
		break;
	case SET_VRING_ADDR:
		set_addr(&m->u.addr);
		break;
	case GET_VRING_BASE:
		m->u.state.num = ring_of(m->u.state.index)->next;
		reply(s, m, sizeof(m->u.state));
		break;
	case SET_VRING_KICK:
		set_fd(&ring_of(m->u.u64 & 255)->kick, fds, nr_fds);
		break;
	case SET_VRING_CALL:
		set_fd(&ring_of(m->u.u64 & 255)->call, fds, nr_fds);
		break;
	case GET_CONFIG:
		get_config(s, m);
	}
}

/* Return: false when QEMU has hung up. */
static bool serve_message(int s)
{
	union {
		char buf[CMSG_SPACE(sizeof(int) * MAX_FDS)];
		struct cmsghdr align;
	} control;
	struct message m = { 0 };
	struct iovec iov = { &m.head, sizeof(m.head) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1,
			      .msg_control = &control, .msg_controllen = sizeof(control) };
	struct cmsghdr *c;
	int fds[MAX_FDS], nr_fds = 0;

	if (recvmsg(s, &msg, MSG_WAITALL) != sizeof(m.head))
		return false;
	c = CMSG_FIRSTHDR(&msg);
	if (c && c->cmsg_type == SCM_RIGHTS) {
		nr_fds = (int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		memcpy(fds, CMSG_DATA(c), sizeof(int) * (size_t)nr_fds);
	}
	if (m.head.size > sizeof(m.u) ||
	    (m.head.size && recv(s, &m.u, m.head.size, MSG_WAITALL) != (ssize_t)m.head.size))
		errx(1, "message %u of %u bytes", m.head.request, m.head.size);
	handle(s, &m, fds, nr_fds);
	return true;
}

static void drain(int fd)
{
	uint64_t count;

	if (read(fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
		err(1, "kick");
}

static void serve(int s)
{
	struct pollfd p[3];

	for (;;) {
		p[0] = (struct pollfd){ s, POLLIN, 0 };
		p[1] = (struct pollfd){ rx.kick, POLLIN, 0 };
		p[2] = (struct pollfd){ tx.kick, POLLIN, 0 };
		if (poll(p, 3, -1) < 0)
			err(1, "poll");
		if (p[0].revents && !serve_message(s))
			return;
		if (p[1].revents & POLLIN)
			drain(p[1].fd);
		if (p[2].revents & POLLIN)
			drain(p[2].fd);
		if (tx.kick >= 0 && tx.used)
			transmitted();
		if (rx.kick >= 0 && rx.used)
			flush_pending();
	}
}

int main(int argc, char **argv)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int l = socket(AF_UNIX, SOCK_STREAM, 0), s;

	if (argc != 2 || strlen(argv[1]) >= sizeof(sa.sun_path))
		errx(2, "usage: vsock-peer SOCKET");
	strcpy(sa.sun_path, argv[1]);
	if (l < 0 || bind(l, (void *)&sa, sizeof(sa)) < 0 || listen(l, 1) < 0)
		err(1, "%s", argv[1]);
	s = accept(l, NULL, NULL);
	if (s < 0)
		err(1, "accept");
	serve(s);
	return 0;
}
