// SPDX-License-Identifier: GPL-2.0-only
/* The verbs of krrctl on the host. */
#include <errno.h>
#include <string.h>

#include "krrctl/krrctl.h"
#include "lib/util.h"
#include "vmm/link.h"
#include "vmm/salvage.h"
#include "vmm/vm.h"

static const char *vm_name;	/* --vm */

const char verbs_note[] = "  --vm NAME before enable, disable, status, subsys and mark: in this VM\n\n"
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
	struct krr_vm vm;
	int err;

	if (!vm_name) {
		krr_err("which VM? krrctl --vm NAME ...; krrctl vm ls names those that run");
		return -EINVAL;
	}
	err = vm_open_link(vm_name, KRR_PORT_CONTROL, &vm, link);
	krr_vm_free(&vm);
	return err;
}
