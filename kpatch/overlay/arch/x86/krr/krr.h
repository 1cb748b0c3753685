/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * krr, inside the guest kernel: what the recorder's own files share.
 *
 * State that differs between recording and replay (the lock, cursors, delta
 * bases) lives in struct krr_global inside the reserved region, outside of what
 * `krrctl verify` compares.  Per-CPU variables of the kernel proper (krr_mode but
 * for its value, krr_vif, krr_pos) belong to the domain and are deterministic.
 */
#ifndef _ARCH_X86_KRR_KRR_H
#define _ARCH_X86_KRR_KRR_H

#include <linux/compiler.h>
#include <linux/kernel.h>
#include <linux/percpu.h>
#include <uapi/linux/krr_code.h>
#include <asm/cpufeature.h>
#include <asm/krr.h>
#include <asm/processor-flags.h>
#include <asm/ptrace.h>

#define KRR_STACK_BYTES		16384
/* the ring is mapped once more behind its end, so that no event wraps */
#define KRR_RING_OVERLAP	(2u << 20)
#define KRR_NOBODY		0xffffffffu
/* for the host to answer at a barrier, or to make room in the ring */
#define KRR_HOST_PATIENCE_MS	10000ull

/* Layout known to entry.S (KRR_LAUNCH_*): an entry from user mode; replay makes it. */
struct krr_launch {
	u64 word[KRR_NR_ENTRY_WORDS];
	u64 sp, handler, error, has_error;
};

/* Layout known to uaccess_64.S (UA_*): a fault to be raised, a result to be given. */
struct krr_ua {
	u64 ip, ax, cx, si, di, flags, error, left, value;
};

struct krr_ua_site {
	u64 site, resume;
};

/* An event as read from the ring; bytes points into the ring. */
struct krr_event {
	u8 kind, fp;
	bool valid;
	u32 bytes_len;
	u64 arg[2];
	const u8 *bytes;
	u64 next;		/* stream offset of the event after it */
};

/*
 * How long a CPU has waited, in TSC cycles that it has executed: a VM that is paused, or
 * a host that runs something else meanwhile, does not count.
 */
struct krr_patience {
	u64 last;		/* TSC of the last look, 0 before the first */
	u64 spent;
};

struct krr_cpu {
	u64 pos_logged;		/* krr_pos at the last event that carried it */
	u64 hold_since;		/* TSC at which others were first seen to wait, or 0 */
	u64 sample;		/* TSC at which the RR lock was taken, or 0 */
	u64 outside_sp;		/* the stack pointer where it left the domain */
	u32 outside;		/* in user mode, idle, or on its way in */
	u32 parked;		/* sleeps until it is rung */
	u32 ringing;		/* and that is done, once */
	u32 apicid;
	u32 rung, answered;	/* NMIs sent to this CPU, and taken by it */
	u32 text;		/* krr_global.text when it synchronized last */
} ____cacheline_aligned;

struct krr_global {
	/* RR lock, recording, as those see it that wait for it.  See lock.c. */
	u32 locked ____cacheline_aligned;
	u32 reserved;		/* CPU + 1 that gets it next, or 0 */
	u64 waiting;		/* bits: CPUs; KRR_G_WAITING of calls.h */
	u64 urgent;		/* bits: of these, those with an interrupt to handle */
	u32 looks;		/* at the lock for each pause */

	/* what the owner changes all the time; KRR_G_* of calls.h */
	u64 pos_head ____cacheline_aligned;	/* cached stream cursors */
	u64 pos_tail;
	u64 tsc;		/* base of KRR_EV_TSC */
	u64 events;
	u64 windows;		/* opened while recording */
	u32 muted;		/* events are no longer logged: krr_give_up() */
	u32 owner;		/* who has the RR lock, in both modes */
	u32 last;		/* the owner before */
	u32 taken;		/* acquisitions; says which to measure */
	/* replay: the CPU whose KRR_EV_ACQUIRE is next */
	u32 turn ____cacheline_aligned;
	u32 mode;		/* KRR_MODE_* of the recording as a whole */
	u32 arrived, left;	/* CPUs at the barriers */
	u32 no_answer;		/* of the host, at a barrier */
	u32 lock_only;		/* no host, no log: for measurements */
	u32 go;			/* and then this is the command */
	u32 epoch;		/* CPUs wait for the next one at its barrier */
	u32 hold_max;		/* TSC cycles after which a window yields */
	u32 hold_urgent;	/* to who is urgent */

