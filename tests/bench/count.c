// SPDX-License-Identifier: GPL-2.0-only
/*
 * count.c - a plugin of QEMU's TCG: how many instructions each block of guest code ran
 *
 *	-plugin file=count.so,out=PREFIX
 *
 * User mode is one number.  The counts since the boot go to PREFIX.counts, a line for
 * each block: address, instructions, executions; when somebody makes PREFIX.want, which
 * is removed when they are there, and when QEMU ends.  With several vCPUs some are lost,
 * since QEMU adds without a lock.
 *
 * Debian has no package with <qemu-plugin.h>.  What is used of the API (version 1, see
 * "QEMU TCG Plugins" in QEMU's manual) is declared here.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EXPORT		__attribute__((visibility("default")))
#define ADD_U64		0

struct qemu_plugin_tb;

void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id,
					   void (*cb)(uint64_t id, struct qemu_plugin_tb *tb));
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *tb, int op, void *to,
					      uint64_t by);
void qemu_plugin_register_atexit_cb(uint64_t id, void (*cb)(uint64_t id, void *arg), void *arg);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *tb);

EXPORT int qemu_plugin_version = 1;

#define SLOTS		(1u << 18)	/* a power of two, more than there are blocks */
#define KERNEL		(1ull << 63)

static struct slot {
	uint64_t addr, insns, execs;
} slots[SLOTS];
static struct slot user;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char counts[4096], tmp[4096], want[4096];

static struct slot *slot_of(uint64_t addr)
{
	uint32_t i = (uint32_t)((addr * 0x9e3779b97f4a7c15ull) >> 40) & (SLOTS - 1), n;

	if (!(addr & KERNEL))
		return &user;
	for (n = 0; n < SLOTS; n++, i = (i + 1) & (SLOTS - 1)) {
		if (!slots[i].addr)
			slots[i].addr = addr;
		if (slots[i].addr == addr)
			return &slots[i];
	}
	fprintf(stderr, "count: more than %u blocks\n", SLOTS);
	abort();
}

static void on_block(uint64_t id, struct qemu_plugin_tb *tb)
{
	struct slot *s;

	(void)id;
	pthread_mutex_lock(&lock);
	s = slot_of(qemu_plugin_tb_vaddr(tb));
	pthread_mutex_unlock(&lock);
	qemu_plugin_register_vcpu_tb_exec_inline(tb, ADD_U64, &s->insns,
						 qemu_plugin_tb_n_insns(tb));
	qemu_plugin_register_vcpu_tb_exec_inline(tb, ADD_U64, &s->execs, 1);
}

static void tell(void)
{
	FILE *f = fopen(tmp, "w");
	uint32_t i;

	if (!f) {
		perror(tmp);
		return;
	}
	fprintf(f, "0 %" PRIu64 " %" PRIu64 "\n", user.insns, user.execs);
	for (i = 0; i < SLOTS; i++)
		if (slots[i].execs)
			fprintf(f, "%" PRIx64 " %" PRIu64 " %" PRIu64 "\n", slots[i].addr,
				slots[i].insns, slots[i].execs);
	if (fclose(f) || rename(tmp, counts))
		perror(counts);
}

static void *watch(void *arg)
{
	(void)arg;
	for (;; usleep(20000)) {
		if (access(want, F_OK))
			continue;
		tell();
		unlink(want);
	}
	return NULL;
}

static void at_exit(uint64_t id, void *arg)
{
	(void)id;
	(void)arg;
	tell();
}

EXPORT int qemu_plugin_install(uint64_t id, const void *info, int argc, char **argv)
{
	pthread_t thread;

	(void)info;
	if (argc != 1 || strncmp(argv[0], "out=", 4) || strlen(argv[0]) > 4000) {
		fprintf(stderr, "count: out=PREFIX is expected\n");
		return -1;
	}
	snprintf(counts, sizeof(counts), "%s.counts", argv[0] + 4);
	snprintf(tmp, sizeof(tmp), "%s.tmp", argv[0] + 4);
	snprintf(want, sizeof(want), "%s.want", argv[0] + 4);
	qemu_plugin_register_vcpu_tb_trans_cb(id, on_block);
	qemu_plugin_register_atexit_cb(id, at_exit, NULL);
	return pthread_create(&thread, NULL, watch, NULL);
}
