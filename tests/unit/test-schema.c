// SPDX-License-Identifier: GPL-2.0-only
/* What annotation records are made of, and how they look. */
#include <errno.h>
#include <jansson.h>
#include <linux/types.h>
#include <string.h>

#include "bpf/records.h"
#include "lib/names.h"
#include "lib/record.h"
#include "lib/schema.h"
#include "lib/util.h"
#include "unit.h"

/* The compiler's own idea of some members against that of the BTF. */
static void layout(void **state)
{
#define MEMBER(s, m, k) { #s, #m, offsetof(struct krr_##s, m), sizeof(((struct krr_##s *)0)->m), k }
	static const struct {
		const char *subsys, *name;
		size_t off, size;
		enum krr_field_kind kind;
	} want[] = {
		MEMBER(net, pid, KRR_FIELD_UNSIGNED),
		MEMBER(net, comm, KRR_FIELD_STRING),
		MEMBER(net, event, KRR_FIELD_ENUM),
		MEMBER(net, family, KRR_FIELD_ENUM),
		MEMBER(net, daddr, KRR_FIELD_BYTES),
		MEMBER(net, err, KRR_FIELD_SIGNED),
		MEMBER(block, latency, KRR_FIELD_UNSIGNED),
		MEMBER(sched, path, KRR_FIELD_STRING),
		MEMBER(syscall, ret, KRR_FIELD_SIGNED),
		MEMBER(fs, name, KRR_FIELD_STRING),
		MEMBER(mm, victim_comm, KRR_FIELD_STRING),
		MEMBER(irq, late, KRR_FIELD_UNSIGNED),
		MEMBER(security, new_euid, KRR_FIELD_UNSIGNED),
		MEMBER(error, text, KRR_FIELD_STRING),
		MEMBER(mark, subsys, KRR_FIELD_ENUM),
	};
#undef MEMBER
	const struct krr_field *f;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(want); i++) {
		f = krr_schema_field(krr_schema_by_name(want[i].subsys), want[i].name);
		assert_non_null(f);
		assert_int_equal(f->off, want[i].off);
		assert_int_equal(f->size, want[i].size);
		assert_int_equal(f->nr, 1);
		assert_int_equal(f->kind, want[i].kind);
	}
	f = krr_schema_field(krr_schema_by_name("syscall"), "args");
	assert_int_equal(f->nr, 6);
	assert_int_equal(f->size, 8);
}

/* All of them: numbers as in the enum, a name each, and within the bytes of a slot. */
static void subsystems(void **state)
{
	static const char *const names[KRR_NR_SUBSYS] = {
		[KRR_SUBSYS_MARK] = "mark", [KRR_SUBSYS_NET] = "net",
		[KRR_SUBSYS_BLOCK] = "block", [KRR_SUBSYS_FS] = "fs", [KRR_SUBSYS_MM] = "mm",
		[KRR_SUBSYS_SCHED] = "sched", [KRR_SUBSYS_IRQ] = "irq",
		[KRR_SUBSYS_SYSCALL] = "syscall", [KRR_SUBSYS_SECURITY] = "security",
		[KRR_SUBSYS_ERROR] = "error",
	};
	const struct krr_schema *s = NULL;
	unsigned int n = 0, i, end;

	(void)state;
	while ((s = krr_schema_next(s))) {
		n++;
		assert_in_range(s->id, 0, KRR_NR_SUBSYS - 1);
		assert_string_equal(s->name, names[s->id]);
		assert_ptr_equal(krr_schema_by_id(s->id), s);
		assert_in_range(s->size, 1, KRR_RECORD_MAX);
		for (i = end = 0; i < s->nr; i++) {
			assert_true(s->field[i].off >= end);
			end = s->field[i].off + s->field[i].size * s->field[i].nr;
			assert_true(s->field[i].kind != KRR_FIELD_ENUM || s->field[i].values ||
				    s->field[i].of_kernel);
		}
		assert_true(end <= s->size);
	}
	assert_int_equal(n, KRR_NR_SUBSYS);
	assert_null(krr_schema_by_id(KRR_NR_SUBSYS));
	assert_null(krr_schema_by_name("nett"));
}

