/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * krr - the event format and the shared region, the one truth about both.
 *
 * This header is compiled by the guest kernel, the BPF programs, the host
 * tools and the tests.  Everything is little-endian, has explicit widths and
 * holds no pointers.
 *
 * The shared region
 * -----------------
 * The guest kernel reserves SIZE bytes of RAM at boot (krr=SIZE).  They begin,
 * page aligned, with struct krr_hdr; the ring of event bytes follows at
 * hdr.ring_off.  The host finds the region in the file behind guest RAM by
 * KRR_MAGIC at the start of a page whose own address is hdr.gpa.
 *
 * The ring holds one stream of bytes.  Positions are 64-bit stream offsets that
 * only grow; byte P stands at ring[P & (ring_bytes - 1)].  There is one
 * producer and one consumer at any time:
 *
 *	record: the guest CPU that owns the RR lock produces, the host consumes
 *	replay: the host produces, the guest CPU that owns the RR lock consumes
 *
 * Ordering rules.  The producer writes event bytes first and @head last
 * (store-release).  The consumer reads @head (load-acquire), then the bytes,
 * and writes @tail last (store-release).  @head only ever moves past whole
 * events, so whatever stands below it is a decodable prefix of the stream, at
 * every instant, also after a panic, a hang or the death of the VMM.
 *
 * A word of the header has one writer.  "guest" and "host" below say which.
 *
 * Handshake
 * ---------
 *	guest: state = KRR_ST_PREPARING, and goes on
 *	host:  copies RAM that changes meanwhile, @host_flags |= KRR_HOST_READY
 *	guest: state = KRR_ST_PARKED_START, all CPUs spin on @command
 *	host:  pause, snapshot, resume, command = RECORD (or REPLAY, in the copy)
 *	guest: state = KRR_ST_RECORDING (REPLAYING)
 *	...
 *	guest: logs KRR_EV_STOP, state = KRR_ST_PARKED_END, CPUs spin again
 *	host:  pause, keep the pages that changed, resume, command = KRR_CMD_RESUME
 *	guest: state = KRR_ST_IDLE; who stopped it waits
 *	host:  makes files of it, command = KRR_CMD_NONE
 *
 * The guest waits for KRR_HOST_READY, and for KRR_CMD_NONE, for a while only.  A host
 * knows the guest that skips KRR_ST_PREPARING, and makes the files before it resumes.
 *
 * A recording can be cut into epochs.  The host asks by @wanted; the guest looks
 * at it every KRR_POLL_MS, and what it sees is an input:
 *
 *	host:  wanted = number of the epoch that is to begin, from 1
 *	guest: parks all CPUs, logs KRR_EV_EPOCH, state = KRR_ST_PARKED_EPOCH
 *	host:  pause, snapshot, resume, command = KRR_CMD_GO_ON
 *	guest: state = KRR_ST_RECORDING
 *	host:  command = KRR_CMD_RECORD, before it asks for the next one
 *
 * What follows KRR_EV_EPOCH in the stream is what follows the start of a recording:
 * no position, guess or base reaches across it.  So a replay may begin at the
 * snapshot of any epoch, as at the first, and it runs through the later ones.
 *
 * Events
 * ------
 * An event is   kind (1 byte)  fingerprint (1 byte)  payload.
 * The two top bits of the kind are the shape of the payload, so that a reader
 * can skip a kind that it does not know:
 *
 *	KRR_SHAPE_0	nothing
 *	KRR_SHAPE_V	one varint
 *	KRR_SHAPE_VV	two varints
 *	KRR_SHAPE_B	a varint length, then so many bytes
 *
 * A varint is LEB128: seven bits a byte, least significant group first, the
 * top bit set on all bytes but the last, ten bytes at most.  "zigzag" maps a
 * signed value v to (v << 1) ^ (v >> 63) first.
 *
 * The fingerprint is krr_fingerprint(pos, site): the CPU's position counter
 * and the address of the hook.  Replay computes its own and compares before
 * it takes the payload.  Where the payload has the position, or the event before it,
 * pos is 0 here: see KRR_KIND_PLACED().  Events belong to the CPU of the last
 * KRR_EV_ACQUIRE.
 */
