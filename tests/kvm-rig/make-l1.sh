#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# make-l1.sh OUT - the outer guest of the rig: OUT/vmlinuz, OUT/initrd and OUT/root.img
#
# A small Debian with its stock kernel, kvm_amd and the QEMU of that release.  PID 1 is
# tests/kvm-rig/l1-init.  OUT/key holds the hash of what all this is made of; nothing is
# done while it is the same.
#
# The initrd is not Debian's, which looks for every disk there might be: it takes 15 s
# longer to boot under TCG.
set -eu

die() { echo "make-l1: $*" >&2; exit 1; }

[ $# -eq 1 ] || die "usage: make-l1.sh OUT"
out=$1
here=$(cd "$(dirname "$0")" && pwd)
suite=bookworm
# beside kernel and QEMU: the libraries of krrctl, and what tests/soak and host.t use
packages="linux-image-amd64 qemu-system-x86 busybox-static mount kmod e2fsprogs perl procps \
libzstd1 libxxhash0 libjansson4 libelf1 libbpf1 libcap2 zlib1g gdb"
size=2G
# which no machine of the rig has, or nobody looks at
no_modules="drivers/gpu drivers/media drivers/net drivers/scsi drivers/infiniband drivers/usb \
drivers/staging drivers/iio drivers/hid drivers/input drivers/isdn drivers/mtd sound fs/ocfs2 \
fs/btrfs fs/xfs fs/nfs fs/nfsd fs/ceph fs/smb net/wireless net/mac80211 net/bluetooth net/netfilter"

for tool in mmdebstrap mke2fs cpio; do
	command -v $tool >/dev/null || die "$tool: not found; try 'make setup'"
done
[ "$(id -u)" -eq 0 ] || die "expected to run as root, to own the files of the image"

key=$(cat "$0" "$here/l1-init" | sha256sum | cut -c 1-16)
[ "$(cat "$out/key" 2>/dev/null)" != "$key" ] || exit 0
rm -rf "$out"
mkdir -p "$out"
out=$(cd "$out" && pwd)
tmp=$(mktemp -d "$out/tmp.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
root=$tmp/root

without() {	# PATH...: options of mmdebstrap that leave these out
	for path; do
		printf '%s\n' "--dpkgopt=path-exclude=$path"
	done
}

echo "  IMAGE   outer guest of the KVM rig"
# shellcheck disable=SC2046,SC2086 # lists
mmdebstrap --quiet --format=directory --variant=essential \
	--include="$(echo $packages | tr ' ' ,)" --aptopt='APT::Install-Recommends "false"' \
	$(without '/usr/share/doc/*' '/usr/share/man/*' '/usr/share/locale/*') \
	$(for m in $no_modules; do without "/lib/modules/*/kernel/$m/*"; done) \
	--essential-hook='chroot "$1" dpkg-divert --quiet --local --rename --add /usr/sbin/update-initramfs' \
	--essential-hook='ln -s /bin/true "$1/usr/sbin/update-initramfs"' \
	$suite "$root" >"$tmp/log" 2>&1 ||
	{ cat "$tmp/log" >&2; die "mmdebstrap failed, see above"; }
version=$(basename "$root"/lib/modules/*)
install -m 755 "$here/l1-init" "$root/sbin/l1-init"
mkdir -p "$root/host" "$root/build" "$root/share"
cp "$root/boot/vmlinuz-$version" "$out/vmlinuz"

# what stands between the kernel and its root file system
initrd=$tmp/initrd
mkdir -p "$initrd/bin" "$initrd/dev" "$initrd/proc" "$initrd/root"
cp "$root/bin/busybox" "$initrd/bin/busybox"
{
	echo '#!/bin/busybox sh'
	echo 'B=/bin/busybox'
	echo '$B mount -t devtmpfs dev /dev; $B mount -t proc proc /proc'
	chroot "$root" modprobe --set-version "$version" --show-depends --all virtio_pci virtio_blk crc32c_generic ext4 |
		sed -n 's/^insmod //p' | awk '!seen[$1]++ { print $1 }' >"$tmp/modules"
	while read -r module; do
		cp "$root$module" "$initrd"
		echo "\$B insmod /${module##*/}"
	done <"$tmp/modules"
	echo '$B mount -t ext4 /dev/vda /root && exec $B switch_root /root /sbin/l1-init'
} >"$initrd/init"
chmod 755 "$initrd/init"
(cd "$initrd" && find . | cpio --quiet -o -H newc) >"$out/initrd"

mke2fs -q -t ext4 -d "$root" "$out/root.img" $size >"$tmp/log" 2>&1 ||
	{ cat "$tmp/log" >&2; die "mke2fs failed, see above"; }
echo "$key" >"$out/key"