static void units_and_formats(void **state)
{
	static const struct {
		const char *subsys, *name;
		enum krr_unit unit;
		enum krr_number_format format;
	} want[] = {
		{ "net", "saddr", KRR_UNIT_NONE, KRR_FORMAT_IP },
		{ "net", "len", KRR_UNIT_BYTES, KRR_FORMAT_PLAIN },
		{ "net", "sk", KRR_UNIT_NONE, KRR_FORMAT_HEX },
		{ "block", "sector", KRR_UNIT_SECTORS, KRR_FORMAT_PLAIN },
		{ "block", "latency", KRR_UNIT_NS, KRR_FORMAT_PLAIN },
		{ "block", "dev", KRR_UNIT_NONE, KRR_FORMAT_DEV },
		{ "block", "status", KRR_UNIT_NONE, KRR_FORMAT_ERRNO },
		{ "syscall", "nr", KRR_UNIT_NONE, KRR_FORMAT_CALL },
		{ "syscall", "args", KRR_UNIT_NONE, KRR_FORMAT_HEX },
		{ "sched", "prio", KRR_UNIT_NONE, KRR_FORMAT_PLAIN },
	};
	const struct krr_field *f;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(want); i++) {
		f = krr_schema_field(krr_schema_by_name(want[i].subsys), want[i].name);
		assert_int_equal(f->unit, want[i].unit);
		assert_int_equal(f->format, want[i].format);
	}
}

static void enumerators(void **state)
{
	static const struct {
		const char *subsys, *field, *name, *full;
		uint64_t value;
	} want[] = {
		{ "net", "event", "reset_sent", "KRR_NET_RESET_SENT", KRR_NET_RESET_SENT },
		{ "net", "state", "close", "KRR_TCP_CLOSE", KRR_TCP_CLOSE },
		{ "net", "family", "inet6", "KRR_AF_INET6", KRR_AF_INET6 },
		{ "block", "op", "other", "KRR_OP_OTHER", KRR_OP_OTHER },
		{ "syscall", "event", "exit", "KRR_SYSCALL_EXIT", KRR_SYSCALL_EXIT },
		{ "security", "event", "cap_denied", "KRR_SECURITY_CAP_DENIED",
		  KRR_SECURITY_CAP_DENIED },
		{ "mark", "subsys", "mm", "KRR_SUBSYS_MM", KRR_SUBSYS_MM },
	};
	const struct krr_enumerator *e;
	const struct krr_field *f;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(want); i++) {
		f = krr_schema_field(krr_schema_by_name(want[i].subsys), want[i].field);
		e = krr_enumerator_by_name(f, want[i].full);
		assert_non_null(e);
		assert_string_equal(e->name, want[i].name);
		assert_string_equal(e->full, want[i].full);
		assert_true(e->value == want[i].value);
		assert_ptr_equal(krr_enumerator_by_name(f, want[i].name), e);
		assert_ptr_equal(krr_enumerator_of(f, want[i].value), e);
	}
	f = krr_schema_field(krr_schema_by_name("NET"), "Event");
	assert_non_null(krr_enumerator_by_name(f, "ReSet"));
	assert_null(krr_enumerator_by_name(f, "KRR_NET"));
	assert_null(krr_enumerator_of(f, 0));
	f = krr_schema_field(krr_schema_by_name("mark"), "subsys");
	assert_null(krr_enumerator_of(f, KRR_NR_SUBSYS));
}

/*
 * Raw BTF of a kernel with one enum:
 * enum skb_drop_reason { SKB_CONSUMED = 1, SKB_DROP_REASON_NO_SOCKET = 3 };
 */