#ifndef _UAPI_LINUX_KRR_H
#define _UAPI_LINUX_KRR_H

#include <linux/types.h>

#define KRR_MAGIC		"KRRv1\0\r\n"	/* 8 bytes */
#define KRR_MAGIC_LEN		8
#define KRR_FORMAT_VERSION	4
#define KRR_MAX_CPUS		64
#define KRR_MIN_RING		(4u << 20)
#define KRR_HDR_BYTES		16384u		/* hdr.ring_off */
#define KRR_POLL_MS		100		/* the guest looks at hdr.wanted */
#define KRR_SAMPLE_EVERY	16		/* for hdr.lock_hold_tsc */

#define KRR_SHAPE_0		0x00
#define KRR_SHAPE_V		0x40
#define KRR_SHAPE_VV		0x80
#define KRR_SHAPE_B		0xc0
#define KRR_SHAPE_MASK		0xc0

/* The longest possible payload of a KRR_SHAPE_B event. */
#define KRR_MAX_BYTES		(1u << 20)

/*
 * KRR_EVENTS(X): X(NAME, name, shape, id, description)
 *
 * "pos+" is the growth of the CPU's position counter since its last event
 * that carried one.
 */
#define KRR_EVENTS(X)							       \
	X(STOP,     stop,     KRR_SHAPE_V,  0,  "last event; enum krr_stop")    \
	X(ACQUIRE,  acquire,  KRR_SHAPE_VV, 1,  "cpu << 4 | how; pos+")	       \
	X(YIELD,    yield,    KRR_SHAPE_V,  2,  "RR lock given up; pos+")       \
	X(IRQ,      irq,      KRR_SHAPE_VV, 3,  "vector; pos+")		       \
	X(ENTRY,    entry,    KRR_SHAPE_B,  4,  "entry from user, see below")   \
	X(TSC,      tsc,      KRR_SHAPE_V,  5,  "zigzag, against the last one") \
	X(RANDOM,   random,   KRR_SHAPE_V,  6,  "rdrand, rdseed")	       \
	X(PORT,     port,     KRR_SHAPE_V,  7,  "in")			       \
	X(MMIO,     mmio,     KRR_SHAPE_V,  8,  "read of device memory")	       \
	X(APIC,     apic,     KRR_SHAPE_V,  9,  "read of the local APIC")       \
	X(MSR,      msr,      KRR_SHAPE_V,  10, "rdmsr, rdpmc")		       \
	X(REG,      reg,      KRR_SHAPE_V,  11, "flags of a trap, cr2, pkru...") \
	X(IODATA,   iodata,   KRR_SHAPE_B,  12, "ins, memcpy_fromio")	       \
	X(UREAD,    uread,    KRR_SHAPE_B,  13, "user data, see below")	       \
	X(UFAULT,   ufault,   KRR_SHAPE_B,  14, "fault in a user access")       \
	X(UATOMIC,  uatomic,  KRR_SHAPE_VV, 15, "-errno zigzag; old value")     \
	X(VIRTIO,   virtio,   KRR_SHAPE_V,  16, "word of a virtqueue")	       \
	X(VBUF,     vbuf,     KRR_SHAPE_B,  17, "device-written buffer")	       \
	X(PAGEREAD, pageread, KRR_SHAPE_B,  18, "user-written page, as read")   \
	X(ANNOTATE, annotate, KRR_SHAPE_B,  19, "metadata record")	       \
	X(PANIC,    panic,    KRR_SHAPE_B,  20, "panic message")	       \
	X(UREAD4,   uread4,   KRR_SHAPE_V,  21, "user data of up to 8 bytes")   \
	X(FPU,      fpu,      KRR_SHAPE_B,  22, "user FPU registers, as saved")  \
	X(MARK,     mark,     KRR_SHAPE_B,  23, "named position")	       \
	X(SHARED,   shared,   KRR_SHAPE_V,  24, "word of a ring shared with user")\
	X(EPOCH,    epoch,    KRR_SHAPE_V,  25, "border between epochs; number") \
	X(KEEP,     keep,     KRR_SHAPE_B,  26, "to be kept; ms before it, why")

