#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# build-kernel.sh - the guest kernel, from the cache or from source
#
# build-kernel.sh O VARIANT
#
# O is the build folder.  VARIANT is "guest"; "debug", with debug.config on top;
# "bugs", with bugs.config on top and the patches of tests/bugs, which open old
# bugs again; or "plain", with CONFIG_KRR=n.  The result is O/kernel, else
# O/kernel-VARIANT: bzImage, vmlinux, System.map and config; modules/*.ko; and what
# gdb's lx-* commands are made of, vmlinux-gdb.py and scripts/gdb.
#
# The cache ($KRR_CACHE, default ~/.cache/krr) holds finished kernels under the
# hash of all that goes into one.  An entry is checked against its own list of
# checksums before use, and made anew if it is broken.
#
# On a miss the source is not extracted again: only files whose content changed
# are written to O/kernel-src, so that make rebuilds only what depends on them.
# guest and bugs differ in a few files, so they share O/kernel-build.
set -euo pipefail

die() { echo "build-kernel: $*" >&2; exit 1; }
say() { echo "  $1	$2"; }

[ $# -eq 2 ] || die "usage: build-kernel.sh O VARIANT"
mkdir -p "$1"
O=$(cd "$1" && pwd)
variant=$2
here=$(cd "$(dirname "$0")" && pwd)
top=${here%/*}
tarball=${KRR_TARBALL:-/usr/src/linux-source-6.1.tar.xz}
cache=${KRR_CACHE:-${HOME:-/root}/.cache/krr}
src=$O/kernel-src orig=$O/kernel-orig stage=$O/kernel-stage
fragments=("$here/config/guest.config")
more_patches=()

case $variant in
guest)	out=$O/kernel build=$O/kernel-build ;;
debug)	out=$O/kernel-debug build=$O/kernel-build-debug
	fragments+=("$here/config/debug.config") ;;
bugs)	out=$O/kernel-bugs build=$O/kernel-build
	fragments+=("$here/config/bugs.config")
	more_patches=("$top"/tests/bugs/*/reopen.patch)
	[ -f "${more_patches[0]}" ] || die "${more_patches[0]}: not found" ;;
plain)	out=$O/kernel-plain build=$O/kernel-build-plain
	fragments+=("$here/config/plain.config") ;;
*)	die "$variant: no such variant; try guest, debug, bugs or plain" ;;
esac
must="bzImage vmlinux System.map config vmlinux-gdb.py"

[ -r "$tarball" ] || die "$tarball: not found; try 'apt-get install linux-source-6.1'," \
			 "or set KRR_TARBALL"
for tool in "${CC:-gcc}" ld patch bc flex bison pahole lz4c xz flock; do
	command -v "$tool" >/dev/null || die "$tool: not found; try 'make setup'"
done

# everything that can change the result, one line each
ingredients() {
	echo "variant $variant"
	echo "tarball $(sha256sum <"$tarball")"
	echo "cc $("${CC:-gcc}" --version | head -n 1)"
	echo "ld $(ld --version | head -n 1)"
	echo "pahole $(pahole --version)"
	(cd "$here" && { find overlay patches -type f 2>/dev/null; ls ./*.sh config/*; } |
		LC_ALL=C sort | xargs sha256sum)
	[ ${#more_patches[@]} -eq 0 ] ||
		(cd "$top" && sha256sum "${more_patches[@]#"$top"/}")
}

# an entry is good if it has the files noted and no others, each with its checksum
entry_good() {
	local f

	[ -f "$1/SHA256" ] && (cd "$1" && sha256sum --status -c SHA256) 2>/dev/null || return 1
	[ "$(wc -l <"$1/SHA256")" -eq "$(cd "$1" && find . -type f ! -name SHA256 | wc -l)" ] ||
		return 1
	for f in $must; do
		[ -f "$1/$f" ] || return 1
	done
}

# put FROM's files in place of $out at once
publish() {
	local tmp=$out.tmp.$$

	rm -rf "$tmp"
	cp -r --reflink=auto "$1" "$tmp"
	rm "$tmp/SHA256"
	echo "$key" >"$tmp/key"
	rm -rf "$out"
	mv "$tmp" "$out"
}

extract() {
	local sum

	sum=$(sha256sum <"$tarball")
	[ "$(cat "$src/.krr-tarball" 2>/dev/null)" != "$sum" ] || return 0
	say EXTRACT "${tarball##*/}"
	rm -rf "$src" "$orig" "$src.tmp" "$O"/kernel-build "$O"/kernel-build-debug \
		"$O"/kernel-build-plain
	mkdir -p "$src.tmp" "$orig"
	tar -xf "$tarball" -C "$src.tmp" --strip-components=1
	: >"$src.tmp/.krr-files"
	echo "$sum" >"$src.tmp/.krr-tarball"
	mv "$src.tmp" "$src"
}

patched_files() {
	cat "$here"/patches/*.patch "${more_patches[@]}" 2>/dev/null |
		sed -n 's|^+++ b/\([^[:space:]]*\).*|\1|p' | sort -u
}

# keep a pristine copy of every file that a patch edits
keep_originals() {
	local f

	while read -r f; do
		[ -f "$src/$f" ] || die "$f: a patch edits it, but ${tarball##*/} lacks it"
		[ -f "$orig/$f" ] || (cd "$src" && cp -p --parents "$f" "$orig")
	done < <(patched_files)
}

