#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# dma.t - a device that gets bus mastering while the kernel is recorded ends the recording
. "$(dirname "$0")/../lib.sh"
plan 5

load='mkdir /tmp/m && mount -t 9p -o trans=virtio,version=9p2000.L modules /tmp/m &&
	insmod /tmp/m/krr_inputs.ko && cat /sys/module/krr_inputs/parameters/dma && sleep 2'

exits 1 "the recording ends" "$krrctl" run --accel "$accel" --smp 2 \
	--share "${KRR_MODULES:-$O/kernel/modules}:modules" --record dma -- /bin/sh -c "$load"
says "unsupported" "with a reason"
says "driver (none) does DMA for device 0000:00:01.0" "that names the device"
ok "what came before is verified" "$krrctl" verify dma
ok "and replayed again" "$krrctl" replay dma
