// SPDX-License-Identifier: GPL-2.0-only
/*
 * A policy's links, programs and maps are pinned as a set, a directory of its own:
 *
 *	/sys/fs/bpf/krr/active -> set-1
 *	/sys/fs/bpf/krr/set-1/text-policy		what was asked for
 *	/sys/fs/bpf/krr/set-1/net/map-counts
 *	/sys/fs/bpf/krr/set-1/net/prog-NAME, link-NAME
 *
 * A set is made complete beside the one that counts, then "active" is renamed into
 * place, then the old set goes.  So whenever krrd is killed, "active" names the old
 * set or the new one, and what it does not name is removed at the next start.
 *
 * bpffs takes no names with dots, and its mount point may be closed to all but root:
 * so krrd enters the directory while it is root, and paths are relative.
 */
#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "krrd/pins.h"
#include "lib/util.h"

#define ACTIVE		"active"
#define NEXT		"next"		/* becomes ACTIVE */
#define SET		"set-"

static bool entered;

/**
 * pins_enter() - make the directory, and work in it from now on
 * @dir: it, in a bpffs
 * @uid: who will pin there
 * @gid: same
 *
 * Without it, policies end with krrd.
 *
 * Return: 0, -ENOTSUP when there is no bpffs, or -errno.
 */
int pins_enter(const char *dir, uid_t uid, gid_t gid)
{
	struct statfs fs;
	struct stat st;

	if ((mkdir(dir, 0700) < 0 && errno != EEXIST) || lstat(dir, &st) < 0)
		return -errno;
	if (statfs(dir, &fs) < 0 || fs.f_type != BPF_FS_MAGIC)
		return -ENOTSUP;
	/* of another user that krrd had: what is pinned there could not be adopted */
	if (st.st_uid != uid && (krr_remove_tree(AT_FDCWD, dir) || mkdir(dir, 0700) < 0))
		return -errno;
	if (chown(dir, uid, gid) < 0 || chdir(dir) < 0)
		return -errno;
	entered = true;
	return 0;
}

/**
 * pins_begin() - begin a set beside the active one
 * @set: its name, freed by free(); NULL if nothing can be pinned, and every
 *	 function here does nothing for it
 *
 * Return: 0 or -errno.
 */
int pins_begin(char **set)
{
	char name[] = SET "0";

	*set = NULL;
	if (!entered)
		return 0;
	for (;; name[sizeof(SET) - 1]++) {
		if (!mkdir(name, 0700))
			break;
		if (errno != EEXIST || name[sizeof(SET) - 1] == '9')
			return -errno;
	}
	*set = krr_strf("%s", name);
	return 0;
}

/** pins_add() - begin a subsystem of a set */
int pins_add(const char *set, const char *subsys)
{
	__free_ptr char *dir = krr_strf("%s/%s", set ? set : "", subsys);

	return set && mkdir(dir, 0700) < 0 ? -errno : 0;
}

/* @subsys: NULL: of the set itself */
static char *path_of(const char *set, const char *subsys, const char *kind, const char *name)
{
	return subsys ? krr_strf("%s/%s/%s-%s", set, subsys, kind, name) :
			krr_strf("%s/%s-%s", set, kind, name);
}

/**
 * pins_put() - pin an object
 * @set: of pins_begin()
 * @subsys: of pins_add(), or NULL
 * @kind: "prog", "link", "map", "text"
 * @name: of this one
 * @fd: the object
 *
 * Return: 0 or -errno.
 */
int pins_put(const char *set, const char *subsys, const char *kind, const char *name, int fd)
{
	__free_ptr char *path = set ? path_of(set, subsys, kind, name) : NULL;

	return set && bpf_obj_pin(fd, path) ? -errno : 0;
}

/** pins_get() - a file descriptor of what pins_put() pinned, or -errno */
int pins_get(const char *set, const char *subsys, const char *kind, const char *name)
{
	__free_ptr char *path = path_of(set, subsys, kind, name);
	int fd = bpf_obj_get(path);

	return fd < 0 ? -errno : fd;
}

/**
 * pins_each() - what there is of a kind
 * @set: name
 * @subsys: of it
 * @kind: as in pins_put()
 * @take: gets each name; an error ends it
 * @ctx: for @take
 *
 * Return: 0, -ENOENT: the set does not have the subsystem, or -errno.
 */
int pins_each(const char *set, const char *subsys, const char *kind,
	      int (*take)(void *ctx, const char *name), void *ctx)
{
	__free_ptr char *path = krr_strf("%s/%s", set, subsys);
	size_t n = strlen(kind);
	DIR *dir = opendir(path);
	struct dirent *de;
	int err = 0;

	if (!dir)
		return -errno;
	while (!err && (de = readdir(dir)))
		if (!strncmp(de->d_name, kind, n) && de->d_name[n] == '-')
			err = take(ctx, de->d_name + n + 1);
	closedir(dir);
	return err;
}

/** pins_activate() - have a set count from now on, and no other; 0 or -errno */
int pins_activate(const char *set)
{
	if (!set)
		return 0;
	unlink(NEXT);
	return symlink(set, NEXT) < 0 || rename(NEXT, ACTIVE) < 0 ? -errno : 0;
}

/** pins_active() - the name of the set that counts, freed by free(); NULL: none does */
char *pins_active(void)
{
	char name[32];
	ssize_t n = entered ? readlink(ACTIVE, name, sizeof(name)) : -1;

	if (n <= 0 || n == sizeof(name) || memchr(name, '/', (size_t)n) ||
	    strncmp(name, SET, strlen(SET)))
		return NULL;
	return krr_strf("%.*s", (int)n, name);
}

/** pins_drop() - remove a set; if it is active, none is then */
void pins_drop(const char *set)
{
	__free_ptr char *active = pins_active();

	if (!set)
		return;
	if (active && !strcmp(active, set))
		unlink(ACTIVE);
	krr_remove_tree(AT_FDCWD, set);
}

/** pins_clean() - remove what belongs to no policy: leftovers of one that was killed */
void pins_clean(void)
{
	__free_ptr char *active = pins_active();
	DIR *dir = entered ? opendir(".") : NULL;
	struct dirent *de;

	while (dir && (de = readdir(dir)))
		if (strcmp(de->d_name, ".") && strcmp(de->d_name, "..") &&
		    (!active || (strcmp(de->d_name, active) && strcmp(de->d_name, ACTIVE))))
			krr_remove_tree(AT_FDCWD, de->d_name);
	if (dir)
		closedir(dir);
}
