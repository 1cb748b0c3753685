// SPDX-License-Identifier: GPL-2.0-only
/*
 * krr: KUnit tests of the event stream, as the guest writes and reads it.
 *
 * Each test puts a header, a state and a small ring of its own in place of the
 * real ones.  Nothing else looks at these at boot, when the tests run: no hook
 * is armed, and /dev/krr has no user yet.
 *
 * The recorder does not return from a divergence or from the end of the log: it
 * spins for good.  So a kernel thread meets these, and a timer sends it home;
 * see perishes().
 */
#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/hrtimer.h>
#include <linux/kthread.h>
#include <linux/prandom.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/vmalloc.h>
#include <asm/irq_regs.h>
#include <asm/sections.h>

#include "krr.h"
#include "put.h"

#define RING_PAGES	4
#define RING_BYTES	(RING_PAGES * PAGE_SIZE)
#define SITE		0xffffffff81234568ull
#define OTHER_SITE	0xffffffff8123456cull
#define SCALAR_ROOM	12	/* kept free in the ring for an event with one number */

/* The test's own header, state and ring, and what they stand in for. */
struct rig {
	struct krr_hdr *hdr;
	struct krr_global *g;
	struct page *pages[2 * RING_PAGES];	/* each twice */
	u8 *ring;
	int cpu;
	bool in_place;

	struct krr_hdr *real_hdr;
	struct krr_global *real_g;
	u8 *real_ring;
	u64 real_mask, real_pos;
};

static void go_to(u64 pos)
{
	this_cpu_write(krr_pos, pos);
}

/* An empty ring whose next byte is number @base of the stream. */
static void start_at(struct rig *r, u64 base)
{
	memset(r->hdr, 0, sizeof(*r->hdr));
	memset(r->g, 0, sizeof(*r->g));
	r->hdr->tsc_khz = 1000000;
	r->hdr->head = r->hdr->tail = r->g->pos_head = r->g->pos_tail = base;
	go_to(0);
}

/* Turn from producer to consumer: replay what was logged since start_at(). */
static void replay_from(struct rig *r, u64 base)
{
	r->g->pos_head = r->g->pos_tail = base;
	r->g->events = 0;
	r->g->peek.valid = false;
	memset(r->g->cpu, 0, sizeof(r->g->cpu));
}

static int make_ring(struct rig *r)
{
	int i;

	for (i = 0; i < RING_PAGES; i++) {
		r->pages[i] = alloc_page(GFP_KERNEL | __GFP_ZERO);
		if (!r->pages[i])
			return -ENOMEM;
		r->pages[i + RING_PAGES] = r->pages[i];
	}
	r->ring = vmap(r->pages, ARRAY_SIZE(r->pages), VM_MAP, PAGE_KERNEL);
	return r->ring ? 0 : -ENOMEM;
}

static void put_in_place(struct rig *r)
{
	r->real_hdr = krr_hdr;
	r->real_g = krr_g;
	r->real_ring = krr_ring;
	r->real_mask = krr_ring_mask;
	r->real_pos = per_cpu(krr_pos, r->cpu);
	krr_hdr = r->hdr;
	krr_g = r->g;
	krr_ring = r->ring;
	krr_ring_mask = RING_BYTES - 1;
	r->in_place = true;
}

static int rig_init(struct kunit *test)
{
	struct rig *r = kunit_kzalloc(test, sizeof(*r), GFP_KERNEL);
	int err;

	if (!r)
		return -ENOMEM;
	test->priv = r;
	r->cpu = raw_smp_processor_id();
	/* krr_pos is per CPU */
	err = set_cpus_allowed_ptr(current, cpumask_of(r->cpu));
	if (err)
		return err;
	r->hdr = vzalloc(sizeof(*r->hdr));
	r->g = vzalloc(sizeof(*r->g));
	if (!r->hdr || !r->g)
		return -ENOMEM;
	err = make_ring(r);
	if (err)
		return err;
	put_in_place(r);
	start_at(r, 0);
	return 0;
}

/* Runs after an aborted test, too, and then in another thread. */
static void rig_exit(struct kunit *test)
{
	struct rig *r = test->priv;
	int i;

	if (!r)
		return;
	if (r->in_place) {
		krr_hdr = r->real_hdr;
		krr_g = r->real_g;
		krr_ring = r->real_ring;
		krr_ring_mask = r->real_mask;
		per_cpu(krr_pos, r->cpu) = r->real_pos;
	}
	vunmap(r->ring);
	for (i = 0; i < RING_PAGES; i++)
		if (r->pages[i])
			__free_page(r->pages[i]);
	vfree(r->g);
	vfree(r->hdr);
}

