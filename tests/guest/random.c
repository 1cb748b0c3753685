// SPDX-License-Identifier: GPL-2.0-only
/*
 * random - getrandom and the random devices
 */
#include "test.h"

int main(int argc, char **argv)
{
	struct amount a = test_amount(argc, argv);
	uint8_t one[64], two[64], big[4096];
	int fd = open("/dev/urandom", O_RDONLY);

	CHECK(fd >= 0);
	memset(two, 0, sizeof(two));
	while (test_more(&a)) {
		CHECK(syscall(SYS_getrandom, one, sizeof(one), 0) == sizeof(one));
		CHECK(memcmp(one, two, sizeof(one)));
		CHECK(read(fd, two, sizeof(two)) == sizeof(two));
		CHECK(memcmp(one, two, sizeof(one)));
		CHECK(read(fd, big, sizeof(big)) == sizeof(big));
	}
	return test_ok(&a, "%ld bytes", a.rounds * (long)(sizeof(one) + sizeof(two) + sizeof(big)));
}
