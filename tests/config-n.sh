#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# config-n.sh - with CONFIG_KRR=n the patched kernel is the kernel of Debian
#
# config-n.sh [OBJECT...]
#
# Builds the objects of every C and assembler file that a patch edits, and of a
# few files that include edited headers, from the pristine source and from
# the patched one with CONFIG_KRR=n, and compares them: code with relocations,
# data, and the tables of exceptions, bugs and static keys.  OBJECTs, as
# kernel/panic.o, replace that list.  KRR_TARBALL names the source, O the build
# folder.
set -euo pipefail

die() { echo "config-n: $*" >&2; exit 1; }

here=$(cd "$(dirname "$0")" && pwd)
kpatch=$here/../kpatch
O=${O:-build}
case $O in /*) ;; *) O=$here/../$O ;; esac
tarball=${KRR_TARBALL:-/usr/src/linux-source-6.1.tar.xz}
work=$O/config-n

# included by nearly everything, so some that inline much of them
users="kernel/entry/common.o arch/x86/lib/getuser.o kernel/panic.o arch/x86/mm/pgtable.o
drivers/virtio/virtio_ring.o kernel/sched/core.o mm/memory.o fs/read_write.o kernel/futex/core.o
kernel/time/timekeeping.o net/core/skbuff.o arch/x86/kernel/signal.o"

edited() {
	sed -n 's|^+++ b/\([^[:space:]]*\)\.[cS]\([[:space:]].*\)\{0,1\}$|\1.o|p' \
		"$kpatch"/patches/*.patch | sort -u
}

# DIR: the source as Debian ships it
pristine() {
	local tree=$1

	[ ! -f "$tree/.done" ] || return 0
	[ -r "$tarball" ] || die "$tarball: not found; try 'apt-get install linux-source-6.1'"
	rm -rf "$tree"
	mkdir -p "$tree"
	tar -xf "$tarball" -C "$tree" --strip-components=1
	touch "$tree/.done"
}

# the patches and the overlay over a copy that shares the files not edited
patched() {
	local tree=$1

	rm -rf "$tree" "$work/stage"
	cp -al "$work/pristine" "$tree"
	sh "$kpatch/check-patches.sh" -q "$work/pristine" "$work/stage"
	# cp would write through the links
	cp -r --remove-destination "$work/stage/." "$tree"
	cp -r --remove-destination "$kpatch/overlay/." "$tree"
}

kmake() {	# NAME TARGET...
	local name=$1

	shift
	env -u MAKEFLAGS -u MFLAGS -u O KBUILD_BUILD_USER=krr KBUILD_BUILD_HOST=krr \
		KBUILD_BUILD_VERSION=1 "KBUILD_BUILD_TIMESTAMP=Thu Jan  1 00:00:00 UTC 1970" \
		make -s -C "$work/src" "O=$work/$name.o" LOCALVERSION= "$@"
}

# both trees are built at the same path: __FILE__ and debug lines hold it
build() {	# NAME
	local name=$1 log=$work/$1.log

	rm -f "$work/src"
	ln -s "$name" "$work/src"
	mkdir -p "$work/$name.o"
	sed -e '/CONFIG_KRR[=_]/d' -e '/DEBUG_INFO/d' "$kpatch/config/guest.config" \
		>"$work/n.config"
	echo "CONFIG_DEBUG_INFO_NONE=y" >>"$work/n.config"
	[ "$name" = pristine ] || echo "# CONFIG_KRR is not set" >>"$work/n.config"
	env -u MAKEFLAGS -u MFLAGS -u O make -s -C "$work/src" "O=$work/$name.o" ARCH=x86_64 \
		KCONFIG_ALLCONFIG="$work/n.config" allnoconfig >"$log" 2>&1 ||
		{ tail -n 20 "$log" >&2; die "$name: allnoconfig failed"; }
	! grep -q '^CONFIG_KRR=y' "$work/$name.o/.config" || die "$name: CONFIG_KRR is set"
	# arch/x86/lib is entered by two ways, so single objects can't be made in parallel
	{ kmake "$name" "-j$(nproc)" prepare && kmake "$name" "${objects[@]}"; } >>"$log" 2>&1 ||
		{ grep -E -A3 'rror' "$log" | head -n 20 >&2; die "$name does not build: $log"; }
}

# Code and data in words.  Line numbers of WARN() and might_sleep() move where a
# hook stands above them, so bug tables lose theirs.
describe() {	# OBJECT
	objdump -dr --no-show-raw-insn -w "$1" | sed '1,/^$/d'
	objdump -s -j .rodata -j .data -j .init.data -j __ex_table -j .altinstructions \
		-j __jump_table "$1" 2>/dev/null | sed 1,2d
	objdump -r -j __ex_table -j __jump_table -j __bug_table -j .altinstructions \
		-j .rodata -j .data "$1" 2>/dev/null | sed 1,2d
}

compare() {	# OBJECT
	local t

	for t in pristine patched; do
		describe "$work/$t.o/$1" >"$work/$t.txt"
		grep -q . "$work/$t.txt" || die "$t: nothing to compare in $1"
	done
	if cmp -s "$work/pristine.txt" "$work/patched.txt"; then
		echo "  same    $1"
		return 0
	fi
	echo "  DIFFERS $1"
	diff -u --label pristine --label patched "$work/pristine.txt" "$work/patched.txt" |
		head -n 30 | sed 's/^/    /'
	return 1
}

if [ $# -gt 0 ]; then
	objects=("$@")
else
	mapfile -t objects < <({ edited; tr ' ' '\n' <<<"$users"; } | grep . | sort -u)
fi
mkdir -p "$work"
work=$(cd "$work" && pwd)
pristine "$work/pristine"
patched "$work/patched"

# files that the configuration leaves out have no object in either tree
build pristine
build patched
bad=0
for o in "${objects[@]}"; do
	compare "$o" || bad=$((bad + 1))
done
echo "config-n: ${#objects[@]} objects compared, $bad differ"
[ "$bad" -eq 0 ]