/* --- who never comes back -------------------------------------------------------- */

static struct victim {
	struct hrtimer timer;
	struct completion gone;
	struct task_struct *task;
	void (*deed)(void);
	bool returned;
} victim;

static void __noreturn depart(void)
{
	kthread_complete_and_exit(&victim.gone, 0);
}

static bool spins_for_good(const struct pt_regs *regs)
{
	u32 state = READ_ONCE(krr_hdr->state);

	/* not a softirq on top of it, nor code that holds something */
	return current == victim.task && regs && preempt_count() == HARDIRQ_OFFSET &&
	       (state == KRR_ST_DIVERGED || state == KRR_ST_CUT) &&
	       regs->ip >= (u64)__noinstr_text_start && regs->ip < (u64)__noinstr_text_end;
}

/* The victim goes on in depart(), on its own stack, as if it had been called. */
static enum hrtimer_restart send_home(struct hrtimer *timer)
{
	struct pt_regs *regs = get_irq_regs();

	if (spins_for_good(regs)) {
		regs->sp = round_down(regs->sp - 128, 16) - sizeof(u64);
		*(u64 *)regs->sp = 0;
		regs->ip = (u64)depart;
		return HRTIMER_NORESTART;
	}
	hrtimer_forward_now(timer, ms_to_ktime(1));
	return HRTIMER_RESTART;
}

static int meet_fate(void *unused)
{
	hrtimer_start(&victim.timer, ms_to_ktime(1), HRTIMER_MODE_REL_PINNED_HARD);
	victim.deed();
	victim.returned = true;
	depart();
}

/*
 * perishes() - does @deed end in krr_dead()?
 *
 * Return: hdr.state then, KRR_ST_IDLE if @deed returned.
 */
static u32 perishes(struct kunit *test, void (*deed)(void))
{
	struct rig *r = test->priv;

	victim.deed = deed;
	victim.returned = false;
	init_completion(&victim.gone);
	hrtimer_init(&victim.timer, CLOCK_MONOTONIC, HRTIMER_MODE_REL_PINNED_HARD);
	victim.timer.function = send_home;
	victim.task = kthread_create(meet_fate, NULL, "krr_test");
	KUNIT_ASSERT_FALSE(test, IS_ERR(victim.task));
	kthread_bind(victim.task, r->cpu);
	wake_up_process(victim.task);
	KUNIT_ASSERT_NE(test, wait_for_completion_timeout(&victim.gone, 20 * HZ), 0ul);
	hrtimer_cancel(&victim.timer);
	return victim.returned ? KRR_ST_IDLE : r->hdr->state;
}

/* --- the host, played by a timer --------------------------------------------------- */

static struct host {
	struct hrtimer timer;
	u64 *word, value;
} host;

static enum hrtimer_restart host_acts(struct hrtimer *timer)
{
	smp_store_release(host.word, host.value);
	return HRTIMER_NORESTART;
}

/* In a few milliseconds, set a cursor of the header. */
static void host_will_set(u64 *word, u64 value)
{
	host.word = word;
	host.value = value;
	hrtimer_init(&host.timer, CLOCK_MONOTONIC, HRTIMER_MODE_REL_PINNED_HARD);
	host.timer.function = host_acts;
	hrtimer_start(&host.timer, ms_to_ktime(5), HRTIMER_MODE_REL_PINNED_HARD);
}

/* --- numbers ------------------------------------------------------------------------- */

static const u64 edges[] = {
	0, 1, 0x7f, 0x80, 0x81, 0x3fff, 0x4000, 0x1fffff, 0x200000, 0xfffffff, 0x10000000,
	U32_MAX, 1ull << 32, (1ull << 56) - 1, 1ull << 56, S64_MAX, 1ull << 63, U64_MAX,
};

static void varints(struct kunit *test)
{
	u8 buf[16];
	const u8 *p;
	int i, n, cut;
	u64 v;

	for (i = 0; i < ARRAY_SIZE(edges); i++) {
		memset(buf, 0xee, sizeof(buf));
		n = krr_varint_put(buf, edges[i]) - buf;
		KUNIT_EXPECT_EQ(test, n, edges[i] ? (fls64(edges[i]) + 6) / 7 : 1);
		KUNIT_EXPECT_EQ(test, buf[n], 0xee);
		p = buf;
		KUNIT_EXPECT_EQ(test, krr_varint_get(&p, buf + sizeof(buf), &v), 0);
		KUNIT_EXPECT_EQ(test, v, edges[i]);
		KUNIT_EXPECT_PTR_EQ(test, p, (const u8 *)buf + n);
		/* cut off: as far as it goes, and not a byte farther */
		for (cut = 0; cut < n; cut++) {
			p = buf;
			KUNIT_EXPECT_NE(test, krr_varint_get(&p, buf + cut, &v), 0);
			KUNIT_EXPECT_EQ(test, v, edges[i] & ((1ull << 7 * cut) - 1));
			KUNIT_EXPECT_PTR_EQ(test, p, (const u8 *)buf + cut);
		}
	}
}

