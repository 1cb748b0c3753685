#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# run-guest.sh [--smp N] [--mem MIB] [--rootfs IMG] [--append TEXT] -- COMMAND
#
# Run a shell command in the test guest without krrctl: plain QEMU, nothing
# recorded.  Shows the console, and exits with the command's status.  The
# command travels on the kernel command line, so it can't hold double quotes.
set -u

here=$(cd "$(dirname "$0")" && pwd)
O=${O:-build}
case $O in /*) ;; *) O=$here/../$O ;; esac
smp=1 mem=512 rootfs='' append=''

die() { echo "run-guest: $*" >&2; exit 2; }
while [ $# -gt 0 ]; do
	case $1 in
	--smp)		smp=$2; shift 2 ;;
	--mem)		mem=$2; shift 2 ;;
	--rootfs)	rootfs=$2; shift 2 ;;
	--append)	append=$2; shift 2 ;;
	--)		shift; break ;;
	*)		die "usage: run-guest.sh [--smp N] [--mem MIB] [--rootfs IMG] [--append TEXT] -- COMMAND" ;;
	esac
done
[ $# -gt 0 ] || die "no command"
case $* in *\"*) die "double quotes in the command: $*" ;; esac

kernel=${KRR_KERNEL:-$O/kernel/bzImage}
[ -f "$kernel" ] || { echo "run-guest: $kernel: not found; try 'make kernel'" >&2; exit 3; }
log=$(mktemp)
trap 'rm -f "$log"' EXIT

cmdline="console=ttyS0 nokaslr tsc=reliable clocksource=tsc idle=halt no_timer_check panic=-1 quiet"
cmdline="$cmdline $append krr.cmd=\"$*\""
set -- -machine pc-i440fx-7.2,hpet=off,vmport=off -cpu Nehalem-v1 -accel tcg,thread=multi \
	-smp "$smp" -m "$mem" -nodefaults -no-user-config -display none -serial "file:$log" \
	-no-reboot -device virtio-rng-pci -kernel "$kernel"
if [ -n "$rootfs" ]; then
	set -- "$@" -device virtio-blk-pci,drive=d \
		-drive "file=$rootfs,if=none,id=d,format=raw,snapshot=on"
	cmdline="$cmdline root=/dev/vda rw"
else
	set -- "$@" -initrd "${KRR_INITRD:-$O/guest/initramfs.cpio.gz}"
fi
timeout -k 5 "${KRR_TEST_TIMEOUT:-300}" qemu-system-x86_64 "$@" -append "$cmdline" </dev/null
status=$?
tr -d '\r' <"$log"
[ $status -eq 0 ] || { echo "run-guest: QEMU ended with status $status" >&2; exit 1; }
status=$(tr -d '\r' <"$log" | sed -n 's/^krr\.cmd: exit \([0-9]*\)$/\1/p' | tail -n 1)
exit "${status:-1}"
