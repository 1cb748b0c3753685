// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/kvm says little: there are hosts where it opens and a kernel still hangs
 * after the firmware.  So boot the very kernel and wait for its first words.  That takes
 * seconds when KVM hangs, so what was found is remembered until the host reboots.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/util.h"
#include "vmm/kvm-probe.h"
#include "vmm/runtime.h"
#include "vmm/vm.h"

#define PROBE_MS	8000u
#define PROBE_MEM	(256ull << 20)

static bool console_speaks(const struct krr_vm *vm)
{
	struct stat st;

	return !stat(vm->console, &st) && st.st_size > 200;
}

static bool boot(const char *kernel, char **why)
{
	__free_ptr char *name = krr_strf("probe-%d", (int)getpid());
	uint64_t deadline = krr_now_ns() + PROBE_MS * 1000000ull;
	struct krr_machine_io io = { 0 };
	struct krr_machine m;
	struct krr_vm vm;
	bool ok = false;

	krr_machine_defaults(&m);
	free(m.accel);
	m.accel = krr_strf("kvm");
	m.mem = PROBE_MEM;
	m.kernel = krr_strf("%s", kernel);
	m.append = krr_strf("krr=4M earlyprintk=serial,ttyS0");
	if (!krr_vm_create(name, m.mem, &vm) && !krr_vm_spawn(&vm, &m, &io)) {
		while (!(ok = console_speaks(&vm)) && krr_vm_running(&vm) &&
		       krr_now_ns() < deadline)
			krr_sleep_ms(20);
		if (ok)
			*why = krr_strf("the kernel booted under KVM");
		else if (krr_vm_running(&vm))
			*why = krr_strf("/dev/kvm is there, but the kernel printed nothing in %u s",
					PROBE_MS / 1000);
		else
			*why = krr_strf("QEMU ended when it was to use KVM");
	} else {
		*why = krr_strf("QEMU could not be started");
	}
	krr_vm_destroy(&vm);
	krr_machine_free(&m);
	return ok;
}

/**
 * krr_kvm_probe() - boot a kernel under KVM for a few seconds
 * @kernel: bzImage
 * @why: result in words, also on success; freed by free()
 */
bool krr_kvm_probe(const char *kernel, char **why)
{
	__close_fd int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	if (fd < 0) {
		*why = krr_strf("/dev/kvm: %s", strerror(errno));
		return false;
	}
	if (access(kernel, R_OK)) {
		*why = krr_strf("no kernel to try it with: %s", kernel);
		return false;
	}
	return boot(kernel, why);
}

/* What a verdict is about: after a reboot it is void. Freed by free(). */
static char *verdict_key(const char *of)
{
	__free_ptr char *boot = krr_read_file_at(AT_FDCWD, "/proc/sys/kernel/random/boot_id", 64);

	if (boot)
		boot[strcspn(boot, "\n")] = '\0';
	return krr_strf("%s %s", boot ? boot : "-", of);
}

/**
 * krr_kvm_remembered() - what was found out about KVM since this host was booted
 * @file: name of the file in the runtime directory; it holds the last verdict only
 * @of: what it is about, one line
 * @why: result in words, freed by free(); NULL if there is none
 *
 * Return: 1 it works, 0 it does not, -ENOENT.
 */
int krr_kvm_remembered(const char *file, const char *of, char **why)
{
	__close_fd int base = krr_runtime_open();
	__free_ptr char *key = verdict_key(of);
	__free_ptr char *text = base < 0 ? NULL : krr_read_file_at(base, file, 4096);
	const char *p;

	*why = NULL;
	if (!text || strncmp(text, key, strlen(key)) || text[strlen(key)] != '\n')
		return -ENOENT;
	p = text + strlen(key) + 1;
	*why = krr_strf("%s", p + strspn(p, "01 "));
	return *p == '1';
}

/**
 * krr_kvm_remember() - keep a verdict until the next reboot
 * @file, @of: as krr_kvm_remembered() will be asked
 * @ok: does KVM work?
 * @why: in words
 */
void krr_kvm_remember(const char *file, const char *of, bool ok, const char *why)
{
	__close_fd int base = krr_runtime_make();
	__close_fd int fd = base < 0 ? -1 :
		openat(base, file, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC,
		       0600);
	__free_ptr char *key = verdict_key(of);

	if (fd >= 0)
		dprintf(fd, "%s\n%d %s", key, ok, why);
}
