#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# bigring.t - more pages shared with user mode than the list of inert memory has room for
. "$(dirname "$0")/../lib.sh"
plan 4
record_program bigring 1x
