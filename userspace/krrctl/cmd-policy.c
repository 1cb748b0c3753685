// SPDX-License-Identifier: GPL-2.0-only
/*
 * krrctl enable, disable, status, subsys, mark, save: krrd in the guest does all of it,
 * and says in words what was wrong, or in JSON what is.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <string.h>

#include "krrctl/verbs.h"
#include "lib/names.h"
#include "lib/util.h"
#include "vmm/link.h"

#define ANSWER_MS	180000u
#define SAVE_MAX	140		/* bytes of a line for /dev/krr */

static const char enable_usage[] =
	"usage: krrctl [--vm NAME] enable --subsys LIST [OPTIONS]\n"
	"\n"
	"Has recordings annotated with what these subsystems do, in place of what was\n"
	"enabled before.  \"krrctl subsys\" tells which there are, and their fields.\n"
	"\n"
	"  --subsys LIST     net,block,...  or \"all\"\n"
	"  --comm NAME       only what processes of this name do; may be repeated\n"
	"  --cgroup PATH     only what members of this control group do, e.g. /web\n"
	"  --port N          net: only connections from or to this port\n"
	"  --when TEXT       look for this, e.g. 'net.drop_reason == no_socket' or\n"
	"                    'block.latency > 50ms && block.op == write'; may be repeated\n"
	"  --then ACTION     what the --when before it does: mark:NAME puts NAME into the log,\n"
	"                    keep or keep:NAME keeps what the flight recorder holds, stop\n"
	"                    ends the recording, start begins one if there is none\n"
	"  --rate N          ... at most N times a second (100)\n"
	"  --keep TIME       flight recorder: the last 60s are held, or 5m, 1h\n"
	"  --budget SIZE     ... in at most 2G of the store\n"
	"  --no-flight       no flight recorder\n";

static const char disable_usage[] =
	"usage: krrctl [--vm NAME] disable\n"
	"\n"
	"Takes back what was enabled.  What the flight recorder holds is dropped: \"krrctl\n"
	"save\" keeps it.\n";

static const char save_usage[] =
	"usage: krrctl [--vm NAME] save [--last TIME] [--note TEXT]\n"
	"\n"
	"Makes a recording of what the flight recorder holds.\n"
	"\n"
	"  --last TIME       of the last 20s, 5m, ... and what belongs to it; all if not given\n"
	"  --note TEXT       why, for krrctl info\n";

static const char status_usage[] =
	"usage: krrctl [--vm NAME] status [--json]\n"
	"\n"
	"Tells what is enabled, what was seen, logged and hit, and what it costs.\n";

static const char subsys_usage[] =
	"usage: krrctl [--vm NAME] subsys [--json] [SUBSYSTEM]\n"
	"\n"
	"Lists what can be enabled; with the name of one, its events and fields.\n";

static const char mark_usage[] =
	"usage: krrctl [--vm NAME] mark TEXT\n"
	"\n"
	"Puts TEXT into the log of the recording that is being made.\n";

/* Return: 0 or -errno (said on stderr). */
static int ask(uint32_t type, const void *payload, uint32_t len, char **reply)
{
	struct krr_link *link = NULL;
	int err;

	*reply = NULL;
	err = verbs_open_link(&link);
	if (!err) {
		err = krr_link_ask(link, type, payload, len, reply, ANSWER_MS);
		if (err) {
			verbs_explain();
			krr_err("%s", *reply && **reply ? *reply : strerror(-err));
		}
	}
	krr_link_close(link);
	return err;
}

/* @argv as strings, one after the other. Return: their length, or -E2BIG. */
static int join(char **argv, char *buf, size_t room)
{
	size_t n = 0, len;

	for (; *argv; argv++) {
		len = strlen(*argv) + 1;
		if (n + len > room)
			return -E2BIG;
		memcpy(buf + n, *argv, len);
		n += len;
	}
	return (int)n;
}

