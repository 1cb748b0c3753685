#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# full.t - a store on a disk that is full: a recording, or the flight recorder, ends there
# and can be replayed, and the guest goes on
. "$(dirname "$0")/lib.sh"
plan 23

disk=$work/disk
KRR_STORE=$disk/store
mkdir "$disk"
mount -t tmpfs -o size=700m,mode=700 krr-full "$disk" 2>/dev/null ||
	skip_rest "no file system could be mounted here"
mkdir -m 700 "$KRR_STORE"
gone() {
	[ -z "${pid:-}" ] || kill $pid 2>/dev/null
	"$krrctl" vm stop "${vm:-none}" >/dev/null 2>&1
	umount -l "$disk"
	finish
}
trap gone EXIT

fill() {
	cat /dev/zero >"$disk/filler" 2>/dev/null
	[ "$(df --output=avail "$disk" | tail -n 1)" -eq 0 ]
}

is_gone() {
	! kill -0 "$1" 2>/dev/null
}

"$krrctl" run --accel "$accel" --smp 2 --record full -- /bin/sh -c '/tests/pipe 10; echo went on' >"$work/run.out" 2>&1 &
pid=$!
wait_for 60 is_logged full
point $? "a recording is made"
fill
point $? "its disk is filled"
wait_for 30 is_gone $pid
point $? "the run ends"
status=0
wait $pid || status=$?
pid=
exits 3 "with status 3" sh -c "cat '$work/run.out'; exit $status"
says "No space left on device" "and says why"
says "had ended before" "the guest knows"
says "went on" "its command was not held up"
rm "$disk/filler"
ok "with room again, there is a recording" "$krrctl" info full
ok "which replays" "$krrctl" replay full

# the flight recorder: it ends, and what it held is not lost
vm=krr-full-$$
ok "a VM with a flight recorder" "$krrctl" vm start $vm --accel "$accel" --smp 2
ok "which holds something" "$krrctl" --vm $vm enable --subsys net --keep 10s --budget 100M
ok "of a load" "$krrctl" vm exec $vm -- /tests/pipe 2
fill
point $? "its disk is filled"
ok "the guest goes on" "$krrctl" vm exec $vm -- /tests/pipe 2
ok "there is a status" "$krrctl" --vm $vm status
says "has ended" "which says that the flight recorder has ended"
rm "$disk/filler"
ok "with room again" "$krrctl" ls
says "$vm-cut-" "what it held is a recording"
ok "which replays" "$krrctl" replay "$(cd "$KRR_STORE" && ls -d $vm-cut-*)"
ok "the VM goes" "$krrctl" vm stop $vm

# nothing at all can be begun
fill
point $? "the disk is filled again"
exits 3 "a recording cannot be begun" "$krrctl" run --accel "$accel" --smp 1 --record none -- /bin/true
says "No space left on device" "and that says why"
