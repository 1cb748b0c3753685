#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# kunit.t - KUnit tests of the guest's side of the event stream, one point each
#
# The tests are in the debug kernel; KRR_DEBUG_KERNEL names another that has
# CONFIG_KRR_KUNIT_TEST.  They run at boot and say on the console how it went.
. "$(dirname "$0")/lib.sh"

cases=$(sed -n 's/^\tKUNIT_CASE(\(.*\)),$/\1/p' "$top/kpatch/overlay/arch/x86/krr/krr_test.c")
# shellcheck disable=SC2086
set -- $cases
plan $(($# + 1))

kernel=${KRR_DEBUG_KERNEL:-$O/kernel-debug/bzImage}
[ -f "$kernel" ] || skip_rest "$kernel is not built: make kernel-debug, or set KRR_DEBUG_KERNEL"

ok "the kernel with tests boots" env KRR_KERNEL="$kernel" "$top/tests/run-guest.sh" --mem 1024 \
	--append "krr=64M loglevel=7" -- true
console=$work/console
sed 's/^\[ *[0-9.]*\] //' "$last" >"$console"

# what a case found, up to its own line; nothing of its neighbours
details() {
	grep -A 6 "^ *# $1: " "$console" | grep -vE '^ *(not )?ok [0-9]' | sed 's/^ */#   /'
}

# its line, if the kernel got there
verdict() {
	grep -E "^ +(not )?ok [0-9]+ (- )?$1( |\$)" "$console" | sed 's/^ *//'
}

for case in "$@"; do
	found=$(verdict "$case")
	# a skip is a failure: the ring is there
	case $found in
	"ok "*"$case")
		point 0 "$case"
		continue
	esac
	point 1 "$case"
	{
		echo "# $case: expected \"ok\" on the console, found" \
			"\"${found:-nothing; has the kernel CONFIG_KRR_KUNIT_TEST?}\""
		details "$case"
	} >&2
done
