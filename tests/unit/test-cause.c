// SPDX-License-Identifier: GPL-2.0-only
/* The cause of a panic, from the console. */
#include <string.h>

#include "lib/cause.h"
#include "lib/util.h"
#include "unit.h"

static const char oops[] =
	"[    1.000000] WARNING: CPU: 0 PID: 7 at kernel/old.c:1 old+0x1/0x2\n"
	"[    1.000001] RIP: 0010:old+0x1/0x2\n"
	"[    2.500000][  T77] BUG: kernel NULL pointer dereference, address: 0000000000000000\r\n"
	"[    2.500001][  T77] #PF: supervisor write access in kernel mode\n"
	"[    2.500002][  T77] Oops: 0002 [#1] PREEMPT SMP PTI\n"
	"[    2.500003][  T77] CPU: 1 PID: 77 Comm: sh\n"
	"[    2.500004][  T77] RIP: 0010:lkdtm_EXCEPTION+0x5/0x10\n"
	"[    2.500005][  T77] RIP: 0033:0x4711\n"
	"[    2.500006][  T77] RIP: 0010:lkdtm_EXCEPTION+0x5/0x10\n"
	"[    2.500007] Kernel panic - not syncing: Fatal exception\n"
	"[    2.600000] WARNING: CPU: 1 PID: 77 at kernel/after.c:1 after+0x1/0x2\n";

static const struct {
	const char *console, *message, *cause;
} cases[] = {
	{ oops, "Fatal exception", "BUG: kernel NULL pointer dereference, address: "
	  "0000000000000000, at lkdtm_EXCEPTION+0x5/0x10: Fatal exception" },
	{ oops, "dumptest", NULL },
	{ "", "Fatal exception", NULL },
	{ "no line ends", "Fatal exception", NULL },
	{ "[\n[ 1] BUG: x", "Fatal exception", "BUG: x: Fatal exception" },
	{ "kernel BUG at mm/slub.c:440!\ninvalid opcode: 0000 [#1] SMP\nRIP: 0010:f+0x1/0x2\n",
	  "Fatal exception in interrupt",
	  "kernel BUG at mm/slub.c:440!, at f+0x1/0x2: Fatal exception in interrupt" },
	{ "Oops: 0000 [#1] SMP\nRIP: 0010:g+0x1/0x2\n", "Attempted to kill init! exitcode=0x0000000b",
	  "Oops: 0000 [#1] SMP, at g+0x1/0x2: Attempted to kill init! exitcode=0x0000000b" },
	{ "watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [sh:77]\nRIP: 0010:krr_window_ip+0x0/0xb7\n"
	  "R14: ffff+0x1\nCall Trace:\n <TASK>\n ? other+0x1/0x2\n krr_cpu_relax+0x1/0x2\n"
	  " spin+0x1/0x2\n caller+0x1/0x2\n",
	  "softlockup: hung tasks",
	  "watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [sh:77], at spin+0x1/0x2: "
	  "softlockup: hung tasks" },
	{ "INFO: task sh:77 blocked for more than 10 seconds.\n", "hung_task: blocked tasks",
	  "INFO: task sh:77 blocked for more than 10 seconds: hung_task: blocked tasks" },
	{ "WARNING: CPU: 0 PID: 76 at a.c:85 f+0xf/0x20\nRIP: 0010:f+0xf/0x20\n",
	  "kernel: panic_on_warn set ...",
	  "WARNING: CPU: 0 PID: 76 at a.c:85 f+0xf/0x20: kernel: panic_on_warn set ..." },
	{ "rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:\n", "RCU Stall",
	  "rcu: INFO: rcu_preempt detected stalls on CPUs/tasks: RCU Stall" },
};

static void cause(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		__free_ptr char *found = krr_panic_cause(cases[i].console, cases[i].message);

		if (cases[i].cause)
			assert_string_equal(found, cases[i].cause);
		else
			assert_null(found);
	}
}

/* A report of any length makes one line that fits a manifest. */
static void long_line(void **state)
{
	char console[4096];
	__free_ptr char *found = NULL;

	(void)state;
	memset(console, 'x', sizeof(console));
	memcpy(console, "BUG: ", 5);
	console[sizeof(console) - 1] = '\0';
	found = krr_panic_cause(console, "Fatal exception");
	assert_non_null(found);
	assert_true(strlen(found) < 200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cause),
		cmocka_unit_test(long_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
