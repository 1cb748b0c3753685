#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# selftests.sh [GROUP [DIRECTORY/PROGRAM]] - the kernel's selftests under krr
#
# Each group of tests/selftests/list is run in a plain boot and in a recorded
# one, which is then replayed and verified.  A selftest may fail or be skipped,
# this kernel lacks much; but one that passes in a plain boot has to pass while
# it is recorded.  Times are short there and the machine may be busy, so one
# that does not is given another try in both, alone.
# KRR_TEST_SMP is the number of vCPUs.
. "$(dirname "$0")/lib.sh"

smp=${KRR_TEST_SMP:-2}
list=$top/tests/selftests/list
limit=${KRR_TEST_TIMEOUT:-1200}
KRR_INITRD=$work/initrd
cat "$O/guest/initramfs.cpio.gz" "$O/selftests.cpio.gz" >"$KRR_INITRD" ||
	{ echo "selftests: no guest; try 'make selftests'" >&2; exit 3; }

# the group's programs, as guest-run names them
programs() {
	sed 's/#.*//' "$list" | while read -r g dir names; do
		[ "$g" = "$1" ] || continue
		for p in $names; do
			[ "${2:-$dir/$p}" != "$dir/$p" ] || echo "$dir/$p"
		done
	done
}

# OUTPUT GROUP [PROGRAM] [-- OPTION...]: leaves what the guest said in OUTPUT
boot() {
	out=$1 group=$2 only=$3
	shift 3
	timeout -k 10 "$limit" "$krrctl" run --accel "$accel" --smp "$smp" "$@" \
		-- /selftests/run "$group" ${only:+"$only"} >"$out" 2>&1 </dev/null
}

result() {	# OUTPUT PROGRAM
	tr -d '\r' <"$1" | sed -n "s|^selftest $2 ||p" | tail -n 1
}

# a program that passed plainly and not recorded: does it so again?
again() {	# GROUP PROGRAM RECORDING
	boot "$work/again.plain" "$1" "$2"
	boot "$work/again.rec" "$1" "$2" --record "$3" --verify || return 1
	[ "$(result "$work/again.plain" "$2")" != pass ] ||
		[ "$(result "$work/again.rec" "$2")" = pass ]
}

report() {	# GROUP PROGRAM
	was=$(result "$work/$1.plain" "$2") is=$(result "$work/$1.rec" "$2")
	name="$2: plain ${was:-nothing}, recorded ${is:-nothing}"
	[ -n "$is" ]
	good=$?
	total=$((total + 1))
	[ "$was" != pass ] || passed_plain=$((passed_plain + 1))
	[ "$is" != pass ] || passed=$((passed + 1))
	if [ "$was" = pass ] && [ "$is" != pass ]; then
		again "$1" "$2" "again-$total"
		good=$?
		name="$name; tried again, status $good"
	fi
	point $good "$name"
}

group() {	# GROUP [PROGRAM]
	boot "$work/$1.plain" "$1" "${2:-}"
	boot "$work/$1.rec" "$1" "${2:-}" --record "$1" --verify
	status=$?
	point $status "$1: replayed and verified, $smp vCPUs"
	[ $status -eq 0 ] || { grep -v '^selftest ' "$work/$1.rec" | tail -n 30 | sed 's/^/#   /'; } >&2
	for p in $(programs "$1" "${2:-}"); do
		report "$1" "$p"
	done
	[ $status -ne 0 ] || "$krrctl" rm "$1"
}

groups=${1:-$(sed 's/#.*//; s/[[:space:]].*//; /^$/d' "$list" | uniq)}
count=0
for g in $groups; do
	n=$(programs "$g" "${2:-}" | grep -c .)
	[ "$n" -gt 0 ] || { echo "selftests: $g ${2:-}: not in $list" >&2; exit 2; }
	count=$((count + 1 + n))
done
plan $count
total=0 passed=0 passed_plain=0
for g in $groups; do
	group "$g" "${2:-}"
done
echo "# $total selftests: $passed_plain passed in a plain boot, $passed recorded"
