// SPDX-License-Identifier: GPL-2.0-only
/* /dev/krr, which starts and stops recordings of the kernel it is in. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "krrd/control.h"
#include "lib/util.h"

#define DEVICE		"/dev/krr"

/** control_text() - what the kernel says of itself: key=value lines, freed by free() */
char *control_text(void)
{
	char *text = krr_read_file_at(AT_FDCWD, DEVICE, 16384);

	return text ? text : krr_strf("%s", "");
}

/** control() - write a line, a verb and its argument; 0 or -errno */
int control(const char *verb, const char *arg)
{
	__free_ptr char *line = krr_strf("%s%s%s\n", verb, *arg ? " " : "", arg);
	__close_fd int fd = open(DEVICE, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	return write(fd, line, strlen(line)) < 0 ? -errno : 0;
}

/** control_error() - what an error of control() means, freed by free() */
char *control_error(const char *verb, int err)
{
	__free_ptr char *text = NULL;

	switch (err) {
	case -ENOENT:
	case -ENXIO:
		return krr_strf("%s: the guest kernel has no krr (no " DEVICE "): boot one made "
				"by make kernel", verb);
	case -ENODEV:
		return krr_strf("%s: no recorder on the host answers the guest kernel", verb);
	case -EBUSY:
		return krr_strf("%s: a recording is under way already", verb);
	case -ETIMEDOUT:
		return krr_strf("%s: the recorder on the host did not answer in time", verb);
	case -ECANCELED:
		return krr_strf("%s: the recorder on the host could not begin", verb);
	}
	text = control_text();
	return krr_strf("%s: %s%s%s", verb, strerror(-err), *text ? "; the kernel says:\n" : "",
			text);
}

/** control_there() - has the kernel a recorder? 0, or -errno */
int control_there(void)
{
	return access(DEVICE, F_OK) ? -errno : 0;
}
