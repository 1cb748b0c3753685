// SPDX-License-Identifier: GPL-2.0-only
/*
 * The options of krrctl enable, made into rules for the programs of each subsystem.
 *
 * A policy is applied as a whole or not at all: the new programs are loaded and
 * attached before the old ones go.
 */
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>

#include "bpf/records.h"
#include "krrd/control.h"
#include "krrd/flight.h"
#include "krrd/policy.h"
#include "krrd/programs.h"
#include "lib/names.h"
#include "lib/predicate.h"
#include "lib/proto.h"
#include "lib/schema.h"
#include "lib/util.h"

#define CGROUPS		"/sys/fs/cgroup"
#define KERNEL_BTF	"/sys/kernel/btf/vmlinux"
#define MAX_COMMS	KRR_MAX_FILTERS
#define DEFAULT_RATE	100	/* marks a second, of one rule */
#define LINE_ROOM	1024

struct trigger {
	uint32_t subsys;
	uint32_t index;		/* among those of the subsystem */
	char *when;
};

/* What was asked for. */
struct policy {
	bool adopted;		/* the programs have it already */
	bool wanted[KRR_NR_SUBSYS];
	const char *comm[MAX_COMMS];
	uint64_t cgroup[KRR_MAX_VALUES];
	uint64_t port[KRR_MAX_VALUES];
	unsigned int comms, cgroups, ports;

	struct krr_policy rules[KRR_NR_SUBSYS];
	struct trigger trigger[KRR_NR_SUBSYS * KRR_MAX_TRIGGERS];
	unsigned int triggers;
	struct krr_rule *last;	/* of --when; for --then and --rate */
	struct flight flight;

	char *options;		/* for people */
	struct krr_programs *programs;
};

static struct policy *active;

static int no(char **text, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Say why not. Return: -EINVAL. */
static int no(char **text, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(text, fmt, ap) < 0)
		abort();
	va_end(ap);
	return -EINVAL;
}

/* Once: it does not change, and is long. */
static void know_kernel(void)
{
	static bool known;

	if (!known)
		krr_schema_add_kernel_btf(KERNEL_BTF);
	known = true;
}

/* --- options ------------------------------------------------------------------ */

static char *known_subsystems(void)
{
	const struct krr_schema *s = NULL;
	char *list = krr_strf("all"), *more;

	while ((s = krr_schema_next(s))) {
		if (!krr_programs_known(s->name))
			continue;
		more = krr_strf("%s, %s", list, s->name);
		free(list);
		list = more;
	}
	return list;
}

/* For the end of a message, freed by free(). */
static char *meant(const struct krr_nearest *n, const char *dashes)
{
	return n->best ? krr_strf(": did you mean %s%s?", dashes, n->best) : krr_strf("%s", "");
}

static int unknown_subsystem(const char *name, char **text)
{
	__free_ptr char *known = known_subsystems(), *hint = NULL;
	struct krr_nearest n = { .wanted = name };
	const struct krr_schema *s = NULL;

	while ((s = krr_schema_next(s)))
		if (krr_programs_known(s->name))
			krr_nearest_try(&n, s->name);
	hint = meant(&n, "");
	return no(text, "--subsys: there is no subsystem \"%s\"%s (there are: %s)", name, hint,
		  known);
}

static int want_all(struct policy *p)
{
	const struct krr_schema *s = NULL;

	while ((s = krr_schema_next(s)))
		p->wanted[s->id] = krr_programs_known(s->name);
	return 0;
}

static int want(struct policy *p, char *list, char **text)
{
	const struct krr_schema *s;
	char *name;

	while ((name = strsep(&list, ","))) {
		s = krr_schema_by_name(name);
		if (!strcmp(name, "all")) {
			want_all(p);
		} else if (s && krr_programs_known(name)) {
			p->wanted[s->id] = true;
		} else {
			return unknown_subsystem(name, text);
		}
	}
	return 0;
}

