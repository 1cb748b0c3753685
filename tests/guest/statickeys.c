// SPDX-License-Identifier: GPL-2.0-only
/*
 * statickeys - branches of the kernel that are patched in and out: time stamps
 * of packets, statistics of BPF, filters of a cgroup
 */
#include <linux/bpf.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include "test.h"

#define CG "/sys/fs/cgroup"

/* SO_TIMESTAMP of the first socket that has it patches the receive path */
static void packet_stamp(void)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	socklen_t len = sizeof(sin);
	char byte = 1, control[128];
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	int s = socket(AF_INET, SOCK_DGRAM, 0), on = 1;

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	CHECK(s >= 0 && !bind(s, (void *)&sin, len) && !getsockname(s, (void *)&sin, &len));
	CHECK(!setsockopt(s, SOL_SOCKET, SO_TIMESTAMP, &on, sizeof(on)));
	CHECK(sendto(s, &byte, 1, 0, (void *)&sin, len) == 1);
	CHECK(recvmsg(s, &msg, 0) == 1);
	CHECK(CMSG_FIRSTHDR(&msg) && CMSG_FIRSTHDR(&msg)->cmsg_type == SO_TIMESTAMP);
	close(s);
}

static void bpf_stats(void)
{
	CHECK(test_put("/proc/sys/kernel/bpf_stats_enabled", "1"));
	CHECK(!access("/proc/self/stat", F_OK));
	CHECK(test_put("/proc/sys/kernel/bpf_stats_enabled", "0"));
}

static long bpf(int cmd, union bpf_attr *attr)
{
	return syscall(SYS_bpf, cmd, attr, sizeof(*attr));
}

/* a program "r0 = 1; exit", which lets each socket be made */
static int allow_all(void)
{
	static const struct bpf_insn code[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = 1 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.prog_type = BPF_PROG_TYPE_CGROUP_SOCK;
	attr.expected_attach_type = BPF_CGROUP_INET_SOCK_CREATE;
	attr.insns = (uintptr_t)code;
	attr.insn_cnt = sizeof(code) / sizeof(*code);
	attr.license = (uintptr_t)"GPL";
	return (int)bpf(BPF_PROG_LOAD, &attr);
}

static void attach(int cmd, int cg, int prog)
{
	union bpf_attr attr;
	int s;

	memset(&attr, 0, sizeof(attr));
	attr.target_fd = (uint32_t)cg;
	attr.attach_bpf_fd = (uint32_t)prog;
	attr.attach_type = BPF_CGROUP_INET_SOCK_CREATE;
	attr.attach_flags = cmd == BPF_PROG_ATTACH ? BPF_F_ALLOW_MULTI : 0;
	CHECK(!bpf(cmd, &attr));
	s = socket(AF_INET, SOCK_DGRAM, 0);
	CHECK(s >= 0);
	close(s);
}

static void cgroup_filter(void)
{
	int cg = open(CG, O_RDONLY | O_DIRECTORY), prog = allow_all();

	CHECK(cg >= 0 && prog >= 0);
	attach(BPF_PROG_ATTACH, cg, prog);
	attach(BPF_PROG_DETACH, cg, prog);
	close(prog);
	close(cg);
}

int main(int argc, char **argv)
{
	struct amount a = test_amount(argc, argv);

	if (access("/proc/sys/kernel/bpf_stats_enabled", W_OK))
		return test_skip("no BPF in this kernel");
	while (test_more(&a)) {
		packet_stamp();
		bpf_stats();
		cgroup_filter();
	}
	return test_ok(&a, "keys on and off");
}
