#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# demo.sh - two panics under load, recorded in a Debian guest and replayed
#
# The first one is made on purpose, by lkdtm.  The second one is a bug that
# Linux had from 5.1 to 6.7, opened again in a kernel of its own.
#
# Exits with 0 only if both replays reached the same panic by the same events
# and guest memory came out equal.
set -u

here=$(cd "$(dirname "$0")" && pwd)
O=${O:-build}
case $O in /*) ;; *) O=${here%/*}/$O ;; esac
krrctl=${KRRCTL:-$O/bin/krrctl}
image=$O/guest/debian.img
bug=cve-2024-26688
crash_after=5

say() { printf '\n== %s\n\n' "$*"; }
die() { echo "demo: $*" >&2; exit 1; }
show() { printf '$ krrctl %s\n' "$*"; "$krrctl" "$@"; }
now_ms() { echo $(($(date +%s%N) / 1000000)); }
over() { awk -v a="$1" -v b="$2" 'BEGIN { printf b ? "%.2f" : "-", b ? a / b : 0 }'; }

# the loads run until COMMAND ends the guest
record() {	# COMMAND
	local status load="cd /var/tmp
/tests/load-redis 1000000 & /tests/load-nginx 1000000 &
/tests/load-sqlite 1000000 & /tests/load-compile 1000 &
sleep $crash_after
echo 'demo: loads run, now the crash'
$1"

	"$krrctl" rm "$rec" >/dev/null 2>&1
	show run --accel "${KRR_TEST_ACCEL:-tcg}" --smp 2 --mem 1G --rootfs "$image" \
		--append oops=panic --record "$rec" -- /bin/sh -c "$load" 2>&1
	status=$?
	[ "$status" -eq 1 ] || die "expected the panic to fail the run with status 1, found $status"
}

describe() {
	show info "$rec" || die "no recording"
	mapfile -t fig < <("$krrctl" info --json "$rec" |
		"$here/json" stop_reason events raw_bytes log_bytes duration_ms start_pause_ms)
	[ ${#fig[@]} -eq 6 ] || die "expected six figures in the manifest, found ${#fig[@]}"
	[ "${fig[0]}" = panic ] ||
		die "expected the recording to end in a panic, found \"${fig[0]}\""
}

replay() {
	local began

	began=$(now_ms)
	"$krrctl" replay --console "$rec" >"$work/console" ||
		die "the replay failed with status $?"
	wall=$(($(now_ms) - began))
	printf '$ krrctl replay --console %s\n' "$rec"
	tr -d '\r' <"$work/console" |
		grep -E 'lkdtm:|hugetlbfs:|BUG:|RIP: 0010|Kernel panic|replayed|ended by' |
		cut -c 1-110
	grep -q "RIP: .*$where" "$work/console" ||
		die "expected the oops in $where on the replayed console"
	seconds=$("$krrctl" replay --json "$rec" | "$here/json" seconds) ||
		die "the second replay failed"
}

backtrace() {
	show gdb "$rec" -- -batch -x "$here/demo.gdb" >"$work/gdb" 2>&1 ||
		{ cat "$work/gdb"; die "gdb failed with status $?"; }
	# what gdb takes for frames before the entry are words of user mode
	sed -n '1p; /^-- all/,/ in entry_SYSCALL_64/p' "$work/gdb" >"$work/frames"
	cut -c 1-110 "$work/frames"
	grep -q "^#[0-9]* .*$where" "$work/frames" ||
		{ cat "$work/gdb"; die "expected $where in the backtrace"; }
}

# before the panic: the call that is to blame
cause() {	# BUG
	local script=$here/bugs/$1/cause.gdb

	say "what led to it: gdb in the same replay, earlier"
	show gdb "$rec" -- -batch -x "$script" >"$work/cause" 2>&1 ||
		{ cat "$work/cause"; die "gdb failed with status $?"; }
	sed -n '1p; /^-- /,/^\[Inferior/{/^\[Inferior/!p;}' "$work/cause" | cut -c 1-110
	grep -q '^\$[0-9]* = .* 0x0$' "$work/cause" ||
		{ cat "$work/cause"; die "expected a NULL pointer at the end"; }
}

figures() {	# VERDICT
	local ms=${fig[4]}

	cat <<END
$rec
  recorded      ${fig[1]} events in $ms ms, guest paused ${fig[5]} ms for the snapshot
  log           ${fig[2]} bytes ($(over "${fig[2]}" "${fig[1]}") an event), ${fig[3]} on disk
  replay        $(over "$seconds" 1) s, $(over "$seconds" "$(over "$ms" 1000)") of the recorded time; $wall ms with QEMU's start
  panic         the same, in $where; $(grep -c '^#' "$work/frames") frames shown by gdb
  memory        $([ "$1" -eq 0 ] && echo "equal, see above for what is not compared" ||
			echo "NOT equal (status $1)")
END
}

# record, replay, gdb, verify; 0 if memory is equal
act() {	# RECORDING COMMAND FUNCTION TITLE [BUG]
	local rec=$1 where=$3 verdict fig wall seconds

	say "$4: redis, nginx, sqlite and a compiler on 2 vCPUs, then the crash"
	record "$2"
	say "what there is of it now"
	describe
	say "replay, and what the kernel prints on the way"
	replay
	say "where it died: gdb in the replayed kernel"
	backtrace
	[ -z "${5:-}" ] || cause "$5"
	say "verify: is the replayed kernel the recorded one, byte for byte?"
	show verify "$rec" 2>&1
	verdict=$?
	figures $verdict >>"$work/figures"
	return $verdict
}

[ -x "$krrctl" ] || die "$krrctl: not found; run this by 'make demo'"
[ -r "$image" ] || die "$image: not found; run this by 'make demo'"
[ -r "$O/kernel-bugs/bzImage" ] || die "$O/kernel-bugs: not found; run this by 'make demo'"
[ -n "${KRR_STORE:-}" ] || export KRR_STORE="$O/demo-store"
mkdir -p "$KRR_STORE" && chmod 700 "$KRR_STORE" || exit 1
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
failed=0

# lkdtm writes through a NULL pointer
act demo-panic "echo EXCEPTION >/sys/kernel/debug/provoke-crash/DIRECT" lkdtm_EXCEPTION \
	"first act, a kernel that is told to crash" || failed=1

export KRR_KERNEL="$O/kernel-bugs/bzImage" KRR_VMLINUX="$O/kernel-bugs/vmlinux"
act demo-bug "/tests/bugs/$bug" hugetlbfs_fill_super \
	"second act, a real bug, ${bug^^}" "$bug" || failed=1

say "figures"
cat "$work/figures"
cat <<END

The recordings stay:
  KRR_STORE=$KRR_STORE $krrctl replay demo-panic
  KRR_STORE=$KRR_STORE KRR_VMLINUX=$KRR_VMLINUX $krrctl gdb demo-bug
END
exit $failed
