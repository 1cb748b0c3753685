/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * Annotations: what stands in a KRR_EV_ANNOTATE event of the log.
 *
 * The payload of the event is a varint, enum krr_subsys, and then the structure
 * of that subsystem, or the first part of it from an older kernel's programs.
 * What does not apply to an event is zero.
 *
 * These structures are the only description there is: programs in bpf/ fill
 * them, and the tools read their BTF for names, offsets, sizes and enumerators.
 * A tag says what a type cannot:
 *
 *	unit:ns, unit:bytes, unit:sectors	for people, and for suffixes of constants
 *	fmt:ip, fmt:hex, fmt:dev, fmt:errno	how it is printed; dev: as dev_t in the kernel
 *	enum:NAME				values of an enum, below or of the kernel's BTF
 *	calls					a system call number
 *
 * The tools leave out the first two words of an enumerator: KRR_NET_RESET_SENT is
 * reset_sent.  Members are only ever added, at the end.
 */
#ifndef KRR_BPF_RECORDS_H
#define KRR_BPF_RECORDS_H

#ifdef __clang__
#define KRR_TAG(text) __attribute__((btf_decl_tag(text)))
#else
#define KRR_TAG(text)
#endif

#define KRR_COMM_LEN	16
#define KRR_DEV_LEN	16
#define KRR_TEXT_LEN	96
#define KRR_RECORD_MAX	256	/* bytes of the longest structure below */

enum krr_subsys {
	KRR_SUBSYS_MARK		= 0,	/* struct krr_mark: a rule was hit */
	KRR_SUBSYS_NET		= 1,
	KRR_SUBSYS_BLOCK	= 2,
	KRR_SUBSYS_FS		= 3,
	KRR_SUBSYS_MM		= 4,
	KRR_SUBSYS_SCHED	= 5,
	KRR_SUBSYS_IRQ		= 6,
	KRR_SUBSYS_SYSCALL	= 7,
	KRR_SUBSYS_SECURITY	= 8,
	KRR_SUBSYS_ERROR	= 9,
	KRR_NR_SUBSYS		= 10,
};

/* Who was running: every structure begins so. */
#define KRR_WHO								\
	__u32 pid;		/* of the process */			\
	__u32 tid;							\
	__u64 cgroup;		/* id, as the inode number of its directory */ \
	char  comm[KRR_COMM_LEN]

enum krr_net_event {
	KRR_NET_STATE		= 1,	/* a TCP socket changed its state */
	KRR_NET_RETRANSMIT	= 2,
	KRR_NET_RESET_SENT	= 3,
	KRR_NET_RESET		= 4,	/* a reset was received */
	KRR_NET_DROP		= 5,	/* an skb was dropped */
	KRR_NET_XMIT_ERROR	= 6,	/* a device did not take it */
};

enum krr_net_family {
	KRR_AF_INET		= 2,
	KRR_AF_INET6		= 10,
};

enum krr_net_protocol {
	KRR_PROTO_ICMP		= 1,
	KRR_PROTO_TCP		= 6,
	KRR_PROTO_UDP		= 17,
	KRR_PROTO_ICMPV6	= 58,
};

/* The numbers are those of the kernel. */
enum krr_tcp_state {
	KRR_TCP_ESTABLISHED	= 1,
	KRR_TCP_SYN_SENT	= 2,
	KRR_TCP_SYN_RECV	= 3,
	KRR_TCP_FIN_WAIT1	= 4,
	KRR_TCP_FIN_WAIT2	= 5,
	KRR_TCP_TIME_WAIT	= 6,
	KRR_TCP_CLOSE		= 7,
	KRR_TCP_CLOSE_WAIT	= 8,
	KRR_TCP_LAST_ACK	= 9,
	KRR_TCP_LISTEN		= 10,
	KRR_TCP_CLOSING		= 11,
	KRR_TCP_NEW_SYN_RECV	= 12,
};

struct krr_net {
	KRR_WHO;
	enum krr_net_event event;
	__u16 family KRR_TAG("enum:krr_net_family");
	__u16 protocol KRR_TAG("enum:krr_net_protocol");
	__u8  saddr[16] KRR_TAG("fmt:ip");	/* IPv4: in the first 4 bytes */
	__u8  daddr[16] KRR_TAG("fmt:ip");
	__u16 sport, dport;
	__u32 netns;		/* inode number */
	__u64 sk KRR_TAG("fmt:hex");
	__u32 len KRR_TAG("unit:bytes");
	__u32 old_state KRR_TAG("enum:krr_tcp_state");
	__u32 state KRR_TAG("enum:krr_tcp_state");
	__u32 drop_reason KRR_TAG("enum:skb_drop_reason");
	__s32 err KRR_TAG("fmt:errno");
	char  dev[KRR_DEV_LEN];
};

enum krr_block_event {
	KRR_BLOCK_ISSUE		= 1,
	KRR_BLOCK_COMPLETE	= 2,
};

enum krr_block_op {
	KRR_OP_READ	= 0,
	KRR_OP_WRITE	= 1,
	KRR_OP_FLUSH	= 2,
	KRR_OP_DISCARD	= 3,
	KRR_OP_OTHER	= 255,
};

struct krr_block {
	KRR_WHO;
	enum krr_block_event event;
	__u32 dev KRR_TAG("fmt:dev");
	__u64 sector KRR_TAG("unit:sectors");
	__u32 bytes KRR_TAG("unit:bytes");
	enum krr_block_op op;
	__s32 status KRR_TAG("fmt:errno");
	__u64 latency KRR_TAG("unit:ns");	/* from issue to completion */
};

