// SPDX-License-Identifier: GPL-2.0-only
/* What a QEMU answers: the input is all that it ever says. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "fuzz.h"
#include "lib/util.h"
#include "vmm/qmp.h"
#include "vmm/snapshot.h"

const unsigned int fuzz_rounds = 2000;

static void talk(struct krr_qmp *q)
{
	json_t *result = NULL;
	unsigned int n = 0;
	char *text = NULL;
	int err;

	err = krr_qmp_call(q, "query-status", NULL, &result);
	must(err <= 0 && (!err || !result));
	json_string_value(json_object_get(result, "status"));
	json_decref(result);
	if (!err)
		err = krr_qmp_hmp(q, "info registers -a", &text);
	must(err || text);
	free(text);
	if (!err)
		err = krr_snapshot_begin(q, fuzz_dir());
	if (!err)
		err = krr_snapshot_wait(q);
	while (!err && n++ < 50)
		err = krr_qmp_call(q, "stop", NULL, NULL);
	/* the input ends, and is never waited for in vain */
	must(!err || err == -EIO || err == -EPIPE || err == -EPROTO);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct krr_qmp *q;
	int err, fd;

	fd = fuzz_peer(data, len);
	err = krr_qmp_connect("", 1000, &q);
	must(err <= 0 && err != -ETIMEDOUT);
	if (!err) {
		talk(q);
		krr_qmp_close(q);
	}
	close(fd);
	return 0;
}

static const char greeting[] =
	"{\"QMP\": {\"version\": {\"qemu\": {\"major\": 7}}, \"capabilities\": [\"oob\"]}}\r\n";
static const char event[] =
	"{\"timestamp\": {\"seconds\": 1}, \"event\": \"STOP\", \"data\": {}}\r\n";
static const char done[] = "{\"return\": {}}\r\n";

static void seed_line(struct output *out, const char *line)
{
	memcpy(out->buf + out->n, line, strlen(line));
	out->n += strlen(line);
}

static void seed_begin(struct output *out)
{
	seed_line(out, greeting);
	seed_line(out, done);
	seed_line(out, event);
}

void fuzz_seeds(void)
{
	static struct output out;
	unsigned int i;

	seed_begin(&out);
	seed_line(&out, "{\"return\": {\"status\": \"paused\", \"running\": false}}\r\n");
	seed_line(&out, "{\"return\": \"RIP=ffffffff81000000 \\r\\n\"}\r\n");
	for (i = 0; i < 3; i++)
		seed_line(&out, done);
	seed_line(&out, "{\"return\": {\"status\": \"active\"}}\r\n");
	seed_line(&out, event);
	seed_line(&out, "{\"return\": {\"status\": \"completed\"}}\r\n");
	seed_line(&out, done);
	seed_from(&out);
	seed_begin(&out);
	seed_line(&out, "{\"error\": {\"class\": \"GenericError\", \"desc\": \"no\"}}\r\n");
	seed_from(&out);
	seed_begin(&out);
	for (i = 0; i < 5; i++)
		seed_line(&out, done);
	seed_line(&out, "{\"return\": {\"status\": \"failed\", \"error-desc\": \"why\"}}\n");
	seed_from(&out);
	seed_line(&out, "[]\n[]\n7\n");
	seed_from(&out);
}
