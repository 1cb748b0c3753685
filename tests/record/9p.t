#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# 9p.t - a directory of the host; and that a recording cannot begin while it is
# mounted, since QEMU does not save such a state
. "$(dirname "$0")/../lib.sh"
plan 14

mkdir "$work/share"
record_program 9p 4x --share "$work/share"

vm=krr-9p-$$
mount='mkdir -p /tmp/m; mount -t 9p -o trans=virtio,version=9p2000.L mine /tmp/m'
ok "a VM with a share starts" "$krrctl" vm start $vm --accel "$accel" --share "$work/share:mine"
ok "it is mounted" "$krrctl" vm exec $vm -- /bin/sh -c "$mount"
exits "3 6" "no recording begins" "$krrctl" record $vm refused
says "is mounted in the guest" "and the message says why"
ok "it is unmounted" "$krrctl" vm exec $vm -- umount /tmp/m
ok "now a recording begins" "$krrctl" record $vm allowed
ok "and it is mounted again" "$krrctl" vm exec $vm -- /bin/sh -c "$mount; ls /tmp/m"
"$krrctl" stop $vm
"$krrctl" vm stop $vm
ok "verified" "$krrctl" verify allowed
