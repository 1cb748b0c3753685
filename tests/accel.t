#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# accel.t - a replay has an accelerator of its own; what cannot be done is told
. "$(dirname "$0")/lib.sh"
plan 20

s=$KRR_STORE

# the good recording under the name "bad", of another CPU
of_cpu() {
	rm -rf "${s:?}/bad"
	cp -r --sparse=always "$s/good" "$s/bad"
	sed -i 's/"cpu": *"[^"]*"/"cpu": "'"$1"'"/' "$s/bad/manifest.json"
}

ok "a recording" "$krrctl" run --accel "$accel" --smp 2 --record good -- /tests/pipe 0.2 ||
	skip_rest "no recording could be made"
ok "says under what it was made" "$krrctl" info good
says ", $accel" "by name"
ok "verified under TCG" "$krrctl" verify --accel tcg good
says "under tcg (recorded in" "as the result says"
ok "and as JSON" "$krrctl" replay --accel tcg --json good
says '"accel": "tcg"' "by a member"
# what auto does not take does not work, and is explained
as_good_as_auto() {	# NAME
	ok "$1: verified under what serves best" "$krrctl" verify "$1"
	best=$(sed -n 's/.* s under \([a-z]*\) (recorded.*/\1/p' "$last")
	if [ "$best" = kvm ]; then
		ok "$1: and under KVM, which that is" "$krrctl" verify --accel kvm "$1"
		says "under kvm (recorded in" "$1: as the result says"
	else
		exits "3 6" "$1: and not under KVM" "$krrctl" verify --accel kvm "$1"
		says "try --accel tcg" "$1: what to try is told"
	fi
}
as_good_as_auto good
# few processors, and few ways of KVM's, lack what this one has
ok "a recording with an old CPU" "$krrctl" run --accel "$accel" \
	--cpu Nehalem,-pni,-ssse3,-sse4.1,-sse4.2,-popcnt --record old -- /tests/pipe 0.1
as_good_as_auto old
ok "a position, under TCG" "$krrctl" replay --accel tcg --until 10 good

# AVX-512 is in no TCG, and for user mode only
of_cpu Icelake-Server-v1
ok "a CPU of which TCG lacks what user mode used" "$krrctl" verify --accel tcg bad
of_cpu NoSuchModel-v1
exits 3 "a CPU that QEMU does not know" "$krrctl" replay bad
says "NoSuchModel-v1" "by QEMU's own words"

exits 2 "an accelerator that there is not" "$krrctl" replay --accel xen good
exits 2 "for gdb" "$krrctl" gdb --accel tcg,thread=multi good