int cmd_enable(int argc, char **argv)
{
	__free_ptr char *buf = malloc(KRR_FRAME_MAX), *reply = NULL;
	int n;

	if (usage_wanted(argc, argv))
		return usage_help(enable_usage);
	if (!buf)
		abort();
	n = join(argv + 1, buf, KRR_FRAME_MAX);
	if (n < 0) {
		krr_err("enable: more than %u bytes of options", KRR_FRAME_MAX);
		return KRR_EXIT_USAGE;
	}
	n = ask(KRR_FR_ENABLE, buf, (uint32_t)n, &reply);
	if (!n && *reply)
		fprintf(stderr, "%s\n", reply);
	return usage_code(n);
}

int cmd_disable(int argc, char **argv)
{
	__free_ptr char *reply = NULL;

	if (usage_wanted(argc, argv))
		return usage_help(disable_usage);
	if (argc != 1)
		return usage_error(disable_usage);
	return usage_code(ask(KRR_FR_DISABLE, NULL, 0, &reply));
}

int cmd_mark(int argc, char **argv)
{
	__free_ptr char *reply = NULL;

	if (usage_wanted(argc, argv))
		return usage_help(mark_usage);
	if (argc != 2)
		return usage_error(mark_usage);
	return usage_code(ask(KRR_FR_MARK, argv[1], (uint32_t)strlen(argv[1]) + 1, &reply));
}

static const struct option save_options[] = {
	{ "last", required_argument, NULL, 'l' },
	{ "note", required_argument, NULL, 'n' },
	{ NULL, 0, NULL, 0 },
};

int cmd_save(int argc, char **argv)
{
	__free_ptr char *reply = NULL, *line = NULL;
	const char *note = "";
	uint64_t ms = 0;
	int opt, status;

	if (usage_wanted(argc, argv))
		return usage_help(save_usage);
	while ((opt = getopt_long(argc, argv, "", save_options, NULL)) >= 0) {
		if (opt == 'n') {
			note = optarg;
		} else if (opt != 'l') {
			return usage_error(save_usage);
		} else if (krr_parse_ms(optarg, &ms) || !ms) {
			krr_err("save: --last \"%s\": a time is expected, e.g. 20s", optarg);
			return KRR_EXIT_USAGE;
		}
	}
	if (optind != argc)
		return usage_error(save_usage);
	line = krr_strf("%" PRIu64 " %s", ms, note);
	if (strlen(line) > SAVE_MAX) {
		krr_err("save: a note has up to %d characters", SAVE_MAX - 24);
		return KRR_EXIT_USAGE;
	}
	verbs_before_save();
	status = usage_code(ask(KRR_FR_KEEP, line, (uint32_t)strlen(line) + 1, &reply));
	return status ? status : verbs_after_save();
}

/* Ask for JSON. Return: it, or NULL (said on stderr) and @status. */
static json_t *ask_json(uint32_t type, int *status)
{
	__free_ptr char *reply = NULL;
	json_error_t error;
	json_t *root;

	*status = usage_code(ask(type, NULL, 0, &reply));
	if (*status)
		return NULL;
	root = json_loads(reply, JSON_REJECT_DUPLICATES, &error);
	if (root)
		return root;
	krr_err("krrd's answer cannot be read: %s", error.text);
	*status = KRR_EXIT_FAILED;
	return NULL;
}

