// SPDX-License-Identifier: GPL-2.0-only
/* krrctl dump */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <string.h>

#include "krrctl/krrctl.h"
#include "krrctl/position.h"
#include "lib/record.h"
#include "lib/util.h"

static const char usage[] =
	"usage: krrctl dump [OPTIONS] RECORDING\n"
	"\n"
	"Prints events, one a line: number, CPU, position counter, fingerprint, kind.\n"
	"\n"
	"  --cpu N     of this CPU only\n"
	"  --kind K    of this kind only; krrctl info names the kinds\n"
	"  --subsys S  annotations of this subsystem only\n"
	"  --match M   annotations only that say this, as 'net.dport == 6379', or mark:NAME\n"
	"  --from A    from event A on\n"
	"  --to B      up to event B\n"
	"  --json      one object a line, with all bytes of an event\n";

static const struct option options[] = {
	{ "cpu", required_argument, NULL, 'c' },
	{ "kind", required_argument, NULL, 'k' },
	{ "subsys", required_argument, NULL, 's' },
	{ "match", required_argument, NULL, 'm' },
	{ "from", required_argument, NULL, 'f' },
	{ "to", required_argument, NULL, 't' },
	{ "json", no_argument, NULL, 'j' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

struct filter {
	int64_t cpu, kind;	/* -1: any */
	uint64_t from, to;
	bool json;
	const struct krr_schema *subsys;	/* or NULL */
	const char *wanted;			/* of --match, or NULL */
	struct krr_match match;
};

static bool of_subsys(const struct krr_schema *s, const struct krr_event *ev)
{
	const uint8_t *record;
	uint32_t subsys;

	return ev->kind == KRR_EV_ANNOTATE && krr_event_annotation(ev, &subsys, &record) >= 0 &&
	       subsys == s->id;
}

static bool wanted(const struct filter *f, const struct krr_event *ev)
{
	return ev->number >= f->from && (f->cpu < 0 || ev->cpu == (uint64_t)f->cpu) &&
	       (f->kind < 0 || KRR_KIND_ID(ev->kind) == f->kind) &&
	       (!f->subsys || of_subsys(f->subsys, ev)) &&
	       (!f->wanted || match_event(&f->match, ev));
}

static int print_text(const struct krr_event *ev, const char *text)
{
	return printf("%10" PRIu64 "  cpu %u  %8" PRIu64 "  %02x  %-9s %s\n", ev->number, ev->cpu,
		      ev->pos, ev->fp, krr_kind_name(ev->kind), text);
}

/* Values are given in hex: JSON's numbers end at 63 bits, here and elsewhere. */
static void add_payload(json_t *o, const struct krr_event *ev)
{
	unsigned int shape = ev->kind & KRR_SHAPE_MASK, i, n = 0;
	json_t *values;

	if (shape == KRR_SHAPE_B) {
		__free_ptr char *hex = krr_hex(ev->data, ev->len);

		json_object_set_new(o, "data", json_string(hex));
		return;
	}
	values = json_array();
	n = shape == KRR_SHAPE_VV ? 2 : shape == KRR_SHAPE_V;
	for (i = 0; i < n; i++)
		json_array_append_new(values, json_sprintf("%#" PRIx64, ev->arg[i]));
	json_object_set_new(o, "values", values);
}

static void add_record(json_t *o, const struct krr_event *ev)
{
	const uint8_t *record;
	uint32_t subsys;
	int len;

	if (ev->kind != KRR_EV_ANNOTATE)
		return;
	len = krr_event_annotation(ev, &subsys, &record);
	if (len >= 0)
		json_object_set_new(o, "record", krr_record_json(subsys, record, (size_t)len));
}

static int print_json(const struct krr_event *ev, const char *text)
{
	json_t *o = json_pack("{s:I,s:i,s:I,s:i,s:s,s:s}", "event", (json_int_t)ev->number,
			      "cpu", (int)ev->cpu, "pos", (json_int_t)ev->pos, "fp", (int)ev->fp,
			      "kind", krr_kind_name(ev->kind), "text", text);
	int err;

	add_payload(o, ev);
	add_record(o, ev);
	err = json_dumpf(o, stdout, JSON_COMPACT);
	json_decref(o);
	return err < 0 || putchar('\n') < 0 ? -1 : 0;
}

static int dump(const struct krr_recording *rec, const struct filter *f)
{
	struct krr_log_reader *log;
	struct krr_event ev;
	char text[1024];
	int n;

	n = krr_log_open(rec->dirfd, "log.krr", true, &log);
	if (n)
		return n;
	while ((n = krr_log_next(log, &ev)) > 0 && ev.number <= f->to) {
		if (!wanted(f, &ev))
			continue;
		krr_event_text(krr_log_decoder(log), &ev, text, sizeof(text));
		if ((f->json ? print_json : print_text)(&ev, text) < 0)
			break;
	}
	krr_log_close(log);
	return n < 0 ? n : 0;
}

static int parse_kind(const char *name, int64_t *kind)
{
	*kind = krr_kind_by_name(name);
	if (*kind < 0)
		krr_err("dump: there is no kind \"%s\"; krrctl info names the kinds", name);
	return *kind < 0 ? -EINVAL : 0;
}

static int parse_subsys(const char *name, const struct krr_schema **subsys)
{
	*subsys = krr_schema_by_name(name);
	if (!*subsys)
		krr_err("dump: there is no subsystem \"%s\"", name);
	return *subsys ? 0 : -EINVAL;
}

static int parse(struct filter *f, int opt, const char *arg)
{
	uint64_t n;

	if (opt == 'j') {
		f->json = true;
		return 0;
	}
	if (opt == 'k')
		return parse_kind(arg, &f->kind);
	if (opt == 's')
		return parse_subsys(arg, &f->subsys);
	if (opt == 'm') {
		f->wanted = arg;
		return 0;
	}
	if (krr_parse_u64(arg, &n))
		return -EINVAL;
	if (opt == 'c')
		f->cpu = (int64_t)(n & 0xffff);
	else if (opt == 'f')
		f->from = n;
	else
		f->to = n;
	return 0;
}

int cmd_dump(int argc, char **argv)
{
	struct filter f = { .cpu = -1, .kind = -1, .to = UINT64_MAX };
	struct krr_recording rec;
	int opt, err;

	while ((opt = getopt_long(argc, argv, "h", options, NULL)) >= 0) {
		if (opt == 'h')
			return usage_help(usage);
		if (opt == '?' || parse(&f, opt, optarg))
			return usage_error(usage);
	}
	if (optind + 1 != argc)
		return usage_error(usage);
	err = krr_recording_open(argv[optind], &rec);
	if (!err)
		names_of_kernel(&rec);
	if (!err && f.wanted)
		err = match_parse(f.wanted, &f.match);
	if (!err)
		err = dump(&rec, &f);
	krr_recording_close(&rec);
	return usage_code(err);
}
