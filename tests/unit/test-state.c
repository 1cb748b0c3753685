// SPDX-License-Identifier: GPL-2.0-only
/*
 * Saved device states, of two QEMUs, two accelerators and two machine types.
 *
 * tests/unit/state has states of a VM with one CPU that never ran, as QEMU saved them, with
 * `tests/qemu-state keep` cut down to a few sections.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "lib/util.h"
#include "unit.h"
#include "vmm/state.h"

#define ROOM (64u << 10)

static const char *const files[] = { "tcg-7.2", "kvm-7.2", "q35-10.0" };

struct bytes {
	uint8_t p[ROOM];
	size_t n;
};

static void load(const char *name, struct bytes *b)
{
	__free_ptr char *path = krr_strf("tests/unit/state/%s", name);
	__close_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	assert_true(fd >= 0);
	n = krr_read_full(fd, b->p, sizeof(b->p));
	assert_true(n > 0 && n < (ssize_t)sizeof(b->p));
	b->n = (size_t)n;
}

/* Of its very size on the heap, so that the sanitizer sees a read behind its end. */
static int filter(const struct bytes *from, uint64_t cpus, struct bytes *to)
{
	__close_fd int fd = scratch_file("filtered", "", 0);
	uint8_t *data = malloc(from->n ? from->n : 1);
	struct krr_saved s;
	int err;

	assert_non_null(data);
	memcpy(data, from->p, from->n);
	err = krr_state_parse(data, from->n, "state", &s);
	if (!err)
		err = krr_state_filter(&s, cpus, fd);
	krr_state_free(&s);
	free(data);
	to->n = (size_t)krr_pread_full(fd, to->p, sizeof(to->p), 0);
	return err;
}

static size_t find(const struct bytes *b, const char *text)
{
	const uint8_t *p = memmem(b->p, b->n, text, strlen(text));

	return p ? (size_t)(p - b->p) : 0;
}

/* Overwrite what @text is followed by, or begins with. */
static void patch(struct bytes *b, const char *text, size_t at, const char *with)
{
	size_t where = find(b, text);

	assert_true(where > 0);
	memcpy(b->p + where + at, with, strlen(with));
}

static void what_a_replay_needs(void **state)
{
	static const char *const kept[] = {
		"\x05timer", "\x0a" "cpu_common", "\x03" "cpu", "\x04" "apic", "0000:00:00.0/", "\x06serial",
	};
	static const char *const dropped[] = {
		"kvmclock", "kvm-tpr-opt", "i8259", "globalstate", "cpu/", "devices", "ignore-shared",
	};
	struct bytes from, to;
	size_t i, j;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(files); i++) {
		load(files[i], &from);
		assert_int_equal(filter(&from, 1, &to), 0);
		assert_memory_equal(to.p, from.p, 9 + 4);
		for (j = 0; j < ARRAY_SIZE(kept); j++)
			assert_true(find(&to, kept[j]) > 0);
		for (j = 0; j < ARRAY_SIZE(dropped); j++)
			assert_true(find(&to, dropped[j]) == 0);
		assert_true(to.n < 2700 && to.p[to.n - 1] == 0 && to.p[to.n - 6] == 0x7e);
	}
	load("kvm-7.2", &from);
	assert_true(find(&from, "kvmclock") && find(&from, "cpu/tsc_khz"));
}

static void sections(void **state)
{
	__free_ptr char *text = NULL;
	struct krr_saved s;
	struct bytes b;
	size_t len;

	(void)state;
	load("kvm-7.2", &b);
	assert_int_equal(krr_state_parse(b.p, b.n, "state", &s), 0);
	assert_int_equal(s.nr_sections, 11);
	text = krr_state_text(&s);
	assert_string_equal(text, "timer 2, cpu_common 1, cpu 12, apic 3, 0000:00:00.0/I440FX 3, "
			    "serial 3");
	assert_non_null(krr_state_section(&s, "kvmclock", 1, &len));
	assert_int_equal(len, 8);
	assert_null(krr_state_section(&s, "kvmclock", 2, &len));
	assert_null(krr_state_section(&s, "kvmclock/clock_is_reliable", 1, &len));
	krr_state_free(&s);
}

