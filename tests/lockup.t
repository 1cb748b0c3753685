#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# lockup.t - CPUs that are locked up in the kernel, tasks that hang, what the kernel says of it
#
# Where nothing panics, the recording ends all the same, and replays.
. "$(dirname "$0")/lib.sh"
provoke=/sys/kernel/debug/provoke-crash/DIRECT

# lockup NAME TYPE SECONDS [SETUP]: 4 points
lockup() {
	ok "$1: the command ends, and the recording" "$krrctl" run --accel $accel --smp 2 \
		--record "$1" -- /bin/sh -c "${4:-:}; echo $2 >$provoke & sleep $3; echo out"
	says "out" "$1: the command has run"
	ok "$1: replays and verifies" "$krrctl" verify "$1"
	ok "$1: what the kernel printed" cat "$KRR_STORE/$1/console.log"
}

plan 17

lockup soft SOFTLOCKUP 2
says "is locked up in the kernel" "soft: the kernel says which CPU"

# the reports of the kernel's own detectors, with the stacks of all CPUs
lockup watchdog SOFTLOCKUP 6 'cd /proc/sys/kernel; echo 1 >watchdog_thresh; echo 1 >softlockup_all_cpu_backtrace'
says "BUG: soft lockup" "watchdog: has found it"
lockup rcu SOFTLOCKUP 8 'echo 3 >/sys/module/rcupdate/parameters/rcu_cpu_stall_timeout'
says "rcu: INFO: rcu_preempt" "rcu: has found it"

# nothing can be recorded after that
ok "a recording is not begun while a CPU is locked up" "$krrctl" run --accel $accel --smp 2 -- \
	/bin/sh -c "echo SOFTLOCKUP >$provoke & sleep 1; ! echo start x >/dev/krr && cat /dev/krr"
says "is locked up in the kernel" "and the reason is given"
