/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A running QEMU and its directory below the runtime directory (vmm/runtime.h).
 *
 *	lock		held with flock() by the process that owns the VM
 *	vm.json		who it is, where its RAM is
 *	qmp.sock	for commands, rec.sock for the recorder
 *	port.sock	virtio-serial ports to krrd in the guest: for commands,
 *	control.sock	and for requests while one runs; *.sock.lock
 *	console.log	serial console; qemu.log: what QEMU itself says
 *	krrd.log	what the owner says once nobody reads its stderr
 *
 * The RAM file is in /dev/shm if it fits there, else in the directory.  QEMU
 * dies with its owner; the files stay until the next command has drained what
 * is in the ring.
 */
#ifndef KRR_VMM_VM_H
#define KRR_VMM_VM_H

#include "vmm/machine.h"

struct krr_vm {
	char *name;
	char *dir, *ram, *qmp, *rec, *port, *control, *console, *log, *krrd_log;
	int lockfd;
	pid_t pid;		/* 0: not running */
	int status;		/* of waitpid(), once it has ended */
	int uffd_socket;	/* of krr_uffd_take(), 0 or less: none */
	char *argv;		/* for people */
	char *qemu_version;
};

int krr_vm_create(const char *name, uint64_t mem, struct krr_vm *vm);
int krr_vm_spawn(struct krr_vm *vm, const struct krr_machine *m, struct krr_machine_io *io);
int krr_vm_running(struct krr_vm *vm);
char *krr_vm_end_text(const struct krr_vm *vm);
void krr_vm_kill(struct krr_vm *vm);
void krr_vm_destroy(struct krr_vm *vm);
void krr_vm_explain(const struct krr_vm *vm);
void krr_vm_sweep(void);

int krr_vm_open(const char *name, struct krr_vm *vm);
char *krr_vm_status(const struct krr_vm *vm);
void krr_vm_free(struct krr_vm *vm);

#endif /* KRR_VMM_VM_H */
