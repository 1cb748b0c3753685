#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# clock.t - the unit tests pass on a host that has just booted, and on one that is up for long
top=$(cd "$(dirname "$0")/.." && pwd)
O=${O:-build}
case $O in /*) ;; *) O=$top/$O ;; esac

if ! unshare --time --monotonic 0 true 2>/dev/null; then
	echo "1..0 # SKIP no time namespaces here: unshare --time fails"
	exit
fi
echo 1..2
n=0
for age in 5 10000000; do
	n=$((n + 1))
	up=$(cut -d . -f 1 /proc/uptime)
	if out=$(unshare --time --monotonic $((age - up)) \
		env CMOCKA_MESSAGE_OUTPUT=TAP prove -Q -e '' "$O"/unit/plain/test-* 2>&1); then
		echo "ok $n - $age s after boot"
	else
		echo "not ok $n - $age s after boot"
		echo "$out" | sed 's/^/# /' >&2
	fi
done