enum krr_kind {
#define X(NAME, name, shape, id, desc) KRR_EV_##NAME = (shape) | (id),
	KRR_EVENTS(X)
#undef X
};

#define KRR_NR_IDS	27	/* ids are dense: 0 .. KRR_NR_IDS - 1 */
#define KRR_KIND_ID(k)	((k) & 0x3f)

/* Is the position known without a fingerprint?  That packs much better without it. */
#define KRR_KIND_PLACED(k)						       \
	((k) == KRR_EV_ACQUIRE || (k) == KRR_EV_YIELD || (k) == KRR_EV_IRQ ||  \
	 (k) == KRR_EV_ENTRY || (k) == KRR_EV_UFAULT)

/* How a CPU came by the RR lock: KRR_EV_ACQUIRE.arg0 & 15. */
enum krr_how {
	KRR_HOW_START	= 0,	/* leaving the barrier of the start, or of an epoch */
	KRR_HOW_USER	= 1,	/* KRR_EV_ENTRY follows */
	KRR_HOW_IDLE	= 2,	/* KRR_EV_IRQ follows */
	KRR_HOW_YIELD	= 3,	/* back after KRR_EV_YIELD */
};

/* Why a recording ended: KRR_EV_STOP.arg0 and hdr.stop_reason. */
enum krr_stop {
	KRR_STOP_NONE		= 0,	/* still going, or cut off */
	KRR_STOP_REQUEST	= 1,	/* somebody asked */
	KRR_STOP_PANIC		= 2,
	KRR_STOP_OVERRUN	= 3,	/* the ring was full for too long */
	KRR_STOP_UNSUPPORTED	= 4,	/* met something that can't be recorded */
	KRR_STOP_REBOOT		= 5,	/* reboot, halt or power-off */
	KRR_STOP_DROP		= 6,	/* the flight recorder is not wanted any more */
	KRR_STOP_NMI		= 7,	/* an NMI that is not the recorder's */
	KRR_STOP_LOCKUP		= 8,	/* a CPU is locked up in the kernel, so no epoch can begin */
};

/*
 * KRR_EV_ENTRY: varint of KRR_VEC_* or 0..255, exclusive-or 256; slot (1 byte); zigzag
 * varint error code if the vector has one; varint bitmap of the words that are not what
 * was guessed from the last entry with this slot (all zero before the first); then each
 * of these words.  The slot is a hash of task and place: nothing but that depends on
 * it.  <linux/krr_code.h> has the order, the guesses and the coding of a word.
 * Word i < 21 is pt_regs in memory order (r15 first, ss last); word 21 is cr2, 22
 * is the fs, gs, ds and es selectors (16 bits each).
 */
#define KRR_VEC_SYSCALL		256
#define KRR_VEC_SYSENTER	257
#define KRR_VEC_SYSCALL32	258
#define KRR_NR_PT_REGS		21
#define KRR_ENTRY_CR2		21
#define KRR_ENTRY_SEGS		22
#define KRR_NR_ENTRY_WORDS	23
#define KRR_ENTRY_SLOTS		256

/*
 * KRR_EV_UREAD: varint of the bytes *not* copied, then the bytes copied.  More than
 * KRR_UREAD_MAX of them are several events, each with the same varint.
 * KRR_EV_UFAULT: varint pos+, varint (number of the faulting instruction in the
 * kernel's table << 16 | error code), varint cr2, varint rcx.
 * KRR_EV_KEEP: varint of the milliseconds before it that are of interest (0: all
 * that is there), then why, as text without a NUL.
 */

/* hdr.command, written by the host. */
enum krr_command {
	KRR_CMD_NONE	= 0,
	KRR_CMD_RECORD	= 1,
	KRR_CMD_REPLAY	= 2,
	KRR_CMD_RESUME	= 3,	/* leave the end barrier, go on unrecorded */
	KRR_CMD_ABORT	= 4,	/* leave the start barrier, do not record */
	KRR_CMD_GO_ON	= 5,	/* leave the barrier of an epoch */
};