	u32 text;		/* grows when text is written */

	struct krr_patience full;	/* with the host, while the ring is full */
	struct krr_event peek;

	struct krr_cpu cpu[KRR_MAX_CPUS];
	/* the last entry with each slot: its words are the base of the next; see domain.c */
	struct krr_launch entry[KRR_ENTRY_SLOTS];
};

extern struct krr_hdr *krr_hdr;
extern struct krr_global *krr_g;
extern u8 *krr_ring;		/* mapped with KRR_RING_OVERLAP */
extern u64 krr_ring_mask;
extern u64 krr_idt[256];	/* handler addresses, of the IDT */
extern u8 krr_ist[256];

#ifdef CONFIG_KRR_UNHOOK
#define KRR_UNHOOK_AD	63	/* accessed and dirty bits, which make no events */

extern u64 krr_unhooked;	/* bits: KRR_KIND_ID(), KRR_UNHOOK_AD */

static __always_inline bool krr_is_unhooked(u8 kind)
{
	return krr_unhooked >> KRR_KIND_ID(kind) & 1;
}

static __always_inline bool krr_ad_unhooked(void)
{
	return krr_unhooked >> KRR_UNHOOK_AD & 1;
}
#else
static __always_inline bool krr_is_unhooked(u8 kind) { return false; }
static __always_inline bool krr_ad_unhooked(void) { return false; }
#endif

/*
 * What replay leaves out of CR4, whatever the kernel writes: its CPU may lack it, and
 * only user mode would be different without.
 */
#define KRR_CR4_NOT_IN_REPLAY	(X86_CR4_PCIDE | X86_CR4_PKE | X86_CR4_UMIP)

DECLARE_PER_CPU(u32, krr_mode);
DECLARE_PER_CPU(u64, krr_vif);
DECLARE_PER_CPU(u64, krr_pos);
DECLARE_PER_CPU(u64, krr_stack);
DECLARE_PER_CPU(u64, krr_sp);
DECLARE_PER_CPU(u64, krr_target);
DECLARE_PER_CPU(u32, krr_vector);
DECLARE_PER_CPU(u64, krr_error);
DECLARE_PER_CPU(u64, krr_cr2);
DECLARE_PER_CPU(u64, krr_dr6);
DECLARE_PER_CPU(struct krr_ua, krr_ua);

extern const struct krr_ua_site krr_ua_sites[], krr_ua_sites_end[];
extern char krr_window_ip[], krr_idle_ip[], krr_park_end[], krr_poke_site[], krr_poke_end[];
extern char krr_window_shadow[], krr_idle_shadow[];

void krr_launch_gate(struct krr_launch *l);
void krr_launch_syscall(struct krr_launch *l);
void krr_launch_syscall32(struct krr_launch *l);
void krr_launch_sysenter(struct krr_launch *l);
void krr_park(u32 *ringing);
void krr_poke(void *dst, const void *src, unsigned long n);

/* raw operations that are not hooks */
static __always_inline u64 krr_raw_tsc(void)
{
	u32 lo, hi;

	asm volatile("rdtsc" : "=a" (lo), "=d" (hi));
	return lo | (u64)hi << 32;
}

/* memcpy() may be instrumented; and string instructions are slow to start, or everywhere */
static __always_inline void krr_copy(void *dst, const void *src, unsigned long n)
{
	u8 *d = dst;
	const u8 *s = src;

	for (; n >= 32; n -= 32, d += 32, s += 32) {
		WRITE_ONCE(((u64 *)d)[0], ((const u64 *)s)[0]);
		WRITE_ONCE(((u64 *)d)[1], ((const u64 *)s)[1]);
		WRITE_ONCE(((u64 *)d)[2], ((const u64 *)s)[2]);
		WRITE_ONCE(((u64 *)d)[3], ((const u64 *)s)[3]);
	}
	for (; n >= 8; n -= 8, d += 8, s += 8)
		WRITE_ONCE(*(u64 *)d, *(const u64 *)s);
	for (; n; n--)
		WRITE_ONCE(*d++, *s++);
}

static __always_inline void krr_pause(void)
{
	asm volatile("pause" : : : "memory");
}

/*
 * Functions that do not return are inline here, so that objtool sees it.
 *
 * krr_dead(): this CPU is done for good: replay's end that is not the end barrier.
 */
