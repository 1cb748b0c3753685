/* SPDX-License-Identifier: GPL-2.0-only */
/* What the verbs of krrctl share. Each verb is cmd-VERB.c. */
#ifndef KRR_KRRCTL_H
#define KRR_KRRCTL_H

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>

#include "krrctl/verbs.h"
#include "lib/proto.h"
#include "vmm/console.h"
#include "vmm/replay.h"
#include "vmm/symbols.h"
#include "vmm/verify.h"

int cmd_doctor(int argc, char **argv);
int cmd_run(int argc, char **argv);
int cmd_replay(int argc, char **argv);
int cmd_verify(int argc, char **argv);
int cmd_ls(int argc, char **argv);
int cmd_info(int argc, char **argv);
int cmd_dump(int argc, char **argv);
int cmd_export(int argc, char **argv);
int cmd_report(int argc, char **argv);
int cmd_rm(int argc, char **argv);
int cmd_gdb(int argc, char **argv);
int cmd_vm(int argc, char **argv);
int cmd_record(int argc, char **argv);
int cmd_stop(int argc, char **argv);

/* cmd-vm.c */
struct krr_vm;
off_t vm_said(const struct krr_vm *vm);
void vm_print_said(const struct krr_vm *vm, off_t from);
int vm_open_link(const char *name, enum krr_port port, struct krr_vm *vm, struct krr_link **link);

/* session.c: a command in a guest, with its output passed through */
struct krr_link;
struct krr_recorder;
extern volatile sig_atomic_t session_interrupted;

void session_catch_signals(void);
int session_exec(struct krr_link *link, struct krr_vm *vm, struct krr_recorder *recorder,
		 const char *record, char *const argv[], int *status);

/* replay-run.c: a replay from start to end, with a report */
#define REPLAY_TIMEOUT_AUTO (~0u)	/* krr_replay_timeout() */

struct replay_options {
	const char *accel;	/* "auto", "kvm" or "tcg" */
	unsigned int timeout_s;
	bool verify, json, console, poison;
	const char *until;	/* a position, or NULL: the end */
};

struct replay_verdict {
	enum krr_replay_state state;
	double seconds;
	uint64_t events;
	bool verified;			/* @verify and @console are known */
	struct krr_verify verify;
	struct krr_console_diff console;
};

int replay_run(const char *name, const struct replay_options *opts);

/* report.c, report-json.c: what is printed about a replay */
const char *replay_state_name(enum krr_replay_state state);
void report_json(struct krr_replay *rp, const struct replay_verdict *v);
void report_console(const struct krr_console_diff *d, const char *name);
void report_divergence(struct krr_replay *rp, bool json);
void report_event(FILE *to, const char *what, const struct krr_recording *rec, uint64_t number);
void report_hang(struct krr_replay *rp, const char *what);
void report_stall(struct krr_replay *rp, int err);
void report_verify(const struct krr_verify *v, const struct krr_symbols *syms, const char *name);
void report_kept(const struct krr_manifest *m);
char *human_bytes(uint64_t bytes);

#endif /* KRR_KRRCTL_H */
