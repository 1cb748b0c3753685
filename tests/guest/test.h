/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * test.h - what the guest test programs share
 *
 * A test program is named after the one kernel input that it exercises.  It is
 * called as NAME [AMOUNT]: "2" or "0.5" are seconds, "100x" are rounds, the
 * default is one second.  It checks what it can, prints one line
 * "NAME: ok, ..." and exits 0, or says what failed and exits 1.
 */
#ifndef TEST_H
#define TEST_H

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef TEST_NAME
#define TEST_NAME "test"
#endif

#define PAGE 4096ul

/* how much is left to do */
struct amount {
	double until;		/* seconds since boot, if rounds_left < 0 */
	long rounds_left;
	long rounds;		/* done so far */
};

/* CHECK() - a condition that the kernel has to fulfil */
#define CHECK(cond)							      \
	do {								      \
		if (!(cond)) {						      \
			int e_ = errno;					      \
									      \
			fprintf(stderr, "%s: %s:%d: expected %s (errno %d, %s)\n", \
				TEST_NAME, __FILE__, __LINE__, #cond, e_,     \
				strerror(e_));				      \
			_exit(1);					      \
		}							      \
	} while (0)

static inline double test_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

/* test_amount() - read argv[1] */
static inline struct amount test_amount(int argc, char **argv)
{
	struct amount a = { .rounds_left = -1 };
	char *end = "";
	double n = 1;

	if (argc > 1)
		n = strtod(argv[1], &end);
	if (n <= 0 || (*end && strcmp(end, "x"))) {
		fprintf(stderr, "usage: %s [SECONDS | ROUNDSx]\n", TEST_NAME);
		exit(2);
	}
	if (*end)
		a.rounds_left = (long)n;
	else
		a.until = test_now() + n;
	return a;
}

/* test_more() - begin another round? */
static inline int test_more(struct amount *a)
{
	if (a->rounds_left >= 0 ? !a->rounds_left-- : test_now() >= a->until && a->rounds)
		return 0;
	a->rounds++;
	return 1;
}

/* test_ok() - the line of success; returns what main() should */
static inline int __attribute__((format(printf, 2, 3)))
test_ok(const struct amount *a, const char *fmt, ...)
{
	char more[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(more, sizeof(more), fmt, ap);
	va_end(ap);
	printf("%s: ok, %ld rounds%s%s\n", TEST_NAME, a->rounds, *more ? ", " : "", more);
	return 0;
}

/* test_skip() - the kernel lacks what is to be tested; counts as success */
static inline int test_skip(const char *why)
{
	printf("%s: ok, skipped: %s\n", TEST_NAME, why);
	return 0;
}

/* test_wait() - wait for @pid, which has to exit with @status */
static inline void test_wait(pid_t pid, int status)
{
	int st = -1;

	CHECK(waitpid(pid, &st, 0) == pid);
	CHECK(WIFEXITED(st) && WEXITSTATUS(st) == status);
}

/* test_file() - a new file below $TESTDIR, already unlinked unless @path is kept */
static inline int test_file(char path[128], int keep)
{
	const char *dir = getenv("TESTDIR");
	int fd;

	snprintf(path, 128, "%s/%s.XXXXXX", dir ? dir : "/tmp", TEST_NAME);
	fd = mkstemp(path);
	CHECK(fd >= 0);
	if (!keep)
		CHECK(!unlink(path));
	return fd;
}

/* test_fill(), test_same() - a pattern that depends on @seed and the position */
static inline void test_fill(void *buf, size_t n, unsigned int seed)
{
	uint8_t *p = buf;

	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)(seed * 31 + i + (i >> 8));
}

static inline int test_same(const void *buf, size_t n, unsigned int seed)
{
	const uint8_t *p = buf;

	for (size_t i = 0; i < n; i++)
		if (p[i] != (uint8_t)(seed * 31 + i + (i >> 8)))
			return 0;
	return 1;
}

/* test_put() - write @text to a file of the kernel; 0 if it was not taken */
static inline int test_put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), ok;

	if (fd < 0)
		return 0;
	ok = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	close(fd);
	return ok;
}

/* test_get() - the first bytes of a file as a string, "" if it cannot be read */
static inline const char *test_get(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, buf, size - 1);

	if (fd >= 0)
		close(fd);
	buf[n > 0 ? n : 0] = '\0';
	return buf;
}

/* test_in() - the path of @name in @dir; the last two stay valid */
static inline const char *test_in(const char *dir, const char *name)
{
	static char path[2][192], *p;

	p = path[p == path[0]];
	snprintf(p, sizeof(path[0]), "%s/%s", dir, name);
	return p;
}

#define TEST_CGROUPS "/sys/fs/cgroup"

/* test_cgroup() - a new control group with memory accounting in @dir; 0 if there is none */
static inline int test_cgroup(char dir[64], long number)
{
	if (!test_put(TEST_CGROUPS "/cgroup.subtree_control", "+memory"))
		return 0;
	snprintf(dir, 64, TEST_CGROUPS "/%s-%d-%ld", TEST_NAME, getpid(), number);
	CHECK(!mkdir(dir, 0755));
	return 1;
}

/* test_cgroup_end() - remove it; the last member may still be on its way out */
static inline void test_cgroup_end(const char *dir)
{
	for (int i = 0; rmdir(dir) && i < 200; i++)
		usleep(5000);
	CHECK(access(dir, F_OK));
}

/* test_alone() - wait for others of this name to end: what is tested is there once */
static inline void test_alone(void)
{
	const char *dir = getenv("TESTDIR");
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/%s.lock", dir ? dir : "/tmp", TEST_NAME);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	CHECK(fd >= 0 && !flock(fd, LOCK_EX));
}

/* test_device() - the device of the disk that "krrctl --disk" added as number @n, or NULL */
static inline const char *test_device(int n, char path[32])
{
	char sys[64], serial[32], want[16];

	snprintf(want, sizeof(want), "disk%d", n);
	for (char c = 'a'; c <= 'f'; c++) {
		snprintf(sys, sizeof(sys), "/sys/block/vd%c/serial", c);
		if (strcmp(test_get(sys, serial, sizeof(serial)), want))
			continue;
		snprintf(path, 32, "/dev/vd%c", c);
		return path;
	}
	return NULL;
}

/* test_modules() - mount modules that the host shares (krrctl --share DIR:modules) at a new @dir */
static inline int test_modules(char dir[64])
{
	snprintf(dir, 64, "/tmp/%s-%d", TEST_NAME, getpid());
	CHECK(!mkdir(dir, 0700));
	if (!mount("modules", dir, "9p", MS_RDONLY, "trans=virtio,version=9p2000.L"))
		return 1;
	CHECK(!rmdir(dir));
	return 0;
}

/* test_module_file() - open the file of module @name there */
static inline int test_module_file(const char *dir, const char *name)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/%s.ko", dir, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	CHECK(fd >= 0);
	return fd;
}

/* test_modules_end() - unmount them; what was loaded stays */
static inline void test_modules_end(const char *dir)
{
	CHECK(!umount(dir) && !rmdir(dir));
}

/* test_load_module() - load module @name, if it is not there already; 0 where the host shares none */
static inline int test_load_module(const char *name)
{
	char dir[64];
	int fd;

	if (!test_modules(dir))
		return 0;
	fd = test_module_file(dir, name);
	CHECK(!syscall(SYS_finit_module, fd, "", 0) || errno == EEXIST);
	close(fd);
	test_modules_end(dir);
	return 1;
}

#endif /* TEST_H */
