// SPDX-License-Identifier: GPL-2.0-only
/*
 * rng - bytes of the virtio entropy device, in small and large pieces
 */
#include "test.h"

static int all_equal(const uint8_t *p, size_t n)
{
	for (size_t i = 1; i < n; i++)
		if (p[i] != p[0])
			return 0;
	return 1;
}

int main(int argc, char **argv)
{
	struct amount a = test_amount(argc, argv);
	int fd = open("/dev/hwrng", O_RDONLY);
	uint8_t buf[1500];
	ssize_t n;

	if (fd < 0)
		return test_skip("no /dev/hwrng");
	while (test_more(&a)) {
		size_t want = a.rounds & 1 ? 16 : sizeof(buf);

		memset(buf, 0, sizeof(buf));
		n = read(fd, buf, want);
		CHECK(n >= 16 && !all_equal(buf, (size_t)n));
	}
	close(fd);
	return test_ok(&a, "random bytes");
}
