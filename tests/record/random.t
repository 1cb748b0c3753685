#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# random.t - random numbers, with and without rdrand of the CPU
. "$(dirname "$0")/../lib.sh"

plan 12
record_program random 0.3
for smp in 1 2; do
	ok "rdrand on $smp vCPU: recorded and verified" "$krrctl" run --accel "$accel" --smp $smp \
		--cpu +rdrand --record rdrand-$smp --verify -- /tests/random 0.3
	says "seeds of rd" "rdrand on $smp vCPU: is used"
	ok "rdrand on $smp vCPU: replayed again" "$krrctl" replay rdrand-$smp
	"$krrctl" info rdrand-$smp >"$work/info"
	grep -q "^  random  *[1-9]" "$work/info"
	point $? "rdrand on $smp vCPU: is logged"
done
