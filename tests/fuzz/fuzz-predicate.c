// SPDX-License-Identifier: GPL-2.0-only
/* A rule that someone wrote, up to the first NUL; a record to try it on stands behind. */
#include <errno.h>
#include <linux/types.h>
#include <string.h>

#include "bpf/records.h"
#include "fuzz.h"
#include "lib/predicate.h"
#include "lib/schema.h"
#include "lib/util.h"

const unsigned int fuzz_rounds = 20000;

/* Of what a program would take for true: no more than there is. */
static void check_clause(const struct krr_clause *c, const struct krr_schema *s)
{
	must(c->nr >= 1 && c->nr <= KRR_MAX_VALUES && c->op <= KRR_HAS_PREFIX);
	must(c->size && c->off + c->size <= s->size);
	if (c->size == 1 || c->size == 2 || c->size == 4 || c->size == 8)
		must(c->op != KRR_HAS_PREFIX && !c->len && c->off % c->size == 0);
	else
		must(c->nr == 1 && c->len >= 1 && c->len <= c->size && c->len <= KRR_VALUE_BYTES);
}

static void check_error(const char *text, const struct krr_predicate_error *err)
{
	__free_ptr char *said = krr_predicate_explain(text, err);
	const char *c;

	must(err->column <= strlen(text) && *err->text);
	for (c = said; *c; c++)
		must((*c >= ' ' && *c < 0x7f) || *c == '\n');
}

/* What the clauses say of a record, one by one. */
static bool each_holds(const struct krr_rule *rule, const void *record, size_t len)
{
	struct krr_rule one = { .nr_clauses = 1 };
	unsigned int i;

	for (i = 0; i < rule->nr_clauses; i++) {
		one.clause[0] = rule->clause[i];
		if (!krr_rule_holds_bytes(&one, record, len))
			return false;
	}
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	size_t n = strnlen((const char *)data, len), rest = n < len ? len - n - 1 : 0;
	__free_ptr char *text = krr_strf("%.*s", (int)n, (const char *)data);
	struct krr_predicate_error err;
	struct krr_rule rule;
	uint32_t subsys;
	unsigned int i;
	int ret;

	ret = krr_predicate_parse(text, &subsys, &rule, &err);
	must(!ret || ret == -EINVAL);
	if (ret) {
		check_error(text, &err);
		return 0;
	}
	must(krr_schema_by_id(subsys) && rule.nr_clauses && rule.nr_clauses <= KRR_MAX_CLAUSES);
	for (i = 0; i < rule.nr_clauses; i++)
		check_clause(&rule.clause[i], krr_schema_by_id(subsys));
	must(krr_rule_holds_bytes(&rule, data + len - rest, rest) ==
	     each_holds(&rule, data + len - rest, rest));
	return 0;
}

void fuzz_seeds(void)
{
	static const char *const texts[] = {
		"net.reset",
		"net.drop && net.dport in (80, 443) and net.saddr == 10.0.2.15",
		"net.state != close && net.daddr == fe80::1 && net.err < ENOMEM",
		"block.latency > 1.5ms && block.op == write && block.bytes >= 4KiB",
		"block.dev == 8:1 && block.status == -EIO",
		"sched.comm ~= 'kworker/0' && sched.comm != \"kworker/0:\\\"\"",
		"syscall.nr in openat, 3 && syscall.args[2] == 0x10 && syscall.ret < 0",
		"mm.order > 3 && mm.order < 5 && mm.order != 4",
		"fs.name ~= a && fs.name == ab || fs.open",
		"net.dprot == 70000",
	};
	struct krr_net net = { .event = KRR_NET_RESET, .dport = 443 };
	char seed[1024];
	size_t i, n;

	for (i = 0; i < ARRAY_SIZE(texts); i++) {
		n = strlen(texts[i]) + 1;
		memcpy(seed, texts[i], n);
		memcpy(seed + n, &net, sizeof(net));
		fuzz_seed(seed, i & 1 ? n : n + sizeof(net));
	}
}
