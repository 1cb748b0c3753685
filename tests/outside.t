#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# outside.t - what others do to a VM by QMP: an NMI ends a recording, and what there is of
# it replays; a VM that is paused is named, and nothing is lost by it
. "$(dirname "$0")/lib.sh"
plan 17

vm=krr-outside-$$

is_sealed() {
	[ -f "$KRR_STORE/$1/manifest.json" ]
}

ok "a VM" "$krrctl" vm start $vm --accel "$accel" --smp 2 || skip_rest "no VM"
ok "is recorded" "$krrctl" record $vm first
ok "under load" "$krrctl" vm exec $vm -- /tests/pipe 0.5
ok "an NMI is sent" "$top/tests/qmp" "$runtime/$vm/qmp.sock" inject-nmi
wait_for 30 is_sealed first
ok "the recording is there" test -f "$KRR_STORE/first/manifest.json"
ok "and tells" "$krrctl" info first
says "nmi" "why it ended"
ok "it replays up to there" "$krrctl" replay first

ok "the VM runs on, and is recorded again" "$krrctl" record $vm second
ok "it is paused" "$top/tests/qmp" "$runtime/$vm/qmp.sock" stop
exits 3 "no command runs in it" "$krrctl" vm exec $vm -- true
says "is paused: expected one that runs" "which is said"
exits 3 "its recording cannot be ended" "$krrctl" stop $vm
says "is paused: expected one that runs" "which is said"
sleep 12	# longer than the guest waits for its host
ok "it is resumed" "$top/tests/qmp" "$runtime/$vm/qmp.sock" cont
"$krrctl" vm exec $vm -- /tests/pipe 0.2 >/dev/null 2>&1
ok "the recording is ended" "$krrctl" stop $vm
ok "and is whole" "$krrctl" verify second
"$krrctl" vm stop $vm
