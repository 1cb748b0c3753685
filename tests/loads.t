#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# loads.t - the servers of the Debian guest, each recorded and verified on 2 vCPU
. "$(dirname "$0")/lib.sh"

image=$O/guest/debian.img
loads="redis nginx sqlite rocksdb compile fio hackbench stress"
# shellcheck disable=SC2086 # a list
set -- $loads
plan $(($# + 3))
ok "the Debian image is there" test -r "$image" || skip_rest "try 'make guest-debian'"

for load; do
	ok "$load" "$krrctl" run --accel $accel --smp 2 --rootfs "$image" --record "$load" --verify \
		-- "/tests/load-$load"
done

# what a first recording looks like: the image is found without being named
ok "stress-ng, in the guest that is the default" env -u KRR_INITRD \
	"$krrctl" run --accel $accel --smp 2 --record t1 --verify -- \
	sh -c 'stress-ng --cpu 1 --fork 2 --pipe 2 --timer 1 --mmap 1 --vm-bytes 16m -t 5s'
says "verified" "is verified"