static void another_number_of_cpus(void **state)
{
	struct bytes b, to;

	(void)state;
	load("tcg-7.2", &b);
	quiet_begin();
	assert_int_equal(filter(&b, 0, &to), -EBADMSG);
	assert_int_equal(filter(&b, 2, &to), -EBADMSG);
	quiet_end();
}

/* Sections that exist, but not the ones that are needed: the names have equal lengths. */
static void a_section_is_missing(void **state)
{
	static const struct {
		const char *stream, *described, *with;
	} cases[] = {
		{ "\x05timer", "\"timer\"", "Timer" },
		{ "\x04" "apic", "\"apic\"", "Apic" },
		{ "\x06serial", "\"serial\",\"version\"", "Serial" },
		{ "\x13" "0000:00:00.0/I440FX", "\"0000:00:00.0/I440FX\"", "1" },
	};
	struct bytes b, to;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		load("tcg-7.2", &b);
		patch(&b, cases[i].stream, 1, cases[i].with);
		quiet_begin();
		assert_int_equal(filter(&b, 1, &to), -EBADMSG);
		quiet_end();
		patch(&b, cases[i].described, 1, cases[i].with);
		quiet_begin();
		assert_int_equal(filter(&b, 1, &to), -EBADMSG);
		quiet_end();
	}
}

static void cut_off(void **state)
{
	struct bytes b, to;
	size_t all;

	(void)state;
	load("kvm-7.2", &b);
	all = b.n;
	quiet_begin();
	for (b.n = 0; b.n < all; b.n += b.n < 200 ? 1 : 29)
		assert_int_equal(filter(&b, 1, &to), -EBADMSG);
	quiet_end();
	b.n = all;
	assert_int_equal(filter(&b, 1, &to), 0);
	b.p[b.n++] = ' ';
	quiet_begin();
	assert_int_equal(filter(&b, 1, &to), -EBADMSG);
	quiet_end();
}

/* What the file says twice has to agree. */
static void contradictions(void **state)
{
	static const struct {
		const char *text;
		size_t at;
		const char *with;
	} cases[] = {
		{ "pc-i440fx", -4, "\xff" },
		{ "\x05timer", -5, "\x03" },
		{ "\x05timer", 0, "\x06" },
		{ "\x05timer", 9, "\x01" },			/* instance */
		{ "\x05timer", 13, "\x03" },			/* version */
		{ "\"size\":8", 7, "9" },
		{ "\"size\":8", 7, "x" },
		{ "\"array_len\":", 12, "99999999" },
		{ "\"devices\"", 1, "Devices" },
		{ "\"fields\"", 1, "Fields" },
		{ "cpu/tsc_khz", 0, "Cpu" },
		{ "\x0a" "cpu_common", -5, "\x7e" },		/* type, before an id of 4 bytes */
		{ "\x0a" "cpu_common", -10, "\x7f" },		/* the footer before it */
	};
	struct bytes b, to;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		load("kvm-7.2", &b);
		patch(&b, cases[i].text, cases[i].at, cases[i].with);
		quiet_begin();
		assert_int_equal(filter(&b, 1, &to), -EBADMSG);
		quiet_end();
	}
}

static void a_file(void **state)
{
	__close_fd int fd = open("tests/unit/state/kvm-7.2", O_RDONLY | O_CLOEXEC);
	__close_fd int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	__close_fd int empty = scratch_file("empty", "", 0);
	struct krr_saved s;

	(void)state;
	assert_int_equal(krr_state_read(fd, "state", &s), 0);
	assert_memory_equal(s.machine, "pc-i440fx-7.2", s.machine_len);
	krr_state_free(&s);
	quiet_begin();
	assert_int_equal(krr_state_read(null, "null", &s), -EBADMSG);
	krr_state_free(&s);
	assert_int_equal(krr_state_read(empty, "empty", &s), -EBADMSG);
	quiet_end();
	krr_state_free(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_replay_needs),
		cmocka_unit_test(sections),
		cmocka_unit_test(another_number_of_cpus),
		cmocka_unit_test(a_section_is_missing),
		cmocka_unit_test(cut_off),
		cmocka_unit_test(contradictions),
		cmocka_unit_test(a_file),
	};

	return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
