// SPDX-License-Identifier: GPL-2.0-only
/* Text to words. */
#include <errno.h>
#include <string.h>

#include "lib/util.h"
#include "lib/words.h"
#include "unit.h"

#define ROOM 5

static const struct {
	const char *text;
	int n;
	const char *word[ROOM];
} cases[] = {
	{ "", 0, { NULL } },
	{ " \t\n", 0, { NULL } },
	{ "one", 1, { "one" } },
	{ " one  two\tthree\r\nfour ", 4, { "one", "two", "three", "four" } },
	{ "--when 'a == b' x", 3, { "--when", "a == b", "x" } },
	{ "a'b c'd \"e'f\"", 2, { "ab cd", "e'f" } },
	{ "'' x", 2, { "", "x" } },
	{ "# all of it\none # and this\n#\ntwo", 2, { "one", "two" } },
	{ "no#comment", 1, { "no#comment" } },
	{ "1 2 3 4 5", 5, { "1", "2", "3", "4", "5" } },
	{ "1 2 3 4 5 6", -E2BIG, { NULL } },
	{ "one 'two", -EINVAL, { NULL } },
	{ "one \"two'", -EINVAL, { NULL } },
};

static void split(void **state)
{
	char *words[ROOM + 1];
	size_t i;
	int n;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		__free_ptr char *text = krr_strf("%s", cases[i].text);

		assert_int_equal(krr_split_words(text, words, ROOM), cases[i].n);
		for (n = 0; n < cases[i].n; n++)
			assert_string_equal(words[n], cases[i].word[n]);
		if (cases[i].n >= 0)
			assert_null(words[n]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(split),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
