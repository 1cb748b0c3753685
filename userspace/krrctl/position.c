// SPDX-License-Identifier: GPL-2.0-only
/* Finding the event that a person means. */
#include <errno.h>
#include <inttypes.h>
#include <linux/types.h>
#include <string.h>

#include "bpf/records.h"
#include "krrctl/position.h"
#include "lib/log.h"
#include "lib/predicate.h"
#include "lib/schema.h"
#include "lib/util.h"
#include "vmm/options.h"
#include "vmm/symbols.h"

/**
 * names_of_kernel() - have names for what is the recorded kernel's, as drop reasons
 * @rec: recording
 *
 * They are in its vmlinux; without that they stay numbers.
 */
void names_of_kernel(const struct krr_recording *rec)
{
	__free_ptr char *vmlinux = krr_artifact_path(KRR_VMLINUX);

	if (krr_symbols_match(vmlinux, rec->m.build_id))
		krr_schema_add_kernel_btf(vmlinux);
}

/**
 * match_parse() - read what events are asked for
 * @text: mark:NAME, or a rule over annotations
 * @m: result; points into @text
 *
 * Return: 0 or -EINVAL (said on stderr).
 */
int match_parse(const char *text, struct krr_match *m)
{
	struct krr_predicate_error error;
	__free_ptr char *why = NULL;

	memset(m, 0, sizeof(*m));
	if (!strncmp(text, "mark:", 5)) {
		m->mark = text + 5;
		return 0;
	}
	if (!krr_predicate_parse(text, &m->subsys, &m->rule, &error))
		return 0;
	why = krr_predicate_explain(text, &error);
	krr_err("%s", why);
	return -EINVAL;
}

static bool is_text(const char *text, const void *bytes, size_t len)
{
	return strlen(text) == strnlen(bytes, len) && !memcmp(text, bytes, strlen(text));
}

static bool match_mark(const char *mark, uint32_t subsys, const uint8_t *record, size_t len)
{
	const size_t at = offsetof(struct krr_mark, name);

	return subsys == KRR_SUBSYS_MARK && len > at && is_text(mark, record + at, len - at);
}

/** match_event() - is it one of those? */
bool match_event(const struct krr_match *m, const struct krr_event *ev)
{
	const uint8_t *record;
	uint32_t subsys;
	int len;

	if (m->mark && ev->kind == KRR_EV_MARK)
		return is_text(m->mark, ev->data, ev->len);
	if (ev->kind != KRR_EV_ANNOTATE)
		return false;
	len = krr_event_annotation(ev, &subsys, &record);
	if (len < 0)
		return false;
	if (m->mark)
		return match_mark(m->mark, subsys, record, (size_t)len);
	return subsys == m->subsys && krr_rule_holds_bytes(&m->rule, record, (size_t)len);
}

/* Take "#3" off the end. Return: 3; 1 if there is none, 0 if it is no number. */
static uint64_t take_count(char *text)
{
	char *hash = strrchr(text, '#');
	uint64_t n;

	if (!hash)
		return 1;
	if (krr_parse_u64(hash + 1, &n))
		return 0;
	*hash = '\0';
	return n;
}

static int find(const struct krr_recording *rec, const struct krr_match *m, uint64_t count,
		uint64_t *event, uint64_t *seen)
{
	struct krr_log_reader *log;
	struct krr_event ev;
	int n;

	*seen = 0;
	n = krr_log_open(rec->dirfd, "log.krr", true, &log);
	if (n)
		return n;
	while (*seen < count && (n = krr_log_next(log, &ev)) > 0) {
		if (!match_event(m, &ev))
			continue;
		++*seen;
		*event = ev.number;
	}
	krr_log_close(log);
	return n < 0 ? n : 0;
}

/**
 * position_find() - the number of the event that a person means
 * @rec: recording
 * @text: see KRR_POSITION_HELP
 * @event: result
 *
 * Return: 0, -EINVAL when there is none such, or -EBADMSG (said on stderr).
 */
int position_find(const struct krr_recording *rec, const char *text, uint64_t *event)
{
	__free_ptr char *what = krr_strf("%s", text);
	struct krr_match m;
	uint64_t count, seen;
	int err;

	if (!krr_parse_u64(text, event)) {
		if (*event <= rec->m.events)
			return 0;
		krr_err("\"%s\" has %" PRIu64 " events, so none with number %" PRIu64, rec->name,
			rec->m.events, *event);
		return -EINVAL;
	}
	names_of_kernel(rec);
	count = take_count(what);
	if (!count) {
		krr_err("%s: behind # a number from 1 on is expected", text);
		return -EINVAL;
	}
	err = match_parse(what, &m);
	if (!err)
		err = find(rec, &m, count, event, &seen);
	if (!err && seen < count) {
		krr_err("\"%s\" has %" PRIu64 " of %s%s", rec->name, seen, what,
			seen ? "" : "; krrctl dump --kind annotate shows what there is");
		err = -EINVAL;
	}
	return err;
}
