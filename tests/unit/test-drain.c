// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ring: a thread plays the guest and produces through a small ring, the
 * host's half drains it.  Then the host dies at bad moments.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/util.h"
#include "unit.h"
#include "vmm/drain.h"
#include "vmm/salvage.h"

#define RAM_BYTES	(8u << 20)
#define HDR_AT		(1u << 20)
#define RING_BYTES	KRR_MIN_RING
#define EVENTS		150000u

static char *ram_path;

static void make_ram(struct krr_ram *ram)
{
	int fd;

	free(ram_path);
	ram_path = krr_strf("%s/ram", scratch);
	fd = open(ram_path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, RAM_BYTES), 0);
	close(fd);
	assert_int_equal(krr_ram_open(ram_path, true, ram), 0);
	assert_int_equal(krr_ram_find(ram), -ENOENT);
	/* the magic alone, as in the kernel's image, is no header */
	memcpy(ram->map + 4096, KRR_MAGIC, KRR_MAGIC_LEN);
	assert_int_equal(krr_ram_find(ram), -ENOENT);
	make_header(ram->map, HDR_AT, RING_BYTES);
	assert_int_equal(krr_ram_find(ram), 0);
	assert_int_equal(ram->hdr_at, HDR_AT);
}

struct producer {
	struct krr_ram *ram;
	struct dice dice;
	uint64_t base, head;
	unsigned int events;
	uint32_t crc;		/* of all that was produced */
};

static void produce_one(struct producer *p, const struct krr_event *ev)
{
	static uint8_t buf[2048];
	int n = krr_encode(buf, sizeof(buf), ev);

	while (p->head + (uint64_t)n - krr_load(&p->ram->hdr->tail) > RING_BYTES)
		sched_yield();
	krr_ring_write(p->ram, p->head, buf, (uint64_t)n);
	p->crc = krr_crc32(p->crc, buf, (size_t)n);
	p->head += (uint64_t)n;
	krr_store(&p->ram->hdr->head, p->head);
}

static void *produce(void *arg)
{
	struct producer *p = arg;
	static uint8_t data[1000];
	struct krr_event ev;
	unsigned int i;

	for (i = 0; i < p->events; i++) {
		random_event(&p->dice, &ev, data, sizeof(data));
		produce_one(p, &ev);
	}
	return NULL;
}

static uint32_t crc_of_log(int dir, const char *name, uint64_t *events)
{
	struct krr_log_reader *r;
	const uint8_t *raw;
	uint32_t crc = 0;
	size_t len;

	assert_int_equal(krr_log_open(dir, name, true, &r), 0);
	while (krr_log_next_chunk(r, &raw, &len) > 0)
		crc = krr_crc32(crc, raw, len);
	krr_log_totals(r, events, &(uint64_t){ 0 });
	krr_log_close(r);
	return crc;
}