static void varint_bytes(struct kunit *test)
{
	u8 buf[KRR_VARINT_MAX + 2];
	const u8 *p = buf;
	u64 v;

	KUNIT_EXPECT_EQ(test, krr_varint_put(buf, 300) - buf, 2);
	KUNIT_EXPECT_EQ(test, buf[0], 0xac);
	KUNIT_EXPECT_EQ(test, buf[1], 0x02);
	/* one without an end, one of 65 bits */
	memset(buf, 0xff, sizeof(buf));
	KUNIT_EXPECT_NE(test, krr_varint_get(&p, buf + sizeof(buf), &v), 0);
	KUNIT_EXPECT_LE(test, p - buf, KRR_VARINT_MAX);
	buf[KRR_VARINT_MAX - 1] = 2;
	p = buf;
	KUNIT_EXPECT_NE(test, krr_varint_get(&p, buf + sizeof(buf), &v), 0);
	buf[KRR_VARINT_MAX - 1] = 1;
	p = buf;
	KUNIT_EXPECT_EQ(test, krr_varint_get(&p, buf + sizeof(buf), &v), 0);
	KUNIT_EXPECT_EQ(test, v, U64_MAX);
}

static void zigzag(struct kunit *test)
{
	int i;

	KUNIT_EXPECT_EQ(test, krr_zigzag(0), 0);
	KUNIT_EXPECT_EQ(test, krr_zigzag(-1), 1);
	KUNIT_EXPECT_EQ(test, krr_zigzag(1), 2);
	KUNIT_EXPECT_EQ(test, krr_zigzag(S64_MIN), U64_MAX);
	KUNIT_EXPECT_EQ(test, krr_zigzag(S64_MAX), U64_MAX - 1);
	for (i = 0; i < ARRAY_SIZE(edges); i++)
		KUNIT_EXPECT_EQ(test, (u64)krr_unzigzag(krr_zigzag(edges[i])), edges[i]);
}

/* One step of the position changes it, at any position; so does the place. */
static void fingerprints(struct kunit *test)
{
	DECLARE_BITMAP(seen, 256);
	int i;

	KUNIT_EXPECT_EQ(test, krr_fingerprint(0, 0), 0);
	KUNIT_EXPECT_EQ(test, krr_fingerprint(1, 0), 0x9d);
	KUNIT_EXPECT_EQ(test, krr_fingerprint(2, 0), 0x3a);
	KUNIT_EXPECT_EQ(test, krr_fingerprint(0, 4), 1);
	KUNIT_EXPECT_EQ(test, krr_fingerprint(0, 1 << 10), 1);
	KUNIT_EXPECT_NE(test, krr_fingerprint(7, SITE), krr_fingerprint(7, OTHER_SITE));
	bitmap_zero(seen, 256);
	for (i = 0; i < 256; i++)
		__set_bit(krr_fingerprint((1ull << 40) + i, SITE), seen);
	KUNIT_EXPECT_TRUE(test, bitmap_full(seen, 256));
}

static void position_deltas(struct kunit *test)
{
	go_to(5);
	KUNIT_EXPECT_EQ(test, krr_pos_delta(), 5);
	KUNIT_EXPECT_EQ(test, krr_pos_delta(), 0);
	go_to(5 + (1ull << 40));
	KUNIT_EXPECT_EQ(test, krr_pos_delta(), 1ull << 40);
	KUNIT_EXPECT_EQ(test, krr_this()->pos_logged, 5 + (1ull << 40));
	go_to(6 + (1ull << 40));
	KUNIT_EXPECT_EQ(test, krr_pos_delta(), 1);
}

/* --- events -------------------------------------------------------------------------- */

static void expect_bytes(struct kunit *test, const struct krr_event *e, const void *want, u32 len)
{
	KUNIT_ASSERT_EQ(test, e->bytes_len, len);
	KUNIT_EXPECT_EQ(test, memcmp(e->bytes, want, len), 0);
}

