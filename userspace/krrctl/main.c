// SPDX-License-Identifier: GPL-2.0-only
/* krrctl - record and replay the kernel of a Linux VM */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "krrctl/verbs.h"
#include "lib/names.h"
#include "lib/util.h"

static void print_usage(FILE *to)
{
	const struct verb *v;

	fprintf(to, "usage: krrctl VERB [ARGUMENTS]      krrctl VERB --help tells more\n\n");
	for (v = verbs; v->name; v++)
		fprintf(to, "  %-8s %s\n", v->name, v->help);
	fprintf(to, "\n%sExit status: 0 ok, 1 failed, 2 usage, 3 something is missing, 4 damaged\n"
		"recording, 5 diverged, 6 timeout; run and vm exec pass the command's on.\n",
		verbs_note);
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

/** usage_code() - the exit status for an error; what the user asked for cannot be is one */
int usage_code(int err)
{
	return err == -EINVAL ? KRR_EXIT_USAGE : krr_exit_code(err);
}

/** usage_wanted() - does a verb begin with --help? */
bool usage_wanted(int argc, char **argv)
{
	return argc > 1 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"));
}

/* Options before the verb. Return: words taken, or -1. */
static int take_options(int argc, char **argv)
{
	if (argc < 2 || strcmp(argv[1], "--vm"))
		return 0;
	if (argc < 3 || verbs_use_vm(argv[2]))
		return -1;
	return 2;
}

static int unknown_verb(const char *name)
{
	struct krr_nearest n = { .wanted = name };
	const struct verb *v;

	for (v = verbs; v->name; v++)
		krr_nearest_try(&n, v->name);
	krr_err("there is no verb \"%s\"%s%s%s krrctl --help lists them", name,
		n.best ? ": did you mean " : "", n.best ? n.best : "", n.best ? "?" : ";");
	return KRR_EXIT_USAGE;
}

int main(int argc, char **argv)
{
	const struct verb *v;
	int n;

	krr_program = "krrctl";
	n = take_options(argc, argv);
	if (n > 0) {
		argc -= n;
		argv += n;
	}
	if (n < 0 || argc < 2) {
		print_usage(stderr);
		return KRR_EXIT_USAGE;
	}
	if (usage_wanted(argc, argv) || !strcmp(argv[1], "help")) {
		print_usage(stdout);
		return KRR_EXIT_OK;
	}
	for (v = verbs; v->name; v++) {
		if (strcmp(argv[1], v->name))
			continue;
		if (v->prepare && !usage_wanted(argc - 1, argv + 1))
			v->prepare();
		return v->run(argc - 1, argv + 1);
	}
	return unknown_verb(argv[1]);
}
