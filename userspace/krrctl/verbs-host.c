// SPDX-License-Identifier: GPL-2.0-only
/* The verbs of krrctl on the host. */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <string.h>

#include "krrctl/krrctl.h"
#include "lib/util.h"
#include "vmm/link.h"
#include "vmm/runtime.h"
#include "vmm/salvage.h"
#include "vmm/vm.h"

#define SAVE_MS	60000u

static const char *vm_name;	/* --vm */
static struct krr_vm used_vm;	/* of verbs_open_link() */
static off_t said_before;

const char verbs_note[] = "  --vm NAME before enable, disable, status, subsys, mark and save: in this VM\n\n"
	"Recordings are in $KRR_STORE, or ~/.local/share/krr.\n";

/* What looks at the store seals first what was cut off. */
const struct verb verbs[] = {
	{ "doctor",	cmd_doctor,	NULL,		"can this machine record and replay?" },
	{ "run",	cmd_run,	krr_salvage,	"run a command in a new VM, and record it" },
	{ "replay",	cmd_replay,	krr_salvage,	"replay a recording" },
	{ "verify",	cmd_verify,	krr_salvage,	"replay, then compare guest memory" },
	{ "ls",		cmd_ls,		krr_salvage,	"list recordings" },
	{ "info",	cmd_info,	krr_salvage,	"tell what a recording is" },
	{ "report",	cmd_report,	krr_salvage,	"tell what happened in it" },
	{ "dump",	cmd_dump,	krr_salvage,	"print the events of a recording" },
	{ "export",	cmd_export,	krr_salvage,	"write a timeline for the Perfetto UI" },
	{ "rm",		cmd_rm,		krr_salvage,	"delete recordings" },
	{ "gdb",	cmd_gdb,	krr_salvage,	"replay under gdb" },
	{ "vm",		cmd_vm,		krr_salvage,	"start, list, use and stop VMs that stay" },
	{ "record",	cmd_record,	krr_salvage,	"begin a recording in a VM" },
	{ "stop",	cmd_stop,	krr_salvage,	"end it" },
	VERBS_OF_KRRD,
	{ NULL,		NULL,		NULL,		NULL },
};

int verbs_use_vm(const char *name)
{
	if (!krr_name_ok(name))
		return -EINVAL;
	vm_name = name;
	return 0;
}

/**
 * verbs_open_link() - to krrd in the VM of --vm
 * @link: result
 *
 * Return: 0 or -errno (said on stderr).
 */
int verbs_open_link(struct krr_link **link)
{
	int err;

	if (!vm_name) {
		krr_err("which VM? krrctl --vm NAME ...; krrctl vm ls names those that run");
		return -EINVAL;
	}
	krr_vm_free(&used_vm);
	err = vm_open_link(vm_name, KRR_PORT_CONTROL, &used_vm, link);
	if (!err)
		said_before = vm_said(&used_vm);
	return err;
}

/** verbs_explain() - a request failed: what the recorder said about it, on stderr */
void verbs_explain(void)
{
	vm_print_said(&used_vm, said_before);
}

/* --- what krrd --host says of the flight recorder ------------------------------------- */

static json_t *flight_status(void)
{
	return krr_runtime_json(vm_name ? vm_name : "", "flight.json");
}

static uint64_t number_of(const json_t *o, const char *key)
{
	return (uint64_t)json_integer_value(json_object_get(o, key));
}

static uint64_t kept_before, failed_before;

/** verbs_before_save() - note what has been kept until now */
void verbs_before_save(void)
{
	json_t *f = flight_status();

	kept_before = number_of(f, "kept");
	failed_before = number_of(f, "failed");
	json_decref(f);
}

/**
 * verbs_after_save() - wait for the recording, and print its name
 *
 * Return: exit status.
 */
int verbs_after_save(void)
{
	uint64_t deadline = krr_now_ns() + SAVE_MS * 1000000ull;
	bool done = false, failed = false;
	json_t *f;

	while (!done && !failed && krr_now_ns() < deadline) {
		krr_sleep_ms(100);
		f = flight_status();
		done = number_of(f, "kept") > kept_before;
		failed = number_of(f, "failed") > failed_before;
		if (done)
			puts(json_string_value(json_object_get(f, "last")) ?: "?");
		json_decref(f);
	}
	if (done)
		return KRR_EXIT_OK;
	if (failed) {
		verbs_explain();
		return KRR_EXIT_FAILED;
	}
	krr_err("the flight recorder of VM \"%s\" kept nothing within %u s; is one running? krrctl "
		"--vm %s status tells, and what it says itself is in its krrd.log", vm_name,
		SAVE_MS / 1000, vm_name);
	return KRR_EXIT_TIMEOUT;
}

/** verbs_print_flight() - a line on what it holds, if it runs */
void verbs_print_flight(void)
{
	json_t *f = flight_status(), *p = json_object_get(f, "pauses");

	if (f)
		printf("flight     %.1f s in %" PRIu64 " epochs, %" PRIu64 " of %" PRIu64 " MiB; paused "
		       "%" PRIu64 " ms (median), %" PRIu64 " ms (most); kept %" PRIu64 "%s%s, "
		       "%" PRIu64 " suppressed\n",
		       (double)number_of(f, "held_ms") / 1000, number_of(f, "epochs"),
		       number_of(f, "bytes") >> 20, number_of(f, "budget") >> 20,
		       number_of(p, "median_ms"), number_of(p, "max_ms"), number_of(f, "kept"),
		       number_of(f, "kept") ? ", last " : "",
		       json_string_value(json_object_get(f, "last")) ?: "",
		       number_of(f, "suppressed"));
	json_decref(f);
}

/** verbs_add_flight() - the same as a member "flight" of @status */
void verbs_add_flight(json_t *status)
{
	json_t *f = flight_status();

	if (f)
		json_object_set_new(status, "flight", f);
}
