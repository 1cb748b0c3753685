// SPDX-License-Identifier: GPL-2.0-only
/* Options of krrctl enable: what they become, what is refused, and that this changes nothing. */
#include <errno.h>
#include <linux/types.h>
#include <string.h>

#include "bpf/records.h"
#include "krrd/policy.h"
#include "lib/schema.h"
#include "lib/util.h"
#include "lib/words.h"
#include "no-bpf.h"
#include "unit.h"

#define WORDS 40

static int enable(const char *line, char **text)
{
	__free_ptr char *copy = krr_strf("%s", line);
	char *words[WORDS + 1];

	assert_true(krr_split_words(copy, words, WORDS) >= 0);
	return policy_enable(words, text);
}

static const struct krr_policy *policy_of(const char *subsys)
{
	size_t i;

	for (i = 0; i < no_bpf.nr; i++)
		if (!strcmp(no_bpf.subsys[i], subsys))
			return &no_bpf.policy[i];
	return NULL;
}

static void becomes(void **state)
{
	const struct krr_policy *net, *block;
	char *text;

	(void)state;
	assert_int_equal(enable("--subsys net,block --port 80 --port 443 --comm a --comm b --when "
				"'net.drop && net.dport == 80' --rate 0 --when block.issue", &text), 0);
	assert_null(text);
	assert_int_equal(no_bpf.nr, 2);
	net = policy_of("net");
	block = policy_of("block");
	assert_non_null(net);
	assert_non_null(block);
	assert_int_equal(net->nr_filters, 4);	/* two names, two sides */
	assert_int_equal(net->filter[0].nr_clauses, 2);
	assert_int_equal(block->nr_filters, 2);
	assert_int_equal(net->nr_triggers, 1);
	assert_int_equal(net->trigger[0].nr_clauses, 2);
	assert_int_equal(net->trigger[0].per_second, 0);
	assert_int_equal(block->trigger[0].per_second, 100);
	assert_int_equal(enable("--subsys all", &text), 0);
	assert_int_equal(no_bpf.nr, KRR_NR_SUBSYS - 1);
	assert_int_equal(no_bpf.running, 1);
	policy_disable();
	assert_int_equal(no_bpf.running, 0);
}

#define NINE(x) x " " x " " x " " x " " x " " x " " x " " x " " x

static const struct {
	const char *line, *says;
} bad[] = {
	{ "", "--subsys LIST is needed" },
	{ "--comm nginx", "--subsys LIST is needed" },
	{ "--subsys ''", "no subsystem \"\" (there are: all, net" },
	{ "--subsys nte", "did you mean net? (there are: all, net, block" },
	{ "--subsys net,sceduler", "no subsystem \"sceduler\" (there are" },
	{ "--subsys net,sylscall", "did you mean syscall?" },
	{ "--subsys mark", "there are: all" },
	{ "--susbys net", "\"--susbys\" is no option: did you mean --subsys?" },
	{ "--subsys net --prot 5", "did you mean --port?" },
	{ "--subsys net --xyzzy", "\"--xyzzy\" is no option; krrctl enable --help" },
	{ "--subsys net nginx", "\"nginx\" is no option; krrctl" },
	{ "net", "\"net\" is no option" },
	{ "--subsys", "--subsys needs something after it" },
	{ "--subsys net --comm ''", "1 to 15 characters" },
	{ "--subsys net --comm 0123456789abcdef", "1 to 15 characters" },
	{ "--subsys net " NINE("--comm a"), "--comm: 8 names are possible" },
	{ "--subsys net --port 80 --comm a --comm b --comm c --comm d --comm e",
	  "with --port, 4 names are possible" },
	{ "--subsys net --port 0", "1 to 65535" },
	{ "--subsys net --port 65536", "1 to 65535" },
	{ "--subsys net --port http", "1 to 65535" },
	{ "--subsys net " NINE("--port 1"), "--port: 8 are possible" },
	{ "--subsys block --port 80", "--port is about net" },
	{ "--subsys net --cgroup /there/is/none", "there is no /sys/fs/cgroup/there/is/none" },
	{ "--subsys net --when ''", "expected a rule, found nothing" },
	{ "--subsys net --when net.drop_raeson==1", "did you mean drop_reason?" },
	{ "--subsys net --when net.state==estabilshed", "did you mean established?" },
	{ "--subsys net --when net.dport==https", "a number as 10 or 0x10" },
	{ "--subsys net --when 'net.dport == 1 && net.dport == 2'", "contradicts" },
	{ "--subsys net --when fs.open", "which --subsys does not name" },
	{ "--subsys net " NINE("--when net.drop"), "--when: 8 are possible for one subsystem" },
	{ "--subsys net --comm nginx --when 'net.comm == redis'",
	  "it can never hold, since --comm" },
	{ "--subsys net --port 80 --when 'net.dport == 81 && net.sport == 81'", "can never hold" },
	{ "--subsys net --then mark:a", "the --when that it is for comes before it" },
	{ "--subsys net --rate 5", "the --when that it is for comes before it" },
	{ "--subsys net --when net.drop --rate -1", "a number is expected" },
	{ "--subsys net --when net.drop --then mark:", "is expected" },
	{ "--subsys net --when net.drop --then mark:a/b", "is expected" },
	{ "--subsys net --when net.drop --then brew:tea", "is expected" },
};