static const char strings[] =
	"\0skb_drop_reason\0SKB_CONSUMED\0SKB_DROP_REASON_NO_SOCKET";

static int make_btf(const char *name)
{
	const uint32_t words[] = {
		0x0001eb9f, 24, 0, 28, 28, sizeof(strings),
		1, 6u << 24 | 2, 4,
		17, 1,
		30, 3,
	};
	uint8_t buf[sizeof(words) + sizeof(strings)];

	memcpy(buf, words, sizeof(words));
	memcpy(buf + sizeof(words), strings, sizeof(strings));
	return scratch_file(name, buf, sizeof(buf));
}

static void kernel_enums(void **state)
{
	const struct krr_field *f = krr_schema_field(krr_schema_by_name("net"), "drop_reason");
	__free_ptr char *path = krr_strf("%s/btf", scratch);
	__free_ptr char *none = krr_strf("%s/none", scratch);
	__close_fd int good = make_btf("btf"), bad = scratch_file("none", "no BTF", 6);

	(void)state;
	(void)good;
	(void)bad;
	assert_true(f->of_kernel);
	assert_null(f->values);
	assert_null(krr_enumerator_by_name(f, "no_socket"));
	quiet_begin();
	assert_int_equal(krr_schema_add_kernel_btf(none), -EINVAL);
	assert_int_equal(krr_schema_add_kernel_btf("/nonexistent"), -ENOENT);
	quiet_end();
	assert_null(f->values);
	assert_int_equal(krr_schema_add_kernel_btf(path), 0);
	assert_int_equal(krr_schema_add_kernel_btf(path), 0);
	assert_int_equal(f->values->nr, 2);
	assert_true(krr_enumerator_by_name(f, "no_socket")->value == 3);
	assert_string_equal(krr_enumerator_of(f, 1)->name, "skb_consumed");
}

static void calls_and_errors(void **state)
{
	(void)state;
	assert_int_equal(krr_call_number("read"), 0);
	assert_int_equal(krr_call_number("OpenAt"), 257);
	assert_int_equal(krr_call_number("openat3"), -1);
	assert_string_equal(krr_call_name(60), "exit");
	assert_null(krr_call_name(400));
	assert_null(krr_call_name(UINT64_MAX));
	assert_string_equal(krr_errno_name(ENOMEM), "ENOMEM");
	assert_string_equal(krr_errno_name(512), "ERESTARTSYS");
	assert_null(krr_errno_name(0));
	assert_null(krr_errno_name(-1));
	assert_int_equal(krr_errno_number("econnreset"), ECONNRESET);
	assert_int_equal(krr_errno_number("EWOULDBLOCK"), EAGAIN);
	assert_int_equal(krr_errno_number("EOPNOTSUPP"), EOPNOTSUPP);
	assert_int_equal(krr_errno_number("ENOTSUPP"), 524);
	assert_int_equal(krr_errno_number("ENOTHING"), 0);
}

static const char *nearest(const char *wanted, const char *const *names, size_t nr)
{
	struct krr_nearest n = { .wanted = wanted };
	size_t i;

	for (i = 0; i < nr; i++)
		krr_nearest_try(&n, names[i]);
	return n.best;
}

static void nearest_names(void **state)
{
	static const char *const names[] = { "drop_reason", "dport", "sport", "daddr", "state" };
	static const char hundred[] = "dddddddddddddddddddddddddddddddddddddddddddddddddd"
				      "dddddddddddddddddddddddddddddddddddddddddddddddddd";

	(void)state;
	assert_string_equal(nearest("drop_raeson", names, ARRAY_SIZE(names)), "drop_reason");
	assert_string_equal(nearest("DPROT", names, ARRAY_SIZE(names)), "dport");
	assert_string_equal(nearest("spor", names, ARRAY_SIZE(names)), "sport");
	assert_null(nearest("latency", names, ARRAY_SIZE(names)));
	assert_null(nearest("", names, ARRAY_SIZE(names)));
	assert_null(nearest(hundred, names, ARRAY_SIZE(names)));
	assert_null(nearest("dport", (const char *const[]){ hundred }, 1));
}

