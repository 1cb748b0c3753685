// SPDX-License-Identifier: GPL-2.0-only
/* Rules as people write them: what they become, when they hold, what is refused. */
#include <errno.h>
#include <linux/types.h>
#include <string.h>

#include "bpf/records.h"
#include "lib/predicate.h"
#include "lib/util.h"
#include "unit.h"

#define CLAUSE(s, m, o, neg, ...) {					\
	.off = offsetof(struct krr_##s, m), .size = sizeof(((struct krr_##s *)0)->m),	\
	.op = KRR_##o, .negate = neg, __VA_ARGS__ }
#define ONE(v) .nr = 1, .value = { (__u64)(v) }
#define TEXT(t, n) .nr = 1, .len = n, .bytes = t

static const struct {
	const char *text;
	uint32_t subsys;
	struct krr_clause want;
} good[] = {
	{ "net.reset", KRR_SUBSYS_NET, CLAUSE(net, event, IS_EQUAL, 0, ONE(KRR_NET_RESET)) },
	{ " NET.KRR_NET_RESET_SENT ", KRR_SUBSYS_NET,
	  CLAUSE(net, event, IS_EQUAL, 0, ONE(KRR_NET_RESET_SENT)) },
	{ "net.state", KRR_SUBSYS_NET, CLAUSE(net, event, IS_EQUAL, 0, ONE(KRR_NET_STATE)) },
	{ "net.event==drop", KRR_SUBSYS_NET, CLAUSE(net, event, IS_EQUAL, 0, ONE(KRR_NET_DROP)) },
	{ "net.dport == 443", KRR_SUBSYS_NET, CLAUSE(net, dport, IS_EQUAL, 0, ONE(443)) },
	{ "net.dport!=0xffff", KRR_SUBSYS_NET, CLAUSE(net, dport, IS_EQUAL, 1, ONE(65535)) },
	{ "net.dport < 010", KRR_SUBSYS_NET, CLAUSE(net, dport, IS_LESS, 0, ONE(10)) },
	{ "net.dport <= 10", KRR_SUBSYS_NET, CLAUSE(net, dport, IS_GREATER, 1, ONE(10)) },
	{ "net.dport > 10", KRR_SUBSYS_NET, CLAUSE(net, dport, IS_GREATER, 0, ONE(10)) },
	{ "net.dport >= 10", KRR_SUBSYS_NET, CLAUSE(net, dport, IS_LESS, 1, ONE(10)) },
	{ "net.dport in (80, 443)", KRR_SUBSYS_NET,
	  CLAUSE(net, dport, IS_EQUAL, 0, .nr = 2, .value = { 80, 443 }) },
	{ "net.dport in 1,2,3,4,5,6,7,8", KRR_SUBSYS_NET,
	  CLAUSE(net, dport, IS_EQUAL, 0, .nr = 8, .value = { 1, 2, 3, 4, 5, 6, 7, 8 }) },
	{ "net.state in (syn_sent, KRR_TCP_CLOSE, 11)", KRR_SUBSYS_NET,
	  CLAUSE(net, state, IS_EQUAL, 0, .nr = 3, .value = { 2, 7, 11 }) },
	{ "net.drop_reason == 3", KRR_SUBSYS_NET, CLAUSE(net, drop_reason, IS_EQUAL, 0, ONE(3)) },
	{ "net.family == inet6", KRR_SUBSYS_NET, CLAUSE(net, family, IS_EQUAL, 0, ONE(10)) },
	{ "net.err == -ENOMEM", KRR_SUBSYS_NET,
	  CLAUSE(net, err, IS_EQUAL, 0, .is_signed = 1, ONE(-ENOMEM)) },
	{ "net.err == econnreset", KRR_SUBSYS_NET,
	  CLAUSE(net, err, IS_EQUAL, 0, .is_signed = 1, ONE(-ECONNRESET)) },
	{ "net.err == 104", KRR_SUBSYS_NET,
	  CLAUSE(net, err, IS_EQUAL, 0, .is_signed = 1, ONE(104)) },
	{ "net.err >= -2147483648", KRR_SUBSYS_NET,
	  CLAUSE(net, err, IS_LESS, 1, .is_signed = 1, ONE(INT32_MIN)) },
	{ "syscall.ret < 0", KRR_SUBSYS_SYSCALL,
	  CLAUSE(syscall, ret, IS_LESS, 0, .is_signed = 1, ONE(0)) },
	{ "syscall.ret == -9223372036854775808", KRR_SUBSYS_SYSCALL,
	  CLAUSE(syscall, ret, IS_EQUAL, 0, .is_signed = 1, ONE(INT64_MIN)) },
	{ "syscall.nr in (openat, 3)", KRR_SUBSYS_SYSCALL,
	  CLAUSE(syscall, nr, IS_EQUAL, 0, .nr = 2, .value = { 257, 3 }) },
	{ "syscall.args[2] == 7", KRR_SUBSYS_SYSCALL,
	  { .off = offsetof(struct krr_syscall, args) + 16, .size = 8, ONE(7) } },
	{ "syscall.latency > 18446744073709551614", KRR_SUBSYS_SYSCALL,
	  CLAUSE(syscall, latency, IS_GREATER, 0, ONE(-2)) },
	{ "block.latency > 10ms", KRR_SUBSYS_BLOCK,
	  CLAUSE(block, latency, IS_GREATER, 0, ONE(10000000)) },
	{ "block.latency > 1.5US", KRR_SUBSYS_BLOCK,
	  CLAUSE(block, latency, IS_GREATER, 0, ONE(1500)) },
	{ "block.latency > 0.000000001s", KRR_SUBSYS_BLOCK,
	  CLAUSE(block, latency, IS_GREATER, 0, ONE(1)) },
	{ "block.latency > 7", KRR_SUBSYS_BLOCK, CLAUSE(block, latency, IS_GREATER, 0, ONE(7)) },
	{ "block.bytes >= 4KiB", KRR_SUBSYS_BLOCK,
	  CLAUSE(block, bytes, IS_LESS, 1, ONE(4096)) },
	{ "block.bytes >= 1.5m", KRR_SUBSYS_BLOCK,
	  CLAUSE(block, bytes, IS_LESS, 1, ONE(3 << 19)) },
	{ "block.bytes == 3G", KRR_SUBSYS_BLOCK,
	  CLAUSE(block, bytes, IS_EQUAL, 0, ONE(3ull << 30)) },
	{ "block.dev == 8:1", KRR_SUBSYS_BLOCK,
	  CLAUSE(block, dev, IS_EQUAL, 0, ONE(8 << 20 | 1)) },
	{ "block.dev == 4095:1048575", KRR_SUBSYS_BLOCK,
	  CLAUSE(block, dev, IS_EQUAL, 0, ONE(UINT32_MAX)) },
	{ "block.op != write", KRR_SUBSYS_BLOCK, CLAUSE(block, op, IS_EQUAL, 1, ONE(1)) },
	{ "net.saddr == 10.0.2.15", KRR_SUBSYS_NET,
	  CLAUSE(net, saddr, IS_EQUAL, 0, TEXT("\x0a\0\2\x0f", 16)) },
	{ "net.daddr != fe80::1", KRR_SUBSYS_NET,
	  CLAUSE(net, daddr, IS_EQUAL, 1,
		 TEXT("\xfe\x80\0\0\0\0\0\0\0\0\0\0\0\0\0\1", 16)) },
	{ "net.comm == nginx", KRR_SUBSYS_NET, CLAUSE(net, comm, IS_EQUAL, 0, TEXT("nginx", 6)) },
	{ "net.comm == ''", KRR_SUBSYS_NET, CLAUSE(net, comm, IS_EQUAL, 0, TEXT("", 1)) },
	{ "net.comm in (nginx)", KRR_SUBSYS_NET,
	  CLAUSE(net, comm, IS_EQUAL, 0, TEXT("nginx", 6)) },
	{ "sched.comm ~= kworker/0:1", KRR_SUBSYS_SCHED,
	  CLAUSE(sched, comm, HAS_PREFIX, 0, TEXT("kworker/0:1", 11)) },
	{ "error.text~=\"a && \\\"b\\\" \\\\ ' (\"", KRR_SUBSYS_ERROR,
	  CLAUSE(error, text, HAS_PREFIX, 0, TEXT("a && \"b\" \\ ' (", 14)) },
	{ "error.text ~= 'a \"b'", KRR_SUBSYS_ERROR,
	  CLAUSE(error, text, HAS_PREFIX, 0, TEXT("a \"b", 4)) },
	{ "mark.subsys == net", KRR_SUBSYS_MARK, CLAUSE(mark, subsys, IS_EQUAL, 0, ONE(1)) },
};

static void parses(void **state)
{
	struct krr_predicate_error err;
	struct krr_rule rule, want;
	uint32_t subsys;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(good); i++) {
		memset(&want, 0, sizeof(want));
		want.nr_clauses = 1;
		want.clause[0] = good[i].want;
		if (krr_predicate_parse(good[i].text, &subsys, &rule, &err))
			fail_msg("%s: %s", good[i].text, err.text);
		assert_int_equal(subsys, good[i].subsys);
		if (memcmp(&rule, &want, sizeof(rule)))
			fail_msg("%s: another clause than expected", good[i].text);
	}
}

