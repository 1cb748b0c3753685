// SPDX-License-Identifier: GPL-2.0-only
/* krrd - the krr daemon, in the guest and on the host */
#include <stdio.h>
#include <string.h>

#include "krrd/krrd.h"
#include "lib/util.h"

static const char usage[] =
	"usage: krrd --guest [--port PATH]\n"
#ifndef KRR_GUEST_ONLY
	"       krrd --host NAME [options of \"krrctl vm start\"]\n"
#endif
	"\n"
	"--guest  runs in a VM and does what krrctl asks for over the virtio-serial\n"
	"         port krr.0: commands, start and stop of recordings\n"
#ifndef KRR_GUEST_ONLY
	"--host   runs a VM and records whatever its guest starts to record;\n"
	"         \"krrctl vm start\" starts it\n"
#endif
	;

int main(int argc, char **argv)
{
	krr_program = "krrd";
	if (argc > 1 && !strcmp(argv[1], "--guest"))
		return krrd_guest(argc - 1, argv + 1);
#ifndef KRR_GUEST_ONLY
	if (argc > 1 && !strcmp(argv[1], "--host"))
		return krrd_host(argc - 1, argv + 1);
#endif
	if (argc > 1 && !strcmp(argv[1], "--help")) {
		fputs(usage, stdout);
		return KRR_EXIT_OK;
	}
	fputs(usage, stderr);
	return KRR_EXIT_USAGE;
}
