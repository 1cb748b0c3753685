// SPDX-License-Identifier: GPL-2.0-only
/* krrctl - record and replay the kernel of a Linux VM */
#include <stdio.h>
#include <string.h>

#include "krrctl/krrctl.h"
#include "lib/util.h"
#include "vmm/recorder.h"

struct verb {
	const char *name;
	int (*run)(int argc, char **argv);
	bool store;		/* looks at the store: seal first what was cut off */
	const char *help;
};

static const struct verb verbs[] = {
	{ "doctor",	cmd_doctor,	false,	"can this machine record and replay?" },
	{ "run",	cmd_run,	true,	"run a command in a new VM, and record it" },
	{ "replay",	cmd_replay,	true,	"replay a recording" },
	{ "verify",	cmd_verify,	true,	"replay, then compare guest memory" },
	{ "ls",		cmd_ls,		true,	"list recordings" },
	{ "info",	cmd_info,	true,	"tell what a recording is" },
	{ "dump",	cmd_dump,	true,	"print the events of a recording" },
	{ "rm",		cmd_rm,		true,	"delete recordings" },
	{ "gdb",	cmd_gdb,	true,	"replay under gdb" },
	{ "vm",		cmd_vm,		true,	"start, list, use and stop VMs that stay" },
	{ "record",	cmd_record,	true,	"begin a recording in a VM" },
	{ "stop",	cmd_stop,	true,	"end it" },
};

static void print_usage(FILE *to)
{
	size_t i;

	fprintf(to, "usage: krrctl VERB [ARGUMENTS]      krrctl VERB --help tells more\n\n");
	for (i = 0; i < ARRAY_SIZE(verbs); i++)
		fprintf(to, "  %-8s %s\n", verbs[i].name, verbs[i].help);
	fprintf(to, "\nRecordings are in $KRR_STORE, or ~/.local/share/krr.\n"
		"Exit status: 0 ok, 1 failed, 2 usage, 3 something is missing, 4 damaged\n"
		"recording, 5 diverged, 6 timeout; run and vm exec pass the command's on.\n");
}

/** usage_error() - say how a verb is used, on stderr */
int usage_error(const char *usage)
{
	fputs(usage, stderr);
	return KRR_EXIT_USAGE;
}

/** usage_help() - the same when asked for */
int usage_help(const char *usage)
{
	fputs(usage, stdout);
	return KRR_EXIT_OK;
}

/** usage_wanted() - does a verb begin with --help? */
bool usage_wanted(int argc, char **argv)
{
	return argc > 1 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"));
}

int main(int argc, char **argv)
{
	size_t i;

	krr_program = "krrctl";
	if (argc < 2) {
		print_usage(stderr);
		return KRR_EXIT_USAGE;
	}
	if (usage_wanted(argc, argv) || !strcmp(argv[1], "help")) {
		print_usage(stdout);
		return KRR_EXIT_OK;
	}
	for (i = 0; i < ARRAY_SIZE(verbs); i++) {
		if (strcmp(argv[1], verbs[i].name))
			continue;
		if (verbs[i].store && !usage_wanted(argc - 1, argv + 1))
			krr_salvage();
		return verbs[i].run(argc - 1, argv + 1);
	}
	krr_err("there is no verb \"%s\"; krrctl --help lists them", argv[1]);
	return KRR_EXIT_USAGE;
}
