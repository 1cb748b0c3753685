// SPDX-License-Identifier: GPL-2.0-only
/* Runtime directories and QEMU processes. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <linux/magic.h>

#include "lib/store.h"
#include "lib/util.h"
#include "vmm/qmp.h"
#include "vmm/runtime.h"
#include "vmm/uffd.h"
#include "vmm/vm.h"

#define SHM "/dev/shm"
#define VM_JSON 1		/* "krr_vm" of vm.json: a directory that krr may clear up */
#define SOCKETS_MS 120000u
#define LOCK_TRIES 50		/* of 2 ms: somebody who clears up holds it for a moment */

static void set_paths(struct krr_vm *vm, const char *name)
{
	__free_ptr char *base = krr_runtime_dir();

	memset(vm, 0, sizeof(*vm));
	vm->lockfd = -1;
	vm->name = krr_strf("%s", name);
	vm->dir = krr_strf("%s/%s", base, name);
	vm->qmp = krr_strf("%s/qmp.sock", vm->dir);
	vm->rec = krr_strf("%s/rec.sock", vm->dir);
	vm->port = krr_strf("%s/port.sock", vm->dir);
	vm->control = krr_strf("%s/control.sock", vm->dir);
	vm->console = krr_strf("%s/console.log", vm->dir);
	vm->log = krr_strf("%s/qemu.log", vm->dir);
	vm->krrd_log = krr_strf("%s/krrd.log", vm->dir);
}

static bool has_room(const char *dir, uint64_t bytes, uint64_t *room)
{
	struct statfs fs;

	*room = 0;
	if (statfs(dir, &fs) < 0)
		return false;
	*room = (uint64_t)fs.f_bavail * (uint64_t)fs.f_bsize;
	return *room >= bytes;
}

/*
 * A tmpfs promises room that the host may not have: then the guest, QEMU or something
 * else on the host would be killed when RAM fills up.
 */
static int check_memory(const char *ram, uint64_t mem)
{
	uint64_t available = krr_meminfo("MemAvailable:") + krr_meminfo("SwapFree:");
	struct statfs fs;

	if (statfs(ram, &fs) < 0 || fs.f_type != TMPFS_MAGIC || available >= mem)
		return 0;
	krr_err("guest RAM in %s: expected %" PRIu64 " MiB of available host memory, found %" PRIu64
		" MiB; try a smaller --mem, or end something else", ram, mem >> 20,
		available >> 20);
	return -ENOSPC;
}

static int place_ram(struct krr_vm *vm, uint64_t mem)
{
	uint64_t shm, dir;
	int fd, err;

	if (has_room(SHM, mem, &shm) && !access(SHM, W_OK)) {
		vm->ram = krr_strf(SHM "/krr-%u-%s.ram", geteuid(), vm->name);
	} else if (has_room(vm->dir, mem, &dir)) {
		vm->ram = krr_strf("%s/ram", vm->dir);
	} else {
		krr_err("guest RAM: expected %" PRIu64 " MiB free in " SHM " or %s, found %" PRIu64
			" MiB and %" PRIu64 " MiB; try a smaller --mem, or free some", mem >> 20,
			vm->dir, shm >> 20, dir >> 20);
		return -ENOSPC;
	}
	unlink(vm->ram);
	fd = open(vm->ram, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, (off_t)mem) < 0) {
		err = -errno;
		krr_err("cannot make %s: %s", vm->ram, strerror(errno));
		if (fd >= 0)
			close(fd);
		return err;
	}
	close(fd);
	err = check_memory(vm->ram, mem);
	if (err)
		unlink(vm->ram);
	return err;
}

static int write_json(const struct krr_vm *vm, uint64_t mem)
{
	__free_ptr char *path = krr_strf("%s/vm.json", vm->dir);
	json_t *root = json_pack("{s:i,s:s,s:s,s:I,s:I,s:i}", "krr_vm", VM_JSON,
				 "name", vm->name, "ram", vm->ram, "mem", (json_int_t)mem,
				 "owner", (json_int_t)getpid(), "qemu", (int)vm->pid);
	int err = json_dump_file(root, path, JSON_INDENT(2)) < 0 ? -EIO : 0;

	json_decref(root);
	return err;
}

static int vm_make_dir(const struct krr_vm *vm)
{
	__close_fd int base = krr_runtime_make();

	return base < 0 ? base : krr_private_dir(vm->dir);
}

/* Return: is @fd still the file "lock" of the VM's directory? */
static bool vm_is_lock(const struct krr_vm *vm, int fd)
{
	__close_fd int dir = krr_runtime_open_vm(vm->name);
	struct stat mine, there;

	return dir >= 0 && !fstat(fd, &mine) && !fstatat(dir, "lock", &there, AT_SYMLINK_NOFOLLOW) &&
	       mine.st_dev == there.st_dev && mine.st_ino == there.st_ino;
}

