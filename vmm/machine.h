/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The machine: one description, from which the command lines of recording and
 * of replay are made, so that they cannot differ in what the guest sees.
 */
#ifndef KRR_VMM_MACHINE_H
#define KRR_VMM_MACHINE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/manifest.h"

#define KRR_DEFAULT_MEM		(512ull << 20)
#define KRR_DEFAULT_BOOT_S	120u
#define KRR_DEFAULT_RING	"64M"

struct krr_disk {
	char *path;		/* image, when recording */
	uint64_t bytes;
};

struct krr_machine {
	char *qemu;		/* program */
	char *accel;		/* "tcg" or "kvm" */
	char *machine, *cpu;	/* -machine and -cpu, without what is added here; vmm/cpu.h */
	char *cpu_features;	/* all that the guest sees, words; NULL: those of the model */
	char *cpu_replay;	/* -cpu of a replay on TCG; NULL: cpu */
	uint64_t smp, mem;
	uint64_t tsc_khz;	/* told to the guest; 0: it finds out itself */
	bool net, balloon;
	uint64_t disk_bytes;	/* 0: no disk */
	char *disk;		/* image, when recording */
	struct krr_disk more_disks[KRR_MORE_DISKS];	/* up to the first without bytes */
	bool disk_write;	/* keep what the guest writes */
	char *share;		/* mount tag of a 9p device, or NULL */
	char *share_dir;	/* what it shares, when recording */
	char *kernel, *initrd, *append;	/* not used in replay: the RAM has it all */
	uint64_t boot_s;	/* how long its guest may take to come up */
};

/* Where one run of a machine has its files. */
struct krr_machine_io {
	bool replay;
	const char *ram, *qmp, *qmp2, *port, *control, *console, *gdb;
};

struct krr_argv {
	char **v;
	unsigned int n;
};

void krr_machine_defaults(struct krr_machine *m);
uint64_t krr_host_tsc_khz(void);
int krr_machine_set_type(struct krr_machine *m, const char *word);
uint64_t krr_machine_low_ram(const char *machine, uint64_t mem);
int krr_machine_check(struct krr_machine *m);
int krr_machine_from_manifest(struct krr_machine *m, const struct krr_manifest *man);
void krr_machine_to_manifest(const struct krr_machine *m, struct krr_manifest *man);
void krr_machine_argv(const struct krr_machine *m, const struct krr_machine_io *io,
		      struct krr_argv *out);
char *krr_argv_text(const struct krr_argv *a);
void krr_argv_free(struct krr_argv *a);
int krr_qemu_version(const char *qemu, char **version);
int krr_version_cmp(const char *a, const char *b);
void krr_machine_free(struct krr_machine *m);

#endif /* KRR_VMM_MACHINE_H */
