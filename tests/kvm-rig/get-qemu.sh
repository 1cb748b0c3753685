#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# get-qemu.sh OUT - QEMU 10 of Debian's backports, unpacked, as the program OUT/qemu
#
# It stands beside the QEMU that is installed, and uses the libraries that came with
# that one.  apt works with lists and sources of its own below OUT, so nothing of the
# machine's packages changes.  The mirror and its key are those of the machine.
set -eu

suite=bookworm
least=10
packages="qemu-system-x86 qemu-system-common qemu-system-data"

die() { echo "get-qemu: $*" >&2; exit 1; }

[ $# -eq 1 ] || die "usage: get-qemu.sh OUT"
out=$1
if [ "$("$out/qemu" --version 2>/dev/null | sed -n 's/.* version \([0-9]*\).*/\1/p')" = $least ]; then
	exit 0
fi
for tool in apt-get dpkg-deb; do
	command -v $tool >/dev/null || die "$tool: not found; this needs Debian"
done

mirror=$(apt-get indextargets --format '$(RELEASE) $(COMPONENT) $(REPO_URI)' 'Created-By: Packages' |
	sed -n "s/^$suite main //p" | head -n 1)
[ -n "$mirror" ] || die "apt has no source for $suite main, so no mirror is known"

rm -rf "$out"
mkdir -p "$out/apt/lists/partial" "$out/apt/archives/partial" "$out/debs" "$out/root"
out=$(cd "$out" && pwd)
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite-backports main" \
	>"$out/apt/sources"

backports() {	# COMMAND...: apt-get, apart from the machine's
	apt-get -qq -o Dir::Etc::sourcelist="$out/apt/sources" -o Dir::Etc::sourceparts=/dev/null \
		-o Dir::State::lists="$out/apt/lists" -o Dir::Cache::archives="$out/apt/archives" \
		-o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= -o APT::Sandbox::User=root "$@"
}

echo "  APT     QEMU $least, unpacked"
backports update
# shellcheck disable=SC2086 # a list
(cd "$out/debs" && backports download $packages >/dev/null)
for deb in "$out"/debs/*.deb; do
	dpkg-deb -x "$deb" "$out/root"
done
rm -rf "$out/apt" "$out/debs"

# the firmware is that of the seabios which is installed
cat >"$out/qemu.tmp" <<END
#!/bin/sh
exec "$out/root/usr/bin/qemu-system-x86_64" -L "$out/root/usr/share/qemu" -L /usr/share/seabios "\$@"
END
chmod 755 "$out/qemu.tmp"
"$out/qemu.tmp" --version >"$out/version" || die "QEMU $least does not run, see above; try 'make setup'"
grep -q " version $least\." "$out/version" ||
	die "expected QEMU $least in $suite-backports, found: $(head -n 1 "$out/version")"
mv "$out/qemu.tmp" "$out/qemu"
