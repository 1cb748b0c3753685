#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# kernel-build.t - kpatch/build-kernel.sh: the cache, changed files, bad patches,
# variants
#
# The kernel is a stand-in of a few files, so that this takes seconds.
. "$(dirname "$0")/lib.sh"
plan 44

kp=$work/kpatch
b=$work/build
mkdir -p "$kp/patches" "$kp/config" "$kp/overlay/lib" "$work/fake/init" "$work/fake/lib"
cp "$top"/kpatch/*.sh "$kp"
export KRR_CACHE="$work/cache" KRR_TARBALL="$work/fake.tar.xz"

# "compiles" by copying, and notes what it had to do
cat >"$work/fake/Makefile" <<'END'
SRC := $(abspath $(dir $(lastword $(MAKEFILE_LIST))))
allnoconfig:
	grep -v UNKNOWN $(KCONFIG_ALLCONFIG) >$(O)/.config
bzImage: $(O)/vmlinux
	mkdir -p $(O)/arch/x86/boot
	cp $(O)/vmlinux $(O)/arch/x86/boot/bzImage
	cp $(O)/vmlinux $(O)/System.map
modules: $(O)/vmlinux
	mkdir -p $(O)/lib
	echo module >$(O)/lib/some.ko
	echo lib/some.o >$(O)/modules.order
scripts_gdb:
	mkdir -p $(O)/scripts/gdb/linux
	touch $(O)/vmlinux-gdb.py $(O)/scripts/gdb/linux/constants.py
$(O)/vmlinux: $(patsubst $(SRC)/%.c,$(O)/%.o,$(wildcard $(SRC)/*/*.c)) $(O)/.config
	cat $^ >$@
$(O)/%.o: $(SRC)/%.c
	mkdir -p $(@D)
	cp $< $@
	echo $* >>$(O)/compiled
END
printf 'config GOOD\nconfig BAD\n' >"$work/fake/Kconfig"
seq 1 30 >"$work/fake/init/main.c"
seq 31 60 >"$work/fake/lib/other.c"
(cd "$work" && tar -cJf fake.tar.xz fake)
echo CONFIG_GOOD=y >"$kp/config/guest.config"
echo CONFIG_GOOD=y >"$kp/config/debug.config"
echo CONFIG_GOOD=n >"$kp/config/plain.config"
echo overlay >"$kp/overlay/lib/new.c"

# FILE LINE TEXT: a patch of the line that holds number LINE, made for TEXT
patch_of() {
	cat <<END
--- a/$1
+++ b/$1
@@ -$((($2 - 1) % 30)),3 +$((($2 - 1) % 30)),3 @@
 $(($2 - 1))
-$3
+patched $2
 $(($2 + 1))
END
}

make_patch() { patch_of init/main.c "$2" "$3" >"$kp/patches/$1"; }

compiled() { sort "$b/kernel-build/compiled" | tr '\n' ' '; }
run_build() { exits "$1" "$2" "$kp/build-kernel.sh" "$b" "${3:-guest}"; }

make_patch 0001-first.patch 5 5
run_build 0 "a first build"
ok "is patched" grep -qx "patched 5" "$b/kernel/vmlinux"
ok "has the overlay" grep -qx overlay "$b/kernel/vmlinux"
ok "has its config" grep -qx CONFIG_GOOD=y "$b/kernel/config"
ok "has its modules" grep -qx module "$b/kernel/modules/some.ko"
ok "has its commands for gdb" test -f "$b/kernel/vmlinux-gdb.py" -a \
	-f "$b/kernel/scripts/gdb/linux/constants.py"

: >"$b/kernel-build/compiled"
run_build 0 "a second build"
ok "compiles nothing" test -z "$(compiled)"
rm -rf "$b/kernel"
run_build 0 "a build whose result is gone"
says CACHED "comes from the cache"

echo changed >"$kp/overlay/lib/new.c"
run_build 0 "a changed overlay"
ok "compiles that file alone" test "$(compiled)" = "lib/new "
ok "and is in the result" grep -qx changed "$b/kernel/vmlinux"

rm "$kp/patches/0001-first.patch" "$kp/overlay/lib/new.c"
: >"$b/kernel-build/compiled"
run_build 0 "a patch and an overlay file taken away"
ok "leave the source as Debian ships it" \
	sh -c "cmp '$b/kernel-src/init/main.c' '$work/fake/init/main.c' &&
	       test ! -e '$b/kernel-src/lib/new.c'"
ok "and compile that file alone" test "$(compiled)" = "init/main "

for e in "$KRR_CACHE"/kernel-*; do echo broken >"$e/vmlinux"; done
rm -rf "$b/kernel"
run_build 0 "a broken cache entry"
says BROKEN "is seen and built again"
ok "and not used" grep -qx 31 "$b/kernel/vmlinux"
for e in "$KRR_CACHE"/kernel-*; do echo more >"$e/modules/more.ko"; done
rm -rf "$b/kernel"
run_build 0 "a cache entry with a file too many"
says BROKEN "is seen, too"

# bugs is guest and a few patches more, compiled in the same folder
run_build 1 "the variant bugs without a bug" bugs
says "reopen.patch: not found" "misses one"
mkdir -p "$work/tests/bugs/one"
patch_of lib/other.c 40 40 >"$work/tests/bugs/one/reopen.patch"
: >"$b/kernel-build/compiled"
run_build 0 "the variant bugs" bugs
ok "compiles the file with the bug alone" test "$(compiled)" = "lib/other "
ok "has the bug" grep -qx "patched 40" "$b/kernel-bugs/vmlinux"
ok "which guest has not" sh -c "! grep -x 'patched 40' '$b/kernel/vmlinux'"
rm -rf "$b/kernel"
run_build 0 "guest, after it"
says CACHED "is not another kernel by the bugs there are"
make_patch 0001-first.patch 5 5
: >"$b/kernel-build/compiled"
run_build 0 "guest, changed after it"
ok "compiles what changed, and the file without the bug" \
	test "$(compiled)" = "init/main lib/other "
ok "has not the bug" sh -c "! grep -x 'patched 40' '$b/kernel/vmlinux'"
# plain is guest with another configuration, in a folder of its own
run_build 0 "the variant plain" plain
ok "is configured by its last word" grep -qx CONFIG_GOOD=n "$b/kernel-plain/config"
ok "has the patches" grep -qx "patched 5" "$b/kernel-plain/vmlinux"
patch_of lib/other.c 50 wrong >"$work/tests/bugs/one/reopen.patch"
run_build 1 "a bug that does not apply" bugs
says "bugs/one/reopen.patch: lib/other.c: hunk #1 failed" "is named"

make_patch 0002-second.patch 20 wrong
run_build 1 "a patch that does not apply"
says "0002-second.patch: init/main.c: hunk #1 failed" "is named, with file and hunk"
rm "$kp/patches/0002-second.patch"

echo mine >"$kp/overlay/lib/other.c"
run_build 1 "an overlay file that the kernel has already"
says "overlay/lib/other.c" "is named"
rm "$kp/overlay/lib/other.c"

echo CONFIG_UNKNOWN=y >>"$kp/config/guest.config"
run_build 0 "a config line that the tree does not know is no error"
printf 'config UNKNOWN\n' >>"$work/fake/Kconfig"
(cd "$work" && tar -cJf fake.tar.xz fake)
run_build 1 "one that it knows and does not honour is"
says "UNKNOWN: expected y, found n" "and is named"
