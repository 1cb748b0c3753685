// SPDX-License-Identifier: GPL-2.0-only
/*
 * ftrace - kernel text that changes while it runs: function tracer, a probe at
 * entry and at return of a function, tracepoints, on and off
 */
#include "test.h"

#define T "/sys/kernel/tracing"

static char instance[64];		/* of our own, others may be tracing */

#define in(name) test_in(instance, name)

static void set(const char *name, const char *text)
{
	CHECK(test_put(in(name), text));
}

/* These files are emptied by opening them. */
static void clear(const char *name)
{
	int fd = open(in(name), O_WRONLY | O_TRUNC);

	CHECK(fd >= 0);
	close(fd);
}

static int traced(const char *what)
{
	static char line[4096];
	FILE *f = fopen(in("trace"), "r");
	int found = 0;

	CHECK(f);
	while (!found && fgets(line, sizeof(line), f))
		found = line[0] != '#' && strstr(line, what);
	fclose(f);
	return found;
}

static void some_calls(void)
{
	struct stat st;
	char buf[64];

	for (int i = 0; i < 20; i++) {
		CHECK(!stat("/proc/self/status", &st));
		CHECK(*test_get("/proc/self/comm", buf, sizeof(buf)));
	}
}

static void functions(void)
{
	set("set_ftrace_filter", "vfs_*\n");
	clear("trace");
	set("current_tracer", "function\n");
	some_calls();
	set("tracing_on", "0\n");
	CHECK(traced("vfs_read"));
	set("tracing_on", "1\n");
	set("current_tracer", "nop\n");
	clear("set_ftrace_filter");
}

/* all functions there are, for a moment */
static void all_functions(void)
{
	char buf[64];

	set("current_tracer", "function\n");
	test_get("/proc/self/comm", buf, sizeof(buf));
	set("current_tracer", "nop\n");
}

static void define(const char *fmt, const char *group)
{
	char text[128];

	snprintf(text, sizeof(text), fmt, group, group);
	CHECK(test_put(T "/kprobe_events", text));
}

static void probes(void)
{
	char group[32], enable[64], event[64];

	snprintf(group, sizeof(group), "krr%d", getpid());
	snprintf(enable, sizeof(enable), "events/%s/enable", group);
	define("p:%s/enter do_sys_openat2 fd=%%di\n", group);
	define("r:%s/leave do_sys_openat2 fd=$retval\n", group);
	clear("trace");
	set(enable, "1\n");
	some_calls();
	set(enable, "0\n");
	for (int i = 0; i < 2; i++) {
		snprintf(event, sizeof(event), "%s: ", i ? "leave" : "enter");
		CHECK(traced(event));
	}
	define("-:%s/leave\n", group);
	define("-:%s/enter\n", group);
}

static void tracepoints(void)
{
	clear("trace");
	set("events/sched/enable", "1\n");
	set("events/kmem/enable", "1\n");
	some_calls();
	usleep(1000);
	set("events/kmem/enable", "0\n");
	set("events/sched/enable", "0\n");
	CHECK(traced("sched_switch"));
}

int main(int argc, char **argv)
{
	struct amount a = test_amount(argc, argv);

	snprintf(instance, sizeof(instance), T "/instances/krr-%d", getpid());
	if (mkdir(instance, 0755))
		return test_skip("no tracing in this kernel");
	while (test_more(&a)) {
		functions();
		probes();
		tracepoints();
		if (a.rounds == 1)
			all_functions();	/* takes seconds */
	}
	CHECK(!rmdir(instance));
	return test_ok(&a, "functions, probes, tracepoints");
}