enum krr_sched_event {
	KRR_SCHED_SWITCH	= 1,
	KRR_SCHED_WAKEUP	= 2,
	KRR_SCHED_MIGRATE	= 3,
	KRR_SCHED_FORK		= 4,
	KRR_SCHED_EXEC		= 5,
	KRR_SCHED_EXIT		= 6,
};

struct krr_sched {
	KRR_WHO;
	enum krr_sched_event event;
	__s32 prio;
	__u32 other_tid;	/* switched to, woken, migrated, the child */
	char  other_comm[KRR_COMM_LEN];
	__u32 from_cpu, to_cpu;
	__u64 prev_state KRR_TAG("fmt:hex");
	__u64 blocked KRR_TAG("unit:ns");	/* switch: how long the next one had slept */
	__s32 exit_code;
	char  path[KRR_TEXT_LEN];		/* exec */
};

enum krr_syscall_event {
	KRR_SYSCALL_EXIT	= 1,
};

struct krr_syscall {
	KRR_WHO;
	enum krr_syscall_event event;
	__u32 nr KRR_TAG("calls");
	__u64 args[6] KRR_TAG("fmt:hex");
	__s64 ret KRR_TAG("fmt:errno");
	__u64 latency KRR_TAG("unit:ns");
};

enum krr_fs_event {
	KRR_FS_OPEN	= 1,
	KRR_FS_READ	= 2,
	KRR_FS_WRITE	= 3,
	KRR_FS_SYNC	= 4,
	KRR_FS_UNLINK	= 5,
	KRR_FS_RENAME	= 6,
};

struct krr_fs {
	KRR_WHO;
	enum krr_fs_event event;
	__u32 dev KRR_TAG("fmt:dev");
	__u64 inode;
	__u64 len KRR_TAG("unit:bytes");
	__s64 ret KRR_TAG("fmt:errno");
	__u64 latency KRR_TAG("unit:ns");
	char  fs[KRR_DEV_LEN];		/* type of the file system */
	char  name[KRR_TEXT_LEN];	/* last part of the path */
};

enum krr_mm_event {
	KRR_MM_FAULT		= 1,
	KRR_MM_RECLAIM		= 2,	/* direct reclaim ended */
	KRR_MM_OOM		= 3,	/* a victim was chosen */
	KRR_MM_ALLOC_FAIL	= 4,
	KRR_MM_MMAP		= 5,
	KRR_MM_MUNMAP		= 6,
};

struct krr_mm {
	KRR_WHO;
	enum krr_mm_event event;
	__u32 flags KRR_TAG("fmt:hex");	/* fault: error code; mmap: prot; allocation: gfp */
	__u64 addr KRR_TAG("fmt:hex");
	__u64 len KRR_TAG("unit:bytes");
	__u64 pages;			/* reclaimed */
	__u32 order;
	__u32 victim;			/* pid */
	char  victim_comm[KRR_COMM_LEN];
	__u64 latency KRR_TAG("unit:ns");
};

enum krr_irq_event {
	KRR_IRQ_HANDLER		= 1,
	KRR_IRQ_SOFTIRQ		= 2,
	KRR_IRQ_TIMER		= 3,
	KRR_IRQ_HRTIMER		= 4,
};

struct krr_irq {
	KRR_WHO;
	enum krr_irq_event event;
	__u32 nr;			/* of the interrupt or the softirq */
	__u64 function KRR_TAG("fmt:hex");
	__u64 latency KRR_TAG("unit:ns");	/* how long it took */
	__u64 late KRR_TAG("unit:ns");		/* timers: after they were due */
	char  name[KRR_DEV_LEN];
};

enum krr_security_event {
	KRR_SECURITY_CAP_DENIED	= 1,
	KRR_SECURITY_CREDS	= 2,	/* commit_creds() */
	KRR_SECURITY_MODULE	= 3,	/* a module was loaded */
	KRR_SECURITY_DENIED	= 4,	/* an LSM said no */
};

struct krr_security {
	KRR_WHO;
	enum krr_security_event event;
	__u32 cap;
	__u32 uid, new_uid, euid, new_euid;
	__s32 err KRR_TAG("fmt:errno");
	char  name[KRR_TEXT_LEN];	/* module, or hook */
};

enum krr_error_event {
	KRR_ERROR_PRINTK	= 1,	/* warning and above */
	KRR_ERROR_WARN		= 2,
	KRR_ERROR_KASAN		= 3,
	KRR_ERROR_RCU_STALL	= 4,
	KRR_ERROR_HUNG_TASK	= 5,
	KRR_ERROR_OOPS		= 6,
	KRR_ERROR_PANIC		= 7,
};

struct krr_error {
	KRR_WHO;
	enum krr_error_event event;
	__u32 level;			/* printk: 0 to 4 */
	__u64 addr KRR_TAG("fmt:hex");
	char  text[KRR_TEXT_LEN];
};

/* A rule was hit by the annotation right before this one. */
struct krr_mark {
	KRR_WHO;
	__u32 subsys KRR_TAG("enum:krr_subsys");
	__u32 rule;
	__u32 action;		/* enum krr_action, <policy.h> */
	char  name[KRR_DEV_LEN];
};

#endif /* KRR_BPF_RECORDS_H */
