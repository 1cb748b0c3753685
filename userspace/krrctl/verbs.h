/* SPDX-License-Identifier: GPL-2.0-only */
/* What krrctl can do: verbs-host.c on the host, verbs-guest.c in a guest. */
#ifndef KRR_VERBS_H
#define KRR_VERBS_H

#include <jansson.h>
#include <stdbool.h>

struct krr_link;

/* A verb gets its own argv, argv[0] being the verb; it returns an exit status. */
struct verb {
	const char *name;
	int (*run)(int argc, char **argv);
	void (*prepare)(void);		/* or NULL */
	const char *help;
};

extern const struct verb verbs[];	/* the last one has no name */
extern const char verbs_note[];
int verbs_use_vm(const char *name);
int verbs_open_link(struct krr_link **link);
void verbs_explain(void);

/* main.c: --help goes to stdout and is no error */
int usage_error(const char *usage);
int usage_code(int err);
int usage_help(const char *usage);
bool usage_wanted(int argc, char **argv);

/* cmd-policy.c: what krrd is asked for, from the host or in the guest */
int cmd_enable(int argc, char **argv);
int cmd_disable(int argc, char **argv);
int cmd_status(int argc, char **argv);
int cmd_subsys(int argc, char **argv);
int cmd_mark(int argc, char **argv);
int cmd_save(int argc, char **argv);

/* The host knows more of the flight recorder than krrd does. */
void verbs_before_save(void);
int verbs_after_save(void);
void verbs_print_flight(void);
void verbs_add_flight(json_t *status);

#define VERBS_OF_KRRD									     \
	{ "enable",	cmd_enable,	NULL,	"annotate recordings, look for what is wrong" }, \
	{ "disable",	cmd_disable,	NULL,	"no longer" },				     \
	{ "status",	cmd_status,	NULL,	"what is enabled, and what it counted" },     \
	{ "subsys",	cmd_subsys,	NULL,	"what can be enabled, with all fields" },     \
	{ "mark",	cmd_mark,	NULL,	"put a name into the log" },		     \
	{ "save",	cmd_save,	NULL,	"keep what the flight recorder holds" }

#endif /* KRR_VERBS_H */
