#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# size.t - RAM on both sides of the PCI hole, both types of machines, and each way to find
# the pages of RAM that changed
#
# The guest's kernel takes memory above 4 GiB first.  Each page that changes is also looked
# for by its hash, and a recording fails if the host's kernel did not tell of it.
. "$(dirname "$0")/lib.sh"
plan 38
export KRR_WRITES_CHECK=1

in_two_pieces() {	# MACHINE SMP MEM
	rec=$1-$2
	ok "$1, $2 vCPU, $3 of RAM: recorded" "$krrctl" run --accel "$accel" --machine "$1" \
		--smp "$2" --mem "$3" --record "$rec" -- /bin/sh -c '
		grep -q "^ *100000000-.*System RAM" /proc/iomem && echo two pieces
		cat /sys/bus/pci/devices/*/config /sys/bus/acpi/devices/*/status | md5sum
		/tests/bigmem 1x 600 32'
	says "two pieces" "$1, $2 vCPU: some of it is above 4 GiB"
	ok "$1, $2 vCPU: verified" "$krrctl" verify "$rec"
	ok "$1, $2 vCPU: it has a description" "$krrctl" info "$rec"
}

for smp in 1 2; do
	in_two_pieces q35 $smp 2560M
	says "pc-q35" "q35, $smp vCPU: with the type of machine"
done
in_two_pieces pc 2 3584M
says "pc-i440fx" "pc: with the type of machine"

# what a host with less does
ok "all of RAM is hashed" env KRR_WRITES=hash "$krrctl" run --accel "$accel" --record hashed \
	--verify -- /tests/bigmem 1x 64 32
ok "and that is told" "$krrctl" info hashed
says "found by hash" "in words"

# copies ahead of the end of a guest that writes here, then there; and an end for which there is
# no memory
wanders() {	# NAME VARIABLE...
	rec=$1
	shift
	ok "$*: recorded and verified" env KRR_AHEAD_MS=20 "$@" "$krrctl" run --accel "$accel" \
		--smp 2 --record "$rec" --verify -- /tests/bigmem 4x 64 16 8
	ok "$*: it has a description" "$krrctl" info "$rec"
	if [ "$best$1" = scanKRR_WRITES=scan ]; then
		says "copied before the end" "$*: copied ahead"
	else
		lacks "copied before the end" "$*: not copied ahead"
	fi
}
best=hash
"$krrctl" doctor | grep -q "changes  *scan:" && best=scan
wanders ahead KRR_WRITES=scan
wanders ahead-little KRR_WRITES=scan KRR_SPARE_MIB=1
wanders soft-little KRR_WRITES=soft KRR_SPARE_MIB=1
wanders hash-little KRR_WRITES=hash KRR_SPARE_MIB=1

# borders, and copies ahead of them
vm=krr-size-$$
ok "a VM starts" "$krrctl" vm start "$vm" --accel "$accel" --machine q35 --smp 2 --mem 2560M
ok "it flies" "$krrctl" --vm "$vm" enable --subsys sched --keep 4s --budget 2G
ok "the guest rewrites memory" "$krrctl" vm exec "$vm" -- /tests/bigmem 7 200 64
ok "what there is is saved" "$krrctl" --vm "$vm" save
rec=$(cd "$KRR_STORE" && ls -d "$vm"-save-* | head -n 1)
ok "it has epochs" "$krrctl" info "$rec"
says "ms (most) between them" "with borders"
ok "verified through its borders" "$krrctl" verify "$rec"
says "verified" "and memory is what it was"
"$krrctl" vm stop "$vm"
