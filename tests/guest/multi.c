// SPDX-License-Identifier: GPL-2.0-only
/*
 * multi - all test programs in one binary, chosen by argv[0]
 *
 * What follows a dot in the name is ignored; tests copy themselves to NAME.XXXX.
 */
#include <libgen.h>
#include <stdio.h>
#include <string.h>

#define T(name) int test_##name(int argc, char **argv);
#include "table.h"
#undef T

static const struct {
	const char *name;
	int (*main)(int argc, char **argv);
} tests[] = {
#define T(name) { #name, test_##name },
#include "table.h"
#undef T
};

int main(int argc, char **argv)
{
	const char *name = basename(argv[0]);
	size_t len = strcspn(name, ".");

	for (size_t i = 0; i < sizeof(tests) / sizeof(*tests); i++)
		if (strlen(tests[i].name) == len && !memcmp(tests[i].name, name, len))
			return tests[i].main(argc, argv);
	fprintf(stderr, "%s: no such test; there are:", name);
	for (size_t i = 0; i < sizeof(tests) / sizeof(*tests); i++)
		fprintf(stderr, " %s", tests[i].name);
	fprintf(stderr, "\n");
	return 2;
}
