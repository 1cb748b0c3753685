// SPDX-License-Identifier: GPL-2.0-only
/*
 * The flight recorder's ring of epochs.  A guest is played: RAM changes, events are
 * logged, epochs begin.  What is kept of it has to be what was there.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/util.h"
#include "unit.h"
#include "vmm/flight.h"
#include "vmm/salvage.h"

#define HDR_PAGE	4u
#define RING_PAGE	(HDR_PAGE + KRR_HDR_BYTES / KRR_BLOCK)
#define HIGH		(RING_PAGE + KRR_MIN_RING / KRR_BLOCK)	/* the first page behind the ring */
#define PAGES		(HIGH + 120u)
#define RAM_BYTES	((size_t)PAGES * KRR_BLOCK)
#define RING_AT		((size_t)RING_PAGE * KRR_BLOCK)
#define EPOCHS		5u
#define RING_BASE	0x1234567ull
#define HOUR_MS		3600000u
#define ROOMY		(1ull << 40)
#define SLACK		(64u << 10)	/* file systems allot blocks when they please */

static struct krr_ram ram;
static struct krr_recording rec;	/* the flight */
static struct krr_flight flight;
static struct krr_log_writer *writer;
static struct krr_decoder decoder;
static struct dice dice;
static uint32_t now;			/* epoch */

/* What was, at the start of each epoch, to compare with. */
static uint8_t *image[EPOCHS];
static uint64_t offset[EPOCHS + 1], number[EPOCHS + 1];
static off_t console[EPOCHS + 1];
static uint8_t stream[1 << 18];
static char *console_path;

static void put_file(int dir, const char *name, const void *data, size_t len)
{
	__close_fd int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(krr_write_full(fd, data, len), 0);
}

static uint8_t *get_file(int dir, const char *name, size_t *len)
{
	__close_fd int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	struct stat st;
	uint8_t *buf;

	if (fd < 0)
		fail_msg("%s is not there", name);
	assert_int_equal(fstat(fd, &st), 0);
	*len = (size_t)st.st_size;
	buf = malloc(*len + 1);
	assert_non_null(buf);
	assert_int_equal(krr_read_full(fd, buf, *len), *len);
	buf[*len] = '\0';
	return buf;
}

static bool there(int dir, const char *name)
{
	return !faccessat(dir, name, F_OK, AT_SYMLINK_NOFOLLOW);
}

static bool epoch_has(uint32_t n, const char *what)
{
	__free_ptr char *name = krr_epoch_file(n, what);

	return there(rec.dirfd, name);
}

static void remove_of(uint32_t n, const char *what)
{
	__free_ptr char *name = krr_epoch_file(n, what);

	assert_int_equal(unlinkat(rec.dirfd, name, 0), 0);
}

/* --- the guest ----------------------------------------------------------------------- */

static void log_chunk(const struct krr_event *ev, unsigned int n)
{
	struct krr_decoder before = decoder;
	struct krr_event one;
	uint8_t data[100];
	unsigned int i;
	size_t at;
	int len;

	for (i = 0; i < n; i++) {
		if (!ev)
			random_event(&dice, &one, data, sizeof(data));
		at = decoder.offset;
		len = krr_encode(stream + at, sizeof(stream) - at, ev ? ev : &one);
		assert_true(len > 0);
		assert_int_equal(krr_decode(&decoder, stream + at, (size_t)len, &one), len);
	}
	assert_int_equal(krr_log_append(writer, &before, &decoder, stream + before.offset,
					decoder.offset - before.offset), 0);
}

/* RAM changes here and there, some of it to zeros; the ring is full of noise always. */
static void run_guest(void)
{
	unsigned int i;
	uint64_t page;

	for (i = 0; i < 30; i++) {
		page = i & 1 ? roll(&dice) % HDR_PAGE : HIGH + roll(&dice) % (PAGES - HIGH);
		if (i % 5)
			memset(ram.map + page * KRR_BLOCK + roll(&dice) % 4000,
			       (int)roll(&dice), 90);
		else
			memset(ram.map + page * KRR_BLOCK, 0, KRR_BLOCK);
	}
	for (i = 0; i < 10; i++)
		ram.ring[roll(&dice) % KRR_MIN_RING] ^= 1;
	log_chunk(NULL, 20);
	log_chunk(NULL, 3);
}

static void write_state(void)
{
	__free_ptr char *name = krr_epoch_file(now, "state");
	__free_ptr char *text = krr_strf("state %u", now);

	put_file(rec.dirfd, name, text, strlen(text));
}

