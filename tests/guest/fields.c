// SPDX-License-Identifier: GPL-2.0-only
/*
 * fields - does what annotations tell of, with values that are known: tests/fields.t
 *
 * fields GROUP... does it; "fact" lines NAME=VALUE on stdout are what could not be
 * known before, as process ids.  Each step is a process with a name of its own.
 */
#include <arpa/inet.h>
#include <linux/bpf.h>
#include <linux/btf.h>
#include <linux/filter.h>
#include <linux/fs.h>
#include <linux/loop.h>
#include <linux/perf_event.h>
#include <net/if.h>
#include <netinet/if_ether.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <netpacket/packet.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include "test.h"

#define SERVER	4242
#define CLIENT	4343
#define NOBODY	4299		/* no socket has this port */
#define BIG	(64 * 1024)

static uint8_t buf[BIG] __attribute__((aligned(4096)));

static void __attribute__((format(printf, 1, 2))) fact(const char *fmt, ...)
{
	char line[192];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(line, sizeof(line) - 1, fmt, ap);
	va_end(ap);
	line[n++] = '\n';
	CHECK(write(1, line, (size_t)n) == n);
}

/* A step that goes on while its parent does something: its name and process id are facts. */
static pid_t start(const char *name, void (*step)(void))
{
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid)
		return pid;
	CHECK(!prctl(PR_SET_NAME, name));
	fact("%s=%d", name, getpid());
	step();
	_exit(0);
}

static void run(const char *name, void (*step)(void))
{
	test_wait(start(name, step), 0);
}

static void on_cpu(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	CHECK(!sched_setaffinity(0, sizeof(set), &set));
}

static void nap(int ms)
{
	struct timespec ts = { ms / 1000, ms % 1000 * 1000000l };

	while (nanosleep(&ts, &ts))
		;
}

/* ---- net, in a network of its own ---- */

static void own_network(void)
{
	struct ifreq ifr = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	struct stat st;
	int s;

	CHECK(!unshare(CLONE_NEWNET) && !stat("/proc/self/ns/net", &st));
	s = socket(AF_INET, SOCK_DGRAM, 0);
	CHECK(s >= 0 && !ioctl(s, SIOCSIFFLAGS, &ifr));
	close(s);
	fact("netns=%lu", (unsigned long)st.st_ino);
}

static socklen_t loopback(int family, int port, struct sockaddr_storage *ss)
{
	struct sockaddr_in *v4 = (void *)ss;
	struct sockaddr_in6 *v6 = (void *)ss;

	memset(ss, 0, sizeof(*ss));
	ss->ss_family = (sa_family_t)family;
	if (family == AF_INET) {
		v4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		v4->sin_port = htons((uint16_t)port);
		return sizeof(*v4);
	}
	v6->sin6_addr = in6addr_loopback;
	v6->sin6_port = htons((uint16_t)port);
	return sizeof(*v6);
}

static int bound(int family, int type, int port)
{
	struct sockaddr_storage ss;
	socklen_t len = loopback(family, port, &ss);
	int s = socket(family, type, 0), one = 1;

	CHECK(s >= 0 && !setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)));
	CHECK(!bind(s, (void *)&ss, len));
	return s;
}

/* A connection from CLIENT + @n to SERVER + @n. */
static void connected(int family, int n, int *client, int *server)
{
	struct sockaddr_storage ss;
	socklen_t len = loopback(family, SERVER + n, &ss);
	int s = bound(family, SOCK_STREAM, SERVER + n);

	CHECK(!listen(s, 8));
	*client = bound(family, SOCK_STREAM, CLIENT + n);
	CHECK(!connect(*client, (void *)&ss, len));
	*server = accept(s, NULL, NULL);
	CHECK(*server >= 0);
	close(s);
}

static void deaf(int s, int on)
{
	struct sock_filter none[] = { BPF_STMT(BPF_RET | BPF_K, 0) };
	struct sock_fprog prog = { 1, none };

	if (on)
		CHECK(!setsockopt(s, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)));
	else
		CHECK(!setsockopt(s, SOL_SOCKET, SO_DETACH_FILTER, &on, sizeof(on)));
}

