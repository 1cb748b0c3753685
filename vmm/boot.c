// SPDX-License-Identifier: GPL-2.0-only
/* Starting a VM, and waiting until krrd in it answers. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "lib/util.h"
#include "vmm/boot.h"

#define SOCKET_MS	10000u	/* for QEMU to make its sockets */
#define HELLO_MS	500u
#define END_MS		2000u

/* KVM may open and still not run the guest's kernel: then QEMU stops it for good. */
static bool boot_is_broken(const struct krr_vm *vm, bool kvm)
{
	__free_ptr char *status = kvm ? krr_vm_status(vm) : NULL;

	return status && !strcmp(status, "internal-error");
}

static int wait_for_guest(struct krr_vm *vm, uint64_t timeout_s, bool kvm,
			  const volatile sig_atomic_t *cancel, struct krr_link **link)
{
	uint64_t deadline = krr_now_ns() + timeout_s * 1000000000ull;
	int err;

	err = krr_link_open(vm->port, SOCKET_MS, link);
	if (err)
		return err;
	do {
		err = krr_link_hello(*link, HELLO_MS);
		if (err != -ETIMEDOUT && err != -EINTR)
			return err;
		if (*cancel)
			return -EINTR;
		if (boot_is_broken(vm, kvm))
			return -ENODEV;
	} while (krr_now_ns() < deadline);
	return -ETIMEDOUT;
}

/* Its sockets close a moment before it can be waited for. */
static void wait_for_end(struct krr_vm *vm)
{
	unsigned int ms;

	for (ms = 0; ms < END_MS && krr_vm_running(vm); ms += 10)
		krr_sleep_ms(10);
}

static void explain(struct krr_vm *vm, uint64_t timeout_s, bool kvm, int err)
{
	__free_ptr char *how = NULL;

	if (err == -EPIPE)
		wait_for_end(vm);
	if (!krr_vm_running(vm)) {
		how = krr_vm_end_text(vm);
		krr_err("QEMU ended before the guest was up, %s", how);
	} else if (err == -ENODEV) {
		krr_err("expected a guest that runs under kvm, found that QEMU stopped it for an "
			"internal error: this host's KVM cannot run this kernel; try --accel tcg");
	} else if (err == -ETIMEDOUT) {
		krr_err("krrd in the guest did not answer within %" PRIu64
			" s: is it in the guest image, and started?%s", timeout_s,
			kvm ? " Does KVM work here? krrctl doctor tells" : "");
	} else {
		krr_err("cannot reach the guest: %s", strerror(-err));
	}
	krr_vm_explain(vm);
}

/**
 * krr_vm_boot() - start a VM with a recorder, and wait for its guest
 * @name: of the VM
 * @m: machine; it says how long the guest may take
 * @cancel: nonzero when it is not wanted any more, say by a signal
 * @vm: result; krr_vm_destroy(), also after an error
 * @recorder: result; krr_recorder_end(), also after an error, when not NULL
 * @link: result; krr_link_close(), also after an error, when not NULL
 *
 * Return: 0, -EINTR when cancelled, or -errno (said on stderr).
 */
int krr_vm_boot(const char *name, const struct krr_machine *m, const volatile sig_atomic_t *cancel,
		struct krr_vm *vm, struct krr_recorder **recorder, struct krr_link **link)
{
	struct krr_machine_io io = { 0 };
	bool kvm = !strcmp(m->accel, "kvm");
	int err;

	err = krr_vm_create(name, m->mem, vm);
	if (err)
		return err;
	io.port = vm->port;
	io.control = vm->control;
	err = krr_vm_spawn(vm, m, &io);
	if (err)
		return err;
	err = krr_recorder_start(vm, m, recorder);
	if (err) {
		krr_vm_explain(vm);
		return err;
	}
	err = wait_for_guest(vm, m->boot_s, kvm, cancel, link);
	if (err && err != -EINTR)
		explain(vm, m->boot_s, kvm, err);
	return err == -EPIPE ? -EIO : err;
}
