#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# oops.t - exceptions in the kernel: flags, error code and address are what they were,
# whatever the CPU of the replay says of them
. "$(dirname "$0")/../lib.sh"
record_module oops 5x