static void wait_state(int s, int state)
{
	struct tcp_info info;
	socklen_t len = sizeof(info);

	for (int i = 0; i < 1000; i++) {
		CHECK(!getsockopt(s, IPPROTO_TCP, TCP_INFO, &info, &len));
		if (info.tcpi_state == state)
			return;
		nap(10);
	}
	CHECK(!"another state within 10 s");
}

/* the client closes first, then the server */
static void net_close(void)
{
	int c, s;

	connected(AF_INET, 0, &c, &s);
	CHECK(!shutdown(c, SHUT_WR));
	wait_state(s, TCP_CLOSE_WAIT);
	close(s);
	close(c);
}

static void net_close6(void)
{
	int c, s;

	connected(AF_INET6, 1, &c, &s);
	CHECK(write(c, buf, 1000) == 1000);
	close(s);	/* with something unread: a reset */
	close(c);
}

/* Data that the server does not get the first time. */
static void net_lose(void)
{
	int c, s;

	connected(AF_INET, 2, &c, &s);
	deaf(s, 1);
	CHECK(write(c, buf, 1234) == 1234);
	nap(100);
	deaf(s, 0);
	CHECK(recv(s, buf, 1234, MSG_WAITALL) == 1234);
	close(c);
	close(s);
}

/* Both close before they hear of the other; then the client's FIN is sent again first. */
static void net_closing(void)
{
	int c, s;

	connected(AF_INET, 3, &c, &s);
	deaf(c, 1);
	deaf(s, 1);
	CHECK(!shutdown(c, SHUT_WR) && !shutdown(s, SHUT_WR));
	deaf(s, 0);
	wait_state(s, TCP_CLOSING);
	deaf(c, 0);
	wait_state(s, TCP_CLOSE);
	close(c);
	close(s);
}

static void datagram(int family, int port, size_t len)
{
	struct sockaddr_storage ss;
	socklen_t size = loopback(family, port, &ss);
	int s = bound(family, SOCK_DGRAM, CLIENT + 10);

	CHECK(sendto(s, buf, len, 0, (void *)&ss, size) == (ssize_t)len);
	close(s);
}

/* It comes back, and no socket waits for it. */
static void echo_request(int family, int protocol, uint8_t type)
{
	uint8_t packet[64] = { type, [8] = 0x12, 0x34, 0xed, 0xcb };
	struct sockaddr_storage ss;
	socklen_t size = loopback(family, 0, &ss);
	int s = socket(family, SOCK_RAW, protocol);
	uint16_t sum = htons((uint16_t)~(type << 8));

	if (family == AF_INET)
		memcpy(packet + 2, &sum, sizeof(sum));
	CHECK(s >= 0 && sendto(s, packet, 64, 0, (void *)&ss, size) == 64);
	close(s);
}

static void net_nobody(void)
{
	datagram(AF_INET, NOBODY, 100);
	datagram(AF_INET6, NOBODY, 200);
	echo_request(AF_INET, IPPROTO_ICMP, 8);
	echo_request(AF_INET6, IPPROTO_ICMPV6, 128);
}

static uint16_t ip_sum(const struct iphdr *ip)
{
	uint32_t sum = 0;
	uint16_t word[10];

	memcpy(word, ip, sizeof(word));
	for (int i = 0; i < 10; i++)
		sum += word[i];
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~(sum + (sum >> 16));
}

/* A segment from CLIENT + @n to SERVER + @n with a wrong sum, as if from a wire. */
static void wrong_sum(int n)
{
	struct {
		struct iphdr ip;
		struct tcphdr tcp;
	} p = {
		.ip = { .version = 4, .ihl = 5, .tot_len = htons(sizeof(p)), .ttl = 64,
			.protocol = IPPROTO_TCP, .saddr = htonl(INADDR_LOOPBACK),
			.daddr = htonl(INADDR_LOOPBACK) },
		.tcp = { .source = htons((uint16_t)(CLIENT + n)),
			 .dest = htons((uint16_t)(SERVER + n)), .doff = 5, .ack = 1,
			 .check = htons(0x1234) },
	};
	struct sockaddr_ll to = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_IP),
				  .sll_ifindex = 1, .sll_halen = 6 };
	int s = socket(AF_PACKET, SOCK_DGRAM, 0);

	p.ip.check = ip_sum(&p.ip);
	CHECK(s >= 0 && sendto(s, &p, sizeof(p), 0, (void *)&to, sizeof(to)) == sizeof(p));
	close(s);
}

