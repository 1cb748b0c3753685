#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# check-patches.sh - apply every patch of kpatch/patches to pristine files
#
# check-patches.sh [-q] FROM STAGE [PATCH...]
#
# PATCHes are applied on top, in this order.
#
# FROM is a kernel tree or its tarball, with the files as Debian ships them.
# STAGE gets the patched files, and only those.  No fuzz is allowed: a hunk
# that only nearly fits is a hunk that nobody has looked at.
set -eu

die() { echo "check-patches: $*" >&2; exit 1; }

quiet=
[ "${1:-}" != -q ] || { quiet=1; shift; }
[ $# -ge 2 ] || die "usage: check-patches.sh [-q] FROM STAGE [PATCH...]"
from=$1 stage=$2
shift 2
patches=$(cd "$(dirname "$0")" && pwd)/patches
set -- "$patches"/*.patch "$@"

# the files that a patch edits; a file that it would make or delete is refused
edited() {
	awk -v name="${1#"$patches"/}" '
	/^(---|\+\+\+) \/dev\/null/ {
		print name ": line " NR ": makes or deletes a file; new files go" \
		      " to kpatch/overlay" > "/dev/stderr"
		exit 1
	}
	/^\+\+\+ b\// { sub(/^\+\+\+ b\//, ""); sub(/\t.*/, ""); print }' "$1"
}

fetch() {
	if [ -d "$from" ]; then
		(cd "$from" && xargs cp --parents -t "$stage") <"$stage/.list"
	else
		top=$(basename "$from"); top=${top%%.tar*}
		sed "s|^|$top/|" "$stage/.list" |
			tar -xf "$from" -C "$stage" --strip-components=1 -T -
	fi || die "expected the files named above in $from; is it the kernel that" \
		  "the patches are for?"
}

# name the file and the hunk that failed, from the words of patch(1)
explain() {
	awk -v name="$1" '
	/^(checking|patching) file / { file = $3 }
	/^Hunk #[0-9]+ FAILED/ { print name ": " file ": hunk " $2 " failed, expected near line " $5; n++ }
	END { if (!n) print name ": patch failed" }' "$2" >&2
	[ -z "${V:-}" ] || cat "$2" >&2
}

rm -rf "$stage"
mkdir -p "$stage"
stage=$(cd "$stage" && pwd)
: >"$stage/.all"
for p; do
	[ -e "$p" ] || continue
	edited "$p" >>"$stage/.all"
done
sort -u "$stage/.all" >"$stage/.list"
n=$(wc -l <"$stage/.list")
[ "$n" -eq 0 ] || fetch

bad=0
for p; do
	[ -e "$p" ] || continue
	if ! patch -d "$stage" -p1 -F0 -f --no-backup-if-mismatch -r - <"$p" \
			>"$stage/.out" 2>&1; then
		explain "${p#"$patches"/}" "$stage/.out"
		bad=$((bad + 1))
		break
	fi
	[ -n "$quiet" ] || echo "  ok  ${p#"$patches"/}"
done
rm -f "$stage/.all" "$stage/.out" "$stage/.list"
[ "$bad" -eq 0 ] || die "edit the patch to fit, or build against the kernel it was made for"
