// SPDX-License-Identifier: GPL-2.0-only
/*
 * epoll - timerfd, eventfd, signalfd and a pipe behind one epoll
 */
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include "test.h"

static int ep;

static int watch(int fd)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.fd = fd };

	CHECK(fd >= 0 && !epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev));
	return fd;
}

int main(int argc, char **argv)
{
	struct itimerspec every = { { 0, 1000000 }, { 0, 1000000 } };
	struct amount a = test_amount(argc, argv);
	struct signalfd_siginfo info;
	struct epoll_event ev[8];
	int timer, event, sig, p[2], n;
	long seen[4] = { 0 };
	sigset_t set;
	uint64_t v;
	char c;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	CHECK(!sigprocmask(SIG_BLOCK, &set, NULL));
	ep = epoll_create1(0);
	CHECK(ep >= 0 && !pipe(p));
	timer = watch(timerfd_create(CLOCK_MONOTONIC, 0));
	event = watch(eventfd(0, 0));
	sig = watch(signalfd(-1, &set, 0));
	watch(p[0]);
	CHECK(!timerfd_settime(timer, 0, &every, NULL));

	while (test_more(&a)) {
		v = (uint64_t)a.rounds;
		CHECK(write(event, &v, sizeof(v)) == sizeof(v));
		CHECK(write(p[1], "x", 1) == 1);
		CHECK(!kill(getpid(), SIGUSR2));
		n = epoll_wait(ep, ev, 8, 1000);
		CHECK(n >= 3);
		for (int i = 0; i < n; i++) {
			int fd = ev[i].data.fd;

			if (fd == event) {
				CHECK(read(fd, &v, 8) == 8 && v == (uint64_t)a.rounds);
				seen[0]++;
			} else if (fd == sig) {
				CHECK(read(fd, &info, sizeof(info)) == sizeof(info));
				CHECK(info.ssi_signo == SIGUSR2);
				seen[1]++;
			} else if (fd == timer) {
				CHECK(read(fd, &v, 8) == 8 && v);
				seen[2]++;
			} else {
				CHECK(read(fd, &c, 1) == 1 && c == 'x');
				seen[3]++;
			}
		}
	}
	CHECK(seen[0] == a.rounds && seen[1] == a.rounds && seen[3] == a.rounds);
	return test_ok(&a, "%ld ticks", seen[2]);
}