/* It finds what waits for the end of a handshake, or for a port to be free. */
static void net_minisocks(void)
{
	struct sockaddr_storage ss;
	socklen_t len = loopback(AF_INET, SERVER + 4, &ss);
	int s = bound(AF_INET, SOCK_STREAM, SERVER + 4), c, ten = 10;

	CHECK(test_put("/proc/sys/net/ipv4/conf/lo/route_localnet", "1"));
	CHECK(test_put("/proc/sys/net/ipv4/conf/lo/accept_local", "1"));
	CHECK(!setsockopt(s, IPPROTO_TCP, TCP_DEFER_ACCEPT, &ten, sizeof(ten)) && !listen(s, 8));
	c = bound(AF_INET, SOCK_STREAM, CLIENT + 4);
	CHECK(!connect(c, (void *)&ss, len));
	wrong_sum(4);
	close(c);
	close(s);

	connected(AF_INET, 5, &c, &s);
	close(s);
	close(c);
	wrong_sum(5);
}

static void net(void)
{
	own_network();
	run("net_close", net_close);
	run("net_close6", net_close6);
	run("net_lose", net_lose);
	run("net_closing", net_closing);
	run("net_nobody", net_nobody);
	run("net_minisocks", net_minisocks);
}

/* ---- block, on the disk itself ---- */

static const char *disk(void)
{
	static char path[32];

	CHECK(test_device(1, path));
	return path;
}

static void blk_queue(void)
{
	uint64_t discard[2] = { 3 << 20, 32 << 10 }, zero[2] = { 4 << 20, 16 << 10 };
	int fd = open(disk(), O_RDWR | O_DIRECT);

	CHECK(fd >= 0);
	CHECK(pwrite(fd, buf, 8192, 1 << 20) == 8192 && !fsync(fd));
	CHECK(pread(fd, buf, 12288, 2 << 20) == 12288);
	CHECK(!ioctl(fd, BLKDISCARD, discard) && !ioctl(fd, BLKZEROOUT, zero));
	close(fd);
}

/* as many as a throttled disk takes at once, and then some */
static void blk_slow(void)
{
	int fd = open(disk(), O_RDWR | O_DIRECT);

	CHECK(fd >= 0);
	for (int i = 0; i < 6; i++)
		CHECK(pwrite(fd, buf, 4096, 8 << 20) == 4096);
	close(fd);
}

/* A loop device on a file system that has too little room. */
static void blk_full(void)
{
	struct loop_config c = { 0 };
	int control = open("/dev/loop-control", O_RDWR), n, fd;
	struct stat st;
	char path[32];

	CHECK(!mkdir("/tmp/full", 0700) && !mount("t", "/tmp/full", "tmpfs", 0, "size=4k"));
	c.fd = (uint32_t)open("/tmp/full/img", O_RDWR | O_CREAT, 0600);
	CHECK(!ftruncate((int)c.fd, 1 << 20) && control >= 0);
	n = ioctl(control, LOOP_CTL_GET_FREE);
	snprintf(path, sizeof(path), "/dev/loop%d", n);
	fd = open(path, O_RDWR | O_DIRECT);
	CHECK(fd >= 0 && !ioctl(fd, LOOP_CONFIGURE, &c) && !fstat(fd, &st));
	fact("loop=%u:%u", major(st.st_rdev), minor(st.st_rdev));
	CHECK(pwrite(fd, buf, BIG, 128 << 10) == -1 && errno == EIO);
	CHECK(!ioctl(fd, LOOP_CLR_FD, 0));
	close(fd);
	close((int)c.fd);
	close(control);
	CHECK(!umount("/tmp/full") && !rmdir("/tmp/full"));
}

static void block(void)
{
	struct stat st;

	CHECK(!stat(disk(), &st));
	fact("disk=%u:%u", major(st.st_rdev), minor(st.st_rdev));
	run("blk_queue", blk_queue);
	run("blk_full", blk_full);
}

/* ---- fs ---- */

