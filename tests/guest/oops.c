// SPDX-License-Identifier: GPL-2.0-only
/*
 * oops - exceptions in the kernel, whose flags and error code differ from one processor to
 * the next; made by a module, whose directory the host shares (krrctl --share DIR:modules)
 */
#include "test.h"

#define MODULE "krr_inputs"

static void make(const char *name)
{
	char text[64];

	test_get(test_in("/sys/module/" MODULE "/parameters", name), text, sizeof(text));
	CHECK(*text >= '0' && *text <= '9');
}

int main(int argc, char **argv)
{
	struct amount a = test_amount(argc, argv);

	test_alone();
	if (!test_load_module(MODULE))
		return test_skip("no share \"modules\"");
	while (test_more(&a)) {
		make("warn");
		make("oops");
		make("wrmsr");
	}
	return test_ok(&a, "a warning, an oops and writes of registers each");
}
