// SPDX-License-Identifier: GPL-2.0-only
/*
 * backtrace - stacks of all CPUs, as sysrq-l prints them, while another thread is busy in
 * the kernel
 */
#include <pthread.h>
#include <sys/random.h>
#include "test.h"

#define CHUNK		(16ul << 20)
#define LOG		(1u << 20)
#define MOST		200		/* rounds, until the other CPU was met in the kernel */

static volatile int stop;
static char text[LOG];

/* Long system calls: the CPU hands the kernel over in the middle of them. */
static void *busy(void *buf)
{
	int fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);

	CHECK(fd >= 0);
	while (!stop)
		CHECK(read(fd, buf, CHUNK) == (ssize_t)CHUNK);
	close(fd);
	return NULL;
}

/* What the kernel has printed since the last call. */
static const char *printed(int kmsg)
{
	size_t len = 0;
	ssize_t n;

	while (len < sizeof(text) - 1 && (n = read(kmsg, text + len, sizeof(text) - 1 - len)) > 0)
		len += (size_t)n;
	text[len] = '\0';
	return text;
}

static long count(const char *log, const char *what)
{
	long n = 0;

	while ((log = strstr(log, what))) {
		log++;
		n++;
	}
	return n;
}

int main(int argc, char **argv)
{
	struct amount a = test_amount(argc, argv);
	long cpus = sysconf(_SC_NPROCESSORS_ONLN), waiting = 0;
	int sysrq = open("/proc/sysrq-trigger", O_WRONLY | O_CLOEXEC);
	int kmsg = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	void *buf = mmap(NULL, CHUNK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pthread_t t;

	test_alone();
	CHECK(sysrq >= 0 && kmsg >= 0 && buf != MAP_FAILED && lseek(kmsg, 0, SEEK_END) >= 0);
	CHECK(!pthread_create(&t, NULL, busy, buf));
	while (test_more(&a) || (cpus > 1 && !waiting && a.rounds++ < MOST)) {
		const char *log;

		CHECK(write(sysrq, "l", 1) == 1);
		log = printed(kmsg);
		CHECK(count(log, "NMI backtrace for cpu ") == cpus);
		waiting += count(log, "read_zero+");
	}
	CHECK(cpus == 1 || waiting);
	stop = 1;
	CHECK(!pthread_join(t, NULL));
	return test_ok(&a, "%ld CPUs, %ld of them met in the kernel", cpus * a.rounds, waiting);
}