static void fs_file(void)
{
	int fd = open("/tmp/fields.one", O_RDWR | O_CREAT, 0600), full;
	struct stat st;

	CHECK(fd >= 0 && !fstat(fd, &st));
	fact("fs_dev=%u:%u", major(st.st_dev), minor(st.st_dev));
	fact("fs_inode=%lu", (unsigned long)st.st_ino);
	CHECK(write(fd, "twelve bytes", 12) == 12);
	CHECK(pread(fd, buf, 100, 0) == 12);
	CHECK(open("/tmp/fields.none", O_RDONLY) == -1 && errno == ENOENT);
	CHECK(!rename("/tmp/fields.one", "/tmp/fields.two"));
	CHECK(rename("/tmp/fields.two", "/tmp") == -1);
	CHECK(!mkdir("/tmp/fields.dir", 0700));
	CHECK(rename("/tmp/fields.two", "/tmp/fields.dir") == -1 && errno == EISDIR);
	CHECK(!rmdir("/tmp/fields.dir") && !unlink("/tmp/fields.two"));
	close(fd);

	CHECK(!mkdir("/tmp/full", 0700) && !mount("t", "/tmp/full", "tmpfs", 0, "size=4k"));
	full = open("/tmp/full/fields.full", O_RDWR | O_CREAT, 0600);
	CHECK(pwrite(full, buf, 300, 8192) == 300);
	CHECK(pwrite(full, buf, 300, 65536) == -1 && errno == ENOSPC);
	close(full);
	CHECK(!umount("/tmp/full") && !rmdir("/tmp/full"));
}

static void fs_sync(void)
{
	int fd;

	CHECK(!mkdir("/tmp/ext4", 0700) && !mount(disk(), "/tmp/ext4", "ext4", 0, NULL));
	fd = open("/tmp/ext4/fields.slow", O_RDWR | O_CREAT, 0600);
	CHECK(fd >= 0 && write(fd, buf, 5000) == 5000 && !fsync(fd));
	close(fd);
	CHECK(!umount("/tmp/ext4") && !rmdir("/tmp/ext4"));
}

static void fs(void)
{
	run("fs_file", fs_file);
}

/* what a throttled disk makes slow */
static void slow(void)
{
	run("blk_slow", blk_slow);
	run("fs_sync", fs_sync);
}

/* ---- mm ---- */

#define AT	0x10000000ul

static void on_fault(int sig)
{
	(void)sig;
	_exit(0);
}