static const char *text_of(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

static uint64_t number_of(const json_t *o, const char *key)
{
	return (uint64_t)json_integer_value(json_object_get(o, key));
}

static void print_triggers(const json_t *triggers)
{
	const json_t *t;
	size_t i;

	json_array_foreach((json_t *)triggers, i, t)
		printf("  when %s then %s: %" PRIu64 " hits, %" PRIu64 " suppressed\n",
		       text_of(t, "when"), text_of(t, "then"), number_of(t, "hits"),
		       number_of(t, "suppressed"));
}

static void print_subsystems(const json_t *list)
{
	const json_t *s;
	size_t i;

	json_array_foreach((json_t *)list, i, s) {
		printf("%-10s %10" PRIu64 " seen  %10" PRIu64 " logged", text_of(s, "name"),
		       number_of(s, "seen"), number_of(s, "logged"));
		if (number_of(s, "lost"))
			printf("  %" PRIu64 " lost", number_of(s, "lost"));
		printf("\n");
		print_triggers(json_object_get(s, "triggers"));
	}
}

static void print_programs(const json_t *programs)
{
	const json_t *p;
	uint64_t runs;
	size_t i;

	json_array_foreach((json_t *)programs, i, p) {
		runs = number_of(p, "runs");
		if (runs)
			printf("%-20s %10" PRIu64 " runs  %6" PRIu64 " ns each\n",
			       text_of(p, "name"), runs, number_of(p, "ns") / runs);
	}
}

/* That it does not run although it is wanted; what it holds if it does, which the host knows. */
static void print_flight(const json_t *root, const json_t *recorder)
{
	if (!json_is_true(json_object_get(root, "flight_wanted")) ||
	    strcmp(text_of(recorder, "flight"), "0"))
		verbs_print_flight();
	else if (!strcmp(text_of(recorder, "state"), "idle"))
		printf("flight     has ended; krrctl enable or krrctl stop begins it again\n");
	else
		printf("flight     begins when this recording ends\n");
}

static void print_status(const json_t *root)
{
	const json_t *recorder = json_object_get(root, "recorder");

	printf("recorder   %s\n", text_of(recorder, "state"));
	print_flight(root, recorder);
	printf("enabled    %s\n", *text_of(root, "options") ? text_of(root, "options") : "nothing");
	if (*text_of(root, "missing"))
		printf("missing    %s\n", text_of(root, "missing"));
	print_subsystems(json_object_get(root, "subsys"));
	print_programs(json_object_get(root, "programs"));
}

static int print_json(const json_t *root)
{
	return json_dumpf(root, stdout, JSON_INDENT(2)) < 0 || putchar('\n') < 0 ?
	       KRR_EXIT_FAILED : KRR_EXIT_OK;
}

static bool is_json(const char *arg)
{
	return !strcmp(arg, "--json");
}

int cmd_status(int argc, char **argv)
{
	json_t *root;
	int status;

	if (usage_wanted(argc, argv))
		return usage_help(status_usage);
	if (argc > 2 || (argc == 2 && !is_json(argv[1])))
		return usage_error(status_usage);
	root = ask_json(KRR_FR_POLICY, &status);
	if (root && argc == 2)
		verbs_add_flight(root);
	if (root && argc == 2)
		status = print_json(root);
	else if (root)
		print_status(root);
	json_decref(root);
	return status;
}

static void print_fields(const json_t *s)
{
	const json_t *f, *v;
	size_t i, j;

	json_array_foreach(json_object_get(s, "fields"), i, f) {
		printf("  %-14s %-9s%s%s", text_of(f, "name"), text_of(f, "type"),
		       *text_of(f, "unit") ? " " : "", text_of(f, "unit"));
		json_array_foreach(json_object_get(f, "values"), j, v)
			printf(" %s", json_string_value(v));
		printf("\n");
	}
}

static int print_subsys(const json_t *root, const char *name)
{
	struct krr_nearest near = { .wanted = name };
	const json_t *s;
	bool found = !name;
	size_t i;

	json_array_foreach((json_t *)root, i, s) {
		if (!name)
			printf("%-10s %zu fields\n", text_of(s, "name"),
			       json_array_size(json_object_get(s, "fields")));
		else if (!strcmp(name, text_of(s, "name")))
			print_fields(s);
		if (name)
			krr_nearest_try(&near, text_of(s, "name"));
		found |= name && !strcmp(name, text_of(s, "name"));
	}
	if (!found)
		krr_err("there is no subsystem \"%s\"%s%s%s krrctl subsys lists them", name,
			near.best ? ": did you mean " : "", near.best ? near.best : "",
			near.best ? "?" : ";");
	return found ? KRR_EXIT_OK : KRR_EXIT_USAGE;
}

int cmd_subsys(int argc, char **argv)
{
	bool json = argc > 1 && is_json(argv[1]);
	json_t *root;
	int status;

	if (usage_wanted(argc, argv))
		return usage_help(subsys_usage);
	if (argc > 2 + json)
		return usage_error(subsys_usage);
	root = ask_json(KRR_FR_SUBSYS, &status);
	if (root)
		status = json ? print_json(root) : print_subsys(root, argv[1]);
	json_decref(root);
	return status;
}
