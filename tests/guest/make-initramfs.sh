#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# make-initramfs.sh GUEST OUT TEST... - busybox, the guest daemon and the test
# programs as a compressed cpio
#
# A TEST is a name that krr-tests goes by, or bugs/NAME, a program of its own.
set -eu

die() { echo "make-initramfs: $*" >&2; exit 1; }

guest=$1 out=$2
shift 2
here=$(cd "$(dirname "$0")" && pwd)
busybox=$(command -v busybox) || die "busybox: not found; try 'make setup'"
case $(file -bL "$busybox") in
*"statically linked"*) ;;
*) die "$busybox: expected a static one; try 'apt-get install busybox-static'" ;;
esac

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
root=$tmp/root
mkdir -p "$root/bin" "$root/sbin" "$root/etc" "$root/root" "$root/proc" \
	 "$root/sys" "$root/dev" "$root/tmp" "$root/run" "$root/usr/bin" "$root/usr/sbin"
cp "$busybox" "$root/bin/busybox"
for a in $("$busybox" --list); do
	[ "$a" = busybox ] || ln -s /bin/busybox "$root/bin/$a"
done
install -m 755 "$here/init" "$root/init"
"$here/put-programs.sh" "$guest" "$root" /sbin "$@"
printf '%s\n' 'root:x:0:0:root:/root:/bin/sh' 'krr:x:990:990::/:/bin/false' \
	'other:x:1000:1000::/:/bin/sh' 'member:x:1001:1001::/:/bin/sh' >"$root/etc/passwd"
printf '%s\n' 'root:x:0:' 'krr:x:990:member' 'other:x:1000:' 'member:x:1001:' >"$root/etc/group"

(cd "$root" && find . | LC_ALL=C sort | cpio --quiet -o -H newc -R 0:0 --reproducible) |
	gzip -n -6 >"$out.tmp"
mv "$out.tmp" "$out"