static void conjunctions(void **state)
{
	static const char eight[] =
		"mm.pid != 1 && mm.pid != 2 && mm.pid != 3 && mm.pid != 4 && "
		"mm.pid != 5 && mm.pid != 6 && mm.pid != 7 && mm.pid != 8";
	struct krr_predicate_error err;
	struct krr_rule rule;
	uint32_t subsys;

	(void)state;
	assert_int_equal(krr_predicate_parse("net.drop&&net.dport in 80,443 and net.comm == a",
					     &subsys, &rule, &err), 0);
	assert_int_equal(rule.nr_clauses, 3);
	assert_int_equal(rule.clause[0].value[0], KRR_NET_DROP);
	assert_int_equal(rule.clause[1].nr, 2);
	assert_int_equal(rule.clause[2].len, 2);
	assert_int_equal(rule.action, 0);
	assert_int_equal(rule.per_second, 0);
	assert_int_equal(krr_predicate_parse(eight, &subsys, &rule, &err), 0);
	assert_int_equal(rule.nr_clauses, KRR_MAX_CLAUSES);
}

/* The column, and some words of what is said. */
static const struct {
	const char *text;
	unsigned int column;
	const char *says;
} bad[] = {
	{ "", 0, "found nothing" },
	{ "  ", 0, "found nothing" },
	{ "dport == 1", 0, "expected SUBSYSTEM.FIELD" },
	{ "(net.reset)", 0, "parenthesis" },
	{ "net.reset && (net.drop)", 13, "parenthesis" },
	{ "!net.reset", 0, "try !=" },
	{ "\"net\".dport == 1", 0, "expected SUBSYSTEM.FIELD" },
	{ "== 1", 0, "found \"==\"" },
	{ " nte.dport == 1", 1, "did you mean net?" },
	{ "gpu.dport == 1", 0, "there are mark, net, block, fs, mm, sched, irq, syscall" },
	{ "net.drop_raeson == 5", 4, "did you mean drop_reason?" },
	{ "net.latency > 5", 4, "net has no field \"latency\"; there are" },
	{ "net.restart", 4, "did you mean reset?" },
	{ "net.resett", 4, "did you mean reset?" },
	{ "net.zzzzzz", 4, "there are state, retransmit" },
	{ "mark.reset", 5, "mark has no event or field" },
	{ "net.reset == 1", 4, "or net.event == reset" },
	{ "net.", 4, "net has no event or field \"\"" },
	{ "net.dport", 9, "try == and a value" },
	{ "net.dport && net.reset", 10, "expected an operator after net.dport" },
	{ "net.dport = 80", 10, "expected ==, found =" },
	{ "net.dport =~ 80", 10, "expected ==, found =" },
	{ "net.dport 80", 10, "found \"80\"" },
	{ "net.dport ==", 12, "expected a value for net.dport, found the end" },
	{ "net.dport == && net.reset", 13, "expected a value for net.dport, found \"&&\"" },
	{ "net.dport == 80 443", 16, "expected && or the end, found \"443\"" },
	{ "net.dport == 80 || net.dport == 443", 16, "give another rule" },
	{ "net.dport == 80 or net.dport == 443", 16, "give another rule" },
	{ "net.dport == 80 &&", 18, "found the end" },
	{ "net.dport == 80 & net.reset", 16, "expected && or the end" },
	{ "net.dport == 80, 81", 15, "expected && or the end, found \",\"" },
	{ "net.reset && block.issue", 13, "give another rule for block" },
	{ "net.dport == https", 13, "a number as 10 or 0x10" },
	{ "net.dport == 80x", 13, "a number as 10 or 0x10; found \"80x\"" },
	{ "net.dport == 0x", 13, "a number" },
	{ "net.dport == 1.5", 13, "a number" },
	{ "net.dport == 1ms", 13, "a number" },
	{ "net.dport > 70000", 12, "net.dport can be 0 to 65535, found 70000" },
	{ "net.dport == -1", 13, "can be 0 to 65535" },
	{ "net.dport in (80, 65536)", 18, "can be 0 to 65535" },
	{ "net.pid == 99999999999999999999", 11, "can be 0 to 4294967295" },
	{ "net.err == 2147483648", 11, "can be -2147483648 to 2147483647" },
	{ "net.err < -2147483649", 10, "can be -2147483648 to 2147483647" },
	{ "syscall.ret == 9223372036854775808", 15, "-9223372036854775808 to" },
	{ "net.err == ENOMEN", 11, "an error as -ENOMEM" },
	{ "net.dport < 0", 0, "never does" },
	{ "net.dport > 65535", 0, "never does" },
	{ "net.dport in (1,2,3,4,5,6,7,8,9)", 30, "at most 8 values" },
	{ "net.dport in (1,2", 17, "expected \",\" or \")\"" },
	{ "net.dport in (1 2)", 16, "expected \",\" or \")\"" },
	{ "net.dport in ()", 14, "expected a value" },
	{ "net.dport in (1,)", 16, "expected a value" },
	{ "net.dport ~= 4", 10, "net.dport is no string" },
	{ "net.comm < a", 9, "expected == != or ~=, found <" },
	{ "net.state < close", 10, "have no order" },
	{ "syscall.nr > 5", 11, "have no order" },
	{ "block.op >= write", 9, "have no order" },
	{ "block.dev <= 8:1", 10, "have no order" },
	{ "net.state == estabished", 13, "did you mean established?" },
	{ "net.state == zzzzzzzz", 13, "there are established, syn_sent" },
	{ "net.drop_reason == tcp_reset", 19, "names are in the kernel's BTF" },
	{ "syscall.nr == opneat", 14, "did you mean openat?" },
	{ "syscall.nr == qqqqqqqq", 14, "a number is taken as well" },
	{ "syscall.args == 1", 8, "one element of it, args[0] to args[5]" },
	{ "syscall.args[6] == 1", 8, "expected args[0] to args[5]" },
	{ "syscall.args[x] == 1", 8, "expected args[0] to args[5]" },
	{ "syscall.args[1 == 1", 8, "no \"]\"" },
	{ "syscall.args[] == 1", 8, "expected args[0]" },
	{ "net.dport[0] == 1", 4, "is no array" },
	{ "block.latency > 1.5ns", 16, "a time as 250us" },
	{ "block.latency > 1.0000000001s", 16, "a time as 250us" },
	{ "block.latency > 5 ms", 18, "expected && or the end, found \"ms\"" },
	{ "block.latency > 5min", 16, "a time as 250us" },
	{ "block.latency > 18446744074s", 16, "can be 0 to 18446744073709551615" },
	{ "block.bytes > 4KB", 14, "512 or 4KiB" },
	{ "block.bytes > 4G", 14, "can be 0 to 4294967295" },
	{ "block.dev == sda", 13, "8:0" },
	{ "block.dev == 8:", 13, "8:0" },
	{ "block.dev == 4096:0", 13, "found \"4096:0\"" },
	{ "net.saddr == 10.0.2", 13, "10.0.2.15 or fe80::1" },
	{ "net.saddr in (10.0.0.1, 10.0.0.2)", 24, "one string or address" },
	{ "net.saddr ~= 10.0.0.0", 10, "is no string" },
	{ "net.comm in (a, b)", 16, "one string or address" },
	{ "net.comm == \"ab", 12, "add the second \"" },
	{ "net.comm == 'ab\\", 12, "add the second '" },
	{ "net.comm == 1234567890123456", 12, "at most 15 characters" },
	{ "net.comm ~= ''", 12, "an empty string" },
	{ "fs.name == 1234567890123456789012345678901234567890123456789012345678901234", 11,
	  "at most 63 characters" },
	{ "fs.name ~= 12345678901234567890123456789012345678901234567890123456789012345", 11,
	  "at most 64 characters" },
	{ "net.dport == 1 && net.dport == 2", 18, "contradicts" },
	{ "net.dport < 5 && net.pid == 1 && net.dport > 10", 33, "contradicts" },
	{ "net.dport < 5 && net.dport > 3 && net.dport != 4", 34, "contradicts" },
	{ "net.dport in 1,2,3 && net.dport > 3", 22, "contradicts" },
	{ "net.err < -5 && net.err > 0", 16, "contradicts" },
	{ "net.reset && net.drop", 13, "contradicts" },
	{ "net.comm == ab && net.comm == a", 18, "contradicts" },
	{ "net.comm ~= ab && net.comm ~= ac", 18, "contradicts" },
	{ "net.comm == abc && net.comm != abc", 19, "contradicts" },
	{ "net.comm ~= b && net.comm == abc", 17, "contradicts" },
	{ "net.comm ~= 123456789012345 && net.comm != 123456789012345", 31, "contradicts" },
	{ "net.saddr == 1.2.3.4 && net.saddr == 1.2.3.5", 24, "contradicts" },
	{ "mm.pid != 1 && mm.pid != 2 && mm.pid != 3 && mm.pid != 4 && mm.pid != 5 && "
	  "mm.pid != 6 && mm.pid != 7 && mm.pid != 8 && mm.pid != 9", 120, "at most 8 clauses" },
	{ "net.\33c == 1", 4, "\"?c\"" },
};

