// SPDX-License-Identifier: GPL-2.0-only
/* What goes wrong with packets, and what TCP sockets become. */
#include "krr.bpf.h"
#include <bpf/bpf_endian.h>

#define AF_INET		2
#define AF_INET6	10
#define ETH_P_IP	0x0800
#define ETH_P_IPV6	0x86dd
#define UNSET		((u16)~0)	/* of a header's offset */
#define XMIT_DROP	1
#define XMIT_CN		2
#define XMIT_BUSY	0x10
#define EBUSY		16
#define ENOBUFS		105

/*
 * What waits for a handshake to end or for a port to be free is less than a socket.
 * A socket that is closed has its port in inet_sport only.
 */
static __always_inline void put_full_sock(struct krr_net *rec, const struct sock *sk)
{
	if (rec->state == TCP_TIME_WAIT || rec->state == TCP_NEW_SYN_RECV) {
		rec->protocol = IPPROTO_TCP;
		return;
	}
	rec->protocol = sk->sk_protocol;
	if (rec->family == AF_INET || rec->family == AF_INET6)
		rec->sport = bpf_ntohs(BPF_CORE_READ((const struct inet_sock *)sk, inet_sport));
}

static __noinline void put_sock(struct krr_net *rec, const struct sock *sk)
{
	const struct sock_common *c = &sk->__sk_common;

	rec->sk = (u64)sk;
	rec->family = c->skc_family;
	rec->state = c->skc_state;
	rec->netns = c->skc_net.net->ns.inum;
	rec->sport = c->skc_num;
	put_full_sock(rec, sk);
	rec->dport = bpf_ntohs(c->skc_dport);
	if (rec->family == AF_INET) {
		*(u32 *)rec->saddr = c->skc_rcv_saddr;
		*(u32 *)rec->daddr = c->skc_daddr;
	} else if (rec->family == AF_INET6) {
		BPF_CORE_READ_INTO(&rec->saddr, c, skc_v6_rcv_saddr);
		BPF_CORE_READ_INTO(&rec->daddr, c, skc_v6_daddr);
	}
}

static __always_inline int sock_event(enum krr_net_event event, const struct sock *sk,
				      const struct sk_buff *skb)
{
	struct krr_net *rec = krr_begin();

	if (!rec)
		return 0;
	rec->event = event;
	put_sock(rec, sk);
	if (skb)
		rec->len = skb->len;
	return krr_emit(KRR_SUBSYS_NET, rec);
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(net_state, const struct sock *sk, int old, int new)
{
	struct krr_net *rec = krr_begin();

	if (!rec)
		return 0;
	rec->event = KRR_NET_STATE;
	put_sock(rec, sk);
	rec->old_state = old;
	rec->state = new;
	return krr_emit(KRR_SUBSYS_NET, rec);
}

SEC("tp_btf/tcp_retransmit_skb")
int BPF_PROG(net_retransmit, const struct sock *sk, const struct sk_buff *skb)
{
	return sock_event(KRR_NET_RETRANSMIT, sk, skb);
}

SEC("tp_btf/tcp_send_reset")
int BPF_PROG(net_reset_sent, const struct sock *sk, const struct sk_buff *skb)
{
	return sock_event(KRR_NET_RESET_SENT, sk, NULL);
}

SEC("tp_btf/tcp_receive_reset")
int BPF_PROG(net_reset, struct sock *sk)
{
	return sock_event(KRR_NET_RESET, sk, NULL);
}

/* Copies from the linear part of a packet, as far as there is something in it. */
static __noinline bool header(void *to, u32 len, const struct sk_buff *skb, u32 at)
{
	return at + len <= skb->tail && !bpf_probe_read_kernel(to, len, skb->head + at);
}

static __always_inline void put_ports(struct krr_net *rec, const struct sk_buff *skb, u32 at)
{
	__be16 port[2];

	if (rec->protocol != IPPROTO_TCP && rec->protocol != IPPROTO_UDP)
		return;
	if (!header(port, sizeof(port), skb, at))
		return;
	rec->sport = bpf_ntohs(port[0]);
	rec->dport = bpf_ntohs(port[1]);
}

static __always_inline void put_ipv4(struct krr_net *rec, const struct sk_buff *skb, u32 at)
{
	struct iphdr ip;

	if (!header(&ip, sizeof(ip), skb, at) || ip.version != 4)
		return;
	rec->family = AF_INET;
	rec->protocol = ip.protocol;
	__builtin_memcpy(rec->saddr, &ip.saddr, sizeof(ip.saddr));
	__builtin_memcpy(rec->daddr, &ip.daddr, sizeof(ip.daddr));
	if (!(ip.frag_off & bpf_htons(0x1fff)))
		put_ports(rec, skb, at + 4 * ip.ihl);
}

static __always_inline void put_ipv6(struct krr_net *rec, const struct sk_buff *skb, u32 at)
{
	struct ipv6hdr ip;

	if (!header(&ip, sizeof(ip), skb, at) || ip.version != 6)
		return;
	rec->family = AF_INET6;
	rec->protocol = ip.nexthdr;
	__builtin_memcpy(rec->saddr, &ip.saddr, sizeof(ip.saddr));
	__builtin_memcpy(rec->daddr, &ip.daddr, sizeof(ip.daddr));
	put_ports(rec, skb, at + sizeof(ip));
}

/*
 * skb->dev is something else while a packet waits in some queues.  It is a device if
 * it is the one that the packet came in by.
 */
static __always_inline void put_dev(struct krr_net *rec, const struct sk_buff *skb)
{
	const struct net_device *dev = skb->dev;

	if (!skb->skb_iif || dev->ifindex != skb->skb_iif)
		return;
	rec->netns = dev->nd_net.net->ns.inum;
	krr_text(rec->dev, dev->name);
}

SEC("tp_btf/kfree_skb")
int BPF_PROG(net_drop, struct sk_buff *skb, void *location, enum skb_drop_reason reason)
{
	struct krr_net *rec = krr_begin();
	u16 at = skb->network_header;

	if (!rec)
		return 0;
	rec->event = KRR_NET_DROP;
	rec->drop_reason = reason;
	if (skb->sk)
		put_sock(rec, skb->sk);
	rec->len = skb->len;
	put_dev(rec, skb);
	if (at != UNSET && skb->protocol == bpf_htons(ETH_P_IP))
		put_ipv4(rec, skb, at);
	else if (at != UNSET && skb->protocol == bpf_htons(ETH_P_IPV6))
		put_ipv6(rec, skb, at);
	return krr_emit(KRR_SUBSYS_NET, rec);
}

static __always_inline int xmit_errno(int rc)
{
	switch (rc) {
	case XMIT_DROP:
	case XMIT_CN:
		return -ENOBUFS;
	case XMIT_BUSY:
		return -EBUSY;
	default:
		return rc;
	}
}

/* The packet may be gone already. */
SEC("tp_btf/net_dev_xmit")
int BPF_PROG(net_xmit_error, struct sk_buff *skb, int rc, struct net_device *dev, unsigned int len)
{
	struct krr_net *rec;

	if (!rc)
		return 0;
	rec = krr_begin();
	if (!rec)
		return 0;
	rec->event = KRR_NET_XMIT_ERROR;
	rec->err = xmit_errno(rc);
	rec->len = len;
	rec->netns = dev->nd_net.net->ns.inum;
	krr_text(rec->dev, dev->name);
	return krr_emit(KRR_SUBSYS_NET, rec);
}

char LICENSE[] SEC("license") = "GPL";
