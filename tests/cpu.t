#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# cpu.t - CPU features on top of the default model: which there are, and that a kernel
# that has all of them is recorded
. "$(dirname "$0")/lib.sh"

# all but rdseed, which QEMU 7.2 cannot replay
features='adx aes avx avx2 bmi1 bmi2 erms f16c fma movbe pclmulqdq rdrand smap smep xsave xsaveopt'
cpu=$(echo "$features" | sed 's/^/+/; s/ /,+/g')
load="r=0; for f in $features; do
	grep -m 1 ^flags /proc/cpuinfo | grep -qw \$f || { echo \"no \$f\"; r=1; }
done
for t in signals traps core ptrace compat fork mmap random; do /tests/\$t 0.2 || r=1; done
exit \$r"

plan 12
for smp in 1 2; do
	ok "all features on $smp vCPU: recorded and verified" "$krrctl" run --accel "$accel" \
		--smp $smp --cpu "$cpu" --record cpu-$smp --verify -- /bin/sh -c "$load"
	ok "all features on $smp vCPU: replayed again" "$krrctl" replay cpu-$smp
done
ok "a recording says what its CPU was" "$krrctl" info cpu-1
says ",+avx2," "by its features"
exits 2 "a feature that there is not" "$krrctl" run --cpu +aes,+rdran -- true
says '"+rdran": expected +FEATURE' "is named"
exits 2 "one that cannot be recorded" "$krrctl" vm start none --cpu +fsgsbase
says 'of: adx aes' "gets the list of those that can"
exits "0 3" "one that QEMU may lack" "$krrctl" run --accel "$accel" --cpu +rdseed -- /tests/random 1x
case $got in
0)	says "seeds of rdseed" "is there" ;;
*)	says "replays run on QEMU's TCG" "or is refused" ;;
esac
