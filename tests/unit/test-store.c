// SPDX-License-Identifier: GPL-2.0-only
/* The store and manifests: names, modes, life of a recording, bad files. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/store.h"
#include "lib/util.h"
#include "unit.h"
#include "vmm/ram.h"

static void fill(struct krr_manifest *m)
{
	make_manifest(m, "one");
	m->disk_bytes = 1ull << 40;
	m->net = m->balloon = true;
	m->share = krr_strf("tag");
	m->more_disks[0] = 512;
	m->more_disks[1] = 1ull << 33;
	m->hdr_gpa = 0x123000;
	m->ring_base = 0xfedcba987654ull;
	m->events = 3;
	m->count[KRR_KIND_ID(KRR_EV_TSC)] = 2;
	m->bytes[KRR_KIND_ID(KRR_EV_TSC)] = 9;
	m->count[63] = 1;
	m->bytes[63] = 4;
	m->complete = true;
	m->stop_reason = krr_strf("request");
}

static void names(void **state)
{
	static const char *const bad[] = {
		"", ".", "..", ".hidden", "-rf", "a/b", "a b", "a\nb", "ä", "x.incomplete",
		"0123456789012345678901234567890123456789012345678901234567890123456789"
		"0123456789012345678901234567890123456789",
	};
	static const char *const good[] = { "a", "A-1_2.b", "incomplete", "x..y" };
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(krr_name_ok(bad[i]));
	for (i = 0; i < ARRAY_SIZE(good); i++)
		assert_true(krr_name_ok(good[i]));
}

static void store_path(void **state)
{
	__free_ptr char *keep = krr_strf("%s", getenv("KRR_STORE")), *a = NULL, *b = NULL;

	(void)state;
	unsetenv("KRR_STORE");
	setenv("XDG_DATA_HOME", "/data", 1);
	a = krr_store_path();
	assert_string_equal(a, "/data/krr");
	unsetenv("XDG_DATA_HOME");
	setenv("HOME", "/home/me", 1);
	b = krr_store_path();
	assert_string_equal(b, "/home/me/.local/share/krr");
	setenv("KRR_STORE", keep, 1);
}

static void life(void **state)
{
	struct krr_recording rec, second;
	struct stat st;
	char **list;

	(void)state;
	assert_int_equal(krr_recording_create("one", &rec), 0);
	assert_int_equal(fstat(rec.dirfd, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	assert_int_equal(krr_recording_adopt("one", &second), -EWOULDBLOCK);
	krr_recording_close(&second);
	quiet_begin();
	assert_int_equal(krr_recording_create("one", &second), -EEXIST);
	krr_recording_close(&second);
	assert_int_equal(krr_recording_remove("one"), -EBUSY);
	quiet_end();
	assert_int_equal(krr_store_list(&list, false), 0);
	krr_store_list_free(list);
	assert_int_equal(krr_store_list(&list, true), 1);
	assert_string_equal(list[0], "one");
	krr_store_list_free(list);

	fill(&rec.m);
	assert_int_equal(krr_recording_seal(&rec), 0);
	assert_null(strstr(rec.path, KRR_INCOMPLETE));
	krr_recording_close(&rec);
	assert_int_equal(krr_store_list(&list, true), 0);
	krr_store_list_free(list);
	assert_int_equal(krr_recording_open("one", &rec), 0);
	assert_int_equal(fstatat(rec.dirfd, "manifest.json", &st, 0), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_true(faccessat(rec.dirfd, "lock", F_OK, 0) < 0);
	krr_recording_close(&rec);
	assert_int_equal(krr_recording_remove("one"), 0);
	quiet_begin();
	assert_int_equal(krr_recording_open("one", &rec), -ENOENT);
	quiet_end();
	krr_recording_close(&rec);
}

/* The first name that neither a recording has nor one that is being made. */
/* What was discarded is gone, and so is what a crash had left of another one of this name. */
static void discarded(void **state)
{
	struct krr_recording rec;
	__close_fd int store = -1, left = -1;
	char **none;

	(void)state;
	assert_int_equal(krr_recording_create("gone", &rec), 0);
	store = krr_store_open();
	assert_int_equal(mkdirat(store, ".gone-gone", 0700), 0);
	left = openat(store, ".gone-gone/log.krr", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(left >= 0);
	krr_recording_discard(&rec);
	assert_true(faccessat(store, "gone.incomplete", F_OK, 0) < 0);
	assert_true(faccessat(store, ".gone-gone", F_OK, 0) < 0);
	assert_int_equal(krr_recording_adopt("gone", &rec), -ENOENT);
	krr_recording_close(&rec);
	assert_int_equal(krr_store_list(&none, true), 0);
	krr_store_list_free(none);
}

static void free_names(void **state)
{
	static const char *const want[] = { "stem", "stem-2", "stem-3", "stem-4" };
	struct krr_recording rec[ARRAY_SIZE(want)];
	char *name;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(want); i++) {
		name = krr_recording_free_name("stem");
		assert_string_equal(name, want[i]);
		assert_int_equal(krr_recording_create(name, &rec[i]), 0);
		free(name);
		fill(&rec[i].m);
		if (i & 1)
			assert_int_equal(krr_recording_seal(&rec[i]), 0);
	}
	/* a gap is used again */
	assert_int_equal(krr_recording_remove("stem-2"), 0);
	name = krr_recording_free_name("stem");
	assert_string_equal(name, "stem-2");
	free(name);
	for (i = 0; i < ARRAY_SIZE(want); i++) {
		krr_recording_close(&rec[i]);
		if (i != 1)
			assert_int_equal(krr_recording_remove(want[i]), 0);
	}
}