static int add_comm(struct policy *p, const char *name, char **text)
{
	if (p->comms == MAX_COMMS)
		return no(text, "--comm: %d names are possible", MAX_COMMS);
	if (!*name || strlen(name) >= KRR_COMM_LEN)
		return no(text, "--comm \"%s\": the kernel's names have 1 to %d characters", name,
			  KRR_COMM_LEN - 1);
	p->comm[p->comms++] = name;
	return 0;
}

static int add_cgroup(struct policy *p, const char *path, char **text)
{
	__free_ptr char *dir = krr_strf(CGROUPS "%s%s", *path == '/' ? "" : "/", path);
	struct stat st;

	if (p->cgroups == KRR_MAX_VALUES)
		return no(text, "--cgroup: %d are possible", KRR_MAX_VALUES);
	if (p->adopted)
		return 0;
	if (stat(dir, &st) < 0 || !S_ISDIR(st.st_mode))
		return no(text, "--cgroup %s: there is no %s in the guest", path, dir);
	p->cgroup[p->cgroups++] = st.st_ino;
	return 0;
}

static int add_port(struct policy *p, const char *arg, char **text)
{
	uint64_t port;

	if (krr_parse_u64(arg, &port) || !port || port > 65535)
		return no(text, "--port \"%s\": a number from 1 to 65535 is expected", arg);
	if (p->ports == KRR_MAX_VALUES)
		return no(text, "--port: %d are possible", KRR_MAX_VALUES);
	p->port[p->ports++] = port;
	return 0;
}

/* The mark of a rule that was given no name: as much of its text as fits. */
static void name_rule(struct krr_rule *rule, const char *name)
{
	__free_ptr char *plain = krr_printable(name, strcspn(name, " "));

	snprintf(rule->name, sizeof(rule->name), "%s", plain);
}

static int add_when(struct policy *p, const char *when, char **text)
{
	struct krr_predicate_error error;
	struct krr_policy *rules;
	struct krr_rule rule;
	uint32_t subsys;

	if (krr_predicate_parse(when, &subsys, &rule, &error)) {
		*text = krr_predicate_explain(when, &error);
		return -EINVAL;
	}
	rules = &p->rules[subsys];
	if (rules->nr_triggers == KRR_MAX_TRIGGERS)
		return no(text, "--when: %d are possible for one subsystem", KRR_MAX_TRIGGERS);
	rule.action = KRR_ACT_MARK;
	rule.per_second = DEFAULT_RATE;
	name_rule(&rule, when);
	p->trigger[p->triggers++] = (struct trigger){ subsys, rules->nr_triggers,
						      krr_printable(when, strlen(when)) };
	p->last = &rules->trigger[rules->nr_triggers++];
	*p->last = rule;
	return 0;
}

static bool mark_ok(const char *name)
{
	const char *p;

	for (p = name; isalnum((unsigned char)*p) || (*p && strchr("._-", *p)); p++)
		;
	return *name && !*p;
}

static const struct {
	const char *name;
	uint32_t action;
} actions[] = {
	{ "mark", KRR_ACT_MARK },
	{ "keep", KRR_ACT_KEEP },
	{ "start", KRR_ACT_START },
	{ "stop", KRR_ACT_STOP },
};

/* ACTION or ACTION:NAME; a mark needs a name */
static int set_then(struct policy *p, const char *arg, char **text)
{
	size_t len = strcspn(arg, ":"), i;
	const char *name = arg[len] ? arg + len + 1 : NULL;

	if (!p->last)
		return no(text, "--then %s: the --when that it is for comes before it", arg);
	for (i = 0; i < ARRAY_SIZE(actions); i++)
		if (!strncmp(arg, actions[i].name, len) && !actions[i].name[len])
			break;
	if (i == ARRAY_SIZE(actions) || (!name && actions[i].action == KRR_ACT_MARK) ||
	    (name && (!mark_ok(name) || strlen(name) >= KRR_RULE_NAME)))
		return no(text, "--then \"%s\": mark:NAME, keep, keep:NAME, start or stop is "
			  "expected, with a name of up to %d characters (A-Z a-z 0-9 . _ -)", arg,
			  KRR_RULE_NAME - 1);
	p->last->action = actions[i].action;
	if (name)
		name_rule(p->last, name);
	return 0;
}

