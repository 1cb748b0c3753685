#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# state.t - of the device state that QEMU saved, a replay loads what it needs: what other
# QEMUs and other accelerators add to it does no harm
. "$(dirname "$0")/lib.sh"
plan 14

s=$KRR_STORE
state=$top/tests/qemu-state
kvm=$top/tests/unit/state/kvm-7.2

# a fresh copy of the good recording under the name "bad"
copy() {
	rm -rf "${s:?}/bad"
	cp -r --sparse=always "$s/good" "$s/bad"
}

# put stdin in place of the state of "bad", and its checksum into the manifest
replace() {
	cat >"$work/state" && cat "$work/state" >"$s/bad/start.state" || return
	"$krrctl" replay bad >"$work/sum" 2>&1
	perl -e 'my ($new, $old) = join("", <STDIN>) =~ /checksum is (\w+), the manifest has (\w+)/ or die;
		local $^I = ""; @ARGV = shift; while (<>) { s/$old/$new/; print }' \
		"$s/bad/manifest.json" <"$work/sum"
}

ok "a recording" "$krrctl" run --accel "$accel" --smp 2 --record good -- /tests/pipe 0.2 ||
	skip_rest "no recording could be made"
ok "its state" "$state" ls "$s/good/start.state"
says "virtio" "has devices"

copy
"$state" add "$s/good/start.state" "$kvm" kvmclock | replace
ok "that of a device of KVM's added to it" "$state" ls "$s/bad/start.state"
says "kvmclock" "is there"
ok "and a replay goes without it" "$krrctl" verify bad

copy
"$state" keep "$s/good/start.state" timer cpu_common cpu apic serial 0000:00:00.0/I440FX | replace
ok "CPUs, COM1 and host bridge are enough" "$krrctl" verify bad

copy
"$state" keep "$s/good/start.state" timer cpu_common cpu apic serial | replace
exits 4 "without the host bridge it is refused" "$krrctl" replay bad
says 'section "0000:00:00.0", found 0' "which the message names"

copy
"$state" version "$s/good/start.state" cpu 999 | replace
exits 4 "a version of a section that there is not" "$krrctl" replay bad
sed -i 's/"qemu_version": *"[^"]*"/"qemu_version": "99.1.0"/' "$s/bad/manifest.json"
exits 3 "the same of a newer QEMU" "$krrctl" replay bad
says "cpu 999" "names the section and its version"
says "QEMU 99.1.0 saved" "the QEMU that made it"
says "KRR_QEMU" "and what to try"