static void symlinks(void **state)
{
	__close_fd int store = krr_store_open();
	struct krr_recording rec;

	(void)state;
	assert_int_equal(symlinkat("/etc", store, "link"), 0);
	quiet_begin();
	assert_int_equal(krr_recording_open("link", &rec), -ELOOP);
	krr_recording_close(&rec);
	assert_int_equal(krr_recording_create("link", &rec), -EEXIST);
	krr_recording_close(&rec);
	quiet_end();
	/* removing a symlink removes the link */
	assert_int_equal(krr_recording_remove("link"), 0);
	assert_int_equal(access("/etc", F_OK), 0);
}

static int new_dir(void)
{
	__free_ptr char *path = krr_strf("%s/m-XXXXXX", scratch);

	assert_non_null(mkdtemp(path));
	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void manifest_round_trip(void **state)
{
	__close_fd int dir = new_dir();
	struct krr_manifest a = { 0 }, b;
	__free_ptr char *x = NULL, *y = NULL;

	(void)state;
	fill(&a);
	assert_int_equal(krr_manifest_save(dir, &a), 0);
	assert_int_equal(krr_manifest_load(dir, &b), 0);
	assert_string_equal(a.kversion, b.kversion);
	assert_true(a.ring_base == b.ring_base && b.net && b.complete);
	assert_null(b.message);
	assert_int_equal(b.count[63], 1);
	assert_memory_equal(a.bytes, b.bytes, sizeof(a.bytes));
	x = krr_manifest_json(&a);
	y = krr_manifest_json(&b);
	assert_string_equal(x, y);
	krr_manifest_free(&a);
	krr_manifest_free(&b);
}

/* What only the flight recorder writes. */
static void manifest_of_a_flight(void **state)
{
	__close_fd int dir = new_dir();
	struct krr_manifest a = { 0 }, b;

	(void)state;
	fill(&a);
	assert_int_equal(krr_manifest_save(dir, &a), 0);
	assert_int_equal(krr_manifest_load(dir, &b), 0);
	assert_null(b.why);
	assert_true(!b.flight && !b.epochs);
	krr_manifest_free(&b);
	a.why = krr_strf("rule \"x\" \xc2\x9b");
	a.flight = true;
	a.epochs = 1ull << 33;
	a.border_pause_ms = 30;
	a.border_pause_most_ms = 90;
	a.ahead_pages = 1ull << 34;
	free(a.stop_reason);
	a.stop_reason = krr_strf("%s", KRR_KEPT);
	assert_int_equal(krr_manifest_save(dir, &a), 0);
	assert_int_equal(krr_manifest_load(dir, &b), 0);
	assert_string_equal(b.why, "rule \"x\" ??");
	assert_string_equal(b.stop_reason, "kept");
	assert_true(b.flight);
	assert_true(b.epochs == 1ull << 33);
	assert_true(b.border_pause_ms == 30 && b.border_pause_most_ms == 90);
	assert_true(b.ahead_pages == 1ull << 34);
	krr_manifest_free(&a);
	krr_manifest_free(&b);
}

/* A copy says the same, and has nothing of the original. */
static void manifest_copy(void **state)
{
	struct krr_manifest a = { 0 }, b;
	__free_ptr char *x = NULL, *y = NULL;

	(void)state;
	fill(&a);
	a.flight = true;
	a.why = krr_strf("because");
	a.ram_path = krr_strf("/ram");
	strcpy(a.sum[KRR_FILE_LOG], "0123456789abcdef");
	krr_manifest_copy(&b, &a);
	x = krr_manifest_json(&a);
	assert_ptr_not_equal(a.name, b.name);
	assert_ptr_not_equal(a.why, b.why);
	assert_null(b.cmdline);
	krr_manifest_free(&a);
	y = krr_manifest_json(&b);
	assert_string_equal(x, y);
	krr_manifest_free(&b);
}

/* Texts are printed: what a terminal would obey does not come through. */
static void manifest_texts(void **state)
{
	__close_fd int dir = new_dir();
	struct krr_manifest a = { 0 }, b;

	(void)state;
	fill(&a);
	free(a.message);
	a.message = krr_strf("a\33[2J\tb\n\xc2\x9b" "c\x7f \xc3\xbc");
	assert_int_equal(krr_manifest_save(dir, &a), 0);
	assert_int_equal(krr_manifest_load(dir, &b), 0);
	assert_string_equal(b.message, "a?[2J\tb\n??c? \xc3\xbc");
	krr_manifest_free(&a);
	krr_manifest_free(&b);
}

/* Pipes instead of files, which nobody writes to, are not waited for. */
static void pipes(void **state)
{
	__close_fd int dir = new_dir();
	struct krr_log_reader *r;
	struct krr_manifest m;
	struct krr_ram ram;

	(void)state;
	alarm(60);
	assert_int_equal(mkfifoat(dir, "manifest.json", 0600), 0);
	assert_int_equal(mkfifoat(dir, "log.krr", 0600), 0);
	quiet_begin();
	assert_int_equal(krr_manifest_load(dir, &m), -EBADMSG);
	assert_int_equal(krr_log_open(dir, "log.krr", false, &r), -EBADMSG);
	assert_int_equal(krr_ram_open_at(dir, "log.krr", false, &ram), -EBADMSG);
	quiet_end();
	alarm(0);
	krr_manifest_free(&m);
}

static void put_text(int dir, const char *text)
{
	__close_fd int fd = openat(dir, "manifest.json", O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_int_equal(krr_write_full(fd, text, strlen(text)), 0);
}

/* Replace one member of a good manifest, which must then be refused. */
static void refuse_with(int dir, const char *good, const char *from, const char *to)
{
	const char *at = strstr(good, from);
	__free_ptr char *text = NULL;
	struct krr_manifest m;

	assert_non_null(at);
	text = krr_strf("%.*s%s%s", (int)(at - good), good, to, at + strlen(from));
	put_text(dir, text);
	assert_int_equal(krr_manifest_load(dir, &m), -EBADMSG);
	krr_manifest_free(&m);
}

static void bad_manifests(void **state)
{
	static const char *const texts[] = { "", "{", "[1]", "{}", "{\"krr_manifest\": \"1\"}" };
	__close_fd int dir = new_dir();
	struct krr_manifest m = { 0 };
	__free_ptr char *good = NULL;
	size_t i;

	(void)state;
	assert_int_equal(krr_manifest_load(dir, &m), -ENOENT);
	fill(&m);
	good = krr_manifest_json(&m);
	krr_manifest_free(&m);
	quiet_begin();
	for (i = 0; i < ARRAY_SIZE(texts); i++) {
		put_text(dir, texts[i]);
		assert_int_equal(krr_manifest_load(dir, &m), -EBADMSG);
		krr_manifest_free(&m);
	}
	refuse_with(dir, good, "\"krr_manifest\": 1", "\"krr_manifest\": 2");
	refuse_with(dir, good, "\"smp\": 2", "\"smp\": 99");
	refuse_with(dir, good, "\"smp\": 2", "\"smp\": \"2\"");
	refuse_with(dir, good, "\"mem\": 536870912", "\"mem\": 536870913");
	refuse_with(dir, good, "\"mem\": 536870912", "\"mem\": -1");
	refuse_with(dir, good, "\"hdr_gpa\": 1191936", "\"hdr_gpa\": 536870912");
	refuse_with(dir, good, "\"net\": true", "\"net\": 1");
	refuse_with(dir, good, "8589934592", "-1");
	refuse_with(dir, good, "8589934592", "\"1\"");
	refuse_with(dir, good, "8589934592", "1, 1, 1, 1");
	refuse_with(dir, good, "\"more_disks\": [", "\"more_disks\": 1, \"x\": [");
	refuse_with(dir, good, "\"share\": \"tag\"", "\"share\": 1");
	refuse_with(dir, good, "\"cpu\": \"model\"", "\"gpu\": \"model\"");
	refuse_with(dir, good, "\"tsc\"", "\"clock\"");
	refuse_with(dir, good, "\"flight\": false", "\"flight\": 0");
	refuse_with(dir, good, "\"epochs\": 0", "\"epochs\": \"0\"");
	refuse_with(dir, good, "\"flight\": false", "\"why\": true");
	quiet_end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names),
		cmocka_unit_test(store_path),
		cmocka_unit_test(life),
		cmocka_unit_test(discarded),
		cmocka_unit_test(free_names),
		cmocka_unit_test(symlinks),
		cmocka_unit_test(manifest_round_trip),
		cmocka_unit_test(manifest_of_a_flight),
		cmocka_unit_test(manifest_copy),
		cmocka_unit_test(manifest_texts),
		cmocka_unit_test(pipes),
		cmocka_unit_test(bad_manifests),
	};

	return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