static char *then_text(const struct krr_rule *rule)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(actions) && actions[i].action != rule->action; i++)
		;
	return krr_strf("%s:%.*s", actions[i % ARRAY_SIZE(actions)].name,
			(int)sizeof(rule->name), rule->name);
}

static int set_rate(struct policy *p, const char *arg, char **text)
{
	uint64_t n;

	if (!p->last)
		return no(text, "--rate %s: the --when that it is for comes before it", arg);
	if (krr_parse_u64(arg, &n) || n > UINT32_MAX)
		return no(text, "--rate \"%s\": a number is expected; 0 means no limit", arg);
	p->last->per_second = (uint32_t)n;
	return 0;
}

static const struct option options[] = {
	{ "subsys", required_argument, NULL, 's' },
	{ "comm", required_argument, NULL, 'c' },
	{ "cgroup", required_argument, NULL, 'g' },
	{ "port", required_argument, NULL, 'p' },
	{ "when", required_argument, NULL, 'w' },
	{ "then", required_argument, NULL, 't' },
	{ "rate", required_argument, NULL, 'r' },
	{ "keep", required_argument, NULL, 'k' },
	{ "budget", required_argument, NULL, 'b' },
	{ "no-flight", no_argument, NULL, 'n' },
	{ NULL, 0, NULL, 0 },
};

static int unknown_option(const char *word, char **text)
{
	struct krr_nearest n = { .wanted = word + strspn(word, "-") };
	const struct option *o;
	__free_ptr char *hint = NULL;

	for (o = options; o->name; o++)
		krr_nearest_try(&n, o->name);
	hint = meant(&n, "--");
	return no(text, "\"%s\" is no option%s%s", word, hint,
		  *hint ? "" : "; krrctl enable --help tells what there is");
}

static int take_option(struct policy *p, int opt, char *arg, char **text)
{
	switch (opt) {
	case 's':
		return want(p, arg, text);
	case 'c':
		return add_comm(p, arg, text);
	case 'g':
		return add_cgroup(p, arg, text);
	case 'p':
		return add_port(p, arg, text);
	case 'w':
		return add_when(p, arg, text);
	case 't':
		return set_then(p, arg, text);
	case 'k':
		return flight_option(&p->flight, "--keep", arg, text);
	case 'b':
		return flight_option(&p->flight, "--budget", arg, text);
	case 'n':
		p->flight.wanted = false;
		return 0;
	default:
		return set_rate(p, arg, text);
	}
}

/* For people, and for JSON, which is UTF-8. */
static char *join(char **words)
{
	char *line = krr_strf("%s", ""), *more;

	for (; *words; words++) {
		__free_ptr char *plain = krr_printable(*words, strlen(*words));

		more = krr_strf(strpbrk(plain, " &|<>") ? "%s%s'%s'" : "%s%s%s", line,
				*line ? " " : "", plain);
		free(line);
		line = more;
	}
	return line;
}

/* @words: NULL-terminated, without the verb. */
static int parse(struct policy *p, char **words, char **text)
{
	char *argv[KRR_POLICY_WORDS + 2] = { "enable" };
	int argc = 1, opt, err;

	p->options = join(words);
	while (*words && argc <= KRR_POLICY_WORDS)
		argv[argc++] = *words++;
	if (*words)
		return no(text, "more than %d words", KRR_POLICY_WORDS);
	optind = 0;
	opterr = 0;
	while ((opt = getopt_long(argc, argv, "+:", options, NULL)) >= 0) {
		if (opt == ':')
			return no(text, "%s needs something after it; krrctl enable --help tells "
				  "what", argv[optind - 1]);
		if (opt == '?')
			return unknown_option(argv[optind - 1], text);
		err = take_option(p, opt, optarg, text);
		if (err)
			return err;
	}
	return optind < argc ? unknown_option(argv[optind], text) : 0;
}

