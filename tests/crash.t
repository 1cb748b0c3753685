#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# crash.t - recordings that end in a panic, or in the death of the recorder
. "$(dirname "$0")/lib.sh"
plan 13

crash='echo EXCEPTION >/sys/kernel/debug/provoke-crash/DIRECT'
exits "1" "a panic while recording fails the run" \
	"$krrctl" run --accel $accel --smp 2 --append oops=panic --record panic -- /bin/sh -c "$crash"
ok "it left a recording" "$krrctl" info panic
says "panic" "which says that it ended in a panic"
ok "the panic replays" "$krrctl" replay panic
ok "and verifies" "$krrctl" verify panic

# kill the recorder in the middle of a load
"$krrctl" run --accel $accel --smp 2 --record cut -- /tests/pipe 60 >"$work/cut.out" 2>&1 &
pid=$!
log=$KRR_STORE/cut.incomplete/log.krr
wait_for 30 is_logged cut
kill -9 $pid
wait $pid 2>/dev/null
ok "a killed recorder leaves something behind" test -s "$log"
ok "the next command seals it" "$krrctl" info cut
ok "and what there is replays" "$krrctl" replay cut

# kill it while it copies ahead of the end
KRR_AHEAD_MS=20 "$krrctl" run --accel $accel --smp 2 --record ahead -- /tests/bigmem 60 64 16 16 \
	>"$work/ahead.out" 2>&1 &
pid=$!
part=$KRR_STORE/ahead.incomplete/end.ram.tmp
if "$krrctl" doctor | grep -q "changes.*scan"; then
	wait_for 60 test -s "$part"
	point $? "a part of memory at the end is there early"
else
	wait_for 60 is_logged ahead
	point $? "this host cannot copy ahead"
fi
kill -9 $pid
wait $pid 2>/dev/null
ok "the recorder is killed, the next command seals" "$krrctl" info ahead
says "no memory image of the end" "memory at the end counts as missing"
point "$(find "$KRR_STORE/ahead" -name 'end.ram*' | wc -l)" "and nothing is left of it"
ok "what there is replays" "$krrctl" replay ahead
