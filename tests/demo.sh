#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# demo.sh - a panic under load, recorded in a Debian guest and replayed
set -u

here=$(cd "$(dirname "$0")" && pwd)
O=${O:-build}
case $O in /*) ;; *) O=$here/../$O ;; esac
krrctl=${KRRCTL:-$O/bin/krrctl}
vmlinux=${KRR_VMLINUX:-$O/kernel/vmlinux}
rec=demo-panic

say() { printf '\n== %s\n' "$*"; }
die() { echo "demo: $*" >&2; exit 1; }
show() { printf '$ krrctl %s\n' "$*"; "$krrctl" "$@"; }

[ -x "$krrctl" ] || die "$krrctl: not found; run this by 'make demo'"
[ -n "${KRR_STORE:-}" ] || export KRR_STORE="$O/demo-store"
mkdir -p "$KRR_STORE" && chmod 700 "$KRR_STORE"
"$krrctl" rm "$rec" >/dev/null 2>&1

# the loads run until the crash; lkdtm then follows a NULL pointer
load='cd /var/tmp
/tests/load-redis 100000 & /tests/load-nginx 100000 & /tests/load-sqlite 200000 & /tests/load-compile 100 &
sleep 5
echo "demo: crash"
echo EXCEPTION >/sys/kernel/debug/provoke-crash/DIRECT'

say "a Debian guest with 2 vCPUs: redis, nginx, sqlite and a compiler, then a crash in the kernel"
began=$(date +%s)
show run --accel "${KRR_TEST_ACCEL:-tcg}" --smp 2 --mem 1G --rootfs "$O/guest/debian.img" --append oops=panic \
	--record "$rec" -- /bin/sh -c "$load"
status=$?
[ $status -eq 1 ] || die "expected the run to fail by the panic (exit status 1), found $status"
recorded=$(($(date +%s) - began))

say "what was recorded"
show info "$rec" || die "no recording"
reason=$("$krrctl" info --json "$rec" | "$here/json" stop_reason)
[ "$reason" = panic ] || die "expected the recording to end in a panic, found \"$reason\""

say "replay, to the panic"
began=$(date +%s%N)
show replay "$rec" || die "the replay failed with status $?"
replay_ms=$((($(date +%s%N) - began) / 1000000))

say "where it died, as gdb sees the replayed kernel"
show gdb "$rec" -- -batch -ex 'break panic' -ex continue -ex backtrace 2>&1 | tee "$O/demo.gdb"
grep -q 'lkdtm\|panic' "$O/demo.gdb" || die "expected panic in the backtrace (symbols from $vmlinux)"

say "is the replay the recording, byte for byte?"
show verify "$rec" || die "verification failed with status $?"

say "figures"
"$krrctl" info --json "$rec" |
	"$here/json" events raw_bytes log_bytes duration_ms start_pause_ms | {
	read -r events; read -r raw; read -r log; read -r ms; read -r pause
	echo "events            $events in $ms ms of recording"
	echo "log               $raw bytes, $log compressed; $(awk "BEGIN { printf \"%.1f\", $raw / $events }") bytes/event"
	echo "pause             $pause ms at the start"
	echo "replay            $replay_ms ms with its start, the whole run took $recorded s"
}
echo
echo "The recording is kept: KRR_STORE=$KRR_STORE $krrctl ls"
