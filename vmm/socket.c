// SPDX-License-Identifier: GPL-2.0-only
/* Connecting to the sockets that QEMU makes. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "lib/util.h"
#include "vmm/socket.h"

static int try(const struct sockaddr_un *sa)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), err;

	if (fd < 0)
		return -errno;
	if (!connect(fd, (const struct sockaddr *)sa, sizeof(*sa)))
		return fd;
	err = -errno;
	close(fd);
	return err;
}

/**
 * krr_socket_connect() - connect to a unix socket, once it is there
 * @path: of the socket
 * @deadline: as of krr_now_ns(); when to stop waiting for it
 *
 * Return: file descriptor or -errno.
 */
int krr_socket_connect(const char *path, uint64_t deadline)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd;

	if (strlen(path) >= sizeof(sa.sun_path))
		return -ENAMETOOLONG;
	strcpy(sa.sun_path, path);
	for (;;) {
		fd = try(&sa);
		if (fd >= 0 || (fd != -ENOENT && fd != -ECONNREFUSED) || krr_now_ns() > deadline)
			return fd;
		krr_sleep_ms(2);
	}
}
