#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# vsock.t - a virtio vsock device that is plugged in while the kernel is recorded
. "$(dirname "$0")/../lib.sh"
plan 18

vsock() {	# SMP
	vm=krr-vsock-$1-$$ rec=vsock-$1
	"$O/guest/vsock-peer" "$work/$1.sock" 2>"$work/peer-$1" &
	ok "a VM starts, $1 vCPU" "$krrctl" vm start "$vm" --accel "$accel" --smp "$1"
	ok "recording begins" "$krrctl" record "$vm" "$rec"
	ok "the device is plugged in" "$krrctl" vm vsock "$vm" "$work/$1.sock"
	ok "the guest talks to the host" "$krrctl" vm exec "$vm" -- /tests/vsock 0.5
	lacks "skipped" "by the device"
	ok "recording ends" "$krrctl" stop "$vm"
	exits "3 6" "none begins with the device" "$krrctl" record "$vm" refused
	says "QEMU cannot save the state" "and the message says why"
	"$krrctl" vm stop "$vm"
	ok "verified" "$krrctl" verify "$rec"
}

# shellcheck disable=SC2034 # of lib.sh; without an answer the guest waits for ever
limit=100
vsock 1
vsock 2