static void shapes(struct kunit *test)
{
	struct rig *r = test->priv;
	const struct krr_event *e;

	go_to(3);
	krr_put1(KRR_EV_TSC, SITE, 300);
	KUNIT_EXPECT_EQ(test, r->hdr->head, 4);
	krr_put2(KRR_EV_IRQ, SITE, 0xec, U64_MAX);
	KUNIT_EXPECT_EQ(test, r->hdr->head, 4 + 2 + 2 + 10);
	krr_put_bytes(KRR_EV_UREAD, SITE, "ab", 2, "cdefg", 5);
	KUNIT_EXPECT_EQ(test, r->hdr->head, 18 + 2 + 1 + 7);
	krr_put_bytes(KRR_EV_VBUF, SITE, NULL, 0, NULL, 0);
	KUNIT_EXPECT_EQ(test, r->hdr->head, 28 + 2 + 1);
	KUNIT_EXPECT_EQ(test, r->g->events, 4);
	KUNIT_EXPECT_EQ(test, r->ring[0], KRR_EV_TSC);
	KUNIT_EXPECT_EQ(test, r->ring[1], krr_fingerprint(3, SITE));

	replay_from(r, 0);
	e = krr_take(KRR_EV_TSC, SITE);
	KUNIT_EXPECT_EQ(test, e->arg[0], 300);
	/* its bytes are the host's again only when the next one is asked for */
	KUNIT_EXPECT_EQ(test, r->hdr->tail, 0);
	e = krr_take(KRR_EV_IRQ, SITE);
	KUNIT_EXPECT_EQ(test, r->hdr->tail, 4);
	KUNIT_EXPECT_EQ(test, e->arg[0], 0xec);
	KUNIT_EXPECT_EQ(test, e->arg[1], U64_MAX);
	expect_bytes(test, krr_take(KRR_EV_UREAD, SITE), "abcdefg", 7);
	expect_bytes(test, krr_take(KRR_EV_VBUF, SITE), "", 0);
	KUNIT_EXPECT_EQ(test, r->g->pos_tail, r->hdr->head);
	KUNIT_EXPECT_EQ(test, r->hdr->events, 4);
}

/* Bytes that are made in the ring: their length comes last, and may need a second byte. */
static void made_in_place(struct kunit *test)
{
	static const u32 lens[] = { 0, 1, 127, 128, 129, 300 };
	struct rig *r = test->priv;
	u8 bytes[300], *p;
	int i;

	for (i = 0; i < ARRAY_SIZE(bytes); i++)
		bytes[i] = 7 * i + 1;
	for (i = 0; i < ARRAY_SIZE(lens); i++) {
		p = krr_put_open(KRR_EV_ENTRY, SITE, ARRAY_SIZE(bytes));
		KUNIT_ASSERT_NOT_NULL(test, p);
		memcpy(p, bytes, lens[i]);
		krr_put_close(p, p + lens[i]);
	}
	KUNIT_EXPECT_EQ(test, r->g->events, ARRAY_SIZE(lens));

	replay_from(r, 0);
	for (i = 0; i < ARRAY_SIZE(lens); i++)
		expect_bytes(test, krr_take(KRR_EV_ENTRY, SITE), bytes, lens[i]);
	KUNIT_EXPECT_EQ(test, r->g->pos_tail, r->hdr->head);
}

/* Of the shape without payload there is no event yet, but it can be skipped. */
static void empty_shape(struct kunit *test)
{
	struct rig *r = test->priv;
	const struct krr_event *e;

	r->ring[0] = KRR_SHAPE_0 | 0x3f;
	r->ring[1] = 0x12;
	r->hdr->head = 2;
	replay_from(r, 0);
	e = krr_peek();
	KUNIT_EXPECT_EQ(test, e->kind, 0x3f);
	KUNIT_EXPECT_EQ(test, e->fp, 0x12);
	KUNIT_EXPECT_EQ(test, e->next, 2);
	KUNIT_EXPECT_PTR_EQ(test, krr_peek(), e);
}

static void event_waited_for(struct kunit *test)
{
	struct rig *r = test->priv;

	krr_put1(KRR_EV_PORT, SITE, 0x61);
	r->hdr->head = 0;
	replay_from(r, 0);
	host_will_set(&r->hdr->head, 3);
	KUNIT_EXPECT_EQ(test, krr_take(KRR_EV_PORT, SITE)->arg[0], 0x61);
	KUNIT_EXPECT_EQ(test, r->hdr->state, KRR_ST_IDLE);
}

/* --- the ring -------------------------------------------------------------------------- */

