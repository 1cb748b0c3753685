// SPDX-License-Identifier: GPL-2.0-only
/* sd_notify(3) by hand: libsystemd cannot be linked statically. */
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "krrd/notify.h"
#include "lib/util.h"

/**
 * notify_ready() - requests are answered from now on
 * @status: for "systemctl status", one line
 *
 * Nothing happens if systemd does not wait for it.
 */
void notify_ready(const char *status)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	const char *path = getenv("NOTIFY_SOCKET");
	__free_ptr char *text = krr_strf("READY=1\nSTATUS=%s\n", status);
	__close_fd int fd = -1;
	size_t len;

	if (!path || (*path != '/' && *path != '@') || strlen(path) >= sizeof(sa.sun_path))
		return;
	len = offsetof(struct sockaddr_un, sun_path) + strlen(path);
	memcpy(sa.sun_path, path, strlen(path));
	if (*path == '@')
		sa.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || sendto(fd, text, strlen(text), MSG_NOSIGNAL, (struct sockaddr *)&sa,
			     (socklen_t)len) < 0)
		krr_err("systemd could not be told that krrd is ready");
}
