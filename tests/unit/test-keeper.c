// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the flight recorder does when.  The clock is ours, so nobody waits; the guest
 * and its recorder are played.
 */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <linux/types.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "bpf/policy.h"
#include "bpf/records.h"
#include "lib/util.h"
#include "unit.h"
#include "vmm/keeper.h"

#define HDR_PAGE	4u
#define PAGES		(HDR_PAGE + (KRR_HDR_BYTES + KRR_MIN_RING) / KRR_BLOCK + 40u)
#define BUDGET_MIB	64u

static unsigned int seconds;	/* of monotonic time */
static struct krr_ram ram;
static struct krr_recording rec;
static struct krr_vm vm;
static struct krr_keeper *keeper;
static struct krr_log_writer *writer;
static struct krr_decoder decoder;
static uint32_t now;		/* epoch */

/* Stands for the one of libc: time goes by when a test says so. */
int clock_gettime(clockid_t id, struct timespec *t)
{
	if (id != CLOCK_MONOTONIC)
		return (int)syscall(SYS_clock_gettime, id, t);
	*t = (struct timespec){ .tv_sec = (time_t)__atomic_load_n(&seconds, __ATOMIC_RELAXED) };
	return 0;
}

static void pass_seconds(unsigned int s)
{
	__atomic_add_fetch(&seconds, s, __ATOMIC_RELAXED);
}

/* --- the recorder -------------------------------------------------------------------- */