add_overlay() {
	local f

	while read -r f; do
		if [ -f "$src/$f" ] && ! grep -qxF "$f" "$src/.krr-files"; then
			die "overlay/$f: the kernel has this file already; edit it by a patch"
		fi
		(cd "$here/overlay" && cp --parents "$f" "$stage")
	done < <(cd "$here/overlay" && find . -type f | sed 's|^\./||' | sort)
}

# bring src in line with orig + stage, touching only what differs
sync_tree() {
	local f n=0

	(cd "$stage" && find . -type f | sed 's|^\./||' | sort) >"$src/.krr-files.new"
	sort -u "$src/.krr-files" "$src/.krr-files.new" >"$src/.krr-files.all"
	# noted before they are touched, in case this is interrupted
	cp "$src/.krr-files.all" "$src/.krr-files"
	while read -r f; do
		local want=$stage/$f
		[ -f "$want" ] || want=$orig/$f
		if [ ! -f "$want" ]; then
			rm -f "$src/$f"
		elif ! cmp -s "$want" "$src/$f"; then
			mkdir -p "$(dirname "$src/$f")"
			cp "$want" "$src/$f"
			n=$((n + 1))
		fi
	done <"$src/.krr-files.all"
	mv "$src/.krr-files.new" "$src/.krr-files"
	rm -f "$src/.krr-files.all"
	say PATCH "$(patched_files | wc -l) files patched, $n written"
}

prepare() {
	extract
	keep_originals
	sh "$here/check-patches.sh" -q "$orig" "$stage" "${more_patches[@]}"
	add_overlay
	sync_tree
	rm -rf "$stage"
}

configure() {
	local tmp=$build/.config.krr

	# an unchanged .config keeps its time, or everything would be rebuilt
	mkdir -p "$build"
	cp -p "$build/.config" "$tmp" 2>/dev/null || : >"$tmp"
	env -u MAKEFLAGS -u MFLAGS -u O sh "$here/merge-config.sh" "$src" "$build" "${fragments[@]}"
	! cmp -s "$tmp" "$build/.config" || cp -p "$tmp" "$build/.config"
	rm -f "$tmp"
}

compile() {
	local log=$build.log run=(env -u MAKEFLAGS -u MFLAGS -u O
		KBUILD_BUILD_USER=krr KBUILD_BUILD_HOST=krr KBUILD_BUILD_VERSION=1
		"KBUILD_BUILD_TIMESTAMP=Thu Jan  1 00:00:00 UTC 1970"
		make -C "$src" "O=$build" LOCALVERSION= "-j$(nproc)")

	say KERNEL "$variant (log in $log)"
	if [ -n "${V:-}" ]; then
		"${run[@]}" V=1 bzImage modules scripts_gdb 2>&1 | tee "$log"
	elif ! "${run[@]}" -s bzImage modules scripts_gdb >"$log" 2>&1; then
		grep -E -A3 'error|Error|undefined reference' "$log" | head -n 40 >&2 || true
		die "the kernel does not compile; all of it: $log"
	fi
	grep -E 'warning: (objtool|vmlinux)|: warning: ' "$log" >&2 || true
}

store() {
	local tmp=$cache/tmp.$$ entry=$1

	rm -rf "$tmp"
	mkdir -p "$tmp/modules" "$tmp/scripts/gdb/linux"
	cp "$build/arch/x86/boot/bzImage" "$build/vmlinux" "$build/System.map" "$tmp"
	cp "$build/.config" "$tmp/config"
	sed "s|.*|$build/&|; s|[.]k*o\$|.ko|" "$build/modules.order" | xargs -r cp -t "$tmp/modules"
	cp -L "$build/vmlinux-gdb.py" "$tmp"
	cp -L "$build"/scripts/gdb/linux/*.py "$tmp/scripts/gdb/linux"
	(cd "$tmp" && find . -type f ! -name SHA256 -print0 | xargs -0 sha256sum >SHA256)
	rm -rf "$entry"
	mv "$tmp" "$entry"
	# the newest few are enough; the rest can be built again
	ls -dt "$cache"/kernel-* | tail -n +9 | xargs -r rm -rf
}

key=$(ingredients | sha256sum | cut -c 1-20)
if [ "$(cat "$out/key" 2>/dev/null)" = "$key" ]; then
	exit 0
fi

mkdir -p "$cache"
exec 9>"$cache/lock"
flock 9
entry=$cache/kernel-$key
if entry_good "$entry"; then
	touch "$entry"	# one that is used is no old one, see store()
	say CACHED "kernel-$key"
else
	[ ! -e "$entry" ] || say BROKEN "cache entry kernel-$key; building it again"
	prepare
	configure
	compile
	store "$entry"
fi
publish "$entry"
