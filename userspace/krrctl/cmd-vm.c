// SPDX-License-Identifier: GPL-2.0-only
/* krrctl vm, record, stop: VMs that krrd --host keeps running. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "krrctl/krrctl.h"
#include "lib/util.h"
#include "vmm/link.h"
#include "vmm/options.h"
#include "vmm/runtime.h"

#define ANSWER_MS	60000u
#define PAUSE_MS	3000		/* a snapshot takes less */
#define END_S		60u		/* a VM that was told to end has done so */

static const char vm_usage[] =
	"usage: krrctl vm start NAME [OPTIONS]     start a VM that stays\n"
	"       krrctl vm ls\n"
	"       krrctl vm exec NAME -- COMMAND     run a command in it\n"
	"       krrctl vm balloon NAME SIZE        ask it to make do with so much RAM\n"
	"       krrctl vm vsock NAME SOCKET        plug in a vsock device\n"
	"       krrctl vm stop NAME\n"
	"\n"
	KRR_MACHINE_USAGE;

static const char record_usage[] =
	"usage: krrctl record VM RECORDING\n"
	"\n"
	"Begins a recording in a VM that krrctl vm start made; krrctl stop VM ends it.\n";

static const char stop_usage[] =
	"usage: krrctl stop VM\n"
	"\n"
	"Ends and seals the recording in a VM.\n";

/* The daemon stands beside krrctl, or in the path. */
static int start(char **argv)
{
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 5);
	char *slash;

	argv[0] = "--host";
	argv--;
	if (n > 0) {
		self[n] = '\0';
		slash = strrchr(self, '/');
		strcpy(slash + 1, "krrd");
		argv[0] = self;
		execv(self, argv);
	}
	argv[0] = "krrd";
	execvp("krrd", argv);
	krr_err("cannot run krrd, which must be beside krrctl or in the path: %s", strerror(errno));
	return KRR_EXIT_PRECONDITION;
}

/* A guest that does not run answers nobody.  The recorder itself pauses it for a moment. */
static int vm_check_runs(const struct krr_vm *vm, const char *name)
{
	char *status = krr_vm_status(vm);
	int ms, err = 0;

	for (ms = 0; status && strcmp(status, "running") && ms < PAUSE_MS; ms += 100) {
		krr_sleep_ms(100);
		free(status);
		status = krr_vm_status(vm);
	}
	if (status && strcmp(status, "running")) {
		krr_err("VM \"%s\" is %s: expected one that runs; resume it (QMP: cont) and try "
			"again", name, status);
		err = -EBUSY;
	}
	free(status);
	return err;
}

/**
 * vm_open_link() - to krrd in a VM
 * @name: of the VM
 * @port: which
 * @vm: result; krr_vm_free(), also after an error
 * @link: result; krr_link_close(), also after an error, when not NULL
 *
 * Return: 0 or -errno (said on stderr).
 */
int vm_open_link(const char *name, enum krr_port port, struct krr_vm *vm, struct krr_link **link)
{
	int err;

	err = krr_vm_open(name, vm);
	if (!err)
		err = vm_check_runs(vm, name);
	if (err)
		return err;
	err = krr_link_open(port == KRR_PORT_EXEC ? vm->port : vm->control, 1000, link);
	if (!err)
		err = krr_link_hello(*link, KRR_HELLO_MS);
	if (err == -EBUSY)
		krr_err("another krrctl is using VM \"%s\"", name);
	else if (err)
		krr_err("the guest of VM \"%s\" does not answer: %s; is krrd running in it?", name,
			strerror(-err));
	return err;
}

static int vm_exec(const char *name, char **command)
{
	struct krr_link *link = NULL;
	struct krr_vm vm;
	int err, status = 0;

	err = vm_open_link(name, KRR_PORT_EXEC, &vm, &link);
	if (!err) {
		session_catch_signals();
		err = session_exec(link, NULL, NULL, "", command, &status);
		if (err == -EPIPE)
			krr_err("VM \"%s\" ended before the command did", name);
	}
	krr_link_close(link);
	krr_vm_free(&vm);
	return err ? krr_exit_code(err) : status;
}

/** vm_said() - bytes that the owner of a VM has said until now, for vm_print_said() */
off_t vm_said(const struct krr_vm *vm)
{
	struct stat st;

	return stat(vm->krrd_log, &st) < 0 ? 0 : st.st_size;
}

