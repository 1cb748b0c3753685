// SPDX-License-Identifier: GPL-2.0-only
/*
 * splice - user pages that the kernel reads without copy_from_user()
 *
 * A page gets into a pipe by vmsplice(), or into the page cache by a store
 * through a mapping, and from there to something that parses it: a sysctl, and
 * a terminal's line discipline.  What was read is looked at afterwards.
 */
#include <sched.h>
#include <sys/sendfile.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <termios.h>

#include "test.h"

#define SYSCTL "/proc/sys/kernel/domainname"

static void check_name(const char *want)
{
	struct utsname u;

	CHECK(!uname(&u));
	CHECK(!strcmp(u.domainname, want));
}

/* the @len bytes at @p, by their page, to @fd */
static void splice_page(int fd, char *p, size_t len)
{
	struct iovec v = { p, len };
	int ends[2];

	CHECK(!pipe(ends));
	CHECK(vmsplice(ends[1], &v, 1, 0) == (ssize_t)len);
	CHECK(splice(ends[0], NULL, fd, NULL, len, 0) == (ssize_t)len);
	close(ends[0]);
	close(ends[1]);
}

static void to_sysctl(char *page, long round)
{
	int fd = open(SYSCTL, O_WRONLY);

	CHECK(fd >= 0);
	snprintf(page, PAGE, "spliced-%ld", round);
	splice_page(fd, page, strlen(page));
	check_name(page);
	close(fd);
}

/* the line discipline looks at each character, and makes two of a newline */
static void to_terminal(char *page, long round)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY), slave;
	char got[64] = "", want[64];
	size_t n = 0;

	CHECK(master >= 0);
	CHECK(!grantpt(master) && !unlockpt(master));
	slave = open(ptsname(master), O_RDWR | O_NOCTTY);
	CHECK(slave >= 0);
	snprintf(page, PAGE, "line %ld\n", round);
	splice_page(slave, page, strlen(page));
	snprintf(want, sizeof(want), "line %ld\r\n", round);
	/* it may come in parts */
	while (n < strlen(want)) {
		ssize_t r = read(master, got + n, strlen(want) - n);

		CHECK(r > 0);
		n += r;
	}
	CHECK(!strcmp(got, want));
	close(slave);
	close(master);
}

static void from_mapping(long round)
{
	int out = open(SYSCTL, O_WRONLY), fd;
	char path[128], *map;
	off_t at = 0;

	fd = test_file(path, 0);
	CHECK(out >= 0 && !ftruncate(fd, PAGE));
	map = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(map != MAP_FAILED);
	snprintf(map, PAGE, "mapped-%ld", round);
	CHECK(sendfile(out, fd, &at, strlen(map)) == (ssize_t)strlen(map));
	check_name(map);
	CHECK(!munmap(map, PAGE));
	close(fd);
	close(out);
}

int main(int argc, char **argv)
{
	struct amount a = test_amount(argc, argv);
	char *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(page != MAP_FAILED);
	CHECK(!unshare(CLONE_NEWUTS));		/* a name that is nobody else's */
	while (test_more(&a)) {
		to_sysctl(page, a.rounds);
		to_terminal(page, a.rounds);
		from_mapping(a.rounds);
	}
	return test_ok(&a, "three ways");
}
