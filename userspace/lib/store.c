// SPDX-License-Identifier: GPL-2.0-only
/* The directory of recordings. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "lib/store.h"
#include "lib/util.h"

/**
 * krr_name_ok() - may a recording have this name?
 * @name: untrusted string
 */
bool krr_name_ok(const char *name)
{
	static const char allowed[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
	size_t n = strlen(name), tail = strlen(KRR_INCOMPLETE);

	if (!n || n > KRR_NAME_MAX || name[0] == '.' || name[0] == '-')
		return false;
	if (n >= tail && !strcmp(name + n - tail, KRR_INCOMPLETE))
		return false;
	return strspn(name, allowed) == n;
}

/** krr_store_path() - where recordings are, freed by free() */
char *krr_store_path(void)
{
	const char *dir = getenv("KRR_STORE");

	if (dir && *dir)
		return krr_strf("%s", dir);
	dir = getenv("XDG_DATA_HOME");
	if (dir && *dir)
		return krr_strf("%s/krr", dir);
	dir = getenv("HOME");
	return krr_strf("%s/.local/share/krr", dir ? dir : "");
}

/**
 * krr_store_open() - open the store, make it if need be
 *
 * Return: a directory's file descriptor or -errno (said on stderr).
 */
int krr_store_open(void)
{
	__free_ptr char *path = krr_store_path();
	int fd, err;

	err = krr_private_dir(path);
	if (err)
		return err;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static bool has_tail(const char *s, const char *tail)
{
	size_t n = strlen(s), t = strlen(tail);

	return n > t && !strcmp(s + n - t, tail);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/**
 * krr_store_list() - names of the recordings
 * @names: result, sorted, NULL-terminated, freed by krr_store_list_free()
 * @incomplete: those that are not sealed, instead of those that are
 *
 * Return: how many, or -errno.
 */
int krr_store_list(char ***names, bool incomplete)
{
	char **list = calloc(1, sizeof(*list));
	int fd = krr_store_open(), n = 0;
	struct dirent *de;
	DIR *dir;

	if (fd < 0 || !list) {
		free(list);
		return fd < 0 ? fd : -ENOMEM;
	}
	dir = fdopendir(fd);
	while (dir && (de = readdir(dir))) {
		size_t len = strlen(de->d_name);
		char *name;

		if (has_tail(de->d_name, KRR_INCOMPLETE) != incomplete)
			continue;
		if (incomplete)
			len -= strlen(KRR_INCOMPLETE);
		name = krr_strf("%.*s", (int)len, de->d_name);
		if (!krr_name_ok(name)) {
			free(name);
			continue;
		}
		list = realloc(list, ((size_t)n + 2) * sizeof(*list));
		if (!list)
			abort();
		list[n++] = name;
		list[n] = NULL;
	}
	if (dir)
		closedir(dir);
	qsort(list, (size_t)n, sizeof(*list), by_name);
	*names = list;
	return n;
}

/** krr_store_list_free() - free what krr_store_list() gave */
void krr_store_list_free(char **names)
{
	char **p;

	for (p = names; p && *p; p++)
		free(*p);
	free(names);
}

static int check_name(const char *name)
{
	if (krr_name_ok(name))
		return 0;
	krr_err("\"%s\" cannot be the name of a recording: use up to %d of A-Z a-z 0-9 . _ -, not "
		". or - first",
		name, KRR_NAME_MAX);
	return -EINVAL;
}

static int rec_init(struct krr_recording *rec, const char *name, const char *tail)
{
	__free_ptr char *store = krr_store_path();

	memset(rec, 0, sizeof(*rec));
	rec->dirfd = rec->lockfd = -1;
	rec->name = krr_strf("%s", name);
	rec->path = krr_strf("%s/%s%s", store, name, tail);
	return check_name(name);
}

static int open_dir(struct krr_recording *rec, int store, const char *dir)
{
	struct stat st;

	if (fstatat(store, dir, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (S_ISLNK(st.st_mode)) {
		krr_err("%s is a symlink; krr does not follow those: move the recording there",
			rec->path);
		return -ELOOP;
	}
	rec->dirfd = openat(store, dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return rec->dirfd < 0 ? -errno : 0;
}

/**
 * krr_recording_exists() - is the name taken?
 * @name: a recording's, sealed or not
 *
 * Return: 0, -EEXIST, or -errno (all said on stderr).
 */
int krr_recording_exists(const char *name)
{
	__free_ptr char *dir = krr_strf("%s" KRR_INCOMPLETE, name);
	__close_fd int store = krr_store_open();
	struct stat st;

	if (store < 0)
		return store;
	if (check_name(name))
		return -EINVAL;
	if (fstatat(store, name, &st, AT_SYMLINK_NOFOLLOW) < 0 &&
	    fstatat(store, dir, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	krr_err("there is a recording \"%s\" already: take another name, or krrctl rm %s",
		name, name);
	return -EEXIST;
}

/**
 * krr_recording_free_name() - a name that is not taken, freed by free()
 * @stem: that name, or that with -2, -3, ... behind it
 */
char *krr_recording_free_name(const char *stem)
{
	__close_fd int store = krr_store_open();
	char *name = krr_strf("%s", stem);
	unsigned int n = 1;
	struct stat st;

	for (;;) {
		__free_ptr char *dir = krr_strf("%s" KRR_INCOMPLETE, name);

		if (store < 0 || (fstatat(store, name, &st, AT_SYMLINK_NOFOLLOW) < 0 &&
				  fstatat(store, dir, &st, AT_SYMLINK_NOFOLLOW) < 0))
			return name;
		free(name);
		name = krr_strf("%s-%u", stem, ++n);
	}
}

static int lock_dir(struct krr_recording *rec)
{
	rec->lockfd = openat(rec->dirfd, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (rec->lockfd < 0)
		return -errno;
	return flock(rec->lockfd, LOCK_EX | LOCK_NB) < 0 ? -errno : 0;
}

/**
 * krr_recording_create() - begin NAME.incomplete, locked by us
 * @name: checked here
 * @rec: result, closed by krr_recording_close() also after an error
 */
int krr_recording_create(const char *name, struct krr_recording *rec)
{
	__free_ptr char *dir = krr_strf("%s" KRR_INCOMPLETE, name);
	__close_fd int store = -1;
	int err;

	err = rec_init(rec, name, KRR_INCOMPLETE);
	if (!err)
		err = krr_recording_exists(name);
	if (err)
		return err;
	store = krr_store_open();
	if (store < 0)
		return store;
	err = mkdirat(store, dir, 0700) < 0 ? -errno : open_dir(rec, store, dir);
	if (!err)
		err = lock_dir(rec);
	if (err)
		krr_err("cannot make %s: %s", rec->path, strerror(-err));
	return err;
}

/*
 * Its maker may have sealed or removed it after we had opened it, and before the lock was
 * ours.
 */
static int still_there(const struct krr_recording *rec, int store, const char *dir)
{
	struct stat here, there;

	if (fstat(rec->dirfd, &here) < 0 || fstatat(store, dir, &there, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	return here.st_dev == there.st_dev && here.st_ino == there.st_ino ? 0 : -ENOENT;
}

/**
 * krr_recording_adopt() - take over NAME.incomplete whose maker died
 * @name: of it
 * @rec: result, as of krr_recording_create(); the manifest is not loaded
 *
 * Return: 0, -EWOULDBLOCK when its maker lives, or -errno.
 */
int krr_recording_adopt(const char *name, struct krr_recording *rec)
{
	__free_ptr char *dir = krr_strf("%s" KRR_INCOMPLETE, name);
	__close_fd int store = krr_store_open();
	int err;

	err = rec_init(rec, name, KRR_INCOMPLETE);
	if (store < 0)
		return store;
	if (!err)
		err = open_dir(rec, store, dir);
	if (!err)
		err = lock_dir(rec);
	return err ? err : still_there(rec, store, dir);
}

static int sum_file(const struct krr_recording *rec, enum krr_file f, char sum[KRR_SUM_TEXT])
{
	__close_fd int fd = openat(rec->dirfd, krr_file_name(f), KRR_O_READ);

	return fd < 0 ? -errno : krr_sum_fd(fd, sum);
}

/* Those that were not made on the way. */
static int sum_files(struct krr_recording *rec)
{
	int f, err;

	for (f = 0; f < KRR_NR_FILES; f++) {
		err = *rec->m.sum[f] ? 0 : sum_file(rec, f, rec->m.sum[f]);
		if (err && err != -ENOENT) {
			krr_err("cannot read %s/%s: %s", rec->path, krr_file_name(f),
				strerror(-err));
			return err;
		}
	}
	return 0;
}

/**
 * krr_recording_check_sum() - is this the file that was recorded?
 * @rec: open recording
 * @f: the file
 * @sum: its checksum
 *
 * Return: 0 or -EBADMSG (said on stderr).
 */
int krr_recording_check_sum(const struct krr_recording *rec, enum krr_file f, const char *sum)
{
	const char *want = rec->m.sum[f];

	if (*want && !strcmp(want, sum))
		return 0;
	krr_err("%s/%s is damaged, or belongs to another recording: its checksum is %s, the "
		"manifest has %s",
		rec->path, krr_file_name(f), sum, *want ? want : "none");
	return -EBADMSG;
}

/**
 * krr_recording_check() - the same, the file is read
 * @rec: open recording
 * @f: the file
 */
int krr_recording_check(const struct krr_recording *rec, enum krr_file f)
{
	char sum[KRR_SUM_TEXT];
	int err = sum_file(rec, f, sum);

	if (!err)
		return krr_recording_check_sum(rec, f, sum);
	krr_err("cannot read %s/%s: %s", rec->path, krr_file_name(f), strerror(-err));
	return -EBADMSG;
}

/**
 * krr_recording_seal() - save the manifest and give the recording its name
 * @rec: open for writing; sealed afterwards
 *
 * Checksums that are not in the manifest yet are made.
 */
int krr_recording_seal(struct krr_recording *rec)
{
	__free_ptr char *dir = krr_strf("%s" KRR_INCOMPLETE, rec->name);
	__close_fd int store = krr_store_open();
	int err;

	if (store < 0)
		return store;
	err = sum_files(rec);
	if (!err)
		err = krr_manifest_save(rec->dirfd, &rec->m);
	if (!err)
		err = unlinkat(rec->dirfd, "lock", 0) < 0 ? -errno : 0;
	if (!err && renameat(store, dir, store, rec->name) < 0)
		err = -errno;
	if (err) {
		krr_err("cannot seal %s: %s", rec->path, strerror(-err));
		return err;
	}
	fsync(store);
	rec->path[strlen(rec->path) - strlen(KRR_INCOMPLETE)] = '\0';
	close(rec->lockfd);
	rec->lockfd = -1;
	return 0;
}

/**
 * krr_recording_open() - open a sealed recording and load its manifest
 * @name: of it
 * @rec: result, closed by krr_recording_close() also after an error
 *
 * Return: 0, -ENOENT, -EBADMSG, or -errno (all said on stderr).
 */
int krr_recording_open(const char *name, struct krr_recording *rec)
{
	__close_fd int store = krr_store_open();
	int err;

	err = rec_init(rec, name, "");
	if (store < 0)
		return store;
	if (err)
		return err;
	err = open_dir(rec, store, name);
	if (err == -ELOOP)
		return err;
	if (err) {
		krr_err("there is no recording \"%s\" (%s): krrctl ls names those there are",
			name, strerror(-err));
		return -ENOENT;
	}
	err = krr_manifest_load(rec->dirfd, &rec->m);
	if (err == -ENOENT) {
		krr_err("%s has no manifest.json; it is not a recording, or damaged", rec->path);
		err = -EBADMSG;
	}
	return err;
}

/* Out of the way first: nobody adopts what has a part left and no lock. */
static int remove_locked(const struct krr_recording *rec, int store)
{
	__free_ptr char *dir = krr_strf("%s" KRR_INCOMPLETE, rec->name);
	__free_ptr char *gone = krr_strf(".gone-%s", rec->name);

	krr_remove_tree(store, gone);
	if (renameat(store, dir, store, gone) < 0)
		return -errno;
	return krr_remove_tree(store, gone);
}

/**
 * krr_recording_remove() - delete a recording, also an incomplete one
 * @name: of it
 */
int krr_recording_remove(const char *name)
{
	__close_fd int store = krr_store_open();
	struct krr_recording rec;
	struct stat st;
	int err;

	if (store < 0)
		return store;
	err = check_name(name);
	if (err)
		return err;
	if (!fstatat(store, name, &st, AT_SYMLINK_NOFOLLOW))
		return krr_remove_tree(store, name);
	err = krr_recording_adopt(name, &rec);
	if (!err)
		err = remove_locked(&rec, store);
	else if (err == -EWOULDBLOCK)
		krr_err("\"%s\" is being recorded; stop that first", name);
	else
		krr_err("there is no recording \"%s\": krrctl ls names those there are", name);
	krr_recording_close(&rec);
	return err == -EWOULDBLOCK ? -EBUSY : err;
}

/** krr_recording_discard() - delete one that was begun and came to nothing */
void krr_recording_discard(struct krr_recording *rec)
{
	__close_fd int store = krr_store_open();

	if (store >= 0 && rec->dirfd >= 0)
		remove_locked(rec, store);
	krr_recording_close(rec);
}

/** krr_recording_close() - free; the directory stays as it is */
void krr_recording_close(struct krr_recording *rec)
{
	if (rec->dirfd >= 0)
		close(rec->dirfd);
	if (rec->lockfd >= 0)
		close(rec->lockfd);
	krr_manifest_free(&rec->m);
	free(rec->name);
	free(rec->path);
	memset(rec, 0, sizeof(*rec));
	rec->dirfd = rec->lockfd = -1;
}

/** krr_recording_disk_bytes() - bytes that its files take on disk */
uint64_t krr_recording_disk_bytes(const struct krr_recording *rec)
{
	int fd = openat(rec->dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	uint64_t bytes = 0;
	struct dirent *de;
	struct stat st;

	while (dir && (de = readdir(dir)))
		if (!fstatat(rec->dirfd, de->d_name, &st, AT_SYMLINK_NOFOLLOW) &&
		    S_ISREG(st.st_mode))
			bytes += (uint64_t)st.st_blocks * 512;
	if (dir)
		closedir(dir);
	return bytes;
}