static void wrap(struct kunit *test)
{
	struct rig *r = test->priv;
	const u64 base = 5 * RING_BYTES - 3;
	const struct krr_event *e;
	u8 data[100];
	int i;

	for (i = 0; i < sizeof(data); i++)
		data[i] = i ^ 0x5a;
	start_at(r, base);
	krr_put_bytes(KRR_EV_VBUF, SITE, NULL, 0, data, sizeof(data));
	KUNIT_EXPECT_EQ(test, r->hdr->head, base + 3 + sizeof(data));
	KUNIT_EXPECT_EQ(test, r->ring[RING_BYTES - 3], KRR_EV_VBUF);
	KUNIT_EXPECT_EQ(test, r->ring[RING_BYTES - 1], sizeof(data));
	/* the host reads them from the start of the ring */
	KUNIT_EXPECT_EQ(test, memcmp(r->ring, data, sizeof(data)), 0);
	krr_put1(KRR_EV_TSC, SITE, 7);
	KUNIT_EXPECT_EQ(test, r->ring[sizeof(data)], KRR_EV_TSC);

	replay_from(r, base);
	e = krr_take(KRR_EV_VBUF, SITE);
	expect_bytes(test, e, data, sizeof(data));
	KUNIT_EXPECT_EQ(test, krr_take(KRR_EV_TSC, SITE)->arg[0], 7);
}

/* Events of any length, many times around, each at any offset to the ring's end. */
static void around(struct kunit *test)
{
	struct rig *r = test->priv;
	struct rnd_state rnd;
	u8 *data = kunit_kzalloc(test, 2048, GFP_KERNEL);
	u64 at = (1ull << 32) - 1000;
	u32 len;
	int i;

	KUNIT_ASSERT_NOT_NULL(test, data);
	prandom_seed_state(&rnd, 71);
	start_at(r, at);
	for (i = 0; i < 200; i++) {
		len = prandom_u32_state(&rnd) % 2048;
		prandom_bytes_state(&rnd, data, len);
		krr_put_bytes(KRR_EV_VBUF, SITE, data, len / 3, data + len / 3, len - len / 3);
		replay_from(r, at);
		expect_bytes(test, krr_take(KRR_EV_VBUF, SITE), data, len);
		KUNIT_ASSERT_EQ(test, r->g->pos_tail, r->hdr->head);
		at = r->hdr->tail = r->g->pos_tail;
	}
	KUNIT_EXPECT_GT(test, at - ((1ull << 32) - 1000), 4 * RING_BYTES);
	KUNIT_EXPECT_EQ(test, r->hdr->throttled, 0);
}

/* The real ring: what is written behind its end stands at its start. */
static void overlap(struct kunit *test)
{
	static const u64 at[] = { 0, 1, PAGE_SIZE - 1, PAGE_SIZE, KRR_RING_OVERLAP - 1 };
	struct rig *r = test->priv;
	volatile u8 *ring = r->real_ring;
	int i;

	if (!ring)
		kunit_skip(test, "no ring: the command line lacks krr=SIZE");
	for (i = 0; i < ARRAY_SIZE(at); i++) {
		u8 keep = ring[at[i]];

		ring[r->real_mask + 1 + at[i]] = 0x5a;
		KUNIT_EXPECT_EQ(test, ring[at[i]], 0x5a);
		ring[at[i]] = 0xa5;
		KUNIT_EXPECT_EQ(test, ring[r->real_mask + 1 + at[i]], 0xa5);
		ring[at[i]] = keep;
	}
	KUNIT_EXPECT_EQ(test, r->real_mask + 1, r->real_hdr->ring_bytes);
}

/* Leave @room bytes free. */
static void fill(struct rig *r, u64 room)
{
	r->g->pos_head = r->hdr->head = r->hdr->tail + RING_BYTES - room;
}

static void full_ring(struct kunit *test)
{
	struct rig *r = test->priv;

	start_at(r, 1000);
	fill(r, SCALAR_ROOM);
	krr_put1(KRR_EV_TSC, SITE, 1);
	KUNIT_EXPECT_EQ(test, r->hdr->throttled, 0);

	/* the cached tail is old: looking again is no waiting */
	fill(r, SCALAR_ROOM - 1);
	r->hdr->tail += 1;
	krr_put1(KRR_EV_TSC, SITE, 2);
	KUNIT_EXPECT_EQ(test, r->hdr->throttled, 0);

	fill(r, SCALAR_ROOM - 1);
	host_will_set(&r->hdr->tail, r->hdr->tail + 1);
	krr_put1(KRR_EV_TSC, SITE, 3);
	KUNIT_EXPECT_EQ(test, r->hdr->throttled, 1);
	KUNIT_EXPECT_EQ(test, r->hdr->head, r->hdr->tail + RING_BYTES - SCALAR_ROOM + 3);
	KUNIT_EXPECT_EQ(test, r->g->full.spent, 0);
	KUNIT_EXPECT_EQ(test, r->g->muted, 0);
	KUNIT_EXPECT_EQ(test, r->g->events, 3);
	KUNIT_EXPECT_EQ(test, r->hdr->state, KRR_ST_IDLE);
}

