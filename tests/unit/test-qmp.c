// SPDX-License-Identifier: GPL-2.0-only
/*
 * QMP: answers in pieces, events in between, refusals, nonsense, the end; and what is made
 * of a series of answers.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/util.h"
#include "unit.h"
#include "vmm/cpu.h"
#include "vmm/qmp.h"
#include "vmm/snapshot.h"

#define GREETING "{\"QMP\": {\"version\": {}, \"capabilities\": []}}\r\n{\"return\": {}}\r\n"

static const char *says;	/* all that QEMU ever says */

/* Byte by byte at first, so that lines come in pieces. */
static void talk(int fd)
{
	size_t n = strlen(says), i = 0;
	char buf[256];

	for (; i < 10 && i < n; i++) {
		krr_write_full(fd, says + i, 1);
		krr_sleep_ms(1);
	}
	krr_write_full(fd, says + i, n - i);
	shutdown(fd, SHUT_WR);
	while (read(fd, buf, sizeof(buf)) > 0)
		;
}

static int begin(struct peer *p, const char *text, struct krr_qmp **q)
{
	says = text;
	peer_begin(p, talk);
	return krr_qmp_connect(p->path, 5000, q);
}

static void end(struct peer *p, struct krr_qmp *q)
{
	krr_qmp_close(q);
	peer_end(p);
}

static void calls(void **state)
{
	struct krr_qmp *q;
	struct peer p;
	json_t *r;
	char *text;

	(void)state;
	assert_int_equal(begin(&p, GREETING "{\"event\": \"STOP\"}\r\n{\"return\": {\"a\": 7}}\r\n"
			       "{\"event\": \"RESUME\"}\n{\"return\": \"RIP=1\\n\"}\n", &q), 0);
	assert_int_equal(krr_qmp_call(q, "query-status", NULL, &r), 0);
	assert_int_equal(json_integer_value(json_object_get(r, "a")), 7);
	json_decref(r);
	assert_int_equal(krr_qmp_hmp(q, "info registers", &text), 0);
	assert_string_equal(text, "RIP=1\n");
	free(text);
	assert_int_equal(krr_qmp_call(q, "stop", NULL, NULL), -EPIPE);
	end(&p, q);
}

static void refusal(void **state)
{
	struct krr_qmp *q;
	struct peer p;
	json_t *r = NULL;

	(void)state;
	assert_int_equal(begin(&p, GREETING "{\"error\": {\"desc\": \"no\"}}\n"
			       "{\"error\": 1}\n{\"return\": {}}\n", &q), 0);
	quiet_begin();
	assert_int_equal(krr_qmp_call(q, "stop", NULL, &r), -EIO);
	assert_int_equal(krr_qmp_call(q, "stop", NULL, &r), -EIO);
	quiet_end();
	assert_null(r);
	assert_int_equal(krr_qmp_call(q, "stop", NULL, NULL), 0);
	end(&p, q);
}

static void nonsense(void **state)
{
	static const char *const texts[] = { "\n", "{\n", "{} {}\n", "\"\\ud800\"\n" };
	struct krr_qmp *q;
	struct peer p;
	unsigned int i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(texts); i++) {
		assert_int_equal(begin(&p, texts[i], &q), -EPROTO);
		peer_end(&p);
	}
	assert_int_equal(begin(&p, "", &q), -EPIPE);
	peer_end(&p);
	/* an answer that is none: a result that is not there */
	assert_int_equal(begin(&p, GREETING "[]\n7\n", &q), 0);
	assert_int_equal(krr_qmp_call(q, "stop", NULL, &(json_t *){ NULL }), 0);
	end(&p, q);
}

#define CPUS "{\"return\": [{\"cpu-index\": 0, \"qom-path\": \"/machine/cpu\"}]}\r\n"

static int missing(const char *answer, char **names)
{
	__free_ptr char *text = krr_strf(GREETING CPUS "%s", answer);
	struct krr_qmp *q;
	struct peer p;
	int err;

	*names = NULL;
	assert_int_equal(begin(&p, text, &q), 0);
	err = krr_cpu_missing(q, names);
	end(&p, q);
	return err;
}

static void missing_features(void **state)
{
	static const struct {
		const char *list, *names;
	} cases[] = {
		{ "", "" },
		{ "\"pni\", \"ssse3\"", "pni ssse3" },
		{ "\"vme\", \"avx512f\"", "" },	/* that a replay does not need */
		{ "\"vme\", \"avx2\", 7, null", "avx2" },
	};
	char *names;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		__free_ptr char *answer = krr_strf("{\"return\": [%s]}\r\n", cases[i].list);

		assert_int_equal(missing(answer, &names), 0);
		assert_string_equal(names, cases[i].names);
		free(names);
	}
	quiet_begin();
	assert_int_equal(missing("{\"error\": {\"desc\": \"no\"}}\r\n", &names), -EIO);
	assert_null(names);
	quiet_end();
}

#define ACTIVE		"{\"return\": {\"status\": \"active\"}}\n"
#define COMPLETED	"{\"return\": {\"status\": \"completed\"}}\n"
#define FAILED		"{\"return\": {\"status\": \"failed\", \"error-desc\": \"disk full\"}}\n"
#define FINISHING	"{\"return\": {\"status\": \"finish-migrate\"}}\n"
#define FINAL		"{\"return\": {\"status\": \"postmigrate\"}}\n"
#define LAST		"{\"return\": {\"last\": 1}}\n"

/* Is LAST the answer to what follows krr_snapshot_wait()? */
static bool snapshot_waits(const char *answers, int *err)
{
	__free_ptr char *text = krr_strf("%s%s", GREETING, answers);
	struct krr_qmp *q;
	json_t *r = NULL;
	struct peer p;
	bool last;

	assert_int_equal(begin(&p, text, &q), 0);
	*err = krr_snapshot_wait(q);
	last = !krr_qmp_call(q, "cont", NULL, &r) && json_object_get(r, "last");
	json_decref(r);
	end(&p, q);
	return last;
}

/* QEMU refuses "cont" in the run state "finish-migrate", which outlasts "completed". */
static void snapshot(void **state)
{
	int err;

	(void)state;
	assert_true(snapshot_waits(ACTIVE COMPLETED FINAL LAST, &err));
	assert_int_equal(err, 0);
	assert_true(snapshot_waits(COMPLETED FINISHING COMPLETED FINISHING COMPLETED FINAL LAST, &err));
	assert_int_equal(err, 0);
	quiet_begin();
	assert_true(snapshot_waits(ACTIVE FAILED LAST, &err));
	assert_int_equal(err, -EIO);
	assert_false(snapshot_waits(COMPLETED, &err));	/* QEMU has hung up */
	assert_int_equal(err, -EIO);
	quiet_end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(calls),
		cmocka_unit_test(refusal),
		cmocka_unit_test(nonsense),
		cmocka_unit_test(missing_features),
		cmocka_unit_test(snapshot),
	};

	return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
