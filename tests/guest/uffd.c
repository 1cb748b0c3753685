// SPDX-License-Identifier: GPL-2.0-only
/*
 * uffd - page faults served by a thread through userfaultfd
 */
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include "test.h"

#define PAGES 16

static int uffd;
static long served;

static void *server(void *arg)
{
	static uint8_t page[PAGE] __attribute__((aligned(4096)));
	struct pollfd p = { .fd = uffd, .events = POLLIN };
	struct uffd_msg m;

	(void)arg;
	while (poll(&p, 1, -1) == 1 && read(uffd, &m, sizeof(m)) == sizeof(m)) {
		struct uffdio_copy c = { .dst = m.arg.pagefault.address & ~(PAGE - 1),
					 .src = (uintptr_t)page, .len = PAGE };

		CHECK(m.event == UFFD_EVENT_PAGEFAULT);
		memset(page, (int)(c.dst / PAGE & 0xff), PAGE);
		__atomic_add_fetch(&served, 1, __ATOMIC_SEQ_CST);	/* the copy wakes main */
		CHECK(!ioctl(uffd, UFFDIO_COPY, &c));
	}
	return NULL;
}

int main(int argc, char **argv)
{
	struct amount a = test_amount(argc, argv);
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg;
	pthread_t t;
	uint8_t *mem;

	uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
	if (uffd < 0 && errno == ENOSYS)
		return test_skip("no userfaultfd");
	CHECK(uffd >= 0 && !ioctl(uffd, UFFDIO_API, &api));
	mem = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(mem != MAP_FAILED);
	reg = (struct uffdio_register){ .range = { (uintptr_t)mem, PAGES * PAGE },
					.mode = UFFDIO_REGISTER_MODE_MISSING };
	CHECK(!ioctl(uffd, UFFDIO_REGISTER, &reg));
	CHECK(!pthread_create(&t, NULL, server, NULL));

	while (test_more(&a)) {
		for (int i = 0; i < PAGES; i++)
			CHECK(mem[i * PAGE + 5] == (uint8_t)((uintptr_t)mem / PAGE + (unsigned int)i));
		CHECK(!madvise(mem, PAGES * PAGE, MADV_DONTNEED));
		/* a fault inside a system call */
		CHECK(!syscall(SYS_getcpu, mem, NULL, NULL));
		CHECK(!madvise(mem, PAGES * PAGE, MADV_DONTNEED));
	}
	CHECK(served == a.rounds * (PAGES + 1));
	return test_ok(&a, "%ld faults", served);
}
