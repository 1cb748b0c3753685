#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# demo.sh - a panic under load, recorded in a Debian guest and replayed
#
# Exits with 0 only if the replay reached the same panic by the same events and
# guest memory came out equal.
set -u

here=$(cd "$(dirname "$0")" && pwd)
O=${O:-build}
case $O in /*) ;; *) O=$here/../$O ;; esac
krrctl=${KRRCTL:-$O/bin/krrctl}
image=$O/guest/debian.img
rec=demo-panic
crash_after=5

say() { printf '\n== %s\n\n' "$*"; }
die() { echo "demo: $*" >&2; exit 1; }
show() { printf '$ krrctl %s\n' "$*"; "$krrctl" "$@"; }
now_ms() { echo $(($(date +%s%N) / 1000000)); }
over() { awk -v a="$1" -v b="$2" 'BEGIN { printf b ? "%.2f" : "-", b ? a / b : 0 }'; }

[ -x "$krrctl" ] || die "$krrctl: not found; run this by 'make demo'"
[ -r "$image" ] || die "$image: not found; run this by 'make demo'"
[ -n "${KRR_STORE:-}" ] || export KRR_STORE="$O/demo-store"
mkdir -p "$KRR_STORE" && chmod 700 "$KRR_STORE" || exit 1
"$krrctl" rm "$rec" >/dev/null 2>&1
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

# the loads run until the crash; lkdtm then writes through a NULL pointer
load="cd /var/tmp
/tests/load-redis 1000000 & /tests/load-nginx 1000000 &
/tests/load-sqlite 1000000 & /tests/load-compile 1000 &
sleep $crash_after
echo 'demo: loads run, now the crash'
echo EXCEPTION >/sys/kernel/debug/provoke-crash/DIRECT"

say "record: redis, nginx, sqlite and a compiler on 2 vCPUs, then a crash in the kernel"
show run --accel "${KRR_TEST_ACCEL:-tcg}" --smp 2 --mem 1G --rootfs "$image" --append oops=panic \
	--record "$rec" -- /bin/sh -c "$load" 2>&1
status=${PIPESTATUS[0]}
[ "$status" -eq 1 ] || die "expected the panic to fail the run with status 1, found $status"

say "what there is of it now"
show info "$rec" || die "no recording"
mapfile -t fig < <("$krrctl" info --json "$rec" |
	"$here/json" stop_reason events raw_bytes log_bytes duration_ms start_pause_ms)
[ ${#fig[@]} -eq 6 ] || die "expected six figures in the manifest, found ${#fig[@]}"
[ "${fig[0]}" = panic ] || die "expected the recording to end in a panic, found \"${fig[0]}\""

say "replay, and what the kernel prints on the way"
began=$(now_ms)
"$krrctl" replay --console "$rec" >"$work/console" || die "the replay failed with status $?"
wall=$(($(now_ms) - began))
printf '$ krrctl replay --console %s\n' "$rec"
tr -d '\r' <"$work/console" | grep -E 'lkdtm|BUG:|RIP:|Kernel panic|replayed|ended by' | cut -c 1-110
grep -q 'RIP: .*lkdtm_EXCEPTION' "$work/console" ||
	die "expected the oops in lkdtm_EXCEPTION on the replayed console"
seconds=$("$krrctl" replay --json "$rec" | "$here/json" seconds) || die "the second replay failed"

say "where it died: gdb in the replayed kernel"
show gdb "$rec" -- -batch -x "$here/demo.gdb" >"$work/gdb" 2>&1 ||
	{ cat "$work/gdb"; die "gdb failed with status $?"; }
sed -n '1p; /^-- all/,/^\[Inferior/{/^\[Inferior/!p;}' "$work/gdb" | cut -c 1-110
grep -q '^#[0-9]* .*lkdtm_EXCEPTION' "$work/gdb" ||
	{ cat "$work/gdb"; die "expected lkdtm_EXCEPTION in the backtrace"; }

say "verify: is the replayed kernel the recorded one, byte for byte?"
show verify "$rec" 2>&1
verdict=$?

say "figures"
ms=${fig[4]}
cat <<END
  recorded      ${fig[1]} events in $ms ms, guest paused ${fig[5]} ms for the snapshot
  log           ${fig[2]} bytes ($(over "${fig[2]}" "${fig[1]}") an event), ${fig[3]} on disk
  replay        $seconds s, $(over "$seconds" "$(over "$ms" 1000)") of the recorded time; $wall ms with QEMU's start
  panic         the same, in lkdtm_EXCEPTION; $(grep -c '^#' "$work/gdb") frames shown by gdb
  memory        $([ $verdict -eq 0 ] && echo "equal, see above for what is not compared" ||
			echo "NOT equal (status $verdict)")

The recording stays: KRR_STORE=$KRR_STORE $krrctl replay $rec
END
[ $verdict -eq 0 ]
