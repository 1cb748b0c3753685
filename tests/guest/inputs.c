// SPDX-License-Identifier: GPL-2.0-only
/*
 * inputs - reads that hardly any driver does: rdmsr, ins and memcpy_fromio(), and
 * what is in SS; made by a module, whose directory the host shares (krrctl --share
 * DIR:modules)
 *
 * inputs AMOUNT NAME makes but one of them.
 */
#include <asm/prctl.h>
#include <pthread.h>
#include <sched.h>
#include "test.h"

#define MODULE "krr_inputs"
#define BASE 0x123000ull
#define USER_DS 0x2b

static struct {
	const char *name;
	int is_base;		/* of GS; else a counter */
	long changed;
	int absent;		/* from this machine */
} inputs[] = {
	{ "msr", 1, 0, 0 },
	{ "msr_safe", 1, 0, 0 },
	{ "ins", 0, 0, 0 },
	{ "fromio", 0, 0, 0 },
};

#define NR (int)(sizeof(inputs) / sizeof(*inputs))

static volatile int spinning;

static void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	CHECK(!sched_setaffinity(0, sizeof(set), &set));
}

static void *spin(void *cpu)
{
	pin((int)(long)cpu);
	for (;;)
		spinning = 1;
	return NULL;
}

/* A CPU that is interrupted in user mode, for one that asks it for its SS. */
static int start_spinner(void)
{
	long last = sysconf(_SC_NPROCESSORS_ONLN) - 1;
	pthread_t t;

	if (last <= 0)
		return 0;
	pin(0);
	CHECK(!pthread_create(&t, NULL, spin, (void *)last));
	while (!spinning)
		sched_yield();
	return (int)last;
}

/* Has CPU @last no SS, as after an interrupt of user mode? */
static int no_ss(int last)
{
	char text[64], *p = text;

	test_get(test_in("/sys/module/" MODULE "/parameters", "ss"), text, sizeof(text));
	for (int i = 0; i < last; i++)
		CHECK(strtoul(p, &p, 10) <= UINT16_MAX && *p == ' ');
	CHECK(strtoul(p, &p, 10) <= UINT16_MAX && p > text);
	return p[-1] == '0' && p[-2] == ' ';
}

static unsigned long long value(const char *name)
{
	char text[64], *end;
	const char *path = test_in("/sys/module/" MODULE "/parameters", name);
	unsigned long long v = strtoull(test_get(path, text, sizeof(text)), &end, 10);

	CHECK(end > text);
	return v;
}

/* Has the machine no such input?  A local APIC in x2APIC mode has no memory. */
static int is_absent(const char *name)
{
	char text[64];
	int fd = open(test_in("/sys/module/" MODULE "/parameters", name), O_RDONLY | O_CLOEXEC);
	int absent;

	CHECK(fd >= 0);
	absent = read(fd, text, sizeof(text)) < 0;
	CHECK(!absent || errno == ENODEV);
	close(fd);
	return absent;
}

/* The selector is 0 before and after; that the base is gone nobody but the CPU knows. */
static void clear_base(void)
{
	asm volatile("mov %0, %%gs; mov %1, %%gs" : : "r" (USER_DS), "r" (0));
}

static int wanted(int i, const char *only)
{
	return !inputs[i].absent && (!only || !strcmp(only, inputs[i].name));
}

static int all_changed(const char *only)
{
	for (int i = 0; i < NR; i++)
		if (wanted(i, only) && !inputs[i].changed)
			return 0;
	return 1;
}

int main(int argc, char **argv)
{
	struct amount a = test_amount(argc, argv);
	unsigned long long first, second;
	const char *only = argc > 2 ? argv[2] : NULL;
	long without_ss = 0;
	int last = 0, done = 0, extra = 0;

	test_alone();
	if (!test_load_module(MODULE))
		return test_skip("no share \"modules\"");
	for (int i = 0; i < NR; i++)
		inputs[i].absent = is_absent(inputs[i].name);
	if (!only || !strcmp(only, "ss"))
		last = start_spinner();
	/* on a busy host a timer may have run out each time, or the base been put back */
	while (test_more(&a) || (!all_changed(only) && extra++ < 1000)) {
		for (int i = 0; last && i < 10; i++)
			without_ss += no_ss(last);
		for (int i = 0; i < NR; i++) {
			if (!wanted(i, only))
				continue;
			if (inputs[i].is_base)
				CHECK(!syscall(SYS_arch_prctl, ARCH_SET_GS, BASE));
			first = value(inputs[i].name);
			if (inputs[i].is_base)
				clear_base();
			second = value(inputs[i].name);
			/* the kernel may have put it back */
			CHECK(!inputs[i].is_base || (first == BASE && (second == BASE || !second)));
			inputs[i].changed += second != first;
		}
	}
	/* stays loaded: what was read last is compared in the end */
	CHECK(all_changed(only));
	for (int i = 0; i < NR; i++)
		done += !!inputs[i].changed;
	CHECK(!last || without_ss);
	return test_ok(&a, "%d of %d inputs, %ld times no SS", done, NR, without_ss);
}