#define TEXT_IS(subsys, record, want)						\
do {										\
	char text[1000];							\
										\
	assert_int_equal(krr_record_text(subsys, &(record), sizeof(record), text, sizeof(text)), \
			 strlen(want));						\
	assert_string_equal(text, want);					\
} while (0)

static void texts(void **state)
{
	struct krr_net net = {
		.pid = 123, .tid = 123, .comm = "nginx", .event = KRR_NET_DROP, .family = 2,
		.protocol = 6, .saddr = { 10, 0, 2, 15 }, .daddr = { 10, 0, 2, 2 },
		.sport = 443, .dport = 51324, .len = 60, .state = KRR_TCP_CLOSE,
	};
	struct krr_block block = {
		.pid = 7, .tid = 8, .cgroup = 99, .comm = "a \"b\"\\\33[2J",
		.event = KRR_BLOCK_COMPLETE, .dev = 8 << 20 | 1, .sector = 2048,
		.bytes = 4096, .op = KRR_OP_WRITE, .status = -EIO, .latency = 1500000,
	};
	struct krr_syscall call = {
		.event = KRR_SYSCALL_EXIT, .nr = 257, .args = { 0, 0x10 }, .ret = -2,
		.latency = 999999,
	};
	struct krr_mark mark = { .subsys = KRR_SUBSYS_NET, .rule = 2, .name = "resets" };

	(void)state;
	TEXT_IS(KRR_SUBSYS_NET, net, "net.drop pid 123 nginx 10.0.2.15:443 > 10.0.2.2:51324 "
		"protocol tcp len 60 state close");
	net.family = 10;
	net.event = 99;
	TEXT_IS(KRR_SUBSYS_NET, net, "net.99 pid 123 nginx [a00:20f::]:443 > [a00:202::]:51324 "
		"protocol tcp len 60 state close");
	net.family = 1;
	net.protocol = net.daddr[0] = net.daddr[2] = net.daddr[3] = 0;
	TEXT_IS(KRR_SUBSYS_NET, net, "net.99 pid 123 nginx family 1 saddr ? sport 443 "
		"dport 51324 len 60 state close");
	TEXT_IS(KRR_SUBSYS_BLOCK, block, "block.complete pid 7 tid 8 cgroup 99 "
		"\"a \\\"b\\\"\\\\?[2J\" dev 8:1 sector 2048 bytes 4 KiB op write status -EIO "
		"latency 1.5 ms");
	TEXT_IS(KRR_SUBSYS_SYSCALL, call, "syscall.exit nr openat args 0,0x10,0,0,0,0 ret -ENOENT "
		"latency 999.99 us");
	call.ret = 100;
	call.nr = 999;
	call.latency = 7;
	TEXT_IS(KRR_SUBSYS_SYSCALL, call, "syscall.exit nr 999 args 0,0x10,0,0,0,0 ret 100 "
		"latency 7 ns");
	TEXT_IS(KRR_SUBSYS_MARK, mark, "mark subsys net rule 2 name resets");
	TEXT_IS(77, "ab", "subsystem 77, 3 bytes  61 62 00");
}

/* Records of other versions: cut anywhere, and one that goes on. */
static void other_lengths(void **state)
{
	static const struct {
		struct krr_mark mark;
		char more[20];
	} whole = {
		.mark = { .pid = 5, .tid = 0x0105, .subsys = KRR_SUBSYS_MM, .name = "abc" },
		.more = "ignored",
	};
	static const struct {
		size_t len;
		const char *text;
	} want[] = {
		{ 0, "mark" },
		{ 1, "mark pid 5" },
		{ 5, "mark pid 5" },
		{ 6, "mark pid 5 tid 261" },
		{ offsetof(struct krr_mark, subsys) + 1, "mark pid 5 tid 261 subsys mm" },
		{ offsetof(struct krr_mark, name) + 2, "mark pid 5 tid 261 subsys mm name ab" },
		{ sizeof(whole), "mark pid 5 tid 261 subsys mm name abc" },
	};
	char text[200];
	uint8_t *exact;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(want); i++) {
		exact = malloc(want[i].len + !want[i].len);
		memcpy(exact, &whole, want[i].len);
		krr_record_text(KRR_SUBSYS_MARK, exact, want[i].len, text, sizeof(text));
		assert_string_equal(text, want[i].text);
		free(exact);
	}
}