static void refuses(void **state)
{
	struct krr_predicate_error err;
	struct krr_rule rule;
	uint32_t subsys;
	size_t i;
	int ret;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		ret = krr_predicate_parse(bad[i].text, &subsys, &rule, &err);
		if (ret != -EINVAL)
			fail_msg("%s: accepted", bad[i].text);
		if (err.column != bad[i].column || !strstr(err.text, bad[i].says))
			fail_msg("%s: column %u (not %u): %s", bad[i].text, err.column,
				 bad[i].column, err.text);
	}
}

/* Strange, but they can hold. */
static void possible(void **state)
{
	static const char *const texts[] = {
		"net.dport > 65534", "net.dport < 1", "net.dport <= 0 && net.dport != 1",
		"net.dport > 3 && net.dport < 5", "net.dport == 7 && net.dport != 8",
		"net.dport in 1,2,3 && net.dport != 1 && net.dport != 3",
		"net.err > -1 && net.err < 1", "net.err < -2147483647",
		"net.err <= -5 && net.err >= -5 && net.err in 5,-5",
		"net.comm ~= a && net.comm ~= ab && net.comm != ab && net.comm != aba && "
		"net.comm != abb && net.comm != abc && net.comm != abd && net.comm != abe",
		"net.comm != a && net.comm != b", "net.comm ~= ab && net.comm == abc",
		"net.saddr != 1.2.3.4 && net.saddr != 1.2.3.5",
		"net.saddr == 1.2.3.4 && net.saddr != 1.2.3.5",
		"net.dport == 1 && net.sport == 2",
		"syscall.args[0] == 1 && syscall.args[1] == 2",
		"syscall.args[0] > 18446744073709551614",
	};
	struct krr_predicate_error err;
	struct krr_rule rule;
	uint32_t subsys;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(texts); i++)
		if (krr_predicate_parse(texts[i], &subsys, &rule, &err))
			fail_msg("%s: %s", texts[i], err.text);
}