static void mm_map(void)
{
	uint8_t *p = mmap((void *)AT, 5 * PAGE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

	CHECK(p == (void *)AT);
	*(volatile uint8_t *)(p + 0x123) = 1;
	(void)*(volatile uint8_t *)(p + PAGE + 0x234);
	CHECK(!mprotect(p, PAGE, PROT_READ) && !munmap(p + 3 * PAGE, 2 * PAGE));
	CHECK(signal(SIGSEGV, on_fault) != SIG_ERR);
	*(volatile uint8_t *)(p + 0x345) = 1;
	_exit(1);
}

static char cgroup[64];

static void mm_glutton(void)
{
	uint8_t *p;

	CHECK(test_put(test_in(cgroup, "cgroup.procs"), "0"));
	p = mmap(NULL, 64ul << 20, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	CHECK(p != MAP_FAILED);
	for (size_t i = 0; i < (64ul << 20); i += PAGE)
		p[i] = 1;
}

static void glutton(void)
{
	int st;

	CHECK(test_cgroup(cgroup, 0) && test_put(test_in(cgroup, "memory.max"), "2097152"));
	test_put(test_in(cgroup, "memory.swap.max"), "0");
	CHECK(waitpid(start("mm_glutton", mm_glutton), &st, 0) > 0);
	CHECK(WIFSIGNALED(st) && WTERMSIG(st) == SIGKILL);
	test_cgroup_end(cgroup);
}

/* Huge pages for all of memory, while a part of it has contents that can go: holes of a file. */
static void mm_reclaim(void)
{
	int fd;

	CHECK(!mkdir("/tmp/ext4", 0700) && !mount(disk(), "/tmp/ext4", "ext4", 0, NULL));
	fd = open("/tmp/ext4/fields.holes", O_RDWR | O_CREAT, 0600);
	CHECK(fd >= 0 && !ftruncate(fd, 32 << 20));
	while (read(fd, buf, BIG) > 0)
		;
	CHECK(test_put("/proc/sys/vm/nr_hugepages", "10000"));
	CHECK(test_put("/proc/sys/vm/nr_hugepages", "0"));
	close(fd);
	CHECK(!unlink("/tmp/ext4/fields.holes") && !umount("/tmp/ext4") && !rmdir("/tmp/ext4"));
}

/* What comes with a message is copied to memory in one piece: 16 MiB are too much. */
static void mm_fail(void)
{
	int s = socket(AF_INET, SOCK_DGRAM, 0);
	void *p = mmap(NULL, 16 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct msghdr msg = { .msg_control = p, .msg_controllen = 16 << 20 };

	CHECK(test_put("/proc/sys/net/core/optmem_max", "67108864") && p != MAP_FAILED);
	CHECK(sendmsg(s, &msg, 0) == -1 && errno == ENOBUFS);
	close(s);
}

static void mm(void)
{
	run("mm_map", mm_map);
	run("mm_fail", mm_fail);
	glutton();
	run("mm_reclaim", mm_reclaim);
}

/* ---- sched ---- */

static int bell[2];

static void sc_nice(void)
{
	on_cpu(1);
	CHECK(!setpriority(PRIO_PROCESS, 0, 7));
	nap(300);
}

static void sc_woken(void)
{
	char c;

	on_cpu(1);
	CHECK(read(bell[0], &c, 1) == 1);
}

static void sc_waker(void)
{
	on_cpu(1);
	CHECK(write(bell[1], "x", 1) == 1);
}

static void sc_mover(void)
{
	on_cpu(0);
	on_cpu(1);
}

static void sc_child(void)
{
	_exit(0);
}

static void sc_parent(void)
{
	run("sc_child", sc_child);
}

static void sc_exec(void)
{
	char *args[] = { "fields", "exit", NULL };

	execv("/tests/fields", args);
}

static void sc_killed(void)
{
	struct sched_param rr = { .sched_priority = 10 };

	CHECK(!sched_setscheduler(0, SCHED_RR, &rr));
	raise(SIGTERM);
}

/* A process that has the id of one that was gone for a while. */
static void reuse(void)
{
	pid_t pid = start("sc_gone", sc_child);
	uint64_t args[11] = { [4] = SIGCHLD, [8] = (uintptr_t)&pid, [9] = 1 };
	long again;

	test_wait(pid, 0);
	nap(300);
	again = syscall(SYS_clone3, args, sizeof(args));
	CHECK(again >= 0);
	if (!again)
		_exit(0);
	CHECK(again == pid);
	test_wait(pid, 0);
}

static void sched(void)
{
	pid_t woken;
	int st;

	run("sc_nice", sc_nice);
	CHECK(!pipe(bell));
	woken = start("sc_woken", sc_woken);
	nap(200);
	run("sc_waker", sc_waker);
	test_wait(woken, 0);
	run("sc_mover", sc_mover);
	run("sc_parent", sc_parent);
	reuse();
	test_wait(start("sc_exec", sc_exec), 37);
	CHECK(waitpid(start("sc_killed", sc_killed), &st, 0) > 0);
	CHECK(WIFSIGNALED(st) && WTERMSIG(st) == SIGTERM);
}

/* ---- irq: of the disk, from the disk's queue of this CPU ---- */

static void symbol(const char *name)
{
	FILE *f = fopen("/proc/kallsyms", "r");
	char line[256], found[128];
	unsigned long at, next = 0;

	CHECK(f);
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx %*c %127s", &at, found) != 2)
			continue;
		if (next && at > next)
			break;
		if (!next && !strcmp(found, name))
			next = at;
	}
	fclose(f);
	CHECK(next);
	fact("%s=0x%lx %s_end=0x%lx", name, next, name, at);
}

static void interrupt(void)
{
	char link[64], to[128] = "", line[512], want[32];
	FILE *f = fopen("/proc/interrupts", "r");
	int nr = 0;

	snprintf(link, sizeof(link), "/sys/block/%s/device", disk() + 5);
	CHECK(f && readlink(link, to, sizeof(to) - 1) > 0);
	snprintf(want, sizeof(want), "%s-req.0", strrchr(to, '/') + 1);
	while (fgets(line, sizeof(line), f) && !strstr(line, want))
		;
	fclose(f);
	CHECK(sscanf(line, "%d:", &nr) == 1);
	fact("disk_irq=%d disk_irq_name=%s", nr, want);
}

static void irq_disk(void)
{
	int fd = open(disk(), O_RDONLY | O_DIRECT);

	on_cpu(0);
	CHECK(fd >= 0 && pread(fd, buf, 4096, 0) == 4096);
	close(fd);
}

static void irq_net(void)
{
	datagram(AF_INET, NOBODY, 300);
}

/* Data that is not heard: it is sent again, by a timer. */
static void irq_timer(void)
{
	int c, s;

	connected(AF_INET, 6, &c, &s);
	deaf(s, 1);
	CHECK(write(c, buf, 10) == 10);
	nap(1000);
	close(c);
	close(s);
}

/* Ticks come while it runs. */
static void irq_busy(void)
{
	double until = test_now() + 0.3;

	while (test_now() < until)
		;
}

static void irq(void)
{
	symbol("vring_interrupt");
	symbol("tcp_write_timer");
	symbol("hrtimer_wakeup");
	interrupt();
	run("irq_disk", irq_disk);
	run("irq_net", irq_net);
	run("irq_busy", irq_busy);
	run("irq_timer", irq_timer);
}

/* ---- syscall ---- */

static void *in_thread(void *arg)
{
	(void)arg;
	fact("sys_thread_tid=%ld", syscall(SYS_gettid));
	CHECK(syscall(SYS_close, 54321) == -1 && errno == EBADF);
	return NULL;
}

static void sys_thread(void)
{
	pthread_t t;

	CHECK(!pthread_create(&t, NULL, in_thread, NULL) && !pthread_join(t, NULL));
}

static void sys_args(void)
{
	fact("sys_parent=%d", getppid());
	CHECK(syscall(SYS_getppid, 0x1111, 0x2222, 0x3333, 0x4444, 0x5555, -6l) == getppid());
	CHECK(syscall(999) == -1 && errno == ENOSYS);
	nap(300);
}

static void on_usr1(int sig)
{
	(void)sig;
}

static void sys_signal(void)
{
	CHECK(signal(SIGUSR1, on_usr1) != SIG_ERR && !raise(SIGUSR1));
}

/* In one call when a recording ends, in another one when the next begins. */
static void sys_between(void)
{
	int fd = open("/tmp/fifo.one", O_RDWR);
	char c;

	CHECK(read(fd, &c, 1) == 1 && open("/tmp/fifo.two", O_RDONLY) >= 0);
}

static void between(void)
{
	CHECK(!mkfifo("/tmp/fifo.one", 0600) && !mkfifo("/tmp/fifo.two", 0600));
	start("sys_between", sys_between);
}

static void syscalls(void)
{
	run("sys_args", sys_args);
	run("sys_thread", sys_thread);
	run("sys_signal", sys_signal);
}

/* ---- security ---- */

static void sec_drop(void)
{
	CHECK(!setresuid(1000, 1001, 1000));
	CHECK(sethostname("x", 1) == -1 && errno == EPERM);
	CHECK(!setresuid(1001, 1000, -1u));
}

static void sec_module(void)
{
	int fd;

	CHECK(!mkdir("/tmp/modules", 0700));
	CHECK(!mount("modules", "/tmp/modules", "9p", MS_RDONLY, "trans=virtio,version=9p2000.L"));
	fd = open("/tmp/modules/test_static_key_base.ko", O_RDONLY);
	CHECK(fd >= 0 && !syscall(SYS_finit_module, fd, "", 0));
	close(fd);
	CHECK(!syscall(SYS_delete_module, "test_static_key_base", O_NONBLOCK));
	CHECK(!umount("/tmp/modules") && !rmdir("/tmp/modules"));
}

/* of the same user, but with more capabilities than who wants to trace it */
static void sec_traced(void)
{
	CHECK(!prctl(PR_SET_KEEPCAPS, 1) && !setresuid(1000, 1000, 1000));
	CHECK(!prctl(PR_SET_DUMPABLE, 1));
	CHECK(write(bell[1], "x", 1) == 1);
	pause();
}

static void sec_tracer(void)
{
	pid_t pid;
	char c;
	int st;

	CHECK(!pipe(bell));
	pid = start("sec_traced", sec_traced);
	CHECK(read(bell[0], &c, 1) == 1);
	run("sec_drop", sec_drop);
	if (!fork()) {
		fact("sec_attach=%d", getpid());
		CHECK(!setresuid(1000, 1000, 1000) && !prctl(PR_SET_DUMPABLE, 1));
		CHECK(ptrace(PTRACE_ATTACH, pid, 0, 0) == -1 && errno == EPERM);
		_exit(0);
	}
	CHECK(wait(&st) > 0 && !st && !kill(pid, SIGKILL));
}

static void read_all(const char *path, char *to, size_t size)
{
	int fd = open(path, O_RDONLY);
	ssize_t n;

	CHECK(fd >= 0);
	while ((n = read(fd, to, size)) > 0) {
		to += n;
		size -= (size_t)n;
	}
	CHECK(!n && size);
	close(fd);
}

/* The number of a function in the kernel's BTF, or 0. */
static uint32_t function(const char *name)
{
	static const uint8_t fixed[32] = { [1] = 4, [3] = 12, [14] = 4, [17] = 4 };
	static const uint8_t each[32] = {
		[4] = 12, [5] = 12, [6] = 8, [13] = 8, [15] = 12, [19] = 12,
	};
	static char btf[16 << 20];
	struct btf_header *h = (void *)btf;
	char *at, *end, *text;

	if (!h->magic)
		read_all("/sys/kernel/btf/vmlinux", btf, sizeof(btf));
	CHECK(h->magic == BTF_MAGIC);
	at = btf + h->hdr_len + h->type_off;
	end = at + h->type_len;
	text = btf + h->hdr_len + h->str_off;
	for (uint32_t id = 1; at < end; id++) {
		struct btf_type *t = (void *)at;
		uint32_t kind = BTF_INFO_KIND(t->info);

		if (kind == BTF_KIND_FUNC && !strcmp(text + t->name_off, name))
			return id;
		at += sizeof(*t) + fixed[kind] + each[kind] * BTF_INFO_VLEN(t->info);
	}
	return 0;
}

#define INSN(c, d, s, o, i) { .code = (c), .dst_reg = (d), .src_reg = (s), .off = (o), .imm = (i) }

/* From now on this process is refused what @hook is asked for; until the file is closed. */
static int refuse(const char *hook)
{
	struct bpf_insn prog[] = {
		INSN(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_get_current_pid_tgid),
		INSN(BPF_ALU64 | BPF_RSH | BPF_K, 0, 0, 0, 32),
		INSN(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 2, getpid()),
		INSN(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 0),
		INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
		INSN(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, -EACCES),
		INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
	};
	union bpf_attr load = {
		.prog_type = BPF_PROG_TYPE_LSM, .expected_attach_type = BPF_LSM_MAC,
		.attach_btf_id = function(hook), .insns = (uintptr_t)prog,
		.insn_cnt = sizeof(prog) / sizeof(*prog), .license = (uintptr_t)"GPL",
	};
	union bpf_attr attach = { 0 };
	int link;

	attach.raw_tracepoint.prog_fd = (uint32_t)syscall(SYS_bpf, BPF_PROG_LOAD, &load, sizeof(load));
	CHECK((int)attach.raw_tracepoint.prog_fd >= 0);
	link = (int)syscall(SYS_bpf, BPF_RAW_TRACEPOINT_OPEN, &attach, sizeof(attach));
	CHECK(link >= 0);
	close((int)attach.raw_tracepoint.prog_fd);
	return link;
}

static long try_open(void)	{ return open("/dev/null", O_RDONLY); }
static long try_exec(void)	{ return execl("/tests/fields", "fields", "exit", NULL); }
static long try_kill(void)	{ return kill(getpid(), 0); }
static long try_mount(void)	{ return mount("t", "/tmp", "tmpfs", 0, NULL); }
static long try_mem(void)	{ return open("/dev/mem", O_RDWR); }

static long try_perf(void)
{
	struct perf_event_attr attr = { .type = PERF_TYPE_SOFTWARE, .size = sizeof(attr) };

	return syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0);
}

static long try_bpf(void)
{
	union bpf_attr attr = { .map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4,
				.max_entries = 1 };

	return syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof(attr));
}

