// SPDX-License-Identifier: GPL-2.0-only
/*
 * random - getrandom and the random devices, and rdrand or rdseed where the CPU has them
 * (krrctl --cpu): the kernel seeds its generator from them
 */
#include <linux/random.h>
#include <sys/ioctl.h>
#include "test.h"

/* The first /proc/cpuinfo line of features has @name. */
static int cpu_has(const char *name)
{
	FILE *f = fopen("/proc/cpuinfo", "re");
	char line[4096], *word;
	int has = 0;

	CHECK(f);
	while (!has && fgets(line, sizeof(line), f))
		for (word = strtok(line, " \t\n"); !has && word; word = strtok(NULL, " \t\n"))
			has = !strcmp(word, name);
	fclose(f);
	return has;
}

int main(int argc, char **argv)
{
	struct amount a = test_amount(argc, argv);
	uint8_t one[64], two[64], big[4096];
	int fd = open("/dev/urandom", O_RDONLY);
	int seed = cpu_has("rdseed"), rand = cpu_has("rdrand");

	CHECK(fd >= 0);
	memset(two, 0, sizeof(two));
	while (test_more(&a)) {
		CHECK(!(seed || rand) || !ioctl(fd, RNDRESEEDCRNG));
		CHECK(syscall(SYS_getrandom, one, sizeof(one), 0) == sizeof(one));
		CHECK(memcmp(one, two, sizeof(one)));
		CHECK(read(fd, two, sizeof(two)) == sizeof(two));
		CHECK(memcmp(one, two, sizeof(one)));
		CHECK(read(fd, big, sizeof(big)) == sizeof(big));
	}
	return test_ok(&a, "%ld bytes, seeds of %s",
		       a.rounds * (long)(sizeof(one) + sizeof(two) + sizeof(big)),
		       seed ? "rdseed" : rand ? "rdrand" : "no CPU");
}