static void concurrent(void **state)
{
	__close_fd int dir = open(scratch, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	/* a start above 32 bits and not at the start of the ring */
	struct producer p = { .dice = { 11 }, .base = 0x1000ffff1ull, .events = EVENTS };
	struct krr_log_writer *log;
	struct krr_drain dr;
	struct krr_ram ram;
	uint64_t events;
	pthread_t thread;

	(void)state;
	make_ram(&ram);
	p.ram = &ram;
	p.head = ram.hdr->head = ram.hdr->tail = p.base;
	assert_int_equal(krr_log_create(dir, "ring.log", &log), 0);
	assert_int_equal(krr_drain_init(&dr, &ram, log, p.base), 0);
	assert_int_equal(pthread_create(&thread, NULL, produce, &p), 0);
	while (dr.d.number < EVENTS) {
		assert_int_equal(krr_drain_step(&dr, roll(&(struct dice){ dr.d.number }) & 1), 0);
		assert_false(dr.damaged);
	}
	pthread_join(thread, NULL);
	assert_int_equal(krr_log_finish(log, &dr.d), 0);
	assert_true(p.head - p.base > 4 * RING_BYTES);
	assert_true(ram.hdr->tail == p.head);
	assert_int_equal(crc_of_log(dir, "ring.log", &events), p.crc);
	assert_int_equal(events, EVENTS);
	krr_drain_free(&dr);
	krr_log_writer_free(log);
	krr_ram_close(&ram);
}

static void damage(void **state)
{
	__close_fd int dir = open(scratch, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct krr_event good = { .kind = KRR_EV_TSC, .arg = { 5 } };
	struct krr_log_writer *log;
	struct producer p = { 0 };
	struct krr_drain dr;
	struct krr_ram ram;
	uint64_t events;

	(void)state;
	make_ram(&ram);
	p.ram = &ram;
	assert_int_equal(krr_log_create(dir, "bad.log", &log), 0);
	assert_int_equal(krr_drain_init(&dr, &ram, log, 0), 0);
	produce_one(&p, &good);
	produce_one(&p, &good);
	ram.ring[p.head] = KRR_SHAPE_VV | KRR_KIND_ID(KRR_EV_TSC);
	krr_store(&ram.hdr->head, p.head + 50);
	quiet_begin();
	assert_int_equal(krr_drain_step(&dr, true), 0);
	assert_true(dr.damaged);
	assert_int_equal(krr_drain_step(&dr, true), 0);
	quiet_end();
	/* what was good is kept, and the guest does not wait for room */
	assert_int_equal(krr_log_finish(log, &dr.d), 0);
	crc_of_log(dir, "bad.log", &events);
	assert_int_equal(events, 2);
	assert_true(ram.hdr->tail == p.head + 50);
	krr_drain_free(&dr);
	krr_log_writer_free(log);
	krr_ram_close(&ram);
}

static void hostile_headers(void **state)
{
	struct krr_ram ram;
	struct krr_hdr *h;

	(void)state;
	make_ram(&ram);
	h = ram.hdr;
	quiet_begin();
	h->ring_bytes = RING_BYTES + 1;
	assert_int_equal(krr_ram_use(&ram, HDR_AT), -EPROTO);
	h->ring_bytes = 1ull << 40;
	assert_int_equal(krr_ram_use(&ram, HDR_AT), -EPROTO);
	h->ring_bytes = RING_BYTES;
	h->ring_off = UINT64_MAX - 63;
	assert_int_equal(krr_ram_use(&ram, HDR_AT), -EPROTO);
	h->ring_off = KRR_HDR_BYTES;
	h->version = 77;
	assert_int_equal(krr_ram_use(&ram, HDR_AT), -EPROTO);
	quiet_end();
	h->version = KRR_FORMAT_VERSION;
	assert_int_equal(krr_ram_use(&ram, HDR_AT), 0);
	assert_int_equal(krr_ram_use(&ram, HDR_AT + 1), -ENOENT);
	assert_int_equal(krr_ram_use(&ram, RAM_BYTES), -ENOENT);
	assert_int_equal(krr_ram_use(&ram, UINT64_MAX - 4095), -ENOENT);
	krr_ram_close(&ram);
}

static void begin_recording(const char *name, struct krr_recording *rec)
{
	struct krr_manifest *m = &rec->m;

	assert_int_equal(krr_recording_create(name, rec), 0);
	make_manifest(m, name);
	m->mem = RAM_BYTES;
	m->hdr_gpa = HDR_AT;
	m->ram_path = krr_strf("%s", ram_path);
	assert_int_equal(krr_manifest_save(rec->dirfd, m), 0);
}

/* The recorder dies with a torn chunk on disk and the rest in the ring. */
static void salvage(void **state)
{
	struct producer p = { .dice = { 12 }, .events = 500 };
	struct krr_log_writer *log;
	struct krr_recording rec;
	struct krr_drain dr;
	struct krr_ram ram;
	uint64_t good, events;
	int fd;

	(void)state;
	make_ram(&ram);
	p.ram = &ram;
	begin_recording("dead", &rec);
	assert_int_equal(krr_log_create(rec.dirfd, "log.krr", &log), 0);
	assert_int_equal(krr_drain_init(&dr, &ram, log, 0), 0);
	produce(&p);
	assert_int_equal(krr_drain_step(&dr, true), 0);
	good = ram.hdr->tail;
	produce(&p);
	assert_int_equal(krr_drain_step(&dr, true), 0);
	/* the second chunk is half on disk, and its events not yet given free */
	krr_store(&ram.hdr->tail, good);
	fd = openat(rec.dirfd, "log.krr", O_WRONLY | O_CLOEXEC);
	assert_int_equal(ftruncate(fd, (off_t)krr_log_written(log) - 9), 0);
	close(fd);
	produce(&p);
	krr_drain_free(&dr);
	krr_log_writer_free(log);
	krr_ram_close(&ram);
	krr_recording_close(&rec);	/* lets the lock go, as death does */

	krr_quiet = true;
	krr_salvage();
	krr_quiet = false;
	assert_int_equal(krr_recording_open("dead", &rec), 0);
	assert_int_equal(rec.m.events, 1500);
	assert_false(rec.m.complete);
	assert_null(rec.m.ram_path);
	assert_int_equal(crc_of_log(rec.dirfd, "log.krr", &events), p.crc);
	assert_int_equal(events, 1500);
	krr_recording_close(&rec);
}

static void salvage_without_ram(void **state)
{
	struct krr_log_writer *log;
	struct krr_recording rec;
	struct krr_ram ram;

	(void)state;
	make_ram(&ram);
	krr_ram_close(&ram);
	begin_recording("alone", &rec);
	assert_int_equal(krr_log_create(rec.dirfd, "log.krr", &log), 0);
	krr_log_writer_free(log);
	krr_recording_close(&rec);
	assert_int_equal(unlink(ram_path), 0);
	/* and one that never got its snapshot */
	assert_int_equal(krr_recording_create("nothing", &rec), 0);
	krr_recording_close(&rec);
	krr_quiet = true;
	krr_salvage();
	krr_quiet = false;
	assert_int_equal(krr_recording_open("alone", &rec), 0);
	assert_int_equal(rec.m.events, 0);
	krr_recording_close(&rec);
	assert_int_equal(krr_recording_exists("nothing"), 0);
}

static void living_recorder_is_left_alone(void **state)
{
	struct krr_recording rec;
	struct krr_ram ram;
	char **list;

	(void)state;
	make_ram(&ram);
	krr_ram_close(&ram);
	begin_recording("living", &rec);
	krr_salvage();
	assert_int_equal(krr_store_list(&list, true), 1);
	krr_store_list_free(list);
	krr_recording_discard(&rec);
}

static int teardown(void **state)
{
	free(ram_path);
	return scratch_teardown(state);
}

/* No file may become longer, as if the disk were full; 0: as before. */
static void limit_files(uint64_t bytes)
{
	struct rlimit l;

	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &l), 0);
	l.rlim_cur = bytes ? bytes : l.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &l), 0);
}

