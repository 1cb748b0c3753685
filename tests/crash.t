#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# crash.t - recordings that end in a panic, or in the death of the recorder
. "$(dirname "$0")/lib.sh"
plan 8

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
