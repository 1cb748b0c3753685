// SPDX-License-Identifier: GPL-2.0-only
/* In the place of krrd/programs.c and krrd/control.c. */
#include <errno.h>
#include <linux/types.h>
#include <string.h>

#include "bpf/records.h"
#include "krrd/control.h"
#include "lib/schema.h"
#include "lib/util.h"
#include "no-bpf.h"

struct no_bpf no_bpf;

struct krr_programs {
	int one;
};

bool krr_programs_known(const char *subsys)
{
	const struct krr_schema *s = krr_schema_by_name(subsys);

	return s && s->id != KRR_SUBSYS_MARK;
}

static struct krr_programs *new_programs(void)
{
	struct krr_programs *p = calloc(1, sizeof(*p));

	if (!p)
		abort();
	no_bpf.running++;
	return p;
}

int krr_programs_load(const struct krr_watch *watch, size_t nr, struct krr_programs **out, char **why)
{
	size_t i;

	*why = NULL;
	no_bpf.started++;
	no_bpf.nr = nr;
	for (i = 0; i < nr; i++) {
		no_bpf.subsys[i] = watch[i].subsys;
		no_bpf.policy[i] = *watch[i].policy;
	}
	if (no_bpf.fail) {
		*why = krr_strf("rejected");
		return no_bpf.fail;
	}
	*out = new_programs();
	return 0;
}

int krr_programs_attach(struct krr_programs *p, const char *words, size_t len, char **why)
{
	(void)p;
	*why = NULL;
	if (no_bpf.fail_late) {
		*why = krr_strf("no place for it");
		return no_bpf.fail_late;
	}
	free(no_bpf.words);
	no_bpf.words = malloc(len ? len : 1);
	if (!no_bpf.words)
		abort();
	memcpy(no_bpf.words, words, len);
	no_bpf.len = len;
	return 0;
}

int krr_programs_adopt(struct krr_programs **out, char **words, size_t *len)
{
	*out = NULL;
	*words = NULL;
	if (!no_bpf.words)
		return 0;
	*out = new_programs();
	*words = malloc(no_bpf.len ? no_bpf.len : 1);
	if (!*words)
		abort();
	memcpy(*words, no_bpf.words, no_bpf.len);
	*len = no_bpf.len;
	return no_bpf.fail;
}

void krr_programs_stop(struct krr_programs *p)
{
	no_bpf.running -= !!p;
	free(p);
}

const char *krr_programs_missing(const struct krr_programs *p)
{
	return p->one ? "one" : "";
}

int krr_programs_counts(const struct krr_programs *p, const char *subsys,
			struct krr_counts *counts)
{
	(void)p;
	(void)subsys;
	counts->seen = 7;
	return 0;
}

int krr_programs_measure(void)
{
	return 0;
}

int krr_programs_stats(const struct krr_programs *p, struct krr_program_stat **stats, size_t *nr)
{
	(void)p;
	*stats = NULL;
	*nr = 0;
	return 0;
}

void control_open(void)
{
}

char *control_text(void)
{
	return krr_strf("state=%s\nflight=%s\ncpus=2\n",
			no_bpf.busy || *no_bpf.flight ? "recording" : "idle",
			*no_bpf.flight ? no_bpf.flight : "0");
}

int control(const char *verb, const char *arg)
{
	if (!*verb || strpbrk(arg, "\r\n"))
		return -EINVAL;
	if (!strcmp(verb, "flight")) {
		if (no_bpf.busy || *no_bpf.flight)
			return -EBUSY;
		snprintf(no_bpf.flight, sizeof(no_bpf.flight), "%s", arg);
	} else if (!strcmp(verb, "drop")) {
		*no_bpf.flight = '\0';
	}
	return 0;
}

char *control_error(const char *verb, int err)
{
	return krr_strf("%s: %s", verb, strerror(-err));
}

int control_there(void)
{
	return no_bpf.there;
}
