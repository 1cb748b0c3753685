#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# swap.t - anonymous and tmpfs pages of a small memory cgroup, on a virtio disk;
# also a recording that begins and ends while pages are out
. "$(dirname "$0")/../lib.sh"
plan 13

# the first disk is for other tests
img=$work/swap.img none=$work/none.img
truncate -s 64M "$img"
truncate -s 1M "$none"
record_program swap 1x --disk "$none" --disk "$img"

ok "a VM with a disk starts" "$krrctl" vm start krr-swap-$$ --accel "$accel" --smp 2 \
	--disk "$none" --disk "$img"
"$krrctl" vm exec krr-swap-$$ -- /tests/swap 8 >"$work/load" 2>&1 &
load=$!
sleep 2
ok "recording begins in the middle" "$krrctl" record krr-swap-$$ middle
sleep 1
ok "recording ends in the middle" "$krrctl" stop krr-swap-$$
wait $load
status=$?
# shellcheck disable=SC2034 # lacks reads it
last=$work/load
point $status "the load succeeded"
lacks "skipped" "it had its disk"
"$krrctl" vm stop krr-swap-$$
ok "the middle is verified" "$krrctl" verify middle
ok "the middle is replayed again" "$krrctl" replay middle