static void open_log(void)
{
	__free_ptr char *name = krr_epoch_file(now, "krr");

	assert_int_equal(krr_log_create(rec.dirfd, name, &writer), 0);
}

static void remember(void)
{
	image[now] = malloc(RAM_BYTES);
	assert_non_null(image[now]);
	memcpy(image[now], ram.map, RAM_BYTES);
	offset[now] = decoder.offset;
	number[now] = decoder.number;
	console[now] = 10 + 7 * (off_t)now;
}

/* As the recorder does, where an epoch begins. */
static void next_epoch(void)
{
	struct krr_event ev = { .kind = KRR_EV_EPOCH, .arg = { now + 1 } };
	__free_ptr char *name = krr_epoch_file(now + 1, "delta");
	struct krr_delta d = { 0 };
	uint64_t bytes;

	log_chunk(&ev, 1);
	now++;
	write_state();
	assert_int_equal(krr_tracker_scan(&flight.tracker, &ram, true, UINT64_MAX, &d), 0);
	krr_log_writer_free(writer);
	open_log();
	remember();
	assert_int_equal(krr_delta_write(&d, rec.dirfd, name, &bytes), 0);
	assert_true(d.pages > 10);
	krr_delta_free(&d);
	assert_int_equal(krr_flight_add(&flight, now, decoder.offset, console[now], 7), 0);
}

static void make_ram(void)
{
	__close_fd int fd = scratch_file("ram", "", 0);
	__free_ptr char *path = krr_strf("%s/ram", scratch);

	assert_int_equal(ftruncate(fd, RAM_BYTES), 0);
	assert_int_equal(krr_ram_open(path, true, &ram), 0);
	make_header(ram.map, HDR_PAGE * KRR_BLOCK, KRR_MIN_RING);
	assert_int_equal(krr_ram_find(&ram), 0);
}