static bool holds(const char *text, const void *record, size_t len)
{
	struct krr_predicate_error err;
	struct krr_rule rule;
	uint32_t subsys;

	if (krr_predicate_parse(text, &subsys, &rule, &err))
		fail_msg("%s: %s", text, err.text);
	return krr_rule_holds_bytes(&rule, record, len);
}

static void evaluates(void **state)
{
	static const struct krr_net net = {
		.pid = 0x80000000, .comm = "nginx", .event = KRR_NET_DROP, .family = 2,
		.saddr = { 10, 0, 2, 15 }, .dport = 443, .err = -12, .len = 4096,
		.state = KRR_TCP_LISTEN,
	};
	static const struct {
		const char *text;
		bool holds;
	} want[] = {
		{ "net.drop", true }, { "net.reset", false },
		{ "net.dport == 443", true }, { "net.dport == 442", false },
		{ "net.dport != 443", false }, { "net.dport != 442", true },
		{ "net.dport < 443", false }, { "net.dport < 444", true },
		{ "net.dport <= 442", false }, { "net.dport <= 443", true },
		{ "net.dport > 443", false }, { "net.dport > 442", true },
		{ "net.dport >= 444", false }, { "net.dport >= 443", true },
		{ "net.dport in 80, 443", true }, { "net.dport in (80, 81)", false },
		{ "net.sport == 0", true },
		{ "net.pid > 5", true }, { "net.pid == 2147483648", true },
		{ "net.err == ENOMEM", true }, { "net.err < 0", true },
		{ "net.err > -12", false }, { "net.err >= -12", true },
		{ "net.err < -100", false },
		{ "net.len == 4K", true }, { "net.state == listen", true },
		{ "net.saddr == 10.0.2.15", true }, { "net.saddr == 10.0.2.1", false },
		{ "net.saddr != 10.0.2.15", false },
		{ "net.saddr == a00:20f::1", false },
		{ "net.comm == nginx", true }, { "net.comm == ngin", false },
		{ "net.comm == nginxx", false }, { "net.comm ~= ngin", true },
		{ "net.comm ~= nginx", true }, { "net.comm ~= nginxx", false },
		{ "net.comm != nginx", false }, { "net.dev == ''", true },
		{ "net.drop && net.dport == 443 && net.comm ~= n", true },
		{ "net.drop && net.dport == 443 && net.comm ~= m", false },
		{ "net.reset && net.dport == 443", false },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(want); i++)
		if (holds(want[i].text, &net, sizeof(net)) != want[i].holds)
			fail_msg("%s: expected that it %s", want[i].text,
				 want[i].holds ? "holds" : "does not hold");
}

