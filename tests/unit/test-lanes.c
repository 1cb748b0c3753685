// SPDX-License-Identifier: GPL-2.0-only
/* Lanes of a timeline: slices are one in the other, or apart. */
#include <string.h>

#include "krrctl/lanes.h"
#include "lib/util.h"
#include "unit.h"

/* in the order of their ends */
static const struct {
	int64_t begin, end, want;
	const char *why;
} slices[] = {
	{ 10, 20, 10, "the first one" },
	{ 20, 30, 20, "right behind it" },
	{ 40, 50, 40, "apart" },
	{ 35, 60, 35, "around the last one" },
	{ 58, 70, 60, "cut it near its end" },
	{ 36, 80, 35, "cut it near its begin, and contains what is behind" },
	{ 80, 80, 80, "of no length" },
	{ 80, 90, 80, "behind that" },
	{ 0, 100, 0, "around all" },
};

static void fit(void **state)
{
	struct lane l = { .tid = 1 };
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(slices); i++)
		if (lane_fit(&l, slices[i].begin, slices[i].end) != slices[i].want)
			fail_msg("slice %zu, %s", i, slices[i].why);
	assert_int_equal(l.done, 1);
}

static void fit_many(void **state)
{
	struct lane l = { .tid = 1 };
	int64_t i;

	(void)state;
	for (i = 0; i < 3 * LANE_DEPTH; i++)
		assert_int_equal(lane_fit(&l, 10 * i, 10 * i + 5), 10 * i);
	assert_int_equal(l.done, LANE_DEPTH);
	assert_int_equal(lane_fit(&l, 0, 10 * i), 0);
}

static void find(void **state)
{
	struct lanes lanes = { 0 };
	struct lane *a, *b;

	(void)state;
	assert_null(lane_find(&lanes, 5));
	a = lane_get(&lanes, 4, 5);
	b = lane_get(&lanes, 4, 5 + 256);	/* the same bucket */
	assert_ptr_not_equal(a, b);
	assert_ptr_equal(lane_get(&lanes, 4, 5), a);
	assert_ptr_equal(lane_find(&lanes, 5 + 256), b);
	assert_true(lane_rename(a, "sh"));
	assert_false(lane_rename(a, "sh"));
	assert_true(lane_rename(a, "nginx"));
	lane_fit(a, 1, 2);
	/* another process's thread has the tid now */
	assert_ptr_equal(lane_get(&lanes, 9, 5), a);
	assert_int_equal(a->pid, 9);
	assert_int_equal(a->done, 0);
	assert_true(lane_rename(a, "nginx"));
	lanes_free(&lanes);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(fit),
		cmocka_unit_test(fit_many),
		cmocka_unit_test(find),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