static void refuses(void **state)
{
	__free_ptr char *before = NULL;
	char *text;
	size_t i;

	(void)state;
	assert_int_equal(enable("--subsys net --when net.reset", &text), 0);
	before = policy_status();
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		__free_ptr char *why = NULL, *after = NULL;

		if (enable(bad[i].line, &why) != -EINVAL)
			fail_msg("%s: not refused", bad[i].line);
		if (!why || !strstr(why, bad[i].says))
			fail_msg("%s: expected \"%s\", found \"%s\"", bad[i].line, bad[i].says, why);
		after = policy_status();
		assert_string_equal(before, after);
	}
	assert_int_equal(no_bpf.started, 1);
	policy_disable();
}

/* What passes the filters is not refused. */
static void lets_through(void **state)
{
	static const char *const lines[] = {
		"--subsys net --comm nginx --comm redis --when 'net.comm == redis'",
		"--subsys net --comm nginx --when 'net.comm ~= ng'",
		"--subsys net --port 80 --when 'net.dport == 81'",
		"--subsys net,fs --port 80 --when 'fs.open'",
		"--subsys net --port 80 --port 81 --when 'net.dport > 80 && net.sport > 80'",
	};
	char *text;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(lines); i++)
		if (enable(lines[i], &text))
			fail_msg("%s: %s", lines[i], text);
	policy_disable();
}

/* The programs of the kernel say no, or it has no recorder. */
static void failures(void **state)
{
	__free_ptr char *before = NULL, *after = NULL, *why = NULL, *reason = NULL;
	char *text;

	(void)state;
	assert_int_equal(enable("--subsys net", &text), 0);
	before = policy_status();
	no_bpf.fail = -EACCES;
	assert_int_equal(enable("--subsys fs", &why), -EACCES);
	assert_string_equal(why, "rejected");
	no_bpf.fail = 0;
	no_bpf.there = -ENOENT;
	assert_int_equal(enable("--subsys fs", &reason), -ENOENT);
	assert_string_equal(reason, "enable: No such file or directory");
	no_bpf.there = 0;
	after = policy_status();
	assert_string_equal(before, after);
	assert_int_equal(no_bpf.running, 1);
	policy_disable();
}

