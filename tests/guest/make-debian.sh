#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# make-debian.sh GUEST OUT TEST... - a small Debian with servers, as an ext4 image
#
# PID 1 is tests/guest/init, or with init=/lib/systemd/systemd on the kernel's command
# line systemd, which starts krrd as a service.  The unpacked Debian is kept beside
# the image as a tarball under the hash of its package list, so that a new krrd or
# test program does not mean a new mmdebstrap.
#
# A TEST is a name that krr-tests goes by, or bugs/NAME, a program of its own.  The
# loads of the benchmark, GUEST/bench/* and tests/bench/loads, are there as
# /tests/bench/NAME.
set -eu

die() { echo "make-debian: $*" >&2; exit 1; }

guest=$1 out=$2
shift 2
here=$(cd "$(dirname "$0")" && pwd)
units=$here/../../userspace/systemd
suite=bookworm
packages="redis-server nginx-light apache2-utils sqlite3 tcc libc6-dev rocksdb-tools \
stress-ng rt-tests fio iproute2 python3-minimal procps kmod systemd"
size=2G

for tool in mmdebstrap mke2fs tar; do
	command -v $tool >/dev/null || die "$tool: not found; try 'make setup'"
done
[ "$(id -u)" -eq 0 ] || die "expected to run as root, to own the files of the image"

key=$(echo "$suite $packages $(sha256sum <"$0")" | sha256sum | cut -c 1-16)
base=$guest/debian-$key.tar
tmp=$(mktemp -d "$(cd "$guest" && pwd)/debian.XXXXXX")
trap 'rm -rf "$tmp"' EXIT

if [ ! -f "$base" ]; then
	rm -rf "$guest"/debian-*.tar
	mmdebstrap --quiet --format=tar --variant=minbase --include="$(echo $packages | tr ' ' ,)" \
		--aptopt='APT::Install-Recommends "false"' \
		--dpkgopt='path-exclude=/usr/share/doc/*' \
		--dpkgopt='path-exclude=/usr/share/man/*' \
		--dpkgopt='path-exclude=/usr/share/locale/*' \
		--customize-hook='rm -rf "$1"/var/lib/apt/lists/* "$1"/var/cache/apt/*' \
		$suite "$base.tmp" >"$tmp/log" 2>&1 ||
		{ cat "$tmp/log" >&2; die "mmdebstrap failed, see above"; }
	mv "$base.tmp" "$base"
fi

root=$tmp/root
mkdir "$root"
tar -xf "$base" -C "$root" --exclude='./dev/*'
rm -f "$root/sbin/init"
install -m 755 "$here/init" "$root/sbin/init"
"$here/put-programs.sh" "$guest" "$root" /usr/sbin "$@"
install -m 755 "$here"/loads/* "$root/tests"
mkdir -p "$root/tests/bench"
install -s -m 755 "$guest"/bench/* "$root/tests/bench"
find "$here/../bench/loads" -type f ! -name '*.[ch]' \
	-exec install -m 755 -t "$root/tests/bench" {} +
echo 'krr:x:990:990::/nonexistent:/usr/sbin/nologin' >>"$root/etc/passwd"
echo 'krr:x:990:' >>"$root/etc/group"
for unit in krrd krrd-exec; do
	install -m 644 "$units/$unit.service" "$root/lib/systemd/system"
	ln -s "/lib/systemd/system/$unit.service" "$root/etc/systemd/system/multi-user.target.wants"
done
: >"$root/etc/machine-id"
echo krr >"$root/etc/hostname"
printf '127.0.0.1 localhost krr\n::1 localhost\n' >"$root/etc/hosts"

rm -f "$out.tmp"
mke2fs -q -t ext4 -O ^metadata_csum_seed,^orphan_file -E lazy_itable_init=0,lazy_journal_init=0 \
	-L krr -d "$root" "$out.tmp" $size >"$tmp/log" 2>&1 ||
	{ cat "$tmp/log" >&2; die "mke2fs failed, see above"; }
mv "$out.tmp" "$out"
