// SPDX-License-Identifier: GPL-2.0-only
/*
 * krr-uffd.so - loaded into QEMU by LD_PRELOAD: gives krrctl a userfaultfd of QEMU
 *
 * A userfaultfd belongs to the process that makes it, and QEMU makes none.  krrctl
 * registers guest RAM with it (vmm/writes.c); nothing else of QEMU is touched, and
 * nothing of this runs after main() has begun.  UFFD_USER_MODE_ONLY needs no privilege,
 * and is enough, since no fault is ever waited for.
 *
 * KRR_UFFD_SOCKET is the number of the socket to send it to.  If QEMU is started by a
 * script, the shell sends one, too; the last one counts.
 */
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static void send_fd(int to, int fd)
{
	union {
		struct cmsghdr h;
		char room[CMSG_SPACE(sizeof(fd))];
	} control = { .h = { CMSG_LEN(sizeof(fd)), SOL_SOCKET, SCM_RIGHTS } };
	char byte = 0;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control.room, .msg_controllen = sizeof(control.room),
	};

	memcpy(CMSG_DATA(&control.h), &fd, sizeof(fd));
	sendmsg(to, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
}

__attribute__((constructor)) static void offer_uffd(void)
{
	const char *to = getenv("KRR_UFFD_SOCKET");
	int fd = to ? (int)syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY) : -1;

	if (fd < 0)
		return;
	send_fd(atoi(to), fd);
	close(fd);
}
