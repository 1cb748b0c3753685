#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# smp.t - many more vCPUs than the host has cores: 16, and as many as can be recorded
. "$(dirname "$0")/lib.sh"
plan 8

load='/tests/fork 3x & /tests/futex 1x & /tests/pipe 0.5; wait'
for smp in 16 64; do
	ok "$smp vCPUs: recorded and verified" "$krrctl" run --accel "$accel" --smp $smp --mem 1G \
		--boot-timeout 280 --record smp-$smp --verify -- /bin/sh -c "$load"
	ok "$smp vCPUs: replayed again" "$krrctl" replay smp-$smp
	ok "$smp vCPUs: a report" "$krrctl" report smp-$smp
done
ok "events name their CPUs" "$krrctl" dump --kind acquire smp-64
says "cpu 63" "up to the last"
