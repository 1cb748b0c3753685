// SPDX-License-Identifier: GPL-2.0-only
/* The end of what libbpf says of a program that was not loaded. */
#include <string.h>

#include "lib/util.h"
#include "lib/verifier.h"
#include "unit.h"

#define REJECTS "\n    the kernel's verifier rejects program"
#define SHOWN "; the end of what it says:"

static const struct {
	const char *said, *text;
} cases[] = {
	{ "", "" },
	{ "libbpf: failed to find it\n", "\n    failed to find it" },
	{ "no line break", "\n    no line break" },
	{ "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n",
	  "\n    3\n    4\n    5\n    6\n    7\n    8\n    9\n    10" },
	{ "libbpf: prog 'net_drop': BPF program load failed: Permission denied\n"
	  "libbpf: prog 'net_drop': -- BEGIN PROG LOAD LOG --\n"
	  "0: (b7) r0 = 0\nR0 invalid mem access 'scalar'\n"
	  "processed 10 insns (limit 1000000) max_states_per_insn 0\n"
	  "-- END PROG LOAD LOG --\n"
	  "libbpf: prog 'net_drop': failed to load: -13\n"
	  "libbpf: failed to load object 'krr_net'\n",
	  REJECTS " net_drop" SHOWN "\n    0: (b7) r0 = 0\n    R0 invalid mem access 'scalar'" },
	/* the beginning is cut off, as is the end */
	{ "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\n-- END PROG LOAD LOG --\n",
	  REJECTS SHOWN "\n    c\n    d\n    e\n    f\n    g\n    h\n    i\n    j" },
	{ "-- END PROG LOAD LOG --", REJECTS SHOWN },
	{ "processed 1\n-- END PROG LOAD LOG --", REJECTS SHOWN },
	{ "x -- BEGIN PROG LOAD LOG --\n-- END PROG LOAD LOG --\n': failed to load", REJECTS SHOWN },
	{ "\n\n", "\n    \n    " },
};

static void says(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		__free_ptr char *text = krr_verifier_says(cases[i].said);

		assert_string_equal(text, cases[i].text);
	}
}

/* Any piece of it, as is left when the rest did not fit. */
static void pieces(void **state)
{
	const char *whole = cases[4].said;
	size_t from, to;

	(void)state;
	for (from = 0; from <= strlen(whole); from += 3) {
		for (to = from; to <= strlen(whole); to += 7) {
			__free_ptr char *piece = krr_strf("%.*s", (int)(to - from), whole + from);
			__free_ptr char *text = krr_verifier_says(piece);

			assert_true(strlen(text) < 2 * strlen(whole));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(says),
		cmocka_unit_test(pieces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