/* Nobody empties it: the recording ends, whatever comes is dropped. */
static void abandoned_ring(struct kunit *test)
{
	struct rig *r = test->priv;
	u64 head;

	start_at(r, 1000);
	/* the host's patience is in milliseconds of this clock */
	r->hdr->tsc_khz = 1;
	fill(r, 0);
	head = r->hdr->head;
	krr_put_bytes(KRR_EV_VBUF, SITE, "abc", 3, NULL, 0);
	KUNIT_EXPECT_EQ(test, r->g->muted, 1);
	KUNIT_EXPECT_EQ(test, r->hdr->state, KRR_ST_LOST);
	KUNIT_EXPECT_EQ(test, r->hdr->stop_reason, KRR_STOP_OVERRUN);
	KUNIT_EXPECT_EQ(test, r->hdr->throttled, 1);
	/* also when there is room again: the log has a gap */
	r->hdr->tail = head;
	krr_put1(KRR_EV_TSC, SITE, 1);
	krr_put2(KRR_EV_IRQ, SITE, 1, 1);
	krr_put_bytes(KRR_EV_VBUF, SITE, "abc", 3, NULL, 0);
	KUNIT_EXPECT_EQ(test, r->hdr->head, head);
	KUNIT_EXPECT_EQ(test, r->g->events, 0);
}

/* --- positions and divergences ------------------------------------------------------------ */

/* An interrupt, logged at 13, three after the position that was logged before. */
static void log_irq(struct rig *r)
{
	start_at(r, 0);
	krr_this()->pos_logged = 10;
	go_to(13);
	krr_put2(KRR_EV_IRQ, SITE, 0xec, krr_pos_delta());
	replay_from(r, 0);
	krr_this()->pos_logged = 10;
}

static void next_is(struct kunit *test)
{
	struct rig *r = test->priv;
	u64 vector = 0;

	log_irq(r);
	go_to(12);
	KUNIT_EXPECT_FALSE(test, krr_next_is(KRR_EV_IRQ, SITE, &vector));
	go_to(13);
	KUNIT_EXPECT_FALSE(test, krr_next_is(KRR_EV_YIELD, SITE, &vector));
	KUNIT_EXPECT_EQ(test, vector, 0);
	KUNIT_EXPECT_EQ(test, r->g->events, 0);
	KUNIT_EXPECT_EQ(test, krr_this()->pos_logged, 10);
	KUNIT_EXPECT_TRUE(test, krr_next_is(KRR_EV_IRQ, SITE, &vector));
	KUNIT_EXPECT_EQ(test, vector, 0xec);
	KUNIT_EXPECT_EQ(test, r->g->events, 1);
	KUNIT_EXPECT_EQ(test, krr_this()->pos_logged, 13);
}

/* With one argument, that is the position. */
static void next_is_yield(struct kunit *test)
{
	struct rig *r = test->priv;

	go_to(4);
	krr_put1(KRR_EV_YIELD, SITE, krr_pos_delta());
	go_to(9);
	krr_put1(KRR_EV_YIELD, SITE, krr_pos_delta());
	replay_from(r, 0);
	go_to(3);
	KUNIT_EXPECT_FALSE(test, krr_next_is(KRR_EV_YIELD, SITE, NULL));
	go_to(4);
	KUNIT_EXPECT_TRUE(test, krr_next_is(KRR_EV_YIELD, SITE, NULL));
	KUNIT_EXPECT_FALSE(test, krr_next_is(KRR_EV_YIELD, SITE, NULL));
	go_to(9);
	KUNIT_EXPECT_TRUE(test, krr_next_is(KRR_EV_YIELD, SITE, NULL));
	KUNIT_EXPECT_EQ(test, r->hdr->events, 2);
}

static void ask_for_irq(void)
{
	krr_next_is(KRR_EV_IRQ, SITE, NULL);
}

static void ask_for_irq_elsewhere(void)
{
	krr_next_is(KRR_EV_IRQ, OTHER_SITE, NULL);
}

static void position_passed(struct kunit *test)
{
	struct rig *r = test->priv;
	const struct krr_diverged *d = &r->hdr->diverged;

	log_irq(r);
	go_to(14);
	KUNIT_EXPECT_EQ(test, perishes(test, ask_for_irq), KRR_ST_DIVERGED);
	KUNIT_EXPECT_EQ(test, d->value[0], 13);
	KUNIT_EXPECT_EQ(test, d->value[1], 14);
	KUNIT_EXPECT_EQ(test, d->pos, 14);
	KUNIT_EXPECT_EQ(test, d->want_kind, KRR_EV_IRQ);
	KUNIT_EXPECT_NOT_NULL(test, strstr(d->what, "passed"));
}

