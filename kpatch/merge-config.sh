#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# merge-config.sh - make a kernel .config from allnoconfig and fragments
#
# merge-config.sh TREE BUILD FRAGMENT...
#
# Later fragments win.  A line that the tree's Kconfig knows and that did not
# come out as asked is an error; a symbol that the tree lacks is only named,
# so that a fragment may be ahead of the tree.
set -eu

die() { echo "merge-config: $*" >&2; exit 1; }

[ $# -ge 3 ] || die "usage: merge-config.sh TREE BUILD FRAGMENT..."
tree=$1 build=$2
shift 2
[ -f "$tree/Kconfig" ] || die "$tree: not a kernel tree (no Kconfig)"

# one "SYMBOL value" line per symbol, the last one wins
wanted() {
	sed -n -e 's/^CONFIG_\([A-Za-z0-9_]*\)=\(.*\)$/\1 \2/p' \
	       -e 's/^# CONFIG_\([A-Za-z0-9_]*\) is not set$/\1 n/p' "$@" |
		awk '{ v[$1] = $2 } END { for (s in v) print s, v[s] }' | sort
}

known() {
	find "$tree" -name 'Kconfig*' -not -path '*/scripts/kconfig/tests/*' -exec \
		sed -n 's/^[[:space:]]*\(menu\)\{0,1\}config[[:space:]]\{1,\}\([A-Za-z0-9_]*\).*/\2/p' {} + |
		sort -u
}

mkdir -p "$build"
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

wanted "$@" >"$tmp/want"
sed 's/^\([^ ]*\) /CONFIG_\1=/' "$tmp/want" >"$tmp/all.config"
make -s -C "$tree" O="$(realpath "$build")" ARCH=x86_64 \
	KCONFIG_ALLCONFIG="$tmp/all.config" allnoconfig >"$tmp/log" 2>&1 ||
	{ cat "$tmp/log" >&2; die "allnoconfig failed in $tree"; }

known >"$tmp/known"
wanted "$build/.config" >"$tmp/got"
bad=0
while read -r sym val; do
	if ! grep -qx "$sym" "$tmp/known"; then
		echo "merge-config: note: $sym is not in this tree's Kconfig" >&2
		continue
	fi
	got=$(sed -n "s/^$sym //p" "$tmp/got")
	if [ "${got:-n}" != "$val" ]; then
		echo "merge-config: $sym: expected $val, found ${got:-n};" \
		     "look at its 'depends on' lines" >&2
		bad=$((bad + 1))
	fi
done <"$tmp/want"
[ "$bad" -eq 0 ] || die "$bad lines of the fragments were not honoured"
