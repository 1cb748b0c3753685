// SPDX-License-Identifier: GPL-2.0-only
/*
 * swap - a memory cgroup that is too small for its anonymous and tmpfs pages,
 * which go to a disk (the second krrctl --disk) and come back
 */
#include <sys/swap.h>
#include "test.h"

#define SIZE	(6ul << 20)
#define LIMIT	"3M"

static char dir[64];

#define in(name) test_in(dir, name)

/* the header that mkswap would write: version 1, no bad pages */
static void format(const char *dev)
{
	static union {
		struct {
			uint8_t boot[1024];
			uint32_t version, last_page, bad_pages;
		};
		uint8_t page[PAGE];
	} header;
	int fd = open(dev, O_RDWR);
	off_t size = lseek(fd, 0, SEEK_END);

	CHECK(fd >= 0 && size > (off_t)(4 * SIZE));
	header.version = 1;
	header.last_page = (uint32_t)(size / (off_t)PAGE - 1);
	memcpy(header.page + PAGE - 10, "SWAPSPACE2", 10);
	CHECK(pwrite(fd, header.page, PAGE, 0) == PAGE && !fsync(fd));
	close(fd);
}

static void fill(uint8_t *p, unsigned int seed)
{
	for (size_t i = 0; i < SIZE; i += PAGE)
		test_fill(p + i, 64, seed + (unsigned int)(i / PAGE));
}

static void check(const uint8_t *p, unsigned int seed)
{
	for (size_t i = 0; i < SIZE; i += PAGE)
		CHECK(test_same(p + i, 64, seed + (unsigned int)(i / PAGE)));
}

static void check_swapped(void)
{
	char text[32];

	CHECK(atol(test_get(in("memory.swap.current"), text, sizeof(text))) > (long)SIZE / 8);
}

/* a process whose pages are on the disk is copied */
static void by_fork(uint8_t *p, unsigned int seed)
{
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (!pid) {
		check(p, seed);
		fill(p, seed + 1);
		_exit(0);
	}
	test_wait(pid, 0);
}

static void anonymous(unsigned int seed)
{
	uint8_t *p = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(p != MAP_FAILED);
	fill(p, seed);
	check_swapped();
	check(p, seed);
	by_fork(p, seed);
	check(p, seed);
	CHECK(!madvise(p, SIZE / 2, MADV_PAGEOUT));
	check(p, seed);
	CHECK(!munmap(p, SIZE));
}

static void shmem(unsigned int seed)
{
	int fd = memfd_create("swap", MFD_CLOEXEC);
	uint8_t *p;

	CHECK(fd >= 0 && !ftruncate(fd, SIZE));
	p = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(p != MAP_FAILED);
	fill(p, seed);
	check_swapped();
	check(p, seed);
	CHECK(!munmap(p, SIZE));
	for (size_t i = 0; i < SIZE; i += 17 * PAGE) {
		uint8_t some[64];

		CHECK(pread(fd, some, sizeof(some), (off_t)i) == sizeof(some));
		CHECK(test_same(some, sizeof(some), seed + (unsigned int)(i / PAGE)));
	}
	close(fd);
}

static int was_oom(void)
{
	char text[256];

	return !strstr(test_get(in("memory.events"), text, sizeof(text)), "oom_kill 0\n");
}

static void member(unsigned int seed)
{
	CHECK(test_put(in("cgroup.procs"), "0"));
	anonymous(seed);
	shmem(seed + 3);
	_exit(0);
}

int main(int argc, char **argv)
{
	struct amount a = test_amount(argc, argv);
	char path[32];
	const char *dev = test_device(2, path);

	if (!dev)
		return test_skip("no second disk, krrctl --disk gives one");
	test_alone();
	CHECK(test_cgroup(dir, 0) && test_put(in("memory.max"), LIMIT));
	while (test_more(&a)) {
		pid_t pid;
		int st;

		format(dev);
		CHECK(!swapon(dev, 0));
		pid = fork();
		CHECK(pid >= 0);
		if (!pid)
			member((unsigned int)a.rounds);
		CHECK(waitpid(pid, &st, 0) == pid);
		/* where the disk is slow, all of its pages may be on their way there */
		CHECK(WIFSIGNALED(st) && WTERMSIG(st) == SIGKILL ? was_oom() :
		      WIFEXITED(st) && !WEXITSTATUS(st));
		CHECK(!swapoff(dev));
	}
	test_cgroup_end(dir);
	return test_ok(&a, "swapped to %s", dev);
}