/* --- rules -------------------------------------------------------------------- */

static struct krr_clause clause_of(uint32_t subsys, const char *field)
{
	const struct krr_field *f = krr_schema_field(krr_schema_by_id(subsys), field);

	return (struct krr_clause){ .off = f->off, .size = (uint8_t)f->size, .op = KRR_IS_EQUAL,
				    .nr = 1 };
}

static void add_numbers(struct krr_rule *rule, uint32_t subsys, const char *field,
			const uint64_t *values, unsigned int n)
{
	struct krr_clause c = clause_of(subsys, field);

	if (!n)
		return;
	c.nr = (uint8_t)n;
	memcpy(c.value, values, n * sizeof(*values));
	rule->clause[rule->nr_clauses++] = c;
}

static void add_text(struct krr_rule *rule, uint32_t subsys, const char *field, const char *text)
{
	struct krr_clause c = clause_of(subsys, field);

	if (!text)
		return;
	c.len = (uint8_t)(strlen(text) + 1);
	memcpy(c.bytes, text, c.len);
	rule->clause[rule->nr_clauses++] = c;
}

/* The record has to be of one of the names, in one of the groups, at one of the ports. */
static int add_filters(struct policy *p, uint32_t subsys, char **text)
{
	static const char *const ports[] = { "sport", "dport" };
	bool by_port = p->ports && subsys == KRR_SUBSYS_NET;
	unsigned int names = p->comms ? p->comms : 1, sides = by_port ? ARRAY_SIZE(ports) : 1, i, j;
	struct krr_policy *rules = &p->rules[subsys];
	struct krr_rule *rule;

	if (!p->comms && !p->cgroups && !by_port)
		return 0;
	if (names * sides > KRR_MAX_FILTERS)
		return no(text, "--comm: with --port, %d names are possible", KRR_MAX_FILTERS / 2);
	for (i = 0; i < names; i++) {
		for (j = 0; j < sides; j++) {
			rule = &rules->filter[rules->nr_filters++];
			add_text(rule, subsys, "comm", p->comms ? p->comm[i] : NULL);
			add_numbers(rule, subsys, "cgroup", p->cgroup, p->cgroups);
			if (by_port)
				add_numbers(rule, subsys, ports[j], p->port, p->ports);
		}
	}
	return 0;
}

static const struct krr_rule *rule_of(const struct policy *p, unsigned int trigger)
{
	const struct trigger *t = &p->trigger[trigger];

	return &p->rules[t->subsys].trigger[t->index];
}

/* Rules look at what is logged only, so at least one filter has to let through what they want. */
static bool passes(const struct krr_policy *rules, const struct krr_rule *rule)
{
	unsigned int i, j;

	for (i = 0; i < rules->nr_filters; i++) {
		struct krr_rule both = rules->filter[i];
		struct krr_clause *last = &both.clause[both.nr_clauses++];

		for (j = 0; j < rule->nr_clauses; j++) {
			*last = rule->clause[j];
			if (!krr_rule_possible(&both, last))
				break;
		}
		if (j == rule->nr_clauses)
			return true;
	}
	return !rules->nr_filters;
}

static int check_rules(const struct policy *p, char **text)
{
	const struct trigger *t;
	unsigned int i;

	for (i = 0; i < p->triggers; i++) {
		t = &p->trigger[i];
		if (!passes(&p->rules[t->subsys], rule_of(p, i)))
			return no(text, "--when %s: it can never hold, since --comm, --cgroup or "
				  "--port let nothing through that it is for", t->when);
	}
	return 0;
}