/* A command that clears up after a dead owner holds the lock briefly, and removes it. */
static int vm_take_lock(struct krr_vm *vm)
{
	__free_ptr char *path = krr_strf("%s/lock", vm->dir);
	int i, fd, err;

	for (i = 0; i < LOCK_TRIES; i++) {
		err = vm_make_dir(vm);
		if (err)
			return err;
		fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
		if (fd >= 0 && !flock(fd, LOCK_EX | LOCK_NB) && vm_is_lock(vm, fd)) {
			vm->lockfd = fd;
			return 0;
		}
		if (fd >= 0)
			close(fd);
		krr_sleep_ms(2);
	}
	krr_err("a VM \"%s\" is running already: take another name, or krrctl vm stop %s",
		vm->name, vm->name);
	return -EBUSY;
}

/**
 * krr_vm_create() - make the runtime directory of a VM, owned by this process
 * @name: unique; checked as a recording's name is
 * @mem: bytes of guest RAM; the file for it is made
 * @vm: result, freed by krr_vm_destroy() also after an error
 *
 * Return: 0 or -errno (said on stderr).
 */
int krr_vm_create(const char *name, uint64_t mem, struct krr_vm *vm)
{
	int err;

	set_paths(vm, name);
	if (!krr_name_ok(name)) {
		krr_err("\"%s\" cannot be the name of a VM", name);
		return -EINVAL;
	}
	if (strlen(vm->control) >= sizeof(((struct sockaddr_un *)0)->sun_path)) {
		krr_err("%s is too long for a socket: set XDG_RUNTIME_DIR to a shorter "
			"path", vm->control);
		return -ENAMETOOLONG;
	}
	err = vm_take_lock(vm);
	if (err)
		return err;
	err = place_ram(vm, mem);
	return err ? err : write_json(vm, mem);
}

static void child(const struct krr_vm *vm, const struct krr_argv *argv, pid_t owner, int uffd)
{
	int in = open("/dev/null", O_RDWR | O_CLOEXEC);
	int out = open(vm->log, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	umask(077);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != owner || in < 0 || out < 0)
		_exit(127);
	setpgid(0, 0);		/* ^C is for krrctl, which ends QEMU in order */
	dup2(in, 0);
	dup2(out, 1);
	dup2(out, 2);
	krr_uffd_preload(uffd);
	execvp(argv->v[0], argv->v);
	dprintf(2, "cannot run %s: %s\n", argv->v[0], strerror(errno));
	_exit(127);
}

/* On a busy host QEMU may take long to make them.  One that has ended never will. */
static void vm_wait_for_sockets(struct krr_vm *vm)
{
	uint64_t deadline = krr_now_ns() + SOCKETS_MS * 1000000ull;

	while (access(vm->qmp, F_OK) < 0 && krr_vm_running(vm) && krr_now_ns() < deadline)
		krr_sleep_ms(5);
}

/**
 * krr_vm_spawn() - start QEMU
 * @vm: made by krr_vm_create(), not running
 * @m: machine
 * @io: its "replay", "port" and "gdb" are the caller's, the rest is set here
 *
 * Waits until QEMU has made its sockets or has ended.  It gets SIGKILL when the thread that
 * called this ends.
 *
 * Return: 0 or -errno; that the process was started says nothing on QEMU's success.
 */
int krr_vm_spawn(struct krr_vm *vm, const struct krr_machine *m, struct krr_machine_io *io)
{
	struct krr_argv argv;
	pid_t pid, owner = getpid();
	int err, uffd = -1;

	err = krr_qemu_version(m->qemu, &vm->qemu_version);
	if (err)
		return err;
	io->ram = vm->ram;
	io->qmp = vm->qmp;
	io->qmp2 = io->replay ? NULL : vm->rec;
	io->console = vm->console;
	krr_machine_argv(m, io, &argv);
	vm->argv = krr_argv_text(&argv);
	unlink(vm->qmp);
	unlink(vm->rec);
	unlink(vm->port);
	unlink(vm->control);
	/* a replay is not recorded */
	vm->uffd_socket = io->replay ? -1 : krr_uffd_pair(&uffd);
	pid = fork();
	if (!pid)
		child(vm, &argv, owner, uffd);
	err = pid < 0 ? -errno : 0;
	if (uffd >= 0)
		close(uffd);
	krr_argv_free(&argv);
	if (err) {
		krr_err("cannot start QEMU: %s", strerror(-err));
		return err;
	}
	vm->pid = pid;
	err = write_json(vm, m->mem);
	if (!err)
		vm_wait_for_sockets(vm);
	return err;
}

/**
 * krr_vm_running() - is QEMU still there?
 *
 * Return: 1, or 0 once it has ended.
 */
int krr_vm_running(struct krr_vm *vm)
{
	if (!vm->pid)
		return 0;
	if (!waitpid(vm->pid, &vm->status, WNOHANG))
		return 1;
	vm->pid = 0;
	return 0;
}

/**
 * krr_vm_end_text() - how QEMU ended, freed by free()
 *
 * A guest that resets itself, as by a triple fault, ends QEMU with status 0.
 */
