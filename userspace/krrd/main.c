// SPDX-License-Identifier: GPL-2.0-only
/* krrd - the krr daemon, in the guest and on the host */
#include <stdio.h>
#include <string.h>

#include "krrd/krrd.h"
#include "lib/util.h"

int main(int argc, char **argv)
{
	krr_program = "krrd";
	if (argc > 1 && !strcmp(argv[1], krrd_role))
		return krrd_serve(argc - 1, argv + 1);
	if (argc > 1 && !strcmp(argv[1], "--help")) {
		fputs(krrd_usage, stdout);
		return KRR_EXIT_OK;
	}
	fputs(krrd_usage, stderr);
	return KRR_EXIT_USAGE;
}