/* hdr.wanted, written by the host: the epoch that is to begin, or to stop. */
#define KRR_WANT_STOP	0xffffffffu

/* hdr.state, written by the guest. */
enum krr_state {
	KRR_ST_IDLE		= 0,
	KRR_ST_PARKED_START	= 1,
	KRR_ST_RECORDING	= 2,
	KRR_ST_REPLAYING	= 3,
	KRR_ST_PARKED_END	= 4,	/* stop_reason says why */
	KRR_ST_DIVERGED		= 5,	/* replay only; see hdr.diverged */
	KRR_ST_CUT		= 6,	/* replay only: the log ended without STOP */
	KRR_ST_LOST		= 7,	/* recording was given up, guest runs on */
	KRR_ST_PARKED_EPOCH	= 8,	/* recording; hdr.epoch begins */
	KRR_ST_PREPARING	= 9,	/* PARKED_START comes next; the guest runs */
};

#define KRR_POISON	0x5a	/* each byte of the pattern, see KRR_HOST_POISON */

/* hdr.host_flags, written by the host. */
#define KRR_HOST_EOF	0x1	/* replay: @head will not grow any more */
#define KRR_HOST_READY	0x2	/* PREPARING: the guest may park */
#define KRR_HOST_POISON	0x4	/* replay: write a pattern to user memory, not what was written */

/*
 * What a reader of guest memory needs to tell the pages of this kernel apart.
 * Addresses are virtual, offsets and sizes in bytes.  Written once at boot.
 */
struct krr_layout {
	__u64 page_offset;	/* start of the direct map */
	__u64 phys_base;	/* physical address of __START_KERNEL_map + 0 */
	__u64 text, etext;	/* _text, _etext */
	__u64 sdata, edata;	/* _sdata, __bss_stop */
	__u64 page_array;		/* struct page array */
	__u64 kernel_pgd;
	__u64 percpu_start, percpu_unit;	/* first unit, unit size; direct map */
	__u32 sizeof_page;
	__u32 page_flags;	/* offsetof(struct page, flags) */
	__u32 page_mapping;
	__u32 page_type;	/* offset of page_type / _mapcount */
	__u32 page_compound_head;
	__u32 bit_lru, bit_slab, bit_head, bit_reserved, bit_swapbacked;
	__u32 pgtype_buddy, pgtype_table;	/* PG_buddy, PG_table: cleared bits */
	__u64 task_cache;	/* struct kmem_cache of task_struct, 0 if none */
	__u32 task_size;	/* object size in it */
	__u32 task_fpu, task_fpu_bytes;	/* user FPU save area in task_struct */
	__u32 slab_cache;	/* offsetof(struct slab, slab_cache) */
	__u32 cache_size;	/* offsetof(struct kmem_cache, size) */
	__u32 page_dtor;	/* in the first tail: what kind of compound page, 1 byte */
	__u32 dtor_hugetlb;	/* that of huge pages, 0 if there are none */
	__u32 pad;
	__u64 max_pfn;
};

/* The guest's account of a divergence; valid when state is KRR_ST_DIVERGED. */
struct krr_diverged {
	__u64 event;		/* number of the event in the stream, from 0 */
	__u64 offset;		/* its stream offset */
	__u32 cpu;		/* that asked */
	__u32 want_kind;	/* kind (or 0xffff) that the kernel asked for */
	__u32 want_fp;
	__u32 got_kind;		/* what the log holds there */
	__u32 got_fp;
	__u32 pad;
	__u64 pos;		/* position counter of the CPU */
	__u64 site;		/* address of the hook */
	__u64 value[2];		/* kind-specific: expected, found */
	__u64 ip;		/* where the domain stood, as far as known */
	__u64 sp;
	char what[128];		/* in words, NUL-terminated */
};