/* of a family that a module would have */
static long try_family(void)
{
	long ret = socket(AF_IB, SOCK_DGRAM, 0);

	CHECK(ret == -1 && errno == EAFNOSUPPORT);
	errno = EACCES;
	return ret;
}

static void sec_hooks(void)
{
	static const struct {
		const char *hook;
		long (*attempt)(void);
	} tries[] = {
		{ "bpf_lsm_file_open", try_open }, { "bpf_lsm_bprm_check_security", try_exec },
		{ "bpf_lsm_inode_permission", try_open }, { "bpf_lsm_task_kill", try_kill },
		{ "bpf_lsm_sb_mount", try_mount }, { "bpf_lsm_locked_down", try_mem },
		{ "bpf_lsm_perf_event_open", try_perf }, { "bpf_lsm_bpf", try_bpf },
		{ "bpf_lsm_kernel_module_request", try_family },
	};

	for (size_t i = 0; i < sizeof(tries) / sizeof(*tries); i++) {
		int link = refuse(tries[i].hook);

		CHECK(tries[i].attempt() == -1 && errno == EACCES);
		close(link);
	}
}

static void security(void)
{
	run("sec_hooks", sec_hooks);
	run("sec_tracer", sec_tracer);
}

/* ---- error ---- */

static void err_says(void)
{
	CHECK(test_put("/dev/kmsg", "<3>fields: an error\n"));
	CHECK(test_put("/dev/kmsg", "<4>fields: a warning\n"));
	CHECK(test_put("/dev/kmsg", "<5>fields: a notice\n"));
}

