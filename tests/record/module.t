#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# module.t - modules are loaded and unloaded while the kernel is recorded
. "$(dirname "$0")/../lib.sh"
record_module module 2x