static void little_room(void **state)
{
	static const struct krr_sched sched = { .pid = 1, .path = "/usr/bin/true", .prio = -20 };
	char all[200], some[200];
	size_t n, room;

	(void)state;
	n = krr_record_text(KRR_SUBSYS_SCHED, &sched, sizeof(sched), all, sizeof(all));
	assert_string_equal(all, "sched.0 pid 1 prio -20 path /usr/bin/true");
	for (room = 1; room <= n + 1; room++) {
		assert_int_equal(krr_record_text(KRR_SUBSYS_SCHED, &sched, sizeof(sched), some,
						 room), room - 1);
		assert_memory_equal(some, all, room - 1);
		assert_int_equal(some[room - 1], 0);
	}
}

static void json(void **state)
{
	struct krr_net net = {
		.pid = 123, .comm = "a\xff\n", .event = KRR_NET_STATE, .family = 2,
		.saddr = { 127, 0, 0, 1 }, .state = 77, .err = -5, .sk = 255,
		.cgroup = 1ull << 63,
	};
	struct krr_syscall call = { .event = KRR_SYSCALL_EXIT, .nr = 0, .args = { 1 } };
	json_t *o = krr_record_json(KRR_SUBSYS_NET, &net, sizeof(net));
	json_t *args;

	(void)state;
	assert_string_equal(json_string_value(json_object_get(o, "subsystem")), "net");
	assert_string_equal(json_string_value(json_object_get(o, "event")), "state");
	assert_string_equal(json_string_value(json_object_get(o, "comm")), "a??");
	assert_string_equal(json_string_value(json_object_get(o, "saddr")), "127.0.0.1");
	assert_string_equal(json_string_value(json_object_get(o, "cgroup")), "0x8000000000000000");
	assert_string_equal(json_string_value(json_object_get(o, "sk")), "0xff");
	assert_int_equal(json_integer_value(json_object_get(o, "pid")), 123);
	assert_int_equal(json_integer_value(json_object_get(o, "state")), 77);
	assert_int_equal(json_integer_value(json_object_get(o, "err")), -5);
	json_decref(o);

	o = krr_record_json(KRR_SUBSYS_NET, &net, 0);
	assert_true(json_is_null(json_object_get(o, "saddr")));
	json_decref(o);

	o = krr_record_json(KRR_SUBSYS_SYSCALL, &call, sizeof(call));
	args = json_object_get(o, "args");
	assert_int_equal(json_array_size(args), 6);
	assert_string_equal(json_string_value(json_array_get(args, 0)), "0x1");
	assert_string_equal(json_string_value(json_object_get(o, "nr")), "read");
	json_decref(o);

	o = krr_record_json(1000, "\1\2", 2);
	assert_int_equal(json_integer_value(json_object_get(o, "subsystem")), 1000);
	assert_string_equal(json_string_value(json_object_get(o, "data")), "0102");
	json_decref(o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(layout),
		cmocka_unit_test(subsystems),
		cmocka_unit_test(units_and_formats),
		cmocka_unit_test(enumerators),
		cmocka_unit_test(kernel_enums),
		cmocka_unit_test(calls_and_errors),
		cmocka_unit_test(nearest_names),
		cmocka_unit_test(texts),
		cmocka_unit_test(other_lengths),
		cmocka_unit_test(little_room),
		cmocka_unit_test(json),
	};

	return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
