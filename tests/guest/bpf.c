// SPDX-License-Identifier: GPL-2.0-only
/*
 * bpf - a map and a socket filter by raw system calls, and a classic filter
 */
#include <linux/bpf.h>
#include <linux/filter.h>
#include <sys/socket.h>
#include "test.h"

#define INSN(c, d, s, o, i) { .code = (c), .dst_reg = (d), .src_reg = (s), .off = (o), .imm = (i) }

static long bpf(int cmd, union bpf_attr *attr)
{
	return syscall(SYS_bpf, cmd, attr, sizeof(*attr));
}

static int make_map(void)
{
	union bpf_attr attr = { .map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 8,
				.max_entries = 1 };

	return (int)bpf(BPF_MAP_CREATE, &attr);
}

/* count packets in map[0], let all of them pass */
static int load(int map)
{
	struct bpf_insn prog[] = {
		INSN(BPF_ST | BPF_MEM | BPF_W, 10, 0, -4, 0),
		INSN(BPF_ALU64 | BPF_MOV | BPF_X, 2, 10, 0, 0),
		INSN(BPF_ALU64 | BPF_ADD | BPF_K, 2, 0, 0, -4),
		INSN(BPF_LD | BPF_DW | BPF_IMM, 1, BPF_PSEUDO_MAP_FD, 0, map),
		INSN(0, 0, 0, 0, 0),
		INSN(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_map_lookup_elem),
		INSN(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 2, 0),
		INSN(BPF_ALU64 | BPF_MOV | BPF_K, 1, 0, 0, 1),
		INSN(BPF_STX | BPF_ATOMIC | BPF_DW, 0, 1, 0, BPF_ADD),
		INSN(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 0xffff),
		INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
	};
	union bpf_attr attr = { .prog_type = BPF_PROG_TYPE_SOCKET_FILTER, .insns = (uintptr_t)prog,
				.insn_cnt = sizeof(prog) / sizeof(*prog), .license = (uintptr_t)"GPL" };

	return (int)bpf(BPF_PROG_LOAD, &attr);
}

static uint64_t lookup(int map)
{
	uint32_t key = 0;
	uint64_t value = 0;
	union bpf_attr attr = { .map_fd = (uint32_t)map, .key = (uintptr_t)&key,
				.value = (uintptr_t)&value };

	CHECK(!bpf(BPF_MAP_LOOKUP_ELEM, &attr));
	return value;
}

int main(int argc, char **argv)
{
	struct sock_filter four[] = { BPF_STMT(BPF_RET | BPF_K, 4) };
	struct sock_fprog classic = { 1, four };
	struct amount a = test_amount(argc, argv);
	int map = make_map(), prog, sv[2];
	char buf[16];

	if (map < 0 && errno == ENOSYS)
		return test_skip("no bpf");
	CHECK(map >= 0);
	while (test_more(&a)) {
		uint64_t before = lookup(map);

		prog = load(map);
		CHECK(prog >= 0 && !socketpair(AF_UNIX, SOCK_DGRAM, 0, sv));
		CHECK(!setsockopt(sv[1], SOL_SOCKET, SO_ATTACH_BPF, &prog, sizeof(prog)));
		for (int i = 0; i < 10; i++)
			CHECK(write(sv[0], "12345678", 8) == 8 && read(sv[1], buf, 16) == 8);
		CHECK(lookup(map) == before + 10);
		CHECK(!setsockopt(sv[1], SOL_SOCKET, SO_ATTACH_FILTER, &classic, sizeof(classic)));
		CHECK(write(sv[0], "12345678", 8) == 8 && read(sv[1], buf, 16) == 4);
		close(prog);
		close(sv[0]);
		close(sv[1]);
	}
	return test_ok(&a, "%lu packets", (unsigned long)lookup(map));
}