/* Also that perishes() tells it from what returns. */
static void other_place(struct kunit *test)
{
	struct rig *r = test->priv;
	const struct krr_diverged *d = &r->hdr->diverged;

	log_irq(r);
	go_to(13);
	KUNIT_EXPECT_EQ(test, perishes(test, ask_for_irq_elsewhere), KRR_ST_DIVERGED);
	KUNIT_EXPECT_EQ(test, d->want_fp, krr_fingerprint(0, OTHER_SITE));
	KUNIT_EXPECT_EQ(test, d->got_fp, krr_fingerprint(0, SITE));
	KUNIT_EXPECT_EQ(test, d->site, OTHER_SITE);
	log_irq(r);
	go_to(13);
	KUNIT_EXPECT_EQ(test, perishes(test, ask_for_irq), KRR_ST_IDLE);
}

static void take_second_port(void)
{
	krr_take(KRR_EV_PORT, SITE);
	krr_take(KRR_EV_PORT, SITE);
}

static void other_kind(struct kunit *test)
{
	struct rig *r = test->priv;
	const struct krr_diverged *d = &r->hdr->diverged;

	start_at(r, 500);
	go_to(2);
	krr_put1(KRR_EV_PORT, SITE, 1);
	krr_put1(KRR_EV_TSC, SITE, 1);
	replay_from(r, 500);
	KUNIT_EXPECT_EQ(test, perishes(test, take_second_port), KRR_ST_DIVERGED);
	KUNIT_EXPECT_EQ(test, d->event, 1);
	KUNIT_EXPECT_EQ(test, d->offset, 503);
	KUNIT_EXPECT_EQ(test, d->cpu, r->cpu);
	KUNIT_EXPECT_EQ(test, d->want_kind, KRR_EV_PORT);
	KUNIT_EXPECT_EQ(test, d->got_kind, KRR_EV_TSC);
	KUNIT_EXPECT_EQ(test, d->want_fp, d->got_fp);
	KUNIT_EXPECT_EQ(test, d->pos, 2);
	KUNIT_EXPECT_EQ(test, d->site, SITE);
}

static void log_cut(struct kunit *test)
{
	struct rig *r = test->priv;

	/* what was there before the end is still taken */
	krr_put1(KRR_EV_PORT, SITE, 1);
	r->hdr->host_flags = KRR_HOST_EOF;
	replay_from(r, 0);
	KUNIT_EXPECT_EQ(test, perishes(test, take_second_port), KRR_ST_CUT);
	KUNIT_EXPECT_EQ(test, r->hdr->events, 1);
}

/* --- entries from user mode ----------------------------------------------------------------- */

/* Some of the words change, by a little or altogether. */
static void next_words(struct rnd_state *rnd, u64 *word)
{
	int i;

	for (i = 0; i < KRR_NR_ENTRY_WORDS; i++) {
		u64 any = (u64)prandom_u32_state(rnd) << 32 | prandom_u32_state(rnd);

		switch (prandom_u32_state(rnd) % 4) {
		case 0:
			word[i] = any;
			break;
		case 1:
			word[i] += (s64)any >> (prandom_u32_state(rnd) % 64);
			break;
		}
	}
}

static int get_entry(const u8 *p, const u8 *end, u64 *word, u32 *vec, u64 *error)
{
	u8 slot;

	if (krr_entry_get_head(&p, end, vec, &slot) || slot != 9)
		return -1;
	return krr_entry_get(p, end, word, *vec, error);
}

static void entries(struct kunit *test)
{
	static const u32 vectors[] = { KRR_VEC_SYSCALL, 14, KRR_VEC_SYSENTER, 0x80, 236, 13, 3,
				       KRR_VEC_SYSCALL32 };
	u64 word[KRR_NR_ENTRY_WORDS] = { 0 }, put_last[KRR_NR_ENTRY_WORDS] = { 0 };
	u64 get_last[KRR_NR_ENTRY_WORDS] = { 0 }, error, got_error;
	u8 *buf = kunit_kzalloc(test, KRR_ENTRY_MAX, GFP_KERNEL), *end;
	struct rnd_state rnd;
	u32 vec, got_vec;
	int i;

	KUNIT_ASSERT_NOT_NULL(test, buf);
	prandom_seed_state(&rnd, 72);
	for (i = 0; i < 2000; i++) {
		next_words(&rnd, word);
		vec = vectors[prandom_u32_state(&rnd) % ARRAY_SIZE(vectors)];
		error = i & 1 ? -(u64)(i % 500) : prandom_u32_state(&rnd);
		end = krr_entry_put(buf, put_last, 9, word, vec, error);
		KUNIT_ASSERT_LE(test, end - buf, KRR_ENTRY_MAX);
		KUNIT_EXPECT_EQ(test, memcmp(put_last, word, sizeof(word)), 0);
		KUNIT_ASSERT_EQ(test, get_entry(buf, end, get_last, &got_vec, &got_error), 0);
		KUNIT_EXPECT_EQ(test, got_vec, vec);
		KUNIT_EXPECT_EQ(test, got_error, krr_has_error_code(vec) ? error : 0);
		KUNIT_ASSERT_EQ(test, memcmp(get_last, word, sizeof(word)), 0);
	}
}