#define PROVOKE "/sys/kernel/debug/provoke-crash/DIRECT"

static void err_warn(void)
{
	CHECK(test_put(PROVOKE, "WARNING"));
}

static void err_oops(void)
{
	test_put(PROVOKE, "EXCEPTION");
	_exit(1);
}

static void err_bug(void)
{
	test_put(PROVOKE, "BUG");
	_exit(1);
}

static void err_hung(void)
{
	test_put(PROVOKE, "HUNG_TASK");
}

static void error(void)
{
	int st;

	symbol("lkdtm_WARNING");
	symbol("lkdtm_EXCEPTION");
	symbol("lkdtm_BUG");
	run("err_says", err_says);
	run("err_warn", err_warn);
	CHECK(waitpid(start("err_oops", err_oops), &st, 0) > 0);
	CHECK(waitpid(start("err_bug", err_bug), &st, 0) > 0);
}

/* It stays; after an oops nobody would look for it any more. */
static void hung(void)
{
	CHECK(test_put("/proc/sys/kernel/hung_task_timeout_secs", "1"));
	start("err_hung", err_hung);
}

/* ---- */

static int leave(void)
{
	return 37;
}

static const struct {
	const char *name;
	void (*act)(void);
} groups[] = {
	{ "net", net }, { "block", block }, { "fs", fs }, { "mm", mm }, { "sched", sched },
	{ "irq", irq }, { "syscall", syscalls }, { "security", security }, { "error", error },
	{ "slow", slow }, { "module", sec_module }, { "hung", hung },
	{ "between", between },
};

static void act(const char *name)
{
	for (size_t i = 0; i < sizeof(groups) / sizeof(*groups); i++)
		if (!strcmp(groups[i].name, name)) {
			run(name, groups[i].act);
			return;
		}
	fprintf(stderr, "%s: no group \"%s\"\n", TEST_NAME, name);
	exit(2);
}

int main(int argc, char **argv)
{
	const char *dir = TEST_CGROUPS "/fields";
	struct stat st;

	if (argc > 1 && !strcmp(argv[1], "exit"))
		return leave();
	if (argc == 2 && argv[1][0] >= '0' && argv[1][0] <= '9')
		return test_skip("tests/fields.t says what to do");
	CHECK((!mkdir(dir, 0755) || errno == EEXIST) && !stat(dir, &st));
	fact("cgroup=%lu", (unsigned long)st.st_ino);
	CHECK(test_put(test_in(dir, "cgroup.procs"), "0"));
	for (int i = 1; i < argc; i++)
		act(argv[i]);
	return 0;
}