char *krr_vm_end_text(const struct krr_vm *vm)
{
	if (vm->pid)
		return krr_strf("it runs");
	if (WIFSIGNALED(vm->status))
		return krr_strf("by signal %d", WTERMSIG(vm->status));
	if (WEXITSTATUS(vm->status))
		return krr_strf("with status %d", WEXITSTATUS(vm->status));
	return krr_strf("in order: the guest reset or powered off");
}

/** krr_vm_kill() - end QEMU and wait for it */
void krr_vm_kill(struct krr_vm *vm)
{
	if (!krr_vm_running(vm))
		return;
	kill(vm->pid, SIGKILL);
	waitpid(vm->pid, NULL, 0);
	vm->pid = 0;
}

/** krr_vm_destroy() - end QEMU, remove its directory and RAM, free */
void krr_vm_destroy(struct krr_vm *vm)
{
	krr_vm_kill(vm);
	if (vm->lockfd >= 0) {
		if (vm->ram)
			unlink(vm->ram);
		krr_runtime_remove_vm(vm->name);
	}
	krr_vm_free(vm);
}

/** krr_vm_explain() - show what QEMU and the guest said last, on stderr */
void krr_vm_explain(const struct krr_vm *vm)
{
	struct stat st;

	if (!stat(vm->log, &st) && st.st_size) {
		fprintf(stderr, "  QEMU said:\n");
		krr_print_tail(stderr, vm->log, 5);
	}
	if (!stat(vm->console, &st) && st.st_size) {
		fprintf(stderr, "  the guest's console ends with:\n");
		krr_print_tail(stderr, vm->console, 8);
	}
}

/* Freed by free(); NULL if @name is not the directory of a VM. */
static char *vm_ram_of(const char *name)
{
	json_t *root = krr_runtime_json(name, "vm.json");
	const char *ram = json_string_value(json_object_get(root, "ram"));
	bool ours = json_integer_value(json_object_get(root, "krr_vm")) == VM_JSON;
	char *copy = ram && ours ? krr_strf("%s", ram) : NULL;

	json_decref(root);
	return copy;
}

static void vm_sweep_one(const char *name)
{
	__free_ptr char *mine = krr_strf(SHM "/krr-%u-%s.ram", geteuid(), name);
	__free_ptr char *ram = vm_ram_of(name);
	__close_fd int dir = ram ? krr_runtime_open_vm(name) : -1;
	__close_fd int fd = dir < 0 ? -1 : openat(dir, "lock", KRR_O_READ);

	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)
		return;
	if (!strcmp(ram, mine))
		unlink(mine);
	krr_runtime_remove_vm(name);
}

/**
 * krr_vm_sweep() - remove what VMs left whose owners were killed
 *
 * A directory without the vm.json of a VM is left alone.
 */
void krr_vm_sweep(void)
{
	char **names, **p;

	krr_runtime_list(&names);
	for (p = names; *p; p++)
		vm_sweep_one(*p);
	krr_store_list_free(names);
}

/**
 * krr_vm_open() - talk to a VM that another process owns
 * @name: of the VM
 * @vm: result, freed by krr_vm_free()
 *
 * Return: 0 or -ENOENT (said on stderr).
 */
int krr_vm_open(const char *name, struct krr_vm *vm)
{
	__close_fd int dir = krr_runtime_open_vm(name);
	struct stat st;

	set_paths(vm, name);
	if (dir >= 0 && !fstatat(dir, "qmp.sock", &st, AT_SYMLINK_NOFOLLOW) && S_ISSOCK(st.st_mode)) {
		vm->ram = vm_ram_of(name);
		return 0;
	}
	krr_err("there is no VM \"%s\": krrctl vm ls names those that run", name);
	return -ENOENT;
}

/**
 * krr_vm_status() - krr_qmp_status() of a VM, by a connection of its own
 * @vm: open, or running
 *
 * Return: freed by free(); NULL when QEMU does not say, or another client has its QMP.
 */
char *krr_vm_status(const struct krr_vm *vm)
{
	struct krr_qmp *qmp = NULL;
	char *status = NULL;

	if (!krr_qmp_connect(vm->qmp, 1000, &qmp))
		status = krr_qmp_status(qmp);
	krr_qmp_close(qmp);
	return status;
}

/** krr_vm_free() - free the strings */
void krr_vm_free(struct krr_vm *vm)
{
	if (vm->lockfd >= 0)
		close(vm->lockfd);
	if (vm->uffd_socket > 0)
		close(vm->uffd_socket);
	free(vm->name);
	free(vm->dir);
	free(vm->ram);
	free(vm->qmp);
	free(vm->rec);
	free(vm->port);
	free(vm->control);
	free(vm->console);
	free(vm->log);
	free(vm->krrd_log);
	free(vm->argv);
	free(vm->qemu_version);
	memset(vm, 0, sizeof(*vm));
	vm->lockfd = -1;
}