static void expect_entry(struct kunit *test, u64 *last, const u64 *word, u32 vec, u64 error,
			 const u8 *want, int len)
{
	u8 *buf = kunit_kzalloc(test, KRR_ENTRY_MAX, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, buf);
	KUNIT_ASSERT_EQ(test, krr_entry_put(buf, last, 9, word, vec, error) - buf, len);
	KUNIT_EXPECT_EQ(test, memcmp(buf, want, len), 0);
}

/* The format of the files: if this changes, KRR_FORMAT_VERSION has to. */
static void entry_bytes(struct kunit *test)
{
	static const u8 fault[] = { 0x8e, 2, 9, 4, 1, 2 << 2 };
	static const u8 call[] = { 0, 9, 0x15, 6 << 2, 0x80 | 28 << 2 | 3, 0x1f, 4 << 2 };
	static const u8 same[] = { 0, 9, 0 };
	u64 last[KRR_NR_ENTRY_WORDS] = { 0 }, word[KRR_NR_ENTRY_WORDS] = { 0 };

	/* ip against the last one; orig_rax is -1, as always for an exception */
	word[KRR_W_RIP] = 1;
	word[KRR_W_ORIG_RAX] = -1;
	expect_entry(test, last, word, 14, 2, fault, sizeof(fault));
	/* rcx, r11 and rax are as guessed; flags against ip, the number against the last */
	word[KRR_W_RIP] = word[KRR_W_RCX] = 4;
	word[KRR_W_EFLAGS] = word[KRR_W_R11] = 0x202;
	word[KRR_W_RAX] = -38;
	word[KRR_W_ORIG_RAX] = 1;
	expect_entry(test, last, word, KRR_VEC_SYSCALL, 99, call, sizeof(call));
	expect_entry(test, last, word, KRR_VEC_SYSCALL, 0, same, sizeof(same));
}

static void entry_cut_off(struct kunit *test)
{
	u64 last[KRR_NR_ENTRY_WORDS] = { 0 }, word[KRR_NR_ENTRY_WORDS], scratch[KRR_NR_ENTRY_WORDS];
	u8 *buf = kunit_kzalloc(test, KRR_ENTRY_MAX + 1, GFP_KERNEL), *end, *p;
	u64 error;
	u32 vec;
	int i;

	KUNIT_ASSERT_NOT_NULL(test, buf);
	for (i = 0; i < KRR_NR_ENTRY_WORDS; i++)
		word[i] = 3ull << (2 * i);
	end = krr_entry_put(buf, last, 9, word, 14, 7);
	for (p = buf; p <= end + 1; p++) {
		memset(scratch, 0, sizeof(scratch));
		KUNIT_EXPECT_EQ(test, get_entry(buf, p, scratch, &vec, &error),
				p == end ? 0 : -1);
	}
}

static struct kunit_case krr_cases[] = {
	KUNIT_CASE(varints),
	KUNIT_CASE(varint_bytes),
	KUNIT_CASE(zigzag),
	KUNIT_CASE(fingerprints),
	KUNIT_CASE(position_deltas),
	KUNIT_CASE(shapes),
	KUNIT_CASE(made_in_place),
	KUNIT_CASE(empty_shape),
	KUNIT_CASE(event_waited_for),
	KUNIT_CASE(wrap),
	KUNIT_CASE(around),
	KUNIT_CASE(overlap),
	KUNIT_CASE(full_ring),
	KUNIT_CASE(abandoned_ring),
	KUNIT_CASE(next_is),
	KUNIT_CASE(next_is_yield),
	KUNIT_CASE(position_passed),
	KUNIT_CASE(other_place),
	KUNIT_CASE(other_kind),
	KUNIT_CASE(log_cut),
	KUNIT_CASE(entries),
	KUNIT_CASE(entry_bytes),
	KUNIT_CASE(entry_cut_off),
	{ }
};

static struct kunit_suite krr_suite = {
	.name = "krr",
	.init = rig_init,
	.exit = rig_exit,
	.test_cases = krr_cases,
};
kunit_test_suite(krr_suite);
