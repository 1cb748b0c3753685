#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# disk.t - ext4 on a virtio disk
. "$(dirname "$0")/../lib.sh"
plan 8

PATH=$PATH:/usr/sbin:/sbin
img=$work/ext4.img
truncate -s 64M "$img"
ok "an ext4 image is made" mke2fs -q -t ext4 "$img"
before=$(sha256sum "$img")
record_program disk 1x --disk "$img"
[ "$before" = "$(sha256sum "$img")" ]
point $? "changes were dropped"