/* @arg: number behind the last one seen; none may be seen twice */
static void see_once(void *arg, const struct krr_event *ev)
{
	uint64_t *next = arg;

	assert_true(ev->number >= *next);
	*next = ev->number + 1;
}

/* A full disk costs nothing but time: what does not fit stays in the ring. */
static void no_room(void **state)
{
	__close_fd int dir = open(scratch, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const struct krr_event mark = {
		.kind = KRR_EV_ANNOTATE, .data = (const uint8_t *)"m", .len = 1,
	};
	struct producer p = { .dice = { 17 } };
	struct krr_log_writer *log;
	struct krr_drain dr;
	struct krr_ram ram;
	uint64_t events, next = 0;
	struct stat st;

	(void)state;
	make_ram(&ram);
	p.ram = &ram;
	assert_int_equal(krr_log_create(dir, "full.log", &log), 0);
	assert_int_equal(krr_drain_init(&dr, &ram, log, 0), 0);
	dr.see = see_once;
	dr.arg = &next;
	p.events = 100;
	produce(&p);
	assert_int_equal(krr_drain_step(&dr, true), 0);
	p.events = 1000;
	produce(&p);
	produce_one(&p, &mark);
	limit_files(krr_log_written(log) + 50000);
	assert_int_equal(krr_drain_step(&dr, true), -EFBIG);
	assert_int_equal(krr_drain_step(&dr, true), -EFBIG);
	/* nothing torn is left */
	assert_int_equal(fstatat(dir, "full.log", &st, 0), 0);
	assert_true((uint64_t)st.st_size == krr_log_written(log) && dr.d.number == 100);
	limit_files(0);
	assert_int_equal(krr_drain_step(&dr, true), 0);
	assert_true(ram.hdr->tail == p.head && dr.d.number == 1101 && next == 1101);
	limit_files(krr_log_written(log) + 9);
	assert_int_equal(krr_log_finish(log, &dr.d), -EFBIG);
	limit_files(0);
	assert_int_equal(krr_log_finish(log, &dr.d), 0);
	assert_int_equal(crc_of_log(dir, "full.log", &events), p.crc);
	assert_int_equal(events, 1101);
	krr_drain_free(&dr);
	krr_log_writer_free(log);
	krr_ram_close(&ram);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(concurrent),
		cmocka_unit_test(damage),
		cmocka_unit_test(no_room),
		cmocka_unit_test(hostile_headers),
		cmocka_unit_test(salvage),
		cmocka_unit_test(salvage_without_ram),
		cmocka_unit_test(living_recorder_is_left_alone),
	};

	return cmocka_run_group_tests(tests, scratch_setup, teardown);
}