/* In memory of that very size: what is missing is zero, and is not read. */
static void evaluates_other_lengths(void **state)
{
	static const char path[] = "/usr/bin/true";
	struct krr_sched sched = { .pid = 0x0102 };
	uint8_t *exact, *longer;

	(void)state;
	memcpy(sched.path, path, sizeof(path));
	exact = malloc(1);
	exact[0] = 2;
	assert_true(holds("sched.pid == 2 && sched.path == ''", exact, 1));
	assert_false(holds("sched.path ~= /", exact, 1));
	free(exact);
	assert_true(holds("sched.pid == 0x102 && sched.path == /usr/bin/true", &sched,
			  sizeof(sched)));
	assert_true(holds("sched.path == /usr", &sched, offsetof(struct krr_sched, path) + 4));
	longer = calloc(1, 70000);
	memset(longer + sizeof(sched), 0xff, 70000 - sizeof(sched));
	memcpy(longer, &sched, sizeof(sched));
	assert_true(holds("sched.path ~= /usr/bin && sched.pid == 258", longer, 70000));
	free(longer);
}

static void explains(void **state)
{
	static const char *const text = "net.\tfoo\xc3 == 5";
	struct krr_predicate_error err = { .column = 4, .text = "no" };
	__free_ptr char *said = krr_predicate_explain(text, &err);

	(void)state;
	assert_string_equal(said, "no\n    net.?foo? == 5\n        ^");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parses),
		cmocka_unit_test(conjunctions),
		cmocka_unit_test(refuses),
		cmocka_unit_test(possible),
		cmocka_unit_test(evaluates),
		cmocka_unit_test(evaluates_other_lengths),
		cmocka_unit_test(explains),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
