// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/krr, which starts and stops recordings of the kernel it is in.  It is root's, so
 * it is opened once, before privileges are dropped.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "krrd/control.h"
#include "lib/util.h"

#define DEVICE		"/dev/krr"
#define TEXT_MAX	16384

static int device = -ENOENT;

/** control_open() - before anything else here; that there is no device is said when it is needed */
void control_open(void)
{
	device = open(DEVICE, O_RDWR | O_CLOEXEC);
	if (device < 0)
		device = -errno;
}

/** control_text() - what the kernel says of itself: key=value lines, freed by free() */
char *control_text(void)
{
	__free_ptr char *text = malloc(TEXT_MAX);
	ssize_t n = device < 0 || !text ? 0 : krr_pread_full(device, text, TEXT_MAX, 0);

	return krr_strf("%.*s", n < 0 ? 0 : (int)n, text);
}

/** control() - write a line, a verb and its argument; 0 or -errno */
int control(const char *verb, const char *arg)
{
	__free_ptr char *line = krr_strf("%s%s%s\n", verb, *arg ? " " : "", arg);

	if (device < 0)
		return device;
	return write(device, line, strlen(line)) < 0 ? -errno : 0;
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
	return device < 0 ? device : 0;
}
