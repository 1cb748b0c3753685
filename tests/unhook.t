#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# unhook.t - the tests find a hook that is missing
#
# The kernel of the bugs variant takes krr_unhook=KIND,...: events of these kinds
# are neither logged nor replayed, as if nobody had thought of the input.  "ad" are
# accessed and dirty bits, which make no events.  Each guest program below must then
# diverge, or leave memory that differs.
. "$(dirname "$0")/lib.sh"

# kind of event, program that has this input; some with an argument of theirs
inputs="
irq		pipe
entry		pipe
tsc		clock
port		console
reg		traps
reg		fsgsbase
reg		pku
uread		files
uread4		files
ufault		mmap
uatomic		futex
virtio		pipe
vbuf		rng
pageread	mapexec
shared		uring
fpu		core
acquire		futex
random		random
msr		inputs:msr
msr		inputs:msr_safe
reg		oops
iodata		inputs:ins
iodata		inputs:fromio
ad		dirty
"
# shellcheck disable=SC2086 # words
set -- $inputs
plan $((6 + $# / 2))

bugs=$O/kernel-bugs
export KRR_KERNEL="$bugs/bzImage" KRR_VMLINUX="$bugs/vmlinux"

record() {	# STATUS NAME KIND PROGRAM
	status=$1 name=$2 kind=$3 load="/tests/${4%:*} 3x"
	rec=$kind-$(echo "$4" | tr -d :)
	case $4 in *:*) load="$load ${4#*:}" ;; esac
	case $4 in
	console) load="echo krr >/dev/console; sleep 0.1" ;;
	esac
	shift 4
	case $load in
	*/random*) set -- --cpu +rdrand ;;
	*/fsgsbase*) set -- --cpu +fsgsbase ;;
	*/pku*) set -- --cpu +pku ;;
	*/inputs*|*/oops*) set -- --share "$bugs/modules:modules" ;;
	esac
	exits "$status" "$name" "$krrctl" run --accel "$accel" --smp 2 --append "krr_unhook=$kind" \
		"$@" --record "$rec" --verify -- /bin/sh -c "$load"
}

# nothing produces this kind, so the kernel is as good as any
record 0 "all hooks are there: it replays" mark pipe || skip_rest "is there $bugs?"
while [ $# -gt 1 ]; do
	record 5 "without $1, $2 diverges" "$1" "$2"
	shift 2
done

# what device registers hold seldom matters; the size that a balloon should have does
vm=krr-unhook-$$
ok "a VM with a balloon, without mmio" "$krrctl" vm start $vm --accel "$accel" --smp 2 \
	--balloon --append krr_unhook=mmio
ok "is recorded" "$krrctl" record $vm mmio
ok "while it is given another size" "$krrctl" vm balloon $vm 384M
sleep 1
ok "to its end" "$krrctl" stop $vm
exits 5 "and diverges" "$krrctl" replay mmio
"$krrctl" vm stop $vm