static int check(const struct policy *p, char **text)
{
	const struct krr_schema *s;
	unsigned int i, n = 0;

	for (i = 0; i < KRR_NR_SUBSYS; i++)
		n += p->wanted[i];
	if (!n)
		return no(text, "--subsys LIST is needed; krrctl subsys tells what there is");
	if (p->ports && !p->wanted[KRR_SUBSYS_NET])
		return no(text, "--port is about net, which --subsys does not name");
	for (i = 0; i < p->triggers; i++) {
		if (p->flight.wanted && rule_of(p, i)->action == KRR_ACT_START)
			return no(text, "--when %s --then start: the flight recorder records already; "
				  "--no-flight is needed", p->trigger[i].when);
		s = krr_schema_by_id(p->trigger[i].subsys);
		if (!p->wanted[s->id])
			return no(text, "--when %s: it is about %s, which --subsys does not name",
				  p->trigger[i].when, s->name);
	}
	return 0;
}

/* The programs look for these while nothing is recorded. */
static void count_starts(struct krr_policy *rules)
{
	unsigned int i;

	for (i = 0; i < rules->nr_triggers; i++)
		rules->nr_starts += rules->trigger[i].action == KRR_ACT_START;
}

/* Filters and rules of each subsystem, as its programs get them. */
static int build(struct policy *p, char **text)
{
	uint32_t i;
	int err = 0;

	for (i = 0; i < KRR_NR_SUBSYS && !err; i++) {
		if (!p->wanted[i])
			continue;
		err = add_filters(p, i, text);
		count_starts(&p->rules[i]);
	}
	return err ? err : check_rules(p, text);
}

static int load(struct policy *p, char **text)
{
	struct krr_watch watch[KRR_NR_SUBSYS];
	size_t n = 0;
	uint32_t i;

	for (i = 0; i < KRR_NR_SUBSYS; i++)
		if (p->wanted[i])
			watch[n++] = (struct krr_watch){ krr_schema_by_id(i)->name, &p->rules[i] };
	return krr_programs_load(watch, n, &p->programs, text);
}

static void release(struct policy *p)
{
	if (!p)
		return;
	krr_programs_stop(p->programs);
	while (p->triggers)
		free(p->trigger[--p->triggers].when);
	free(p->options);
	free(p);
}

/* The words one after the other, each with its NUL. Return: bytes. */
static size_t pack(char **words, char **packed)
{
	size_t n = 0, len;
	char *buf = NULL;

	for (; *words; words++, n += len) {
		len = strlen(*words) + 1;
		buf = realloc(buf, n + len);
		if (!buf)
			abort();
		memcpy(buf + n, *words, len);
	}
	*packed = buf;
	return n;
}

static int make(struct policy *p, char **words, char **text)
{
	__free_ptr char *packed = NULL;
	size_t len = pack(words, &packed);
	__free_ptr char *before = NULL;
	int err;

	p->flight = (struct flight){ true, FLIGHT_KEEP_MS, FLIGHT_BUDGET_MIB };
	know_kernel();
	err = parse(p, words, text);
	if (!err)
		err = check(p, text);
	if (err || p->adopted)
		return err;
	err = control_there();
	if (err) {
		*text = control_error("enable", err);
		return err;
	}
	err = build(p, text);
	/* what takes long comes first: while nothing is recorded yet, it is not slowed down */
	if (!err)
		err = load(p, text);
	if (!err)
		err = flight_begin(&p->flight, &before, text);
	if (err)
		return err;
	err = krr_programs_attach(p->programs, packed, len, text);
	if (err)
		flight_restore(before);
	return err;
}

/**
 * policy_enable() - put a policy in the place of the one there is
 * @words: options of krrctl enable, NULL-terminated; changed
 * @text: why not, or what there is to know; freed by free(), may stay NULL
 *
 * Return: 0, or -errno, and nothing has changed.
 */