/* A krrd that starts again; its policy is the same, though the control group is gone. */
static void adopts(void **state)
{
	__free_ptr char *before = NULL, *after = NULL, *why = NULL;
	static char gone[] = "--subsys\0net,fs\0--cgroup\0/there/is/none\0--when\0"
			     "net.reset && net.dport == 1";
	unsigned int started;
	char *text;

	(void)state;
	assert_int_equal(enable("--subsys fs,net --when 'net.reset && net.dport == 1' --then "
				"mark:a", &text), 0);
	before = policy_status();
	started = no_bpf.started;
	policy_disable();		/* as if this process ended; the words stay, and it flies */
	strcpy(no_bpf.flight, "60000 2048");
	assert_int_equal(policy_adopt(&text), 0);
	after = policy_status();
	assert_string_equal(before, after);
	assert_int_equal(no_bpf.started, started);
	free(no_bpf.words);
	no_bpf.words = malloc(sizeof(gone));
	memcpy(no_bpf.words, gone, sizeof(gone));
	no_bpf.len = sizeof(gone);
	policy_disable();
	assert_int_equal(policy_adopt(&text), 0);
	free(after);
	after = policy_status();
	assert_non_null(strstr(after, "/there/is/none"));
	policy_disable();
	/* of another version, whose words this one does not know */
	no_bpf.words[2] = 'x';
	assert_int_equal(policy_adopt(&why), -EINVAL);
	assert_non_null(strstr(why, "is no option"));
	no_bpf.words[no_bpf.len - 1] = 'x';
	free(why);
	assert_int_equal(policy_adopt(&why), -EINVAL);
	assert_non_null(strstr(why, "cannot be read"));
	free(no_bpf.words);
	no_bpf.words = NULL;
	assert_int_equal(policy_adopt(&text), 0);
	assert_int_equal(no_bpf.running, 0);
}

static bool status_has(const char *text)
{
	__free_ptr char *status = policy_status();

	return strstr(status, text);
}

/* Whoever has ended what was recorded: the flight recorder runs again if it is wanted. */
static void goes_on(void **state)
{
	char *text;

	(void)state;
	assert_int_equal(enable("--subsys net --keep 5s --budget 1G", &text), 0);
	assert_string_equal(no_bpf.flight, "5000 1024");
	assert_true(status_has("\"flight_wanted\":true"));
	policy_stopped();
	assert_string_equal(no_bpf.flight, "5000 1024");
	*no_bpf.flight = '\0';
	policy_stopped();
	assert_string_equal(no_bpf.flight, "5000 1024");
	/* not in the place of another recording */
	*no_bpf.flight = '\0';
	no_bpf.busy = true;
	policy_stopped();
	assert_string_equal(no_bpf.flight, "");
	no_bpf.busy = false;
	assert_int_equal(enable("--subsys net --no-flight", &text), 0);
	assert_true(status_has("\"flight_wanted\":false"));
	policy_stopped();
	assert_string_equal(no_bpf.flight, "");
	policy_disable();
	policy_stopped();
	assert_string_equal(no_bpf.flight, "");
}

/* A policy that is refused late leaves the flight recorder with what it had been told. */
static void flight_is_restored(void **state)
{
	__free_ptr char *why = NULL, *reason = NULL;
	char *text;

	(void)state;
	assert_int_equal(enable("--subsys net --keep 5s", &text), 0);
	no_bpf.fail_late = -EIO;
	assert_int_equal(enable("--subsys net --keep 9s", &why), -EIO);
	assert_string_equal(why, "no place for it");
	assert_string_equal(no_bpf.flight, "5000 2048");
	assert_int_equal(no_bpf.running, 1);
	policy_disable();
	assert_int_equal(enable("--subsys net", &reason), -EIO);
	assert_string_equal(no_bpf.flight, "");
	assert_int_equal(no_bpf.running, 0);
	no_bpf.fail_late = 0;
}

static void describes(void **state)
{
	__free_ptr char *text = policy_subsys();

	(void)state;
	assert_non_null(strstr(text, "\"name\":\"drop_reason\""));
	assert_null(strstr(text, "\"name\":\"mark\""));
}

static int setup(void **state)
{
	__free_ptr char *text = NULL;

	(void)state;
	quiet_begin();		/* the kernel here may have no BTF */
	text = policy_subsys();
	quiet_end();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refuses),
		cmocka_unit_test(becomes),
		cmocka_unit_test(lets_through),
		cmocka_unit_test(failures),
		cmocka_unit_test(adopts),
		cmocka_unit_test(goes_on),
		cmocka_unit_test(flight_is_restored),
		cmocka_unit_test(describes),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
