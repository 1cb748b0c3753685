#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# backtrace.t - backtraces of all CPUs while recorded, on 1, 2 and 4 vCPUs
. "$(dirname "$0")/../lib.sh"
plan 6
record_program backtrace 20x
ok "backtrace on 4 vCPU: recorded and verified" \
	"$krrctl" run --accel $accel --smp 4 --record backtrace-4 --verify -- /tests/backtrace 5x
says "ok, " "backtrace on 4 vCPU: found what it looked for"