int policy_enable(char **words, char **text)
{
	struct policy *p = calloc(1, sizeof(*p));
	const char *missing;
	int err;

	*text = NULL;
	if (!p)
		return -ENOMEM;
	err = make(p, words, text);
	if (err) {
		release(p);
		return err;
	}
	release(active);
	active = p;
	missing = krr_programs_missing(p->programs);
	if (*missing)
		*text = krr_strf("not in this kernel: %s", missing);
	return 0;
}

static int split(char *packed, size_t len, char **words, char **text)
{
	if (krr_split_strings(packed, (uint32_t)len, words, KRR_POLICY_WORDS + 1) < 0)
		return no(text, "its words cannot be read");
	return 0;
}

/* Of another version of krrd: its words are applied anew, and only then it goes. */
static int renew(struct policy *old, char *packed, size_t len, char **text)
{
	char *words[KRR_POLICY_WORDS + 1];
	int err = split(packed, len, words, text);

	if (!err)
		err = policy_enable(words, text);
	release(old);
	return err;
}

/**
 * policy_adopt() - go on with the policy of the krrd before this one
 * @text: why not; freed by free(), may stay NULL
 *
 * Return: 0, also when there was none; or -errno, and then there is none.
 */
int policy_adopt(char **text)
{
	__free_ptr char *packed = NULL, *copy = NULL;
	struct policy *p = calloc(1, sizeof(*p));
	char *words[KRR_POLICY_WORDS + 1];
	size_t len;
	int err;

	*text = NULL;
	if (!p)
		return -ENOMEM;
	p->adopted = true;
	err = krr_programs_adopt(&p->programs, &packed, &len);
	if (!err && !p->programs) {
		release(p);
		return 0;
	}
	if (!packed) {
		release(p);
		return err;
	}
	copy = malloc(len + 1);
	if (!copy)
		abort();
	memcpy(copy, packed, len);
	if (!err)
		err = split(copy, len, words, text);
	if (!err)
		err = make(p, words, text);
	if (err) {
		free(*text);
		return renew(p, packed, len, text);
	}
	active = p;
	return 0;
}

/** policy_disable() - detach all programs, end the flight recorder */
void policy_disable(void)
{
	flight_end();
	release(active);
	active = NULL;
}

/** policy_stopped() - a recording has ended: the flight recorder goes on, if it is wanted */
void policy_stopped(void)
{
	__free_ptr char *text = NULL, *before = NULL;

	if (active && flight_begin(&active->flight, &before, &text))
		krr_err("%s", text);
}

/* --- what there is -------------------------------------------------------------- */

static char *to_text(json_t *root)
{
	char *text = json_dumps(root, JSON_COMPACT);

	json_decref(root);
	return text ? text : krr_strf("{}");
}

static json_t *triggers_of(uint32_t subsys, const struct krr_counts *counts)
{
	json_t *list = json_array();
	const struct krr_rule_count *c;
	const struct trigger *t;
	unsigned int i;
	char *then;

	for (i = 0; i < active->triggers; i++) {
		t = &active->trigger[i];
		if (t->subsys != subsys)
			continue;
		c = &counts->trigger[t->index];
		then = then_text(rule_of(active, i));
		json_array_append_new(list, json_pack("{s:s,s:s,s:I,s:I}", "when", t->when,
			"then", then, "hits", (json_int_t)c->hits,
			"suppressed", (json_int_t)c->suppressed));
		free(then);
	}
	return list;
}

static json_t *subsys_status(const struct krr_schema *s)
{
	struct krr_counts counts = { 0 };

	krr_programs_counts(active->programs, s->name, &counts);
	return json_pack("{s:s,s:I,s:I,s:I,s:o}", "name", s->name, "seen", (json_int_t)counts.seen,
			 "logged", (json_int_t)counts.logged, "lost", (json_int_t)counts.lost,
			 "triggers", triggers_of(s->id, &counts));
}

