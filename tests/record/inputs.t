#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# inputs.t - rdmsr, ins and memcpy_fromio(), by a module that is loaded
. "$(dirname "$0")/../lib.sh"

# those of another kernel cannot be loaded
if [ -n "${KRR_KERNEL:-}" ] && [ -z "${KRR_MODULES:-}" ]; then
	echo "1..0 # SKIP KRR_KERNEL names a kernel, and KRR_MODULES no modules of it"
	exit
fi
modules=${KRR_MODULES:-$O/kernel/modules}
plan 6
record_program inputs 0.3 --share "$modules:modules"
