// SPDX-License-Identifier: GPL-2.0-only
/*
 * panics - panic in a way that the module krr_panics has: panics WAY
 *
 * The host shares the directory of the module (krrctl --share DIR:modules).
 */
#include "test.h"

#define MODULE "krr_panics"

int main(int argc, char **argv)
{
	char path[128];
	int fd;

	if (argc != 2) {
		fprintf(stderr, "usage: %s WAY\n", TEST_NAME);
		return 2;
	}
	if (!test_load_module(MODULE))
		return test_skip("no share \"modules\", krrctl --share DIR:modules gives one");
	snprintf(path, sizeof(path), "/sys/module/" MODULE "/parameters/%s", argv[1]);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	CHECK(fd >= 0);
	CHECK(write(fd, "1", 1) == 1);
	sleep(10);		/* for another CPU to get there */
	CHECK(!"a panic");
}
