#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# inputs.t - rdmsr, ins and memcpy_fromio(), by a module that is loaded
. "$(dirname "$0")/../lib.sh"
record_module inputs 0.3
