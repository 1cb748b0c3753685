#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# bigring.t - more pages shared with user mode than the list of inert memory has room for
exec "$(dirname "$0")/../record-test" bigring 1x
