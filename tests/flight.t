#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# flight.t - the flight recorder: it keeps what is recent, and makes recordings of it
# when it is asked, when a rule is hit, when the guest panics or hangs, and when QEMU or
# the recorder are killed
. "$(dirname "$0")/lib.sh"
plan 88

crash=/sys/kernel/debug/provoke-crash/DIRECT

start_vm() {	# SMP [OPTIONS...]
	vm=krr-flight-$1-$done_-$$
	n=$1
	shift
	ok "a VM starts, $n vCPU" "$krrctl" vm start "$vm" --accel "$accel" --smp "$n" "$@"
}

# the newest recording whose name has LABEL in it
kept() {	# LABEL
	rec=$(cd "$KRR_STORE" && ls -td "$vm"-"$1"-* 2>/dev/null | grep -v incomplete | head -n 1)
	[ -n "$rec" ]
	point $? "there is a recording $1"
}

verifies() {
	ok "$1" "$krrctl" verify "${rec:-none}"
	says "verified" "and memory is what it was"
}

figure() {	# KEY
	"$top/tests/json" "$1" <"$runtime/$vm/flight.json"
}

# a process that was killed may take a moment to let its locks go
sealed() {
	"$krrctl" ls >"$work/ls" 2>&1
	[ -z "$(ls -d "$KRR_STORE"/*.incomplete 2>/dev/null)" ]
}

flies() {
	test -s "$runtime/$vm/flight.json"
}

lands() {
	! flies
}

more_kept_than() {
	[ "$(figure kept)" -gt "$1" ]
}

for smp in 1 2 4; do
	start_vm $smp
	ok "net and sched are enabled, and it flies" "$krrctl" --vm "$vm" enable --subsys net,sched,error \
		--keep 4s --budget 1G
	ok "the guest works" "$krrctl" vm exec "$vm" -- /bin/sh -c '/tests/tcp 3; /tests/fork 2; /tests/pipe 3'
	[ "$(figure epochs)" -ge 2 ] && [ "$(figure epochs)" -le 6 ]
	point $? "old epochs went"
	[ "$(figure pauses.count)" -ge 3 ]
	point $? "as new ones came"
	ok "what there is is saved" "$krrctl" --vm "$vm" save --note "a test"
	kept save
	verifies "$smp vCPU: it replays through its epochs"
	ok "it has its reason" "$krrctl" info "$rec"
	says "kept for   a test, through" "in words"
	says "ms (most) between them" "and pauses between its epochs"
	"$krrctl" vm stop "$vm"
done

# a rule
start_vm 2
ok "a rule keeps" "$krrctl" --vm "$vm" enable --subsys net,error --when 'net.drop && net.dport == 81' \
	--then keep:refused
"$krrctl" vm exec "$vm" -- /bin/sh -c 'nc -w 1 127.0.0.1 81 </dev/null; /tests/pipe 1'
wait_for 30 more_kept_than 0
kept refused
ok "gdb stands at what it was kept for" "$krrctl" gdb --at mark:refused "$rec" -- -batch -ex bt
says "tcp_v4_rcv" "in the network stack"
verifies "and it replays"
ok "a recording takes its place" "$krrctl" record "$vm" named
"$krrctl" vm exec "$vm" -- /tests/pipe 1
ok "and ends" "$krrctl" stop "$vm"
ok "the flight recorder goes on" "$krrctl" --vm "$vm" status
says "flight " "says the status"
ok "it is disabled" "$krrctl" --vm "$vm" disable
lacks "flight " "and no longer flies"
exits 3 "there is nothing to save then" "$krrctl" --vm "$vm" save
says "no flight recorder runs" "says why"
exits 2 "a time that is none" "$krrctl" --vm "$vm" enable --subsys net --keep 3x
says "1s to 24h is expected" "says what would be one"
exits 3 "a budget that is too small" "$krrctl" --vm "$vm" enable --subsys net --budget 8M
says "more than the budget of 8 MiB" "says how much is needed"

# rules that start and stop
exits 2 "a rule that starts is refused while it flies" "$krrctl" --vm "$vm" enable --subsys syscall \
	--when 'syscall.nr == sync' --then start
says "--no-flight is needed" "and says what is missing"
ok "rules start and stop" "$krrctl" --vm "$vm" enable --subsys syscall --no-flight \
	--when 'syscall.nr == sync' --then start --when 'syscall.nr == syncfs' --then stop
"$krrctl" vm exec "$vm" -- /bin/sh -c 'sync; sleep 1; /tests/pipe 1; sync -f /; sleep 2'
rec=$(cd "$KRR_STORE" && ls -d rec-* 2>/dev/null | grep -v incomplete | head -n 1)
verifies "what they recorded replays"

# a rule ends what stands in the place of the flight recorder, then the flight recorder
ok "a rule that stops is enabled" "$krrctl" --vm "$vm" enable --subsys syscall \
	--when 'syscall.nr == syncfs' --then stop
ok "a recording takes the place" "$krrctl" record "$vm" ruled
ok "says the status" "$krrctl" --vm "$vm" status
says "flight     begins when this recording ends" "of the flight recorder"
"$krrctl" vm exec "$vm" -- /bin/sh -c '/tests/pipe 1; sync -f /; sleep 1'
wait_for 30 flies
point $? "a rule ends it, and the flight recorder goes on"
rec=ruled
verifies "the recording replays"
"$krrctl" vm exec "$vm" -- /bin/sh -c '/tests/pipe 1; sync -f /; sleep 1'
wait_for 30 lands
point $? "a rule ends the flight recorder"
kept request
verifies "what it held replays"
sleep 2
ok "it stays ended" "$krrctl" --vm "$vm" status
says "flight     has ended; krrctl enable or krrctl stop begins it again" "says the status"
ok "until it is enabled" "$krrctl" --vm "$vm" enable --subsys syscall \
	--when 'syscall.nr == syncfs' --then stop
wait_for 30 flies
point $? "again"
"$krrctl" vm stop "$vm"

# the guest's end
start_vm 2 --append oops=panic
"$krrctl" --vm "$vm" enable --subsys all --keep 10s >"$work/enable" 2>&1
"$krrctl" vm exec "$vm" -- /bin/sh -c "/tests/tcp 3; /tests/fork 2; echo EXCEPTION >$crash" >"$work/crash" 2>&1
wait_for 30 sealed
kept panic
verifies "the panic replays"
ok "a report is made of it" "$krrctl" report "$rec"
says "lkdtm_EXCEPTION" "with the oops"

start_vm 1
"$krrctl" --vm "$vm" enable --subsys sched >"$work/enable" 2>&1
"$krrctl" vm exec "$vm" -- /bin/sh -c "/tests/pipe 1; echo HARDLOCKUP >$crash" >"$work/hang" 2>&1 &
wait_for 30 flies
wait_for 30 more_kept_than 0
kept hang
ok "the way to the hang replays" "$krrctl" replay "$rec"
"$krrctl" vm stop "$vm"
wait

# somebody is killed
for who in qemu owner; do
	start_vm 2
	"$krrctl" --vm "$vm" enable --subsys net --keep 4s >"$work/enable" 2>&1
	"$krrctl" vm exec "$vm" -- /tests/tcp 60 >"$work/kill" 2>&1 &
	sleep 5
	kill -9 "$("$top/tests/json" $who <"$runtime/$vm/vm.json")"
	wait
	wait_for 30 sealed
	rec=$(cd "$KRR_STORE" && ls -d "$vm"-*cut* | grep -v incomplete | head -n 1)
	ok "killed: $who; what there was replays" "$krrctl" replay "${rec:-none}"
done
