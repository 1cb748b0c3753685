#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# qemu-versions.t - recorded with one QEMU, replayed and verified with another one, both ways
#
# The other one is KRR_OTHER_QEMU, or the one that `make kvm-rig` unpacked.
. "$(dirname "$0")/lib.sh"
plan 21

this=${KRR_QEMU:-qemu-system-x86_64}
other=${KRR_OTHER_QEMU:-$O/kvm-rig/qemu/qemu}
load='/tests/fork 5x & /tests/pipe 0.3; wait $!'
# its oops has EFLAGS, which 7.2 and 10 do not agree on
crash='/tests/pipe 0.3; echo EXCEPTION >/sys/kernel/debug/provoke-crash/DIRECT'

[ -x "$other" ] || skip_rest "there is no second QEMU: try 'make kvm-rig', or set KRR_OTHER_QEMU"

version() {
	"$1" --version | sed -n 's/^QEMU emulator version \([0-9.]*\).*/\1/p'
}
ok "two QEMUs, of different versions" test "$(version "$this")" != "$(version "$other")"

both_ways() {	# FROM TO
	from=$(version "$1")
	to=$(version "$2")
	for smp in 1 2; do
		ok "recorded with $from on $smp vCPU" env KRR_QEMU="$1" "$krrctl" run \
			--accel "$accel" --smp $smp --net --balloon --record "v$from-$smp" \
			-- /bin/sh -c "$load"
		ok "verified with $to" env KRR_QEMU="$2" "$krrctl" verify "v$from-$smp"
	done
	ok "recorded with $from on q35" env KRR_QEMU="$1" "$krrctl" run --accel "$accel" \
		--machine q35 --smp 2 --cpu max --record "q$from" -- /bin/sh -c "$load"
	ok "verified with $to" env KRR_QEMU="$2" "$krrctl" verify "q$from"
	ok "says so" "$krrctl" info "v$from-2"
	says "QEMU $from, $accel" "with its version"
	exits 1 "a panic, recorded with $from" env KRR_QEMU="$1" "$krrctl" run --accel "$accel" \
		--smp 2 --append oops=panic --record "p$from" -- /bin/sh -c "$crash"
	ok "verified with $to" env KRR_QEMU="$2" "$krrctl" verify "p$from"
}
both_ways "$this" "$other"
both_ways "$other" "$this"
