#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# panics.t - each way that a kernel panics ends the recording, which replays and verifies
#
# A line of the table: NAME, words of the message, arguments of the kernel, what to do in
# the guest.  P is the trigger of lkdtm, its place to crash at is a file of that directory.
. "$(dirname "$0")/lib.sh"

table() {
	cat <<-'END'
	panic|dumptest||echo PANIC >$P/DIRECT
	bug|kernel BUG at drivers/misc/lkdtm/bugs.c|oops=panic|echo BUG >$P/DIRECT
	exception|BUG: kernel NULL pointer dereference|oops=panic|echo EXCEPTION >$P/DIRECT
	sysrq|sysrq triggered crash||echo c >/proc/sysrq-trigger
	warning|WARNING: CPU: |panic_on_warn=1|echo WARNING >$P/DIRECT
	interrupt|Fatal exception in interrupt|lkdtm.cpoint_count=1|echo EXCEPTION >$P/INT_HW_IRQ_EN; sleep 10
	interrupt-panic|dumptest|lkdtm.cpoint_count=1|echo PANIC >$P/INT_HW_IRQ_EN; sleep 10
	overflow|stack guard page|oops=panic|echo EXHAUST_STACK >$P/DIRECT
	corrupt|stack-protector||echo CORRUPT_STACK_STRONG >$P/DIRECT
	softlockup|at lkdtm_SOFTLOCKUP+|softlockup_panic=1 watchdog_thresh=1|echo SOFTLOCKUP >$P/DIRECT
	hung|blocked for more than||cd /proc/sys/kernel; echo 1 >hung_task_panic; echo 1 >hung_task_timeout_secs; echo HUNG_TASK >$P/DIRECT
	rcu|RCU Stall|sysctl.kernel.panic_on_rcu_stall=1 rcupdate.rcu_cpu_stall_timeout=3|echo HARDLOCKUP >$P/DIRECT
	module|as it was told||/tests/panics module
	idle|kernel BUG at arch/x86/krr/krr_panics.c||/tests/panics idle
	nested|Fatal exception|oops=panic|/tests/panics nested
	oops|kernel BUG at arch/x86/krr/krr_panics.c|oops=panic|/tests/panics oops
	END
}

one() {	# NAME MESSAGE ARGUMENTS COMMAND
	exits 1 "$1: a panic fails the run" "$krrctl" run --accel $accel --smp 2 ${3:+--append "$3"} \
		--share "${KRR_MODULES:-$O/kernel/modules}:modules" --record "$1" -- \
		/bin/sh -c "P=/sys/kernel/debug/provoke-crash; $4"
	says "$2" "$1: the cause is named"
	ok "$1: the recording says so" "$krrctl" info "$1"
	says "ended by   panic" "$1: is how it ended"
	ok "$1: replays and verifies" "$krrctl" verify "$1"
}

plan $((5 * $(table | wc -l) + 4))
table >"$work/table"
while IFS='|' read -r name message arguments command <&3; do
	one "$name" "$message" "$arguments" "$command"
done 3<"$work/table"

# No kernel is left to say that it has ended.  The replay gets to the same reset: its QEMU
# ends, or it is found before that that the log has ended; both after the last event.
exits 1 "triple: a reset fails the run" "$krrctl" run --accel $accel --smp 2 \
	--share "${KRR_MODULES:-$O/kernel/modules}:modules" --record triple -- /tests/panics triple
says "cut off" "triple: the recording was cut off"
exits "0 1" "triple: replays up to there" "$krrctl" replay triple
events=$(sed -n 's/.*recorded "triple": \([0-9]*\) events.*/\1/p' "$work/$((done_ - 2)).out")
grep -qE "replayed ${events:-none} events .*, ok|at event ${events:-none} of $events," "$last"
point $? "triple: after the last event"
