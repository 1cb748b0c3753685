// SPDX-License-Identifier: GPL-2.0-only
/* Comparing consoles. */
#include <string.h>

#include "lib/util.h"
#include "unit.h"
#include "vmm/console.h"

static struct krr_console_diff d;

static void compare(const char *recorded, const char *replayed)
{
	__close_fd int a = scratch_file("a", recorded, strlen(recorded));
	__close_fd int b = scratch_file("b", replayed, strlen(replayed));

	assert_int_equal(krr_console_compare(a, b, &d), 0);
	assert_true(d.compared);
	assert_int_equal(d.recorded, strlen(recorded));
	assert_int_equal(d.replayed, strlen(replayed));
}

static void equal_texts(void **state)
{
	(void)state;
	compare("", "");
	assert_true(d.equal);
	compare("one\ntwo\n", "one\ntwo\n");
	assert_true(d.equal);
}

static void first_line(void **state)
{
	(void)state;
	compare("one\ntwo\r\nthree\n", "one\ntwi\r\nthree\n");
	assert_false(d.equal);
	assert_int_equal(d.line, 2);
	assert_int_equal(d.offset, 6);
	assert_string_equal(d.recorded_line, "two");
	assert_string_equal(d.replayed_line, "twi");
	compare("a\x1b[m\n", "b\n");
	assert_int_equal(d.line, 1);
	assert_string_equal(d.recorded_line, "a?[m");
}

static void lengths(void **state)
{
	(void)state;
	compare("one\ntwo\n", "one\n");
	assert_false(d.equal);
	assert_int_equal(d.line, 2);
	assert_string_equal(d.recorded_line, "two");
	assert_string_equal(d.replayed_line, "");
	compare("one\nt", "one\ntwo");
	assert_false(d.equal);
	assert_int_equal(d.line, 2);
	assert_string_equal(d.replayed_line, "two");
	compare("", "x");
	assert_false(d.equal);
	assert_int_equal(d.line, 1);
}

/* The line with the difference spans two reads, and is longer than is kept. */
static void long_texts(void **state)
{
	static char x[200001], y[200001];
	int i;

	(void)state;
	memset(x, 'x', sizeof(x) - 1);
	for (i = 0; i < 1000; i++)
		x[i * 60] = '\n';
	memcpy(y, x, sizeof(y));
	compare(x, y);
	assert_true(d.equal);
	y[131072] = 'y';
	compare(x, y);
	assert_false(d.equal);
	assert_int_equal(d.line, 1001);
	assert_int_equal(d.offset, 131072);
	assert_int_equal(strlen(d.recorded_line), KRR_CONSOLE_LINE - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equal_texts),
		cmocka_unit_test(first_line),
		cmocka_unit_test(lengths),
		cmocka_unit_test(long_texts),
	};

	return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
