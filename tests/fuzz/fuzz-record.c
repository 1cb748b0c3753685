// SPDX-License-Identifier: GPL-2.0-only
/* Annotation records from a log of somewhere else: a byte for the subsystem, then the record. */
#include <jansson.h>
#include <linux/types.h>
#include <string.h>

#include "bpf/records.h"
#include "fuzz.h"
#include "lib/record.h"
#include "lib/util.h"

const unsigned int fuzz_rounds = 5000;

#define ROOM 2048

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static char all[ROOM], some[ROOM];
	uint32_t subsys = len ? data[0] : 0;
	const uint8_t *record = data + !!len;
	size_t n, room;
	json_t *o;
	char *json;

	len -= !!len;
	n = krr_record_text(subsys, record, len, all, sizeof(all));
	must(n == strlen(all) && n + 1 < sizeof(all));
	for (room = 0; room < n; room++)
		must(all[room] >= ' ' && all[room] < 0x7f);
	room = 1 + n / 2;
	must(krr_record_text(subsys, record, len, some, room) == room - 1);
	must(!memcmp(some, all, room - 1) && !some[room - 1]);

	o = krr_record_json(subsys, record, len);
	json = json_dumps(o, JSON_COMPACT);
	must(json_is_object(o) && json);
	free(json);
	json_decref(o);
	return 0;
}

static void seed(uint8_t subsys, const void *record, size_t len)
{
	uint8_t buf[1 + KRR_RECORD_MAX];

	buf[0] = subsys;
	memcpy(buf + 1, record, len);
	fuzz_seed(buf, 1 + len);
}

void fuzz_seeds(void)
{
	struct krr_net net = {
		.pid = 1, .comm = "nginx", .event = KRR_NET_DROP, .family = KRR_AF_INET,
		.protocol = KRR_PROTO_TCP, .saddr = { 10, 0, 2, 15 }, .sport = 443, .err = -12,
		.state = KRR_TCP_CLOSE, .drop_reason = 3, .dev = "eth0",
	};
	struct krr_block block = {
		.event = KRR_BLOCK_COMPLETE, .dev = 8 << 20, .bytes = 4096, .status = -5,
		.latency = 1500000,
	};
	struct krr_syscall call = { .event = KRR_SYSCALL_EXIT, .nr = 257, .args = { 1 } };
	struct krr_error error = { .event = KRR_ERROR_WARN, .text = "a \"b\" \\ \33[2J" };
	struct krr_mark mark = { .subsys = KRR_SUBSYS_NET, .name = "resets" };
	struct krr_sched sched = { .event = KRR_SCHED_EXEC, .path = "/bin/true", .prio = -1 };

	seed(KRR_SUBSYS_NET, &net, sizeof(net));
	net.family = KRR_AF_INET6;
	seed(KRR_SUBSYS_NET, &net, sizeof(net));
	seed(KRR_SUBSYS_BLOCK, &block, sizeof(block));
	seed(KRR_SUBSYS_SYSCALL, &call, sizeof(call));
	seed(KRR_SUBSYS_ERROR, &error, sizeof(error));
	seed(KRR_SUBSYS_MARK, &mark, sizeof(mark));
	seed(KRR_SUBSYS_SCHED, &sched, sizeof(sched));
	seed(200, &sched, 20);
}
