// SPDX-License-Identifier: GPL-2.0-only
/*
 * unix - sockets of the unix family: streams, datagrams, a passed descriptor
 */
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>
#include "test.h"

static void send_fd(int s, int fd)
{
	union { struct cmsghdr h; char room[CMSG_SPACE(sizeof(int))]; } u = { 0 };
	struct iovec iov = { "f", 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &u,
			    .msg_controllen = sizeof(u) };

	u.h.cmsg_level = SOL_SOCKET;
	u.h.cmsg_type = SCM_RIGHTS;
	u.h.cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(&u.h), &fd, sizeof(fd));
	CHECK(sendmsg(s, &m, 0) == 1);
}

static int recv_fd(int s)
{
	union { struct cmsghdr h; char room[CMSG_SPACE(sizeof(int))]; } u = { 0 };
	char c;
	struct iovec iov = { &c, 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &u,
			    .msg_controllen = sizeof(u) };
	int fd;

	CHECK(recvmsg(s, &m, 0) == 1 && u.h.cmsg_type == SCM_RIGHTS);
	memcpy(&fd, CMSG_DATA(&u.h), sizeof(fd));
	return fd;
}

static void named(long round)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int s = socket(AF_UNIX, SOCK_DGRAM, 0), c = socket(AF_UNIX, SOCK_DGRAM, 0);
	socklen_t len;
	long got = 0;

	/* an abstract name leaves no file behind */
	len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
			  (unsigned int)sprintf(un.sun_path + 1, "krr-test-%d", getpid()));
	CHECK(!bind(s, (void *)&un, len) && !connect(c, (void *)&un, len));
	CHECK(send(c, &round, sizeof(round), 0) == sizeof(round));
	CHECK(recv(s, &got, sizeof(got), 0) == sizeof(got) && got == round);
	close(s);
	close(c);
}

int main(int argc, char **argv)
{
	struct amount a = test_amount(argc, argv);
	int sv[2], p[2], fd;
	char c;

	CHECK(!socketpair(AF_UNIX, SOCK_STREAM, 0, sv));
	while (test_more(&a)) {
		CHECK(!pipe(p));
		send_fd(sv[0], p[1]);
		fd = recv_fd(sv[1]);
		CHECK(fd != p[1] && write(fd, "y", 1) == 1);
		CHECK(read(p[0], &c, 1) == 1 && c == 'y');
		close(fd);
		close(p[0]);
		close(p[1]);
		named(a.rounds);
	}
	return test_ok(&a, "%s", "descriptors passed");
}