static struct krr_tracker take_base(void)
{
	__close_fd int fd = openat(rec.dirfd, KRR_BASE_RAM, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	struct krr_tracker t;
	uint64_t changed;

	assert_true(fd >= 0 && !ftruncate(fd, RAM_BYTES));
	assert_int_equal(krr_tracker_init(&t, &ram), 0);
	assert_int_equal(krr_tracker_follow(&t, &ram, true, fd, &changed), 0);
	return t;
}

static void begin_flight(void)
{
	struct krr_tracker t;

	dice.state = 31;
	now = 0;
	krr_decoder_init(&decoder);
	make_ram();
	memset(ram.map + HIGH * KRR_BLOCK, 7, 9999);
	assert_int_equal(krr_recording_create("fl", &rec), 0);
	make_manifest(&rec.m, "fl");
	rec.m.ring_base = RING_BASE;
	rec.m.hdr_gpa = HDR_PAGE * KRR_BLOCK;
	rec.m.flight = true;
	rec.m.ram_path = krr_strf("/nowhere");
	t = take_base();
	write_state();
	open_log();
	remember();
	assert_int_equal(krr_flight_begin(&flight, rec.dirfd, &t, HOUR_MS, ROOMY, console[0]), 0);
}

static int setup(void **state)
{
	uint8_t text[200];
	size_t i;

	if (scratch_setup(state))
		return -1;
	krr_quiet = true;
	for (i = 0; i < sizeof(text); i++)
		text[i] = (uint8_t)('A' + i % 26);
	console_path = krr_strf("%s/console", scratch);
	close(scratch_file("console", text, sizeof(text)));
	begin_flight();
	while (now < EPOCHS - 1) {
		run_guest();
		next_epoch();
	}
	run_guest();
	offset[EPOCHS] = decoder.offset;
	number[EPOCHS] = decoder.number;
	console[EPOCHS] = 10 + 7 * EPOCHS;
	return 0;
}

static int teardown(void **state)
{
	unsigned int i;

	for (i = 0; i < EPOCHS; i++) {
		free(image[i]);
		image[i] = NULL;
	}
	krr_flight_free(&flight);
	krr_log_writer_free(writer);
	krr_recording_close(&rec);
	krr_ram_close(&ram);
	free(console_path);
	return scratch_teardown(state);
}

/* --- what is kept ---------------------------------------------------------------------- */

static struct krr_keeping keeping(uint32_t first, uint32_t last, uint32_t end)
{
	return (struct krr_keeping){
		.name = krr_strf("kept"), .stop_reason = krr_strf("%s", KRR_KEPT),
		.why = krr_strf("a test"), .base = flight.epoch[0].number, .first = first,
		.last = last, .end = end, .offset = offset[first], .duration_ms = 17,
		.console = krr_strf("%s", console_path), .console_from = console[first],
		.console_to = console[last + 1],
	};
}

static void check_image(const struct krr_recording *kept, const char *name, const uint8_t *want)
{
	size_t len, at = 0;
	uint8_t *have = get_file(kept->dirfd, name, &len);

	assert_int_equal(len, RAM_BYTES);
	/* what is in the ring is of no interest */
	memcpy(have + RING_AT, want + RING_AT, KRR_MIN_RING);
	while (at < RAM_BYTES && have[at] == want[at])
		at++;
	if (at < RAM_BYTES)
		fail_msg("%s differs at byte %zu", name, at);
	free(have);
}

static void check_text(const struct krr_recording *kept, const char *name, const char *want)
{
	size_t len;
	uint8_t *have = get_file(kept->dirfd, name, &len);

	assert_string_equal((char *)have, want);
	free(have);
}

/* The log holds what was logged from epoch @first to @last, counted from 0. */
static void check_log(const struct krr_recording *kept, uint32_t first, uint32_t last)
{
	const uint8_t *want = stream + offset[first];
	struct krr_log_reader *r;
	struct krr_event ev;
	uint64_t n = 0, bytes = 0;
	int err;

	assert_int_equal(krr_log_open(kept->dirfd, "log.krr", true, &r), 0);
	while ((err = krr_log_next(r, &ev)) > 0) {
		assert_true(ev.number == n++);
		assert_true(ev.offset == bytes);
		assert_memory_equal(krr_log_event_bytes(r, &ev), want + bytes, ev.size);
		bytes += ev.size;
	}
	assert_int_equal(err, 0);
	krr_log_close(r);
	assert_int_equal(n, number[last + 1] - number[first]);
	assert_int_equal(bytes, offset[last + 1] - offset[first]);
	assert_int_equal(kept->m.events, n);
	assert_int_equal(kept->m.raw_bytes, bytes);
}

/* Keep it, look at it, remove it. */
static void keep(struct krr_keeping *k)
{
	__free_ptr char *state = krr_strf("state %u", k->first);
	struct krr_recording kept;
	struct stat st;
	size_t len;
	uint8_t *text;
	int f;

	assert_int_equal(krr_flight_keep(rec.dirfd, &rec.m, k), 0);
	assert_int_equal(krr_recording_open(k->name, &kept), 0);
	check_image(&kept, "start.ram", image[k->first]);
	check_text(&kept, "start.state", state);
	check_log(&kept, k->first, k->last);
	if (k->end != KRR_NO_EPOCH)
		check_image(&kept, "end.ram", image[k->end]);
	assert_int_equal(kept.m.complete, k->parked || k->end != KRR_NO_EPOCH);
	assert_int_equal(there(kept.dirfd, "end.ram"), kept.m.complete);
	for (f = 0; f < KRR_NR_FILES; f++)
		if (f != KRR_FILE_END_RAM || kept.m.complete)
			assert_int_equal(krr_recording_check(&kept, f), 0);
	text = get_file(kept.dirfd, "console.log", &len);
	assert_int_equal(len, k->console ? k->console_to - k->console_from : 0);
	if (len)
		assert_int_equal(text[0], 'A' + k->console_from % 26);
	free(text);
	assert_string_equal(kept.m.name, k->name);
	assert_string_equal(kept.m.stop_reason, k->stop_reason);
	assert_true(!k->why == !kept.m.why && (!k->why || !strcmp(k->why, kept.m.why)));
	assert_true(!k->message == !kept.m.message);
	assert_null(kept.m.ram_path);
	assert_false(kept.m.flight);
	assert_true(kept.m.ring_base == RING_BASE + offset[k->first]);
	assert_int_equal(kept.m.hdr_gpa, HDR_PAGE * KRR_BLOCK);
	assert_int_equal(kept.m.epochs, k->last - k->first + 1);
	assert_int_equal(kept.m.duration_ms, k->duration_ms);
	assert_int_equal(fstatat(kept.dirfd, "start.ram", &st, 0), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	krr_recording_close(&kept);
	assert_int_equal(krr_recording_remove(k->name), 0);
}

static void keep_from_to(uint32_t first, uint32_t end)
{
	struct krr_keeping k = keeping(first, end - 1, end);

	keep(&k);
	krr_keeping_free(&k);
}

/* Each span that begins at @least or later. */
static void keep_all(uint32_t least)
{
	uint32_t first, end;

	for (first = least; first < EPOCHS - 1; first++)
		for (end = first + 1; end < EPOCHS; end++)
			keep_from_to(first, end);
}

/* Nothing is kept of it, and nothing is left. */
static void refuse(struct krr_keeping *k, int err)
{
	char **list;

	quiet_begin();
	assert_int_equal(krr_flight_keep(rec.dirfd, &rec.m, k), err);
	quiet_end();
	krr_keeping_free(k);
	assert_int_equal(krr_store_list(&list, false), 0);
	krr_store_list_free(list);
	assert_int_equal(krr_store_list(&list, true), 1);
	assert_string_equal(list[0], "fl");
	krr_store_list_free(list);
}

static void every_span(void **state)
{
	(void)state;
	keep_all(0);
	/* which changes nothing of the flight */
	keep_all(0);
}

static void without_a_border(void **state)
{
	uint32_t first;

	(void)state;
	for (first = 0; first < EPOCHS; first++) {
		struct krr_keeping k = keeping(first, EPOCHS - 1, KRR_NO_EPOCH);

		free(k.why);
		k.why = NULL;
		k.message = krr_strf("said");
		keep(&k);
		krr_keeping_free(&k);
	}
}

static void parked(void **state)
{
	struct krr_keeping k = keeping(1, EPOCHS - 1, KRR_NO_EPOCH);
	struct krr_recording kept;

	(void)state;
	put_file(rec.dirfd, "end.ram", "the end", 7);
	k.parked = true;
	keep(&k);
	assert_int_equal(krr_flight_keep(rec.dirfd, &rec.m, &k), 0);
	assert_int_equal(krr_recording_open("kept", &kept), 0);
	check_text(&kept, "end.ram", "the end");
	krr_recording_close(&kept);
	krr_keeping_free(&k);
	assert_int_equal(krr_recording_remove("kept"), 0);
	assert_int_equal(unlinkat(rec.dirfd, "end.ram", 0), 0);
}

/* What leads to RAM of the end is in a delta, of an epoch that did not begin. */
static void parked_with_delta(void **state)
{
	struct krr_keeping k = keeping(1, EPOCHS - 2, EPOCHS - 1);

	(void)state;
	k.parked = true;
	keep(&k);
	krr_keeping_free(&k);
}

static void consoles(void **state)
{
	struct krr_keeping k = keeping(0, 0, 1);

	(void)state;
	free(k.console);
	k.console = NULL;
	keep(&k);
	/* one that is shorter than it was, and one that is not there */
	k.console = krr_strf("%s", console_path);
	k.console_from = 190;
	k.console_to = 500;
	assert_int_equal(krr_flight_keep(rec.dirfd, &rec.m, &k), 0);
	{
		struct krr_recording kept;

		assert_int_equal(krr_recording_open("kept", &kept), 0);
		check_text(&kept, "console.log", "IJKLMNOPQR");
		krr_recording_close(&kept);
		assert_int_equal(krr_recording_remove("kept"), 0);
	}
	free(k.console);
	k.console = krr_strf("%s/none", scratch);
	k.console_from = k.console_to = 0;
	keep(&k);
	krr_keeping_free(&k);
}

static void name_taken(void **state)
{
	struct krr_keeping k = keeping(0, 0, 1);
	struct krr_recording other;

	(void)state;
	assert_int_equal(krr_recording_create("kept", &other), 0);
	put_file(other.dirfd, "start.ram", "mine", 4);
	quiet_begin();
	assert_int_equal(krr_flight_keep(rec.dirfd, &rec.m, &k), -EEXIST);
	quiet_end();
	check_text(&other, "start.ram", "mine");
	krr_recording_discard(&other);
	free(k.name);
	k.name = krr_strf("../kept");
	refuse(&k, -EINVAL);
}

/* --- the ring ---------------------------------------------------------------------------- */

static void left(uint32_t first)
{
	uint32_t n;

	assert_int_equal(flight.epochs, EPOCHS - first);
	for (n = 0; n < EPOCHS; n++) {
		assert_int_equal(epoch_has(n, "state"), n >= first);
		assert_int_equal(epoch_has(n, "krr"), n >= first);
		assert_int_equal(epoch_has(n, "delta"), n > first);
		assert_true(n < first || flight.epoch[n - first].number == n);
	}
}

static uint64_t disk_bytes(void)
{
	__free_ptr char *path = krr_strf("%s/.", rec.path);
	struct krr_recording all = { .dirfd = rec.dirfd };
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return krr_recording_disk_bytes(&all);
}

static void trim_by_time(void **state)
{
	uint64_t t = krr_now_ns();

	(void)state;
	assert_int_equal(krr_flight_trim(&flight), 0);
	left(0);
	/* the second one is old enough, so the first is not needed */
	flight.epoch[0].began_ns = t - 9000 * 1000000000ull;
	flight.epoch[1].began_ns = t - 3590 * 1000000000ull;
	assert_int_equal(krr_flight_trim(&flight), 0);
	left(0);
	flight.epoch[1].began_ns = t - 3600 * 1000000000ull;
	assert_int_equal(krr_flight_trim(&flight), 0);
	left(1);
	keep_all(1);
	/* two at once */
	flight.epoch[1].began_ns = flight.epoch[2].began_ns = t - 4000 * 1000000000ull;
	assert_int_equal(krr_flight_trim(&flight), 0);
	left(3);
	keep_all(3);
	/* the last one stays, whatever it costs */
	flight.budget = 1;
	assert_int_equal(krr_flight_trim(&flight), 0);
	left(4);
	flight.epoch[0].began_ns = 0;
	assert_int_equal(krr_flight_trim(&flight), 0);
	left(4);
}

static void trim_by_budget(void **state)
{
	static uint8_t much[1 << 20];
	uint64_t bytes;
	size_t i;

	(void)state;
	/* base.ram may grow by as much as goes: here most is in the events */
	for (i = 0; i < sizeof(much); i++)
		much[i] = (uint8_t)roll(&dice);
	put_file(rec.dirfd, "epoch-0.krr", much, sizeof(much));
	bytes = krr_flight_bytes(&flight);
	assert_true(bytes > sizeof(much));
	assert_in_range(bytes, disk_bytes() - SLACK, disk_bytes() + SLACK);
	flight.budget = bytes;
	assert_int_equal(krr_flight_trim(&flight), 0);
	left(0);
	flight.budget = bytes - 1;
	assert_int_equal(krr_flight_trim(&flight), 0);
	left(1);
	assert_true(krr_flight_bytes(&flight) < bytes);
	assert_in_range(krr_flight_bytes(&flight), disk_bytes() - SLACK, disk_bytes() + SLACK);
	keep_all(1);
}

static void busy(void **state)
{
	(void)state;
	flight.budget = 1;
	flight.busy = 1;
	assert_int_equal(krr_flight_trim(&flight), 0);
	left(0);
	flight.busy = 0;
	assert_int_equal(krr_flight_trim(&flight), 0);
	left(4);
}

static void since(void **state)
{
	uint32_t i;

	(void)state;
	for (i = 0; i < EPOCHS; i++)
		flight.epoch[i].began_ns = 1000 * (i + 1);
	assert_int_equal(krr_flight_since(&flight, 0), 0);
	assert_int_equal(krr_flight_since(&flight, 1999), 0);
	assert_int_equal(krr_flight_since(&flight, 2000), 1);
	assert_int_equal(krr_flight_since(&flight, 4001), 3);
	assert_int_equal(krr_flight_since(&flight, UINT64_MAX), EPOCHS - 1);
}

static void no_room(void **state)
{
	struct krr_flight f;
	struct krr_tracker t;

	(void)state;
	assert_int_equal(krr_tracker_init(&t, &ram), 0);
	quiet_begin();
	assert_int_equal(krr_flight_begin(&f, rec.dirfd, &t, 1000, 4096, 0), -ENOSPC);
	quiet_end();
	assert_null(t.hash);
	krr_flight_free(&f);
}

/* --- what is missing or damaged ------------------------------------------------------------ */

static void missing(void **state)
{
	struct krr_keeping k = keeping(2, 3, 4);

	(void)state;
	remove_of(1, "delta");
	refuse(&k, -EBADMSG);
	/* an end of which nothing is known */
	k = keeping(0, 0, 1);
	refuse(&k, -EBADMSG);
	k = keeping(0, 0, KRR_NO_EPOCH);
	keep(&k);
	krr_keeping_free(&k);
	/* nor is it dropped then */
	flight.budget = 1;
	quiet_begin();
	assert_int_equal(krr_flight_trim(&flight), -EBADMSG);
	quiet_end();
}

static void no_events(void **state)
{
	struct krr_keeping k = keeping(0, 3, KRR_NO_EPOCH);

	(void)state;
	remove_of(2, "krr");
	refuse(&k, -EBADMSG);
}

static void no_state(void **state)
{
	struct krr_keeping k = keeping(1, 1, 2);

	(void)state;
	remove_of(1, "state");
	refuse(&k, -ENOENT);
}

static void damaged_delta(void **state)
{
	struct krr_keeping k = keeping(1, 1, 2);
	uint8_t *buf;
	size_t len;

	(void)state;
	buf = get_file(rec.dirfd, "epoch-2.delta", &len);
	buf[len / 2] ^= 1;
	put_file(rec.dirfd, "epoch-2.delta", buf, len);
	free(buf);
	refuse(&k, -EBADMSG);
	k = keeping(0, 0, 1);
	keep(&k);
	krr_keeping_free(&k);
}

/* The epochs before @i are over the time; wraps around where the clock is younger than that. */
static void let_expire(uint32_t i)
{
	flight.epoch[i].began_ns = krr_now_ns() - flight.keep_ns;
}

/* The disk is full, say, when pages are put into base.ram: nothing is lost by that. */
static void half_dropped(void **state)
{
	uint8_t *buf;
	size_t len;

	(void)state;
	buf = get_file(rec.dirfd, "epoch-1.delta", &len);
	put_file(rec.dirfd, "epoch-1.delta", buf, len - 1);
	let_expire(1);
	quiet_begin();
	assert_int_equal(krr_flight_trim(&flight), -EBADMSG);
	quiet_end();
	put_file(rec.dirfd, "epoch-1.delta", buf, len);
	free(buf);
	assert_int_equal(flight.epochs, EPOCHS - 1);
	keep_all(1);
	/* and the next one can be dropped then */
	let_expire(1);
	assert_int_equal(krr_flight_trim(&flight), 0);
	left(2);
	keep_all(2);
}

/* Events that are known to have been there: an epoch that ended has its border. */
static void short_epoch(void **state)
{
	struct krr_keeping k;
	uint8_t *buf;
	size_t len, cut;

	(void)state;
	buf = get_file(rec.dirfd, "epoch-1.krr", &len);
	for (cut = sizeof(struct krr_log_header); cut < len; cut += 100) {
		put_file(rec.dirfd, "epoch-1.krr", buf, cut);
		k = keeping(0, 2, 3);
		refuse(&k, -EBADMSG);
		k = keeping(1, 1, 2);
		refuse(&k, -EBADMSG);
		k = keeping(1, 4, KRR_NO_EPOCH);
		refuse(&k, -EBADMSG);
	}
	free(buf);
}

/* --- after a crash -------------------------------------------------------------------------- */

/* What salvage makes of it begins with epoch @first, and holds all from there on. */
static void salvage(uint32_t first)
{
	struct krr_keeping k = { 0 };

	assert_int_equal(krr_flight_all(rec.dirfd, &k), 0);
	assert_int_equal(k.base, first);
	assert_int_equal(k.first, first);
	assert_int_equal(k.last, EPOCHS - 1);
	assert_int_equal(k.end, KRR_NO_EPOCH);
	assert_true(k.offset == offset[first]);
	k.name = krr_strf("kept");
	k.stop_reason = krr_strf("none");
	keep(&k);
	krr_keeping_free(&k);
}

/* drop_oldest(), step by step, and a crash after each. */
static void crash_while_dropping(void **state)
{
	__close_fd int base = openat(rec.dirfd, KRR_BASE_RAM, O_RDWR | O_CLOEXEC);
	size_t half = (HIGH + 60u) * KRR_BLOCK;

	(void)state;
	assert_true(base >= 0);
	salvage(0);
	remove_of(0, "state");
	salvage(1);
	remove_of(0, "krr");
	salvage(1);
	/* a part of the pages */
	assert_int_equal(pwrite(base, image[1], HDR_PAGE * KRR_BLOCK, 0), HDR_PAGE * KRR_BLOCK);
	assert_int_equal(pwrite(base, image[1] + half, 30 * KRR_BLOCK, (off_t)half),
			 30 * KRR_BLOCK);
	salvage(1);
	assert_int_equal(krr_delta_apply(rec.dirfd, "epoch-1.delta", base), 0);
	salvage(1);
	remove_of(1, "delta");
	salvage(1);
	/* and so on with the next one */
	remove_of(1, "state");
	salvage(2);
}

/* The next epoch has a state, and no more; or something half written. */
static void crash_while_beginning(void **state)
{
	(void)state;
	put_file(rec.dirfd, "epoch-5.state", "half", 4);
	salvage(0);
	put_file(rec.dirfd, "epoch-5.delta.tmp", "half", 4);
	put_file(rec.dirfd, "epoch-05.krr", "", 0);
	put_file(rec.dirfd, "epoch-7.krr.tmp", "", 0);
	put_file(rec.dirfd, "epoch--1.krr", "", 0);
	salvage(0);
}

static void nothing_left(void **state)
{
	struct krr_keeping k = { 0 };
	struct krr_log_writer *w;
	struct krr_decoder d;
	uint32_t n;

	(void)state;
	for (n = 0; n < EPOCHS - 1; n++)
		remove_of(n, "state");
	/* only the last one, without an event */
	krr_log_writer_free(writer);
	remove_of(now, "krr");
	open_log();
	assert_int_equal(krr_flight_all(rec.dirfd, &k), -ENODATA);
	for (n = 0; n < EPOCHS; n++)
		remove_of(n, "krr");
	assert_int_equal(krr_flight_all(rec.dirfd, &k), -ENODATA);
	assert_int_equal(krr_flight_last(rec.dirfd, &d, &w), -ENODATA);
	remove_of(now, "state");
	assert_int_equal(krr_flight_all(rec.dirfd, &k), -ENODATA);
}

/* Go on where krr_flight_last() says; all of it can be kept then. */
static void go_on(uint64_t events, uint64_t bytes)
{
	struct krr_decoder d;

	krr_log_writer_free(writer);
	writer = NULL;
	assert_int_equal(krr_flight_last(rec.dirfd, &d, &writer), 0);
	assert_true(d.number == events);
	assert_true(d.offset == bytes);
	decoder = d;
	log_chunk(NULL, 30);
	offset[now + 1] = decoder.offset;
	number[now + 1] = decoder.number;
	salvage(0);
}

static void last_is_whole(void **state)
{
	(void)state;
	go_on(number[EPOCHS], offset[EPOCHS]);
}

/* The last chunk is not whole, or its header is not. */
static void last_is_torn(void **state)
{
	uint64_t events = decoder.number, bytes = decoder.offset;
	uint8_t *buf;
	size_t len, before, cut;

	(void)state;
	before = krr_log_written(writer);
	log_chunk(NULL, 30);
	buf = get_file(rec.dirfd, "epoch-4.krr", &len);
	for (cut = before; cut < len; cut += 13) {
		put_file(rec.dirfd, "epoch-4.krr", buf, cut);
		go_on(events, bytes);
	}
	free(buf);
}

/* It was begun, and the recorder died: it begins where the one before ends. */
static void last_is_empty(void **state)
{
	struct krr_decoder d;
	uint8_t *buf;
	size_t len;
	uint32_t i;

	(void)state;
	buf = get_file(rec.dirfd, "epoch-4.krr", &len);
	put_file(rec.dirfd, "epoch-4.krr", buf, sizeof(struct krr_log_header));
	go_on(number[EPOCHS - 1], offset[EPOCHS - 1]);
	/* also in the middle of its first chunk */
	put_file(rec.dirfd, "epoch-4.krr", buf,
		 sizeof(struct krr_log_header) + sizeof(struct krr_chunk_header) + 9);
	free(buf);
	go_on(number[EPOCHS - 1], offset[EPOCHS - 1]);
	/* nothing of the epoch before is known there */
	put_file(rec.dirfd, "epoch-4.krr", "", 0);
	assert_int_equal(unlinkat(rec.dirfd, "epoch-4.krr", 0), 0);
	krr_log_writer_free(writer);
	open_log();
	krr_log_writer_free(writer);
	writer = NULL;
	assert_int_equal(krr_flight_last(rec.dirfd, &d, &writer), 0);
	for (i = 0; i < KRR_MAX_CPUS; i++)
		assert_true(!d.pos[i]);
}

/* It died before the log of the last epoch had its first bytes. */
static void last_is_a_stump(void **state)
{
	struct krr_keeping k = { 0 };
	struct krr_decoder d;
	size_t len;

	(void)state;
	for (len = 0; len < sizeof(struct krr_log_header); len++) {
		put_file(rec.dirfd, "epoch-4.krr", "KRRlog\r\n and some more...", len);
		krr_log_writer_free(writer);
		writer = NULL;
		assert_int_equal(krr_flight_last(rec.dirfd, &d, &writer), 0);
		assert_true(d.number == number[EPOCHS - 1] && d.offset == offset[EPOCHS - 1]);
	}
	assert_int_equal(krr_flight_all(rec.dirfd, &k), 0);
	assert_int_equal(k.last, EPOCHS - 2);
	k.name = krr_strf("kept");
	k.stop_reason = krr_strf("none");
	keep(&k);
	krr_keeping_free(&k);
}

/* The recorder dies with events in the ring; the next command finds what it left. */
static void die(unsigned int in_ring)
{
	uint64_t at = decoder.offset;
	struct krr_event ev = { .kind = KRR_EV_RANDOM, .arg = { 77 } };

	free(rec.m.ram_path);
	rec.m.ram_path = krr_strf("%s/ram", scratch);
	assert_int_equal(krr_manifest_save(rec.dirfd, &rec.m), 0);
	log_chunk(&ev, in_ring ? in_ring : 1);
	krr_ring_write(&ram, RING_BASE + at, stream + at, decoder.offset - at);
	ram.hdr->tail = RING_BASE + at;
	ram.hdr->head = RING_BASE + (in_ring ? decoder.offset : at);
	strcpy(ram.hdr->message, "last words");
	if (in_ring) {
		offset[EPOCHS] = decoder.offset;
		number[EPOCHS] = decoder.number;
	}
	krr_log_writer_free(writer);
	writer = NULL;
}

/* What was logged after the last whole chunk is only in the ring: not on disk. */
static void forget_chunk(size_t good)
{
	__free_ptr char *name = krr_epoch_file(now, "krr");
	__close_fd int fd = openat(rec.dirfd, name, O_WRONLY | O_CLOEXEC);

	assert_true(fd >= 0 && !ftruncate(fd, (off_t)good));
}

static void assert_salvaged(uint32_t first)
{
	struct krr_recording kept;
	char **list;

	krr_recording_close(&rec);
	krr_salvage();
	assert_int_equal(krr_store_list(&list, true), 0);
	krr_store_list_free(list);
	/* its name ends with the time */
	assert_int_equal(krr_store_list(&list, false), 1);
	assert_int_equal(strncmp(list[0], "fl-cut-", 7), 0);
	assert_int_equal(krr_recording_open(list[0], &kept), 0);
	krr_store_list_free(list);
	check_image(&kept, "start.ram", image[first]);
	check_log(&kept, first, EPOCHS - 1);
	assert_false(kept.m.complete);
	assert_false(kept.m.flight);
	assert_string_equal(kept.m.why, "the recorder died");
	assert_string_equal(kept.m.message, "last words");
	assert_true(kept.m.ring_base == RING_BASE + offset[first]);
	krr_recording_close(&kept);
}

static void salvaged(void **state)
{
	size_t good = krr_log_written(writer);

	(void)state;
	die(50);
	forget_chunk(good);
	assert_salvaged(0);
}

static void salvaged_half_dropped(void **state)
{
	size_t good = krr_log_written(writer);

	(void)state;
	remove_of(0, "state");
	die(1);
	/* a torn chunk, too */
	forget_chunk(good + 20);
	assert_salvaged(1);
}

static void salvaged_while_it_lives(void **state)
{
	char **list;

	(void)state;
	die(1);
	krr_salvage();
	assert_int_equal(krr_store_list(&list, false), 0);
	krr_store_list_free(list);
	assert_true(epoch_has(0, "state") && epoch_has(4, "krr"));
}

/* Nothing that can be replayed: it just goes. */
static void salvaged_empty(void **state)
{
	uint32_t n;
	char **list;

	(void)state;
	die(0);
	for (n = 0; n < EPOCHS; n++)
		remove_of(n, "krr");
	krr_recording_close(&rec);
	krr_salvage();
	assert_int_equal(krr_store_list(&list, false), 0);
	krr_store_list_free(list);
	assert_int_equal(krr_store_list(&list, true), 0);
	krr_store_list_free(list);
}

/* Damaged: it stays, for somebody to look at. */
static void salvaged_damaged(void **state)
{
	uint8_t *buf;
	size_t len;
	char **list;

	(void)state;
	die(0);
	buf = get_file(rec.dirfd, "epoch-1.krr", &len);
	buf[len - 9] ^= 1;
	put_file(rec.dirfd, "epoch-1.krr", buf, len);
	free(buf);
	close(rec.lockfd);
	rec.lockfd = -1;
	quiet_begin();
	krr_salvage();
	quiet_end();
	assert_int_equal(krr_store_list(&list, false), 0);
	krr_store_list_free(list);
	assert_true(epoch_has(0, "state") && epoch_has(4, "krr"));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(every_span),
		TEST(without_a_border),
		TEST(parked),
		TEST(parked_with_delta),
		TEST(consoles),
		TEST(name_taken),
		TEST(trim_by_time),
		TEST(trim_by_budget),
		TEST(busy),
		TEST(since),
		TEST(no_room),
		TEST(missing),
		TEST(no_events),
		TEST(no_state),
		TEST(damaged_delta),
		TEST(half_dropped),
		TEST(short_epoch),
		TEST(crash_while_dropping),
		TEST(crash_while_beginning),
		TEST(nothing_left),
		TEST(last_is_whole),
		TEST(last_is_torn),
		TEST(last_is_empty),
		TEST(last_is_a_stump),
		TEST(salvaged),
		TEST(salvaged_half_dropped),
		TEST(salvaged_while_it_lives),
		TEST(salvaged_empty),
		TEST(salvaged_damaged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