static json_t *programs_status(void)
{
	__free_ptr struct krr_program_stat *stats = NULL;
	json_t *list = json_array();
	size_t n = 0, i;

	if (krr_programs_stats(active->programs, &stats, &n))
		return list;
	for (i = 0; i < n; i++)
		json_array_append_new(list, json_pack("{s:s,s:I,s:I,s:I,s:I}", "name", stats[i].name,
			"runs", (json_int_t)stats[i].runs, "ns", (json_int_t)stats[i].ns,
			"misses", (json_int_t)stats[i].misses,
			"verified_insns", (json_int_t)stats[i].verified));
	return list;
}

/* "key=value" lines of the kernel as an object */
static json_t *kernel_status(void)
{
	__free_ptr char *text = control_text();
	char *line, *rest = text, *value;
	json_t *o = json_object();

	while ((line = strsep(&rest, "\n"))) {
		value = strchr(line, '=');
		if (!value)
			continue;
		*value++ = '\0';
		json_object_set_new(o, line, json_string(value));
	}
	return o;
}

/** policy_status() - what is enabled, and what it counted: JSON, freed by free() */
char *policy_status(void)
{
	json_t *root = json_pack("{s:o,s:s,s:[]}", "recorder", kernel_status(), "options",
				 active ? active->options : "", "subsys");
	uint32_t i;

	for (i = 0; active && i < KRR_NR_SUBSYS; i++)
		if (active->wanted[i])
			json_array_append_new(json_object_get(root, "subsys"),
					      subsys_status(krr_schema_by_id(i)));
	if (active) {
		json_object_set_new(root, "flight_wanted", json_boolean(active->flight.wanted));
		json_object_set_new(root, "programs", programs_status());
		json_object_set_new(root, "missing",
				    json_string(krr_programs_missing(active->programs)));
	}
	return to_text(root);
}

static const char *type_of(const struct krr_field *f)
{
	static const char *const formats[] = {
		[KRR_FORMAT_PLAIN] = "number", [KRR_FORMAT_IP] = "address",
		[KRR_FORMAT_HEX] = "number", [KRR_FORMAT_DEV] = "device",
		[KRR_FORMAT_ERRNO] = "errno", [KRR_FORMAT_CALL] = "system call",
	};

	if (f->kind == KRR_FIELD_STRING)
		return "string";
	return f->kind == KRR_FIELD_ENUM ? "name" : formats[f->format];
}

static const char *unit_of(const struct krr_field *f)
{
	static const char *const units[] = {
		[KRR_UNIT_NONE] = "", [KRR_UNIT_NS] = "ns, us, ms, s",
		[KRR_UNIT_BYTES] = "bytes, K, M, G", [KRR_UNIT_SECTORS] = "sectors",
	};

	return units[f->unit];
}

static json_t *values_of(const struct krr_field *f)
{
	json_t *list = json_array();
	unsigned int i;

	for (i = 0; f->values && i < f->values->nr; i++)
		json_array_append_new(list, json_string(f->values->e[i].name));
	return list;
}

static json_t *describe(const struct krr_schema *s)
{
	json_t *fields = json_array();
	const struct krr_field *f;

	for (f = s->field; f < s->field + s->nr; f++)
		json_array_append_new(fields, json_pack("{s:s,s:s,s:s,s:o}", "name", f->name,
			"type", type_of(f), "unit", unit_of(f), "values",
			values_of(f)));
	return json_pack("{s:s,s:o}", "name", s->name, "fields", fields);
}

/** policy_subsys() - what can be enabled, and its fields: JSON, freed by free() */
char *policy_subsys(void)
{
	const struct krr_schema *s = NULL;
	json_t *root = json_array();

	know_kernel();
	while ((s = krr_schema_next(s)))
		if (krr_programs_known(s->name))
			json_array_append_new(root, describe(s));
	return to_text(root);
}