static __always_inline void __noreturn krr_dead(void)
{
	for (;;)
		krr_pause();
}

/* The recorder itself is broken: die where it shows. */
static __always_inline void __noreturn krr_bug(void)
{
	asm volatile("ud2");
	unreachable();
}

/* Enter the kernel as user mode did; leaves the recorder's stack behind. */
static __always_inline void __noreturn krr_launch(void (*how)(struct krr_launch *l),
						   struct krr_launch *l)
{
	how(l);
	krr_dead();
}

static __always_inline u32 krr_cpu_id(void)
{
	return raw_smp_processor_id();
}

static __always_inline struct krr_cpu *krr_this(void)
{
	return &krr_g->cpu[krr_cpu_id()];
}

static __always_inline bool krr_recording(void)
{
	return krr_mode_now() == KRR_MODE_RECORD;
}

/* log.c: producing; put.h has the rest */
void krr_give_up(enum krr_stop reason);
bool krr_make_room(u32 need);
void krr_put1(u8 kind, u64 site, u64 a);
void krr_put2(u8 kind, u64 site, u64 a, u64 b);
void krr_put_bytes(u8 kind, u64 site, const void *head, u32 head_len, const void *p, u32 len);

/* log.c: consuming */
const struct krr_event *krr_peek(void);
const struct krr_event *krr_take(u8 kind, u64 site);
bool krr_next_is(u8 kind, u64 site, u64 *arg0);
void krr_report_divergence(const char *what, u8 want, u64 site, u64 a, u64 b);

/**
 * krr_diverge() - replay asks for something else than recording logged
 * @what: in words
 * @want: kind asked for, 0xff if none in particular
 * @site: hook that asks
 * @a: kind-specific value expected
 * @b: kind-specific value found
 */
static __always_inline void __noreturn krr_diverge(const char *what, u8 want, u64 site, u64 a,
						    u64 b)
{
	krr_report_divergence(what, want, site, a, b);
	krr_dead();
}

/* EFLAGS in the frame of a fault in a user access: AC as by stac, else nothing. */
static __always_inline u64 krr_fault_flags(void)
{
	return X86_EFLAGS_FIXED | (boot_cpu_has(X86_FEATURE_SMAP) ? X86_EFLAGS_AC : 0);
}

/* barrier.c */
bool krr_out_of_patience(struct krr_patience *p);

/* lock.c */
void krr_lock_init(void);
void krr_lock_acquire(enum krr_how how, bool urgent);
void krr_lock_release(void);
void krr_lock_hand_over(void);
void krr_lock_pass(void);
void krr_lock_wait_turn(enum krr_how how);
void krr_ring_all(void);

/* domain.c */
void krr_forget_entries(void);
void krr_finish(enum krr_stop reason);
bool krr_off_if_ended(void);

/* region.c */
int krr_region_init(void);
void krr_region_show(void);

/* key.c */
int krr_arm(bool on);

/* pages.c */
struct mm_struct;

int krr_pages_init(void);
void krr_each_mm(void (*fn)(struct mm_struct *mm, void *arg), void *arg);
void krr_settle_pages(void);
void krr_list_shared(void);
void krr_list_inert(void);

/* cpu.c */
void krr_settle_cpu(void);
void krr_unwatch_user(void);
void krr_watch_user(void);
#ifdef CONFIG_X86_X2APIC
void krr_allow_x2apic(void);
#else
static inline void krr_allow_x2apic(void) { }
#endif

/* supported.c */
int krr_supported_init(void);
int krr_check_supported(void);
__printf(1, 2) int krr_refuse(const char *fmt, ...);

/* barrier.c */
extern struct mutex krr_control_mutex;

int krr_start_recording(const char *name, bool flight);
int krr_start_serializing(void);
int krr_stop_recording(enum krr_stop reason);
void krr_forgive_pause(void);

/* lockup.c */
int krr_find_lockup(void);
void krr_tell_lockup(int cpu, const char *what);
void krr_disarm_later(void);

/* epoch.c */
void krr_watch_host(bool on);
void krr_keep(u64 ms, const char *why);
void krr_request(u32 actions);

/* of krr_request(); bits as in enum krr_action of bpf/policy.h */
#define KRR_ACT_STOP	4
#define KRR_ACT_START	8

/* layout.c */
void krr_fill_layout(struct krr_layout *l);

#endif
