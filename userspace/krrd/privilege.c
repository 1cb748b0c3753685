// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who reads what others wrote keeps CAP_BPF and CAP_PERFMON, for programs and their
 * maps, CAP_SYSLOG for addresses of symbols in /proc/kallsyms, which programs could
 * find out by themselves; and nothing else: not the user, no way to gain more by
 * execve(), no dumps, and no ptrace() by others of the same user.
 */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>

#include "krrd/privilege.h"
#include "lib/util.h"

static const cap_value_t kept[] = { CAP_BPF, CAP_PERFMON, CAP_SYSLOG };

/** privilege_identity() - whom to become.  A static program has no getpwnam(). */
struct identity privilege_identity(const char *user)
{
	__close_file FILE *f = fopen("/etc/passwd", "re");
	struct passwd *p;

	while (f && (p = fgetpwent(f)))
		if (!strcmp(p->pw_name, user))
			return (struct identity){ p->pw_uid, p->pw_gid };
	return (struct identity){ 0, 0 };
}

/* It takes CAP_SETPCAP, which is held until set_caps(). */
static int empty_bounding_set(void)
{
	cap_value_t cap;

	for (cap = 0; cap_get_bound(cap) >= 0; cap++)
		if (cap_drop_bound(cap) < 0)
			return -errno;
	return 0;
}

static int set_user(const struct identity *id)
{
	if (!id->uid)
		return 0;
	if (prctl(PR_SET_KEEPCAPS, 1) < 0 || setgroups(0, NULL) < 0 ||
	    setresgid(id->gid, id->gid, id->gid) < 0 || setresuid(id->uid, id->uid, id->uid) < 0 ||
	    prctl(PR_SET_KEEPCAPS, 0) < 0)
		return -errno;
	return 0;
}

static int set_caps(void)
{
	cap_t caps = cap_init();
	int err = 0;

	if (!caps || cap_set_flag(caps, CAP_PERMITTED, ARRAY_SIZE(kept), kept, CAP_SET) < 0 ||
	    cap_set_flag(caps, CAP_EFFECTIVE, ARRAY_SIZE(kept), kept, CAP_SET) < 0 ||
	    cap_set_proc(caps) < 0)
		err = -errno;
	if (caps)
		cap_free(caps);
	return err;
}

/**
 * privilege_drop() - for good
 * @id: whom to become
 *
 * Return: 0 or -errno.
 */
int privilege_drop(const struct identity *id)
{
	int err = empty_bounding_set();

	if (!err)
		err = set_user(id);
	if (!err)
		err = set_caps();
	if (!err && (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0) < 0))
		err = -errno;
	return err;
}
