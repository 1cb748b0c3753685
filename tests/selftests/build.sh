#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# build.sh OUT LIST CPIO - build the kernel's selftests that LIST names
#
# They come from the tarball of Debian's kernel source (KRR_TARBALL), are built
# below OUT, and are packed into CPIO with the libraries that they need and
# the scripts that run them: an initramfs to append to the small guest's.  The
# guest has them in /selftests.
set -eu

die() { echo "selftests: $*" >&2; exit 1; }

[ $# -eq 3 ] || die "usage: build.sh OUT LIST CPIO"
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
out=$(cd "$1" && pwd) list=$2 cpio=$3
tarball=${KRR_TARBALL:-/usr/src/linux-source-6.1.tar.xz}
src=$out/src
# make of the selftests is a world of its own
unset MAKEFLAGS MFLAGS MAKELEVEL O V OUTPUT

unpack() {
	local top

	[ ! -f "$src/.done" ] || return 0
	[ -r "$tarball" ] || die "$tarball: not found; try 'apt-get install linux-source-6.1'"
	rm -rf "$src"
	mkdir -p "$src"
	top=$(basename "$tarball" .tar.xz)
	tar -xf "$tarball" -C "$src" --strip-components=1 "$top/Makefile" "$top/Kbuild" \
		"$top/Kconfig" "$top/arch/x86" "$top/include" "$top/scripts" "$top/tools" \
		"$top/usr/include" "$top/mm/gup_test.h" ||
		die "$tarball does not unpack, see above"
	make -s -C "$src" "O=$out/headers" headers >"$out/headers.log" 2>&1 ||
		{ tail -n 20 "$out/headers.log" >&2; die "'make headers' failed: $out/headers.log"; }
	touch "$src/.done"
}

# Flags that a directory's own Makefile is not asked for: openat2 is built with
# ASan there, which maps terabytes and wants its library.
flags() {
	case $1 in
	openat2) echo "CFLAGS=-Wall -O2 -g" ;;
	esac
}

# DIRECTORY PROGRAM...
build() {
	local dir=$1 log p extra

	shift
	log=$out/$(echo "$dir" | tr / -).log
	mkdir -p "$out/bin/$dir"
	extra=$(flags "$dir")
	for p; do
		set -- "$out/bin/$dir/${p%%:*}"
		[ "$dir" != exec ] || set -- "$@" "$out/bin/exec/script" "$out/bin/exec/subdir" \
			"$out/bin/exec/execveat.symlink" "$out/bin/exec/execveat.denatured"
		make -C "$src/tools/testing/selftests/$dir" "OUTPUT=$out/bin/$dir" CC=gcc \
			"KHDR_INCLUDES=-isystem $out/headers/usr/include" ${extra:+"$extra"} "$@" \
			>>"$log" 2>&1 ||
			{ tail -n 20 "$log" >&2; die "$dir/${p%%:*} does not build: $log"; }
	done
}

# where the loader looks for them, 32-bit ones apart from 64-bit ones
libraries() {
	find "$out/root/selftests" -type f -perm -100 -exec ldd {} + 2>/dev/null |
		sed -n 's|.*=> \(/[^ ]*\) (.*|\1|p; s|^[[:space:]]*\(/lib[^ ]*\) (.*|\1|p' |
		grep -v "^$out" | sort -u
}

# glibc opens libgcc_s by itself, in pthread_exit() and pthread_cancel()
libgcc() {	# GCC-OPTION DIRECTORY
	mkdir -p "$out/root$2"
	cp -L "$(gcc "$1" -print-file-name=libgcc_s.so.1)" "$out/root$2"
}

unpack
rm -rf "$out/root"
mkdir -p "$out/root/selftests"
sed 's/#.*//' "$list" | while read -r group dir programs; do
	[ -n "$group" ] || continue
	# shellcheck disable=SC2086 # a list
	build "$dir" $programs </dev/null
	mkdir -p "$out/root/selftests/$dir"
	cp -a "$out/bin/$dir/." "$out/root/selftests/$dir"
done
find "$out/root/selftests" -type f -perm -100 -exec strip -g {} + 2>/dev/null || true
libraries | while read -r lib; do
	mkdir -p "$out/root$(dirname "$lib")"
	cp -L "$lib" "$out/root$lib"
done
libgcc -m64 /lib/x86_64-linux-gnu
libgcc -m32 /lib32
sed 's/#.*//; /^[[:space:]]*$/d' "$list" >"$out/root/selftests/list"
install -m 755 "$here/guest-run" "$out/root/selftests/run"
(cd "$out/root" && find . | LC_ALL=C sort | cpio -o -H newc -R 0:0 --quiet) | gzip -n >"$cpio.tmp"
mv "$cpio.tmp" "$cpio"
