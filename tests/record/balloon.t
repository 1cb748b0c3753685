#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# balloon.t - the memory balloon grows and shrinks while the kernel is recorded
. "$(dirname "$0")/../lib.sh"
plan 22

lines() {	# COUNT
	[ "$(grep -c '^balloon: [0-9]* KiB' "$work/load")" -ge "$1" ]
}

# The guest prints a line at the beginning, and when each change has come to rest.
balloon() {	# SMP
	vm=krr-balloon-$1-$$ rec=balloon-$1
	ok "a VM with a balloon starts, $1 vCPU" \
		"$krrctl" vm start "$vm" --accel "$accel" --smp "$1" --balloon
	ok "recording begins" "$krrctl" record "$vm" "$rec"
	"$krrctl" vm exec "$vm" -- /tests/balloon 1x 2 >"$work/load" 2>&1 &
	load=$!
	wait_for 60 lines 1
	ok "it grows" "$krrctl" vm balloon "$vm" 256M
	wait_for 60 lines 2
	ok "it shrinks" "$krrctl" vm balloon "$vm" 384M
	wait $load
	status=$?
	# shellcheck disable=SC2034 # lacks reads it
	last=$work/load
	point $status "the guest saw both"
	lacks "skipped" "it was told to look"
	ok "it grows again" "$krrctl" vm balloon "$vm" 192M
	sleep 2
	ok "recording ends with pages in it" "$krrctl" stop "$vm"
	"$krrctl" vm stop "$vm"
	ok "verified" "$krrctl" verify "$rec"
	ok "replayed again" "$krrctl" replay "$rec"
}

balloon 1
balloon 2

ok "a VM without a balloon starts" "$krrctl" vm start krr-none-$$ --accel "$accel"
exits 1 "it takes no target" "$krrctl" vm balloon krr-none-$$ 256M
"$krrctl" vm stop krr-none-$$