struct krr_hdr {
	/* identity: guest, once at boot */
	__u8  magic[KRR_MAGIC_LEN];
	__u32 version;			/* KRR_FORMAT_VERSION */
	__u32 hdr_bytes;		/* sizeof(struct krr_hdr) */
	__u64 gpa;			/* guest physical address of this struct */
	__u64 ring_off;			/* from the start of this struct */
	__u64 ring_bytes;		/* a power of two */
	__u32 nr_cpus;			/* CPUs online when recording started */
	__u32 build_id_len;
	__u8  build_id[20];		/* of the kernel */
	__u32 pad0;
	char  release[64];		/* uname -r */
	char  kversion[128];		/* uname -v */
	__u64 recorder_start, recorder_end;	/* gpa range: recorder's memory */
	__u64 tsc_khz;
	__u8  pad1[192];

	__u32 inert_lost;		/* guest, at the end: ranges that were one too many */
	__u32 pad5;

	/* host-written */
	__u32 command __attribute__((aligned(64)));	/* enum krr_command */
	__u32 host_flags;		/* KRR_HOST_* */
	__u64 heartbeat;		/* grows at least every 100 ms while attached */
	__u32 wanted;			/* epoch, or KRR_WANT_STOP */
	__u32 pad2[11];

	/* guest-written, slow */
	__u32 state __attribute__((aligned(64)));	/* enum krr_state */
	__u32 stop_reason;		/* enum krr_stop */
	__u64 generation;		/* number of recordings begun in this boot */
	__u64 events;			/* events produced or consumed */
	__u64 start_tsc, stop_tsc;
	__u64 throttled;		/* times the producer waited for room */
	__u64 lock_handovers;		/* acquisitions after another CPU */
	__u64 lock_wait_tsc;		/* cycles spent waiting for the lock */

	/* the producer's */
	__u64 head __attribute__((aligned(64)));
	__u32 owner;			/* recording: CPU with the RR lock + 1, or 0 */
	__u32 pad3[13];

	/* the consumer's */
	__u64 tail __attribute__((aligned(64)));
	__u64 pad4[7];

	char  message[1024];		/* guest: why it stopped, refused or panicked */
	char  name[128];		/* guest: name asked for at start, may be empty */

	/* guest: the flight recorder */
	__u32 flight;			/* 1: this recording keeps only what is recent */
	__u32 keep_ms;			/* so much of it, at least */
	__u32 budget_mib;		/* in so many MiB of the store */
	__u32 epoch;			/* that began last, from 0 */
	struct krr_diverged diverged;	/* guest */
	struct krr_layout layout;	/* guest */

	/*
	 * guest, at the end: memory whose content is of no consequence.  What
	 * devices may write at any time is no input until a driver takes it; the
	 * stacks of entry code and NMIs are outside the domain.
	 */
	__u64 inert_off;		/* of struct krr_range[], from this struct */
	__u32 inert_count;
	__u32 inert_max;

	/* guest: one stay in the kernel in KRR_SAMPLE_EVERY is measured */
	__u64 lock_hold_tsc;		/* cycles, of those that were */
	__u64 lock_hold_max;		/* cycles of the longest */
	__u64 windows;			/* opened for interrupts */
};

struct krr_range {
	__u64 gpa;
	__u64 len;
};

/**
 * krr_fingerprint() - what ties an event to the place that made it
 * @pos: the CPU's position counter, 0 for a KRR_KIND_PLACED()
 * @site: return address of the hook
 *
 * Return: 8 bits.
 */
static inline __u8 krr_fingerprint(__u64 pos, __u64 site)
{
	return (__u8)((pos * 0x9du) ^ (site >> 2) ^ (site >> 10));
}

#if defined(__STDC_VERSION__) && __STDC_VERSION__ >= 201112L
_Static_assert(__builtin_offsetof(struct krr_hdr, command) == 512, "layout");
_Static_assert(__builtin_offsetof(struct krr_hdr, state) == 576, "layout");
_Static_assert(__builtin_offsetof(struct krr_hdr, head) == 640, "layout");
_Static_assert(__builtin_offsetof(struct krr_hdr, tail) == 704, "layout");
_Static_assert(sizeof(struct krr_hdr) <= KRR_HDR_BYTES, "layout");
#endif

#endif /* _UAPI_LINUX_KRR_H */
