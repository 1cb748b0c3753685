#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# host.t - krrctl where KVM runs the guest kernel: which accelerator it takes, gdb; run there
# by tests/kvm-rig/check
. "$(dirname "$0")/../lib.sh"
plan 18

# doctor boots the guest kernel to know; /dev/kvm alone says little
probe=$("$krrctl" doctor | grep -E '^[A-Za-z]+ +kvm ')
case $probe in
ok*)	;;
"")	ok "doctor tells whether KVM is usable" false
	skip_rest "doctor said nothing about KVM" ;;
*)	skip_rest "no KVM: $(echo "$probe" | sed 's/^[A-Za-z]* *kvm *//')" ;;
esac

for smp in 1 2; do
	rec=kvm-$smp
	ok "recorded under KVM on $smp vCPU" "$krrctl" run --accel kvm --smp $smp --record $rec \
		-- /bin/sh -c '/tests/fork 5x & /tests/pipe 0.3; wait $!'
	ok "the recording exists" "$krrctl" info $rec
	says kvm "and says that it was made under KVM"
	ok "replayed and verified under TCG" "$krrctl" verify --accel tcg $rec
	ok "replayed and verified under KVM" "$krrctl" verify --accel kvm $rec
	ok "recorded under TCG on $smp vCPU" "$krrctl" run --accel tcg --smp $smp --record tcg-$smp \
		-- /tests/pipe 0.3
	ok "replayed and verified under what serves best" "$krrctl" verify tcg-$smp
	says "under kvm (recorded in" "which is KVM"
done

ok "gdb, under KVM, stops at a breakpoint in hardware" "$krrctl" gdb --accel kvm kvm-2 -- -batch \
	-ex 'hbreak __schedule' -ex continue -ex 'backtrace 2'
says "in schedule ()" "and shows the way to it"
