#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# bugs.t - a bug that Linux had, opened again: recorded, replayed, and closed in
# the ordinary kernel
. "$(dirname "$0")/lib.sh"
plan 14

bug=cve-2024-26688 where=hugetlbfs_fill_super
bugs=$O/kernel-bugs

ok "without its patch, $bug is closed" \
	"$krrctl" run --accel $accel -- "/tests/bugs/$bug"
says "EINVAL" "and the reproducer says what it got"

export KRR_KERNEL="$bugs/bzImage" KRR_VMLINUX="$bugs/vmlinux"
for smp in 1 2; do
	rec=$bug-$smp
	exits 1 "with it, on $smp vCPU: a panic fails the run" \
		"$krrctl" run --accel $accel --smp $smp --append oops=panic --record "$rec" \
			-- "/tests/bugs/$bug" ||
		skip_rest "no panic was recorded; is there $bugs ('make kernel-bugs')?"
	oops "$KRR_STORE/$rec/console.log" >"$work/recorded"
	ok "on $smp vCPU: it is that bug" grep -q "RIP: .*$where" "$work/recorded"
	"$krrctl" info --json "$rec" | "$top/tests/json" stop_reason >"$work/reason"
	ok "on $smp vCPU: and ends the recording" grep -qx panic "$work/reason"
	ok "on $smp vCPU: it replays" "$krrctl" replay --console "$rec"
	oops "$last" >"$work/replayed"
	ok "on $smp vCPU: to the same oops" diff -u "$work/recorded" "$work/replayed"
	ok "on $smp vCPU: and the same memory" "$krrctl" verify "$rec"
done