static void put_file(const char *name, const void *data, size_t len)
{
	__close_fd int fd = openat(rec.dirfd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(krr_write_full(fd, data, len), 0);
}

static void open_epoch(void)
{
	__free_ptr char *log = krr_epoch_file(now, "krr"), *state = krr_epoch_file(now, "state");

	put_file(state, "state", 5);
	assert_int_equal(krr_log_create(rec.dirfd, log, &writer), 0);
}

static void log_event(const struct krr_event *ev)
{
	struct krr_decoder before = decoder;
	struct krr_event out;
	uint8_t buf[64];
	int n = krr_encode(buf, sizeof(buf), ev);

	assert_int_equal(krr_decode(&decoder, buf, (size_t)n, &out), n);
	assert_int_equal(krr_log_append(writer, &before, &decoder, buf, (size_t)n), 0);
}

/* The border that was asked for is passed. */
static void next_epoch(void)
{
	struct krr_event tsc = { .kind = KRR_EV_TSC, .arg = { now } };
	struct krr_event ev = { .kind = KRR_EV_EPOCH, .arg = { now + 1 } };

	log_event(&tsc);
	log_event(&ev);
	krr_log_writer_free(writer);
	now++;
	open_epoch();
	ram.map[ram.size - 1 - now * KRR_BLOCK] = (uint8_t)now;
	assert_int_equal(krr_keeper_scan(keeper, true, UINT64_MAX), 0);
	assert_int_equal(krr_keeper_epoch(keeper, decoder.offset, 0, 10 * now), 0);
}

static uint32_t wants(void)
{
	return krr_keeper_wants(keeper, decoder.offset);
}

static int begin(uint32_t keep_ms)
{
	__free_ptr char *path = krr_strf("%s/ram", scratch);
	__close_fd int base = -1;
	struct krr_tracker t;
	uint64_t changed;

	seconds = 1000;
	now = 0;
	krr_decoder_init(&decoder);
	close(scratch_file("ram", "", 0));
	assert_int_equal(truncate(path, (off_t)PAGES * KRR_BLOCK), 0);
	assert_int_equal(krr_ram_open(path, true, &ram), 0);
	make_header(ram.map, HDR_PAGE * KRR_BLOCK, KRR_MIN_RING);
	assert_int_equal(krr_ram_find(&ram), 0);
	ram.hdr->keep_ms = keep_ms;
	ram.hdr->budget_mib = BUDGET_MIB;
	assert_int_equal(krr_recording_create("fl", &rec), 0);
	make_manifest(&rec.m, "fl");
	rec.m.flight = true;
	base = openat(rec.dirfd, KRR_BASE_RAM, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(ftruncate(base, (off_t)ram.size), 0);
	assert_int_equal(krr_tracker_init(&t, &ram), 0);
	assert_int_equal(krr_tracker_follow(&t, &ram, true, base, &changed), 0);
	open_epoch();
	return krr_keeper_new(&vm, &rec, &ram, &t, 0, &keeper);
}

static void end(void)
{
	krr_keeper_free(keeper);
	keeper = NULL;
	krr_log_writer_free(writer);
	writer = NULL;
	krr_recording_discard(&rec);
	krr_ram_close(&ram);
}

static int setup(void **state)
{
	if (scratch_setup(state))
		return -1;
	krr_quiet = true;
	vm.name = krr_strf("guest");
	vm.dir = krr_strf("%s", scratch);
	vm.console = krr_strf("%s/console", scratch);
	close(scratch_file("console", "", 0));
	return begin(20000);	/* epochs of 5 s */
}

static int teardown(void **state)
{
	end();
	free(vm.name);
	free(vm.dir);
	free(vm.console);
	return scratch_teardown(state);
}

/* --- what it says ------------------------------------------------------------------------ */

static json_t *status(void)
{
	__free_ptr char *path = krr_strf("%s/flight.json", scratch);
	json_t *root = json_load_file(path, 0, NULL);

	assert_non_null(root);
	return root;
}

static json_int_t number_of(const char *key)
{
	json_t *root = status();
	json_int_t n;

	assert_true(json_is_integer(json_object_get(root, key)));
	n = json_integer_value(json_object_get(root, key));
	json_decref(root);
	return n;
}

/* Until the thread that makes a recording is done, which is not long. */
static void wait_for(unsigned int kept)
{
	unsigned int ms;

	for (ms = 0; ms < 20000; ms++) {
		assert_int_equal(krr_keeper_tick(keeper, 0), 0);
		if (number_of("kept") == kept)
			return;
		krr_sleep_ms(1);
	}
	fail_msg("%u recordings should have been kept", kept);
}

/* The only recording whose name begins with @stem; opened. */
static void find(const char *stem, struct krr_recording *kept)
{
	unsigned int found = 0;
	char **names, **p;

	assert_true(krr_store_list(&names, false) >= 0);
	for (p = names; *p; p++) {
		if (strncmp(*p, stem, strlen(stem)))
			continue;
		assert_int_equal(krr_recording_open(*p, kept), 0);
		found++;
	}
	krr_store_list_free(names);
	assert_int_equal(found, 1);
}

static unsigned int recordings(void)
{
	char **names;
	int n = krr_store_list(&names, false);

	krr_store_list_free(names);
	return (unsigned int)n;
}

/* It has epochs @first to @last: each has a TSC event with its number, then the border. */
static void holds(const struct krr_recording *kept, uint32_t first, uint32_t last, bool border)
{
	struct krr_log_reader *r;
	struct krr_event ev;
	uint32_t i;

	assert_int_equal(kept->m.epochs, last - first + 1);
	assert_int_equal(kept->m.complete, border);
	assert_int_equal(krr_log_open(kept->dirfd, "log.krr", true, &r), 0);
	for (i = first; i < last + border; i++) {
		assert_int_equal(krr_log_next(r, &ev), 1);
		assert_int_equal(ev.kind, KRR_EV_TSC);
		assert_int_equal(ev.arg[0], i);
		assert_int_equal(krr_log_next(r, &ev), 1);
		assert_int_equal(ev.kind, KRR_EV_EPOCH);
	}
	assert_int_equal(krr_log_next(r, &ev), 0);
	krr_log_close(r);
}

/* --- when epochs begin -------------------------------------------------------------------- */

static void intervals(void **state)
{
	static const struct { uint32_t keep_ms; unsigned int s; } table[] = {
		{ 1000, 2 }, { 8000, 2 }, { 40000, 10 }, { 120000, 30 }, { 86400000, 30 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(table); i++) {
		end();
		assert_int_equal(begin(table[i].keep_ms), 0);
		pass_seconds(table[i].s - 1);
		assert_int_equal(wants(), 0);
		pass_seconds(1);
		assert_int_equal(wants(), 1);
		/* once is enough, whatever it takes */
		pass_seconds(100);
		assert_int_equal(wants(), 0);
		next_epoch();
		pass_seconds(table[i].s - 1);
		assert_int_equal(wants(), 0);
		pass_seconds(1);
		assert_int_equal(wants(), 2);
	}
}

/* Where much is logged, they are shorter. */
static void much_is_logged(void **state)
{
	uint64_t much = ((uint64_t)BUDGET_MIB << 20) / 8;

	(void)state;
	assert_int_equal(krr_keeper_wants(keeper, much + 1), 0);
	pass_seconds(1);
	assert_int_equal(krr_keeper_wants(keeper, much), 0);
	assert_int_equal(krr_keeper_wants(keeper, much + 1), 1);
	next_epoch();
	pass_seconds(1);
	/* counted from where it began */
	assert_int_equal(krr_keeper_wants(keeper, decoder.offset + much), 0);
	assert_int_equal(krr_keeper_wants(keeper, decoder.offset + much + 1), 2);
}

static void old_ones_go(void **state)
{
	unsigned int i;
	json_t *root;

	(void)state;
	for (i = 0; i < 8; i++) {
		pass_seconds(5);
		assert_int_equal(wants(), i + 1);
		next_epoch();
	}
	/* 20 s are those since the last but four */
	assert_int_equal(number_of("epochs"), 5);
	assert_int_equal(number_of("held_ms"), 20000);
	assert_true(faccessat(rec.dirfd, "epoch-3.state", F_OK, 0) < 0);
	assert_int_equal(faccessat(rec.dirfd, "epoch-4.state", F_OK, 0), 0);
	root = status();
	assert_int_equal(json_integer_value(json_object_get(json_object_get(root, "pauses"),
							    "count")), 8);
	assert_int_equal(json_integer_value(json_object_get(json_object_get(root, "pauses"),
							    "median_ms")), 50);
	assert_int_equal(json_integer_value(json_object_get(json_object_get(root, "pauses"),
							    "max_ms")), 80);
	json_decref(root);
}

/* Time goes by and the log grows between borders, too. */
static void old_ones_go_in_between(void **state)
{
	unsigned int i;

	(void)state;
	for (i = 0; i < 4; i++) {
		pass_seconds(5);
		assert_int_equal(wants(), i + 1);
		next_epoch();
	}
	pass_seconds(4);
	assert_int_equal(krr_keeper_tick(keeper, 0), 0);
	assert_int_equal(number_of("epochs"), 5);
	pass_seconds(1);
	assert_int_equal(krr_keeper_tick(keeper, 0), 0);
	assert_int_equal(number_of("epochs"), 4);
	assert_int_equal(number_of("held_ms"), 20000);
}

/* --- what is asked for --------------------------------------------------------------------- */

static void see_keep(uint64_t ms, const char *why)
{
	uint8_t data[100], *p = krr_varint_put(data, ms);
	struct krr_event ev = { .kind = KRR_EV_KEEP, .data = data };

	memcpy(p, why, strlen(why));
	ev.len = (uint32_t)(p - data + (ptrdiff_t)strlen(why));
	krr_keeper_see(keeper, &ev);
}

static void see_mark(uint32_t subsys, uint32_t action, const char *name, size_t len)
{
	struct krr_mark mark = { .action = action };
	uint8_t data[200], *p = krr_varint_put(data, subsys);
	struct krr_event ev = { .kind = KRR_EV_ANNOTATE, .data = data };

	memcpy(mark.name, name, strnlen(name, sizeof(mark.name)));
	memcpy(p, &mark, len);
	ev.len = (uint32_t)(p - data) + (uint32_t)len;
	krr_keeper_see(keeper, &ev);
}

/* A second after it was asked for, a border; what was before it is kept. */
static void tail_then_border(uint32_t want)
{
	assert_int_equal(wants(), 0);
	pass_seconds(1);
	assert_int_equal(wants(), want);
	next_epoch();
}

static void save(void **state)
{
	struct krr_recording kept;

	(void)state;
	pass_seconds(5);
	assert_int_equal(wants(), 1);
	next_epoch();
	pass_seconds(3);
	see_keep(0, "a\nreason\n");
	assert_int_equal(krr_keeper_tick(keeper, 0), 0);
	assert_int_equal(number_of("kept"), 0);
	tail_then_border(2);
	wait_for(1);
	find("guest-save-", &kept);
	holds(&kept, 0, 1, true);
	assert_string_equal(kept.m.why, "a reason");
	assert_string_equal(kept.m.stop_reason, KRR_KEPT);
	assert_int_equal(kept.m.duration_ms, 9000);
	assert_int_equal(kept.m.border_pause_ms, 20);
	assert_int_equal(kept.m.border_pause_most_ms, 20);
	krr_recording_close(&kept);
	/* no other comes of it */
	pass_seconds(1);
	assert_int_equal(wants(), 0);
	assert_int_equal(recordings(), 1);
}

/* Of the past, no more than what was asked for, in whole epochs. */
static void save_the_last(void **state)
{
	struct krr_recording kept;
	unsigned int i;

	(void)state;
	for (i = 0; i < 3; i++) {
		pass_seconds(5);
		assert_int_equal(wants(), i + 1);
		next_epoch();
	}
	pass_seconds(2);
	see_keep(3000, "");
	tail_then_border(4);
	wait_for(1);
	find("guest-save-", &kept);
	holds(&kept, 2, 3, true);
	assert_string_equal(kept.m.why, "asked for");
	assert_int_equal(kept.m.duration_ms, 8000);
	krr_recording_close(&kept);
}

/* One that waits takes others along, with all that they want. */
static void together(void **state)
{
	struct krr_recording kept;

	(void)state;
	pass_seconds(5);
	assert_int_equal(wants(), 1);
	next_epoch();
	pass_seconds(3);
	see_keep(100, "first");
	see_keep(6000, "second");
	see_keep(1, "third");
	tail_then_border(2);
	wait_for(1);
	find("guest-save-", &kept);
	holds(&kept, 0, 1, true);
	assert_string_equal(kept.m.why, "first");
	krr_recording_close(&kept);
	assert_int_equal(recordings(), 1);
}

static void rules(void **state)
{
	struct krr_recording kept;
	size_t all = sizeof(struct krr_mark);

	(void)state;
	/* not asked for: another action, not whole, somebody else's */
	see_mark(KRR_SUBSYS_MARK, KRR_ACT_MARK | KRR_ACT_STOP, "no", all);
	see_mark(KRR_SUBSYS_MARK, KRR_ACT_KEEP, "no", offsetof(struct krr_mark, action));
	see_mark(KRR_SUBSYS_MARK, KRR_ACT_KEEP, "no", 0);
	see_mark(KRR_SUBSYS_NET, KRR_ACT_KEEP, "no", all);
	pass_seconds(2);
	assert_int_equal(wants(), 0);
	see_mark(KRR_SUBSYS_MARK, KRR_ACT_MARK | KRR_ACT_KEEP, "a/rule \1 0123456", all);
	tail_then_border(1);
	wait_for(1);
	find("guest-a-rule---0123456-", &kept);
	holds(&kept, 0, 0, true);
	assert_string_equal(kept.m.why, "rule a/rule ? 0123456");
	krr_recording_close(&kept);
}

static void rules_take_turns(void **state)
{
	size_t all = sizeof(struct krr_mark);

	(void)state;
	see_mark(KRR_SUBSYS_MARK, KRR_ACT_KEEP, "one", all);
	see_mark(KRR_SUBSYS_MARK, KRR_ACT_KEEP, "one", all);
	tail_then_border(1);
	wait_for(1);
	see_mark(KRR_SUBSYS_MARK, KRR_ACT_KEEP, "one", all);
	pass_seconds(4);
	assert_int_equal(wants(), 0);
	pass_seconds(1);
	see_mark(KRR_SUBSYS_MARK, KRR_ACT_KEEP, "one", all);
	assert_int_equal(wants(), 2);
	next_epoch();
	assert_int_equal(number_of("suppressed"), 3);
	assert_int_equal(number_of("kept"), 1);
	/* another rule has its own ten seconds */
	see_mark(KRR_SUBSYS_MARK, KRR_ACT_KEEP, "two", all);
	tail_then_border(3);
	wait_for(2);
	assert_int_equal(number_of("suppressed"), 3);
	/* ten seconds after the first */
	pass_seconds(4);
	see_mark(KRR_SUBSYS_MARK, KRR_ACT_KEEP, "one", all);
	tail_then_border(4);
	wait_for(3);
	assert_int_equal(number_of("suppressed"), 3);
	/* somebody's word does not wait for that */
	see_keep(0, "now");
	tail_then_border(5);
	wait_for(4);
}

/* --- the guest hangs ------------------------------------------------------------------------ */

static void at_once(void **state)
{
	struct krr_event tsc = { .kind = KRR_EV_TSC };
	struct krr_recording kept;

	(void)state;
	log_event(&tsc);
	krr_keeper_ask(keeper, "hang", "it hangs", 0, true);
	wait_for(1);
	find("guest-hang-", &kept);
	assert_int_equal(kept.m.epochs, 1);
	assert_int_equal(kept.m.events, 1);
	assert_false(kept.m.complete);
	assert_string_equal(kept.m.stop_reason, krr_stop_name(KRR_STOP_NONE));
	krr_recording_close(&kept);
}

/* A border that was asked for does not come, and somebody waits for the next one. */
static void at_once_for_all(void **state)
{
	struct krr_recording kept;

	(void)state;
	pass_seconds(5);
	assert_int_equal(wants(), 1);
	see_keep(0, "somebody");
	pass_seconds(10);
	assert_int_equal(wants(), 0);
	krr_keeper_ask(keeper, "hang", "it hangs", 0, true);
	wait_for(1);
	find("guest-save-", &kept);
	holds(&kept, 0, 0, false);
	krr_recording_close(&kept);
}

/* It comes after all, while what was there before is still being kept. */
static void border_while_working(void **state)
{
	struct krr_recording kept;

	(void)state;
	see_keep(0, "somebody");
	pass_seconds(1);
	assert_int_equal(wants(), 1);
	krr_keeper_ask(keeper, "hang", "it hangs", 0, true);
	assert_int_equal(krr_keeper_tick(keeper, 0), 0);
	next_epoch();
	wait_for(1);
	find("guest-hang-", &kept);
	/* with as many events as there were when they were read */
	assert_int_equal(kept.m.epochs, 1);
	assert_false(kept.m.complete);
	krr_recording_close(&kept);
	/* and the other has a border of its own, soon */
	assert_int_equal(wants(), 2);
	next_epoch();
	wait_for(2);
	find("guest-save-", &kept);
	holds(&kept, 0, 1, true);
	assert_string_equal(kept.m.why, "somebody");
	krr_recording_close(&kept);
	assert_int_equal(recordings(), 2);
}

/* --- the end -------------------------------------------------------------------------------- */

/* Its end.ram is what RAM holds, and its ring is of no interest. */
static void assert_is_ram(const struct krr_recording *kept)
{
	uint64_t ring = (uint64_t)(ram.ring - ram.map);
	struct krr_ram end;

	assert_int_equal(krr_ram_open_at(kept->dirfd, "end.ram", false, &end), 0);
	assert_int_equal(end.size, ram.size);
	assert_memory_equal(end.map, ram.map, ring);
	ring += ram.ring_bytes;
	assert_memory_equal(end.map + ring, ram.map + ring, ram.size - ring);
	krr_ram_close(&end);
}

static void ends_in(const char *want_why, enum krr_end_ram end)
{
	struct krr_recording kept;
	char *name;

	assert_int_equal(krr_keeper_end(keeper, "panic", "panic", "Oh no", end, 0, &name), 0);
	assert_int_equal(krr_recording_open(name, &kept), 0);
	assert_true(kept.m.complete);
	assert_string_equal(kept.m.why, want_why);
	assert_string_equal(kept.m.stop_reason, "panic");
	assert_string_equal(kept.m.message, "Oh no");
	if (end == KRR_END_RAM_SCANNED)
		assert_is_ram(&kept);
	krr_recording_close(&kept);
	free(name);
	assert_int_equal(recordings(), 1);
}

static void ends(const char *want_why)
{
	put_file("end.ram", "end", 3);
	ends_in(want_why, KRR_END_RAM_FILE);
}

/* RAM of the end is what it was, and what changed since. */
static void at_the_end_scanned(void **state)
{
	(void)state;
	memset(ram.map, 0x5a, 3 * KRR_BLOCK);
	assert_int_equal(krr_keeper_scan(keeper, true, 0), -E2BIG);
	assert_int_equal(krr_keeper_scan(keeper, true, UINT64_MAX), 0);
	ends_in("panic", KRR_END_RAM_SCANNED);
}

static void at_the_end(void **state)
{
	(void)state;
	ends("panic");
}

static void at_the_end_waiting(void **state)
{
	(void)state;
	see_keep(0, "somebody");
	ends("panic, and somebody");
}

static void at_the_end_at_border(void **state)
{
	(void)state;
	see_keep(0, "somebody");
	pass_seconds(1);
	assert_int_equal(wants(), 1);
	ends("panic, and somebody");
}

static void status_goes(void **state)
{
	__free_ptr char *path = krr_strf("%s/flight.json", scratch);

	(void)state;
	assert_int_equal(access(path, F_OK), 0);
	assert_int_equal(number_of("keep_ms"), 20000);
	assert_int_equal(number_of("budget"), (json_int_t)BUDGET_MIB << 20);
	end();
	assert_true(access(path, F_OK) < 0);
	assert_int_equal(begin(20000), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(intervals),
		TEST(much_is_logged),
		TEST(old_ones_go),
		TEST(old_ones_go_in_between),
		TEST(save),
		TEST(save_the_last),
		TEST(together),
		TEST(rules),
		TEST(rules_take_turns),
		TEST(at_once),
		TEST(at_once_for_all),
		TEST(border_while_working),
		TEST(at_the_end),
		TEST(at_the_end_scanned),
		TEST(at_the_end_waiting),
		TEST(at_the_end_at_border),
		TEST(status_goes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
