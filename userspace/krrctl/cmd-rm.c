// SPDX-License-Identifier: GPL-2.0-only
/* krrctl rm */
#include "krrctl/krrctl.h"
#include "lib/util.h"

static const char usage[] = "usage: krrctl rm RECORDING...\n";

int cmd_rm(int argc, char **argv)
{
	int i, err, first = 0;

	if (usage_wanted(argc, argv))
		return usage_help(usage);
	if (argc < 2)
		return usage_error(usage);
	for (i = 1; i < argc; i++) {
		err = krr_recording_remove(argv[i]);
		if (err && !first)
			first = err;
	}
	return krr_exit_code(first);
}
