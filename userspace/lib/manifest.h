/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * manifest.json: what a recording is, and the machine that it needs.
 *
 * The file may come from somewhere else, so each field has a type and a range;
 * the strings that end up on a command line of QEMU are checked by vmm/machine.c.
 */
#ifndef KRR_LIB_MANIFEST_H
#define KRR_LIB_MANIFEST_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/format.h"
#include "lib/image.h"

#define KRR_MANIFEST_VERSION 1
#define KRR_KEPT	"kept"	/* stop_reason: it ends where an epoch does, without STOP */
#define KRR_MORE_DISKS	4	/* besides the root disk */
#define KRR_MAX_MEM	(64ull << 30)

/* X(NAME, file): what the manifest has checksums of. */
#define KRR_FILES(X)				\
	X(START_RAM,	"start.ram")		\
	X(START_STATE,	"start.state")		\
	X(LOG,		"log.krr")		\
	X(END_RAM,	"end.ram")		\
	X(CONSOLE,	"console.log")

enum krr_file {
#define X(NAME, file) KRR_FILE_##NAME,
	KRR_FILES(X)
#undef X
	KRR_NR_FILES
};

struct krr_manifest {
	char *name;
	char *created;		/* ISO 8601, UTC */

	/* guest kernel */
	char *build_id;		/* hex */
	char *release, *kversion;
	char *cmdline;
	uint64_t tsc_khz;

	/* machine */
	char *qemu_version;
	char *machine, *cpu, *accel;
	char *cpu_features;	/* what the guest saw, words; NULL: those of @cpu's model */
	char *cpu_replay;	/* the CPU that a replay on TCG needs; NULL: @cpu */
	uint64_t smp, mem, disk_bytes;
	uint64_t more_disks[KRR_MORE_DISKS];	/* bytes of each, up to the first 0 */
	bool net, balloon;
	char *changes;		/* how changed pages of RAM were found: scan, soft or hash */
	char *share;		/* mount tag of the 9p device, NULL if there is none */
	char *qemu_argv;	/* as run, for people */
	uint64_t hdr_gpa, ring_base;

	/* log; counts by kind stand in @count, @bytes, by id */
	uint64_t events, raw_bytes, log_bytes;
	uint64_t count[KRR_NR_KINDS], bytes[KRR_NR_KINDS];

	char sum[KRR_NR_FILES][KRR_SUM_TEXT];	/* empty: not known yet, or no such file */

	/* how it went */
	bool complete;		/* false: cut off, there is no end.ram */
	char *stop_reason, *message;
	char *why;		/* the flight recorder kept it; NULL otherwise */
	uint64_t epochs;	/* that it goes through, if so; the VM stood still between them: */
	uint64_t border_pause_ms, border_pause_most_ms;	/* median, longest; 0: not known */
	uint64_t start_pause_ms, end_pause_ms, duration_ms;
	uint64_t ahead_pages;	/* that were copied ahead of the end */
	uint64_t throttled, handovers, windows;
	uint64_t lock_wait_us;	/* of all CPUs, for the RR lock */
	uint64_t lock_hold_us;	/* of all CPUs, by a sample */
	uint64_t lock_hold_max_us;	/* in the sample */

	/* only while it is being recorded: where the rest of the events is */
	bool flight;		/* in epochs; vmm/flight.h */
	char *ram_path;
	uint64_t generation;
};

const char *krr_file_name(enum krr_file f);
int krr_manifest_load(int dirfd, struct krr_manifest *m);
int krr_manifest_save(int dirfd, const struct krr_manifest *m);
int krr_manifest_begin(int dirfd, const struct krr_manifest *m);
char *krr_manifest_json(const struct krr_manifest *m);
void krr_manifest_set_counts(struct krr_manifest *m, const struct krr_decoder *d);
void krr_manifest_copy(struct krr_manifest *to, const struct krr_manifest *from);
void krr_manifest_free(struct krr_manifest *m);

#endif /* KRR_LIB_MANIFEST_H */
