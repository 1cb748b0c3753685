// SPDX-License-Identifier: GPL-2.0-only
/*
 * QEMU is started with krr-uffd.so preloaded and one end of a socket pair.  Without the
 * library, or with a QEMU that is linked statically, nothing arrives at the other end,
 * and writes are followed in another way.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/util.h"
#include "vmm/options.h"
#include "vmm/uffd.h"

/* Absolute path, or NULL; one with a space or colon cannot be in LD_PRELOAD. */
static char *library(void)
{
	__free_ptr char *path = krr_artifact_path(KRR_UFFD_LIBRARY);
	char *real = realpath(path, NULL);

	if (real && !strpbrk(real, " :"))
		return real;
	free(real);
	return NULL;
}

/** krr_uffd_there() - is the library there? */
bool krr_uffd_there(void)
{
	__free_ptr char *path = library();

	return path;
}

/**
 * krr_uffd_pair() - make the sockets
 * @qemus: result: QEMU's end, -1 if there is none
 *
 * Return: our end, or -1.
 */
int krr_uffd_pair(int *qemus)
{
	int sv[2];

	*qemus = -1;
	if (!krr_uffd_there() || socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, sv) < 0)
		return -1;
	*qemus = sv[1];
	return sv[0];
}

/**
 * krr_uffd_preload() - in the child that is about to become QEMU
 * @qemus: from krr_uffd_pair(), may be -1
 */
void krr_uffd_preload(int qemus)
{
	__free_ptr char *path = library(), *preload = NULL, *number = NULL;
	const char *more = getenv("LD_PRELOAD");

	if (qemus < 0 || !path || fcntl(qemus, F_SETFD, 0) < 0)
		return;
	preload = krr_strf("%s%s%s", more ? more : "", more ? ":" : "", path);
	number = krr_strf("%d", qemus);
	setenv("LD_PRELOAD", preload, 1);
	setenv("KRR_UFFD_SOCKET", number, 1);
}

static int receive_fd(int from)
{
	union {
		struct cmsghdr h;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	char byte;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control.room, .msg_controllen = sizeof(control.room),
	};
	struct cmsghdr *h;
	int fd = -1;

	if (recvmsg(from, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) < 0)
		return -errno;
	h = CMSG_FIRSTHDR(&msg);
	if (h && h->cmsg_type == SCM_RIGHTS && h->cmsg_len == CMSG_LEN(sizeof(fd)))
		memcpy(&fd, CMSG_DATA(h), sizeof(fd));
	return fd;
}

/**
 * krr_uffd_take() - the userfaultfd of a QEMU that has come up
 * @ours: from krr_uffd_pair(), may be -1
 *
 * Return: file descriptor, or -1 if there is none.
 */
int krr_uffd_take(int ours)
{
	int fd, last = -1;

	if (ours < 0)
		return -1;
	while ((fd = receive_fd(ours)) >= 0) {
		if (last >= 0)
			close(last);
		last = fd;
	}
	return last;
}
