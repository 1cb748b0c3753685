#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# panic.t - a panic while recording replays to the very same panic
. "$(dirname "$0")/lib.sh"
plan 11

crash='/tests/pipe 5 & sleep 1; echo EXCEPTION >/sys/kernel/debug/provoke-crash/DIRECT'
rec=$KRR_STORE/panic

exits 1 "a panic fails the run" \
	"$krrctl" run --accel $accel --smp 2 --append oops=panic --record panic -- /bin/sh -c "$crash" ||
	skip_rest "no panic was recorded"
says "panic" "and is said to be the reason"
ok "the recording is whole" "$krrctl" info panic
says "ended by   panic" "and ends in the panic"
oops "$rec/console.log" >"$work/recorded"
ok "its console has the oops" grep -q 'RIP: .*lkdtm_EXCEPTION' "$work/recorded"
ok "up to its last line" grep -q 'Kernel panic - not syncing: Fatal exception' "$work/recorded"

ok "the panic replays" "$krrctl" replay --console panic
oops "$last" >"$work/replayed"
ok "the replayed kernel prints the same oops" diff -u "$work/recorded" "$work/replayed"
ok "and has the same memory" "$krrctl" verify panic

# gdb in the replay; its answer holds symbols of vmlinux
ok "gdb stops in it" "$krrctl" gdb panic -- -batch -x "$top/tests/demo.gdb"
says "lkdtm_EXCEPTION ()" "and shows the way to it"
