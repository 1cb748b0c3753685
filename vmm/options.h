/* SPDX-License-Identifier: GPL-2.0-only */
/* Options that describe a machine, shared by the commands that start one. */
#ifndef KRR_VMM_OPTIONS_H
#define KRR_VMM_OPTIONS_H

#include <getopt.h>

#include "vmm/machine.h"

#define KRR_MACHINE_USAGE						\
	"  --smp N            CPUs, 1 to 8 (1)\n"			\
	"  --mem M            RAM, 64M to 64G (512M)\n"		\
	"  --machine T        pc or q35 (pc)\n"			\
	"  --accel A          auto, kvm or tcg (auto: kvm if it really works)\n" \
	"  --cpu MODEL[,+F][,-F]  a CPU of QEMU's, or +F,... on top of the default one\n" \
	"  --kernel BZIMAGE   guest kernel (build/kernel/bzImage)\n"	\
	"  --initrd CPIO      initramfs (build/guest/initramfs.cpio.gz)\n" \
	"  --rootfs IMG       raw disk image instead; changes are dropped\n" \
	"  --keep-changes     ... are kept in the images\n"		\
	"  --disk IMG         one more disk, up to 4; changes are dropped, too\n" \
	"  --net              a network card with user-mode networking\n" \
	"  --balloon          a memory balloon; krrctl vm balloon sets its target\n" \
	"  --share DIR[:TAG]  a directory of the host, as 9p (tag \"krr\")\n" \
	"  --append TEXT      more words for the kernel command line\n"	\
	"  --boot-timeout S   how long the guest may take to come up (120)\n"

enum {
	KRR_OPT_SMP = 1000,
	KRR_OPT_MEM,
	KRR_OPT_MACHINE,
	KRR_OPT_ACCEL,
	KRR_OPT_CPU,
	KRR_OPT_KERNEL,
	KRR_OPT_INITRD,
	KRR_OPT_ROOTFS,
	KRR_OPT_KEEP,
	KRR_OPT_DISK,
	KRR_OPT_NET,
	KRR_OPT_BALLOON,
	KRR_OPT_SHARE,
	KRR_OPT_APPEND,
	KRR_OPT_BOOT_TIMEOUT,
};

#define KRR_MACHINE_OPTIONS						\
	{ "smp", required_argument, NULL, KRR_OPT_SMP },		\
	{ "mem", required_argument, NULL, KRR_OPT_MEM },		\
	{ "machine", required_argument, NULL, KRR_OPT_MACHINE },	\
	{ "accel", required_argument, NULL, KRR_OPT_ACCEL },		\
	{ "cpu", required_argument, NULL, KRR_OPT_CPU },		\
	{ "kernel", required_argument, NULL, KRR_OPT_KERNEL },		\
	{ "initrd", required_argument, NULL, KRR_OPT_INITRD },		\
	{ "rootfs", required_argument, NULL, KRR_OPT_ROOTFS },		\
	{ "keep-changes", no_argument, NULL, KRR_OPT_KEEP },		\
	{ "disk", required_argument, NULL, KRR_OPT_DISK },		\
	{ "net", no_argument, NULL, KRR_OPT_NET },			\
	{ "balloon", no_argument, NULL, KRR_OPT_BALLOON },		\
	{ "share", required_argument, NULL, KRR_OPT_SHARE },		\
	{ "append", required_argument, NULL, KRR_OPT_APPEND },		\
	{ "boot-timeout", required_argument, NULL, KRR_OPT_BOOT_TIMEOUT }

enum krr_artifact {
	KRR_KERNEL, KRR_INITRD, KRR_VMLINUX, KRR_ROOTFS, KRR_KERNEL_BUGS, KRR_UFFD_LIBRARY,
};

char *krr_artifact_path(enum krr_artifact what);
int krr_accel_check(const char *arg);
int krr_machine_option(struct krr_machine *m, int opt, const char *arg);
int krr_machine_complete(struct krr_machine *m);
bool krr_kvm_usable(const char *kernel, char **why);

#endif /* KRR_VMM_OPTIONS_H */
