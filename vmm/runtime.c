// SPDX-License-Identifier: GPL-2.0-only
/* The runtime directory, which others may have tampered with. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/store.h"
#include "lib/util.h"
#include "vmm/runtime.h"

#define OPEN_DIR	(O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
#define JSON_BYTES	(1u << 20)

/* All that krr makes in a VM's directory; "lock" goes last. */
static const char *const vm_files[] = {
	"vm.json", "flight.json", "flight.json.tmp", "ram", "console.log", "qemu.log", "krrd.log",
	"qmp.sock", "rec.sock", "port.sock", "port.sock.lock", "control.sock",
	"control.sock.lock", "gdb.sock", "unwind.py", "lock",
};

/* su and sudo may leave another user's XDG_RUNTIME_DIR behind. */
static const char *runtime_xdg(void)
{
	const char *dir = getenv("XDG_RUNTIME_DIR");
	struct stat st;

	if (!dir || !*dir)
		return NULL;
	return stat(dir, &st) < 0 || st.st_uid == geteuid() ? dir : NULL;
}

/** krr_runtime_dir() - path of the runtime directory, freed by free(); see krr_runtime_open() */
char *krr_runtime_dir(void)
{
	const char *xdg = runtime_xdg();

	if (xdg)
		return krr_strf("%s/krr", xdg);
	if (!geteuid())
		return krr_strf("/run/krr");
	return krr_strf("/tmp/krr-%u", geteuid());
}

static int runtime_check(int fd, const char *path)
{
	static bool said;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_uid == geteuid() && !(st.st_mode & 022))
		return 0;
	if (!said)
		krr_err("%s: expected a directory of user %u that nobody else can write to, found "
			"owner %u and mode %04o; it is ignored: remove it, or set XDG_RUNTIME_DIR",
			path, geteuid(), st.st_uid, st.st_mode & 07777);
	said = true;
	return -EACCES;
}

/**
 * krr_runtime_open() - open the runtime directory
 *
 * Return: a descriptor, -ENOENT or -ENOTDIR when it does not exist or is a symbolic
 * link, or -EACCES when it belongs to somebody else or can be written by others (said on
 * stderr, once).
 */
int krr_runtime_open(void)
{
	__free_ptr char *path = krr_runtime_dir();
	int fd = open(path, OPEN_DIR), err;

	if (fd < 0)
		return -errno;
	err = runtime_check(fd, path);
	if (!err)
		return fd;
	close(fd);
	return err;
}

/**
 * krr_runtime_make() - make the runtime directory if it does not exist, and open it
 *
 * Return: a descriptor, or -errno (said on stderr).
 */
int krr_runtime_make(void)
{
	__free_ptr char *path = krr_runtime_dir();
	int err = krr_private_dir(path);

	return err ? err : krr_runtime_open();
}

/**
 * krr_runtime_open_vm() - open a VM's directory
 * @name: of the VM; not trusted
 *
 * Return: a descriptor, or -errno.
 */
int krr_runtime_open_vm(const char *name)
{
	__close_fd int base = krr_name_ok(name) ? krr_runtime_open() : -EINVAL;
	int fd;

	if (base < 0)
		return base;
	fd = openat(base, name, OPEN_DIR);
	return fd < 0 ? -errno : fd;
}

/**
 * krr_runtime_json() - read a JSON file of a VM's directory
 * @name: of the VM
 * @file: name of the file
 *
 * Return: the value, freed by json_decref(), or NULL.
 */
json_t *krr_runtime_json(const char *name, const char *file)
{
	__close_fd int dir = krr_runtime_open_vm(name);
	__free_ptr char *text = dir < 0 ? NULL : krr_read_file_at(dir, file, JSON_BYTES);

	return text ? json_loads(text, 0, NULL) : NULL;
}

/**
 * krr_runtime_remove_vm() - remove what krr made in a VM's directory, and the directory
 * @name: of the VM, whose lock the caller holds
 *
 * Anything else in it stays, and then the directory does.
 */
void krr_runtime_remove_vm(const char *name)
{
	__close_fd int base = krr_runtime_open();
	__close_fd int dir = base < 0 ? -1 : openat(base, name, OPEN_DIR);
	size_t i;

	if (dir < 0)
		return;
	for (i = 0; i < ARRAY_SIZE(vm_files); i++)
		unlinkat(dir, vm_files[i], 0);
	unlinkat(base, name, AT_REMOVEDIR);
}

/**
 * krr_runtime_list() - names in the runtime directory that a VM could have
 * @names: result, NULL-terminated, freed by krr_store_list_free()
 *
 * Return: how many; 0 when there is no such directory.
 */
int krr_runtime_list(char ***names)
{
	int fd = krr_runtime_open(), n = 0;
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	char **list = calloc(1, sizeof(*list));
	struct dirent *de;

	if (!list)
		abort();
	while (dir && (de = readdir(dir))) {
		if (!krr_name_ok(de->d_name))
			continue;
		list = realloc(list, ((size_t)n + 2) * sizeof(*list));
		if (!list)
			abort();
		list[n++] = krr_strf("%s", de->d_name);
		list[n] = NULL;
	}
	if (dir)
		closedir(dir);
	else if (fd >= 0)
		close(fd);
	*names = list;
	return n;
}