/** vm_print_said() - what it said since: the guest knows that it failed, not why */
void vm_print_said(const struct krr_vm *vm, off_t from)
{
	__close_fd int fd = open(vm->krrd_log, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	char text[4096];
	ssize_t n = fd < 0 ? -1 : pread(fd, text, sizeof(text), from);

	if (n > 0)
		fwrite(text, 1, (size_t)n, stderr);
}

static int request(const char *name, uint32_t type, const char *text)
{
	__free_ptr char *reply = NULL;
	off_t said = 0;
	struct krr_link *link = NULL;
	struct krr_vm vm;
	int err;

	err = vm_open_link(name, KRR_PORT_CONTROL, &vm, &link);
	if (!err) {
		said = vm_said(&vm);
		err = krr_link_request(link, type, text, &reply, ANSWER_MS);
		if (err)
			vm_print_said(&vm, said);
		if (err)
			krr_err("%s", reply && *reply ? reply : strerror(-err));
	}
	krr_link_close(link);
	krr_vm_free(&vm);
	return err == -EINVAL ? KRR_EXIT_FAILED : krr_exit_code(err);
}

/* QEMU has been told to end: wait for krrd, which ends what is recorded and clears up. */
static int vm_wait_end(const struct krr_vm *vm)
{
	uint64_t until = krr_now_ns() + END_S * 1000000000ull;

	while (!access(vm->dir, F_OK)) {
		if (krr_now_ns() > until) {
			krr_err("VM \"%s\" has not ended after %u s: expected its krrd to remove %s",
				vm->name, END_S, vm->dir);
			return -ETIMEDOUT;
		}
		krr_sleep_ms(10);
	}
	return 0;
}

static int vm_stop(const char *name)
{
	struct krr_qmp *qmp = NULL;
	struct krr_vm vm;
	int err;

	err = krr_vm_open(name, &vm);
	if (!err)
		err = krr_qmp_connect(vm.qmp, 1000, &qmp);
	if (!err)
		err = krr_qmp_call(qmp, "quit", NULL, NULL);
	krr_qmp_close(qmp);
	if (!err)
		err = vm_wait_end(&vm);
	else if (err != -ENOENT)
		krr_err("cannot stop VM \"%s\": %s", name, strerror(-err));
	krr_vm_free(&vm);
	return krr_exit_code(err);
}

/* Both results are to be given back, also after a failure. */
static int reach(const char *name, struct krr_vm *vm, struct krr_qmp **qmp)
{
	int err = krr_vm_open(name, vm);

	if (err)
		return err;
	err = krr_qmp_connect(vm->qmp, 1000, qmp);
	if (err)
		krr_err("cannot reach QEMU of VM \"%s\": %s", name, strerror(-err));
	return err;
}

/*
 * QEMU only notes the target; the guest gives and takes pages as it can, and
 * that is recorded like all that it does.
 */
static int vm_balloon(const char *name, const char *text)
{
	struct krr_qmp *qmp = NULL;
	struct krr_vm vm;
	uint64_t bytes;
	int err;

	if (krr_parse_size(text, &bytes) || !bytes || bytes > KRR_MAX_MEM) {
		krr_err("vm balloon: \"%s\" is no size of RAM, e.g. 256M", text);
		return KRR_EXIT_USAGE;
	}
	err = reach(name, &vm, &qmp);
	if (!err) {
		err = krr_qmp_call(qmp, "balloon",
				   json_pack("{s:I}", "value", (json_int_t)bytes), NULL);
		if (err)
			krr_err("VM \"%s\" took no target: was it started with --balloon?", name);
	}
	krr_qmp_close(qmp);
	krr_vm_free(&vm);
	return krr_exit_code(err);
}

static int plug_vsock(struct krr_qmp *qmp, const char *path)
{
	int err;

	err = krr_qmp_call(qmp, "chardev-add",
			   json_pack("{s:s,s:{s:s,s:{s:{s:s,s:{s:s}},s:b}}}", "id", "vsock",
				     "backend", "type", "socket", "data", "addr", "type", "unix",
				     "data", "path", path, "server", 0), NULL);
	if (err)
		return err;
	err = krr_qmp_call(qmp, "device_add",
			   json_pack("{s:s,s:s,s:s,s:s}", "driver", "vhost-user-vsock-pci",
				     "id", "vsock", "chardev", "vsock", "addr", "0x9"), NULL);
	if (err)
		krr_qmp_call(qmp, "chardev-remove", json_pack("{s:s}", "id", "vsock"), NULL);
	return err;
}

/*
 * QEMU cannot save the state of such a device, and would not begin a recording
 * with it.  But a replay needs no device, so it may come while recording.
 */
static int vm_vsock(const char *name, const char *path)
{
	struct krr_qmp *qmp = NULL;
	struct krr_vm vm;
	int err;

	err = reach(name, &vm, &qmp);
	if (!err) {
		err = plug_vsock(qmp, path);
		if (err)
			krr_err("VM \"%s\" got no vsock device: a vhost-user server for it has to "
				"listen at %s, and there can be one device", name, path);
	}
	krr_qmp_close(qmp);
	krr_vm_free(&vm);
	return krr_exit_code(err);
}

static int vm_ls(void)
{
	char **names, **p;

	krr_vm_sweep();
	krr_runtime_list(&names);
	for (p = names; *p; p++)
		puts(*p);
	krr_store_list_free(names);
	return KRR_EXIT_OK;
}

int cmd_vm(int argc, char **argv)
{
	if (usage_wanted(argc, argv) || usage_wanted(argc - 1, argv + 1))
		return usage_help(vm_usage);
	if (argc == 2 && !strcmp(argv[1], "ls"))
		return vm_ls();
	if (argc >= 3 && !strcmp(argv[1], "start"))
		return start(argv + 1);
	if (argc == 3 && !strcmp(argv[1], "stop"))
		return vm_stop(argv[2]);
	if (argc == 4 && !strcmp(argv[1], "vsock"))
		return vm_vsock(argv[2], argv[3]);
	if (argc == 4 && !strcmp(argv[1], "balloon"))
		return vm_balloon(argv[2], argv[3]);
	if (argc >= 5 && !strcmp(argv[1], "exec") && !strcmp(argv[3], "--"))
		return vm_exec(argv[2], argv + 4);
	return usage_error(vm_usage);
}

int cmd_record(int argc, char **argv)
{
	if (usage_wanted(argc, argv))
		return usage_help(record_usage);
	if (argc != 3 || !krr_name_ok(argv[1]) || !krr_name_ok(argv[2]))
		return usage_error(record_usage);
	if (krr_recording_exists(argv[2]))
		return KRR_EXIT_PRECONDITION;
	return request(argv[1], KRR_FR_START, argv[2]);
}

int cmd_stop(int argc, char **argv)
{
	if (usage_wanted(argc, argv))
		return usage_help(stop_usage);
	if (argc != 2 || !krr_name_ok(argv[1]))
		return usage_error(stop_usage);
	return request(argv[1], KRR_FR_STOP, NULL);
}
