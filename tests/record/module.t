#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# module.t - modules are loaded and unloaded while the kernel is recorded
. "$(dirname "$0")/../lib.sh"

modules=${KRR_MODULES:-$O/kernel}
if ! grep -qx CONFIG_TEST_STATIC_KEYS=m "$O/kernel/config" &&
   [ ! -e "$modules/test_static_keys.ko" ]; then
	echo "1..0 # SKIP the guest kernel has no loadable modules"
	exit
fi
plan 6
record_program module 2x --share "$modules:modules"
