// SPDX-License-Identifier: GPL-2.0-only
/* Whether a rule holds for a record, as the programs decide it. */
#include <linux/types.h>
#include <string.h>

#include "bpf/match.h"
#include "unit.h"

#define AT(member) offsetof(struct krr_fs, member), sizeof(((struct krr_fs *)0)->member)

static struct krr_bytes record(void)
{
	struct krr_fs fs = {
		.pid = 0xfffffff0, .event = KRR_FS_WRITE, .len = 4096, .ret = -28,
		.inode = 1ull << 63, .name = "journal",
	};
	struct krr_bytes bytes = { 0 };

	memcpy(&bytes, &fs, sizeof(fs));
	return bytes;
}

static struct krr_clause number(size_t off, size_t size, bool is_signed, enum krr_op op, __u64 value)
{
	return (struct krr_clause){ .off = (__u16)off, .size = (__u8)size, .is_signed = is_signed,
				    .op = (__u8)op, .nr = 1, .value = { value } };
}

static struct krr_clause text(enum krr_op op, const char *value, size_t len)
{
	struct krr_clause c = { .off = offsetof(struct krr_fs, name), .size = KRR_TEXT_LEN,
				.op = (__u8)op, .nr = 1, .len = (__u8)len };

	memcpy(c.bytes, value, len);
	return c;
}

/* The clause, and its opposite. */
static void expect(struct krr_clause c, bool holds)
{
	struct krr_bytes bytes = record();

	c.negate = 0;
	assert_int_equal(krr_clause_holds(&c, &bytes), holds);
	c.negate = 1;
	assert_int_equal(krr_clause_holds(&c, &bytes), !holds);
}

static void numbers(void **state)
{
	(void)state;
	expect(number(AT(len), false, KRR_IS_EQUAL, 4096), true);
	expect(number(AT(len), false, KRR_IS_EQUAL, 4097), false);
	expect(number(AT(len), false, KRR_IS_LESS, 4096), false);
	expect(number(AT(len), false, KRR_IS_LESS, 4097), true);
	expect(number(AT(len), false, KRR_IS_GREATER, 4096), false);
	expect(number(AT(len), false, KRR_IS_GREATER, 4095), true);
	/* 4 bytes: what follows them does not count, and the sign does */
	expect(number(AT(pid), false, KRR_IS_EQUAL, 0xfffffff0), true);
	expect(number(AT(pid), false, KRR_IS_GREATER, 5), true);
	expect(number(AT(pid), true, KRR_IS_EQUAL, -16ull), true);
	expect(number(AT(pid), true, KRR_IS_LESS, -15ull), true);
	expect(number(offsetof(struct krr_fs, len) + 1, 1, false, KRR_IS_EQUAL, 0x10), true);
	expect(number(offsetof(struct krr_fs, len), 2, true, KRR_IS_EQUAL, 4096), true);
	/* 8 bytes */
	expect(number(AT(ret), true, KRR_IS_EQUAL, -28ull), true);
	expect(number(AT(ret), true, KRR_IS_LESS, 0), true);
	expect(number(AT(ret), true, KRR_IS_GREATER, 0), false);
	expect(number(AT(inode), false, KRR_IS_GREATER, 1), true);
	expect(number(AT(inode), true, KRR_IS_LESS, 1), true);
}

static void any_of(void **state)
{
	struct krr_clause c = number(AT(event), false, KRR_IS_EQUAL, KRR_FS_OPEN);

	(void)state;
	c.value[1] = KRR_FS_WRITE;
	expect(c, false);
	c.nr = 2;
	expect(c, true);
	c.nr = KRR_MAX_VALUES;
	c.value[1] = KRR_FS_SYNC;
	c.value[KRR_MAX_VALUES - 1] = KRR_FS_WRITE;
	expect(c, true);
	c.nr--;
	expect(c, false);
}

static void strings(void **state)
{
	(void)state;
	expect(text(KRR_HAS_PREFIX, "jour", 4), true);
	expect(text(KRR_HAS_PREFIX, "jous", 4), false);
	expect(text(KRR_IS_EQUAL, "journal", 8), true);
	expect(text(KRR_IS_EQUAL, "journa", 7), false);
	expect(text(KRR_IS_EQUAL, "journals", 9), false);
	expect(text(KRR_HAS_PREFIX, "", 0), true);
}

static void all_of(void **state)
{
	struct krr_bytes bytes = record();
	struct krr_rule rule = { 0 };

	(void)state;
	assert_true(krr_rule_holds(&rule, &bytes));
	rule.clause[0] = number(AT(len), false, KRR_IS_EQUAL, 4096);
	rule.clause[1] = text(KRR_HAS_PREFIX, "j", 1);
	rule.clause[2] = number(AT(ret), true, KRR_IS_EQUAL, 0);
	rule.nr_clauses = 2;
	assert_true(krr_rule_holds(&rule, &bytes));
	rule.nr_clauses = 3;
	assert_false(krr_rule_holds(&rule, &bytes));
}

/* The sanitizers look at what is read; no clause reads behind a record. */
static void hostile(void **state)
{
	struct krr_bytes bytes = record();
	struct dice d = { 1 };
	struct krr_rule rule;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		for (size_t at = 0; at < sizeof(rule); at++)
			((__u8 *)&rule)[at] = (__u8)roll(&d);
		assert_in_range(krr_rule_holds(&rule, &bytes), 0, 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers),
		cmocka_unit_test(any_of),
		cmocka_unit_test(strings),
		cmocka_unit_test(all_of),
		cmocka_unit_test(hostile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
