#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# cpu.t - CPU models and features: a kernel that has them is recorded, and replayed on a CPU
# that is another one; what cannot be recorded is refused by name
. "$(dirname "$0")/lib.sh"

# all of QEMU 7.2's that the guest may see on top of the default model
features='adx aes avx avx2 bmi1 bmi2 clflushopt clwb erms f16c fma fsgsbase movbe pclmulqdq pdpe1gb pku rdrand smap smep umip vaes xgetbv1 xsave xsaveopt'
cpu=$(echo "$features" | sed 's/^/+/; s/ /,+/g')
# as the kernel calls them
flags=$(echo "$features" | sed 's/pdpe1gb/pdpe1gb ospke/')
load="r=0; for f in $flags; do
	grep -m 1 ^flags /proc/cpuinfo | grep -qw \$f || { echo \"no \$f\"; r=1; }
done
for t in signals traps core ptrace compat fork mmap random fsgsbase pku vectors; do
	/tests/\$t 0.2 || r=1
done
exit \$r"
# the same programs, on whatever CPU
# shellcheck disable=SC2016 # for the guest's shell
programs='for t in signals compat fork fsgsbase pku vectors; do /tests/$t 0.2 || exit; done'

plan 41
for smp in 1 2; do
	ok "all features on $smp vCPU: recorded and verified" "$krrctl" run --accel "$accel" \
		--smp $smp --cpu "$cpu" --record cpu-$smp --verify -- /bin/sh -c "$load"
	lacks "skipped" "all features on $smp vCPU: are used"
	ok "all features on $smp vCPU: replayed again" "$krrctl" replay cpu-$smp
done
ok "krrctl info of a recording with features" "$krrctl" info cpu-1
says ",+avx2," "krrctl info names the features that were asked for"
says " fsgsbase " "krrctl info names all features that the guest saw"
says "replay on  Nehalem-v1,+adx" "krrctl info names the CPU of the replay"

for model in EPYC-Rome Skylake-Server max; do
	ok "CPU $model: recorded and verified" "$krrctl" run --accel "$accel" --smp 2 \
		--cpu $model --record "model-$model" --verify -- /bin/sh -c "$programs"
	says "bases by wrfsbase" "CPU $model: has FSGSBASE"
	ok "CPU $model: krrctl info" "$krrctl" info "model-$model"
	says "replay on  Nehalem-v1," "CPU $model: the replay had another"
	grep "^CPU has" "$last" | grep -qw svm
	point $((! $?)) "CPU $model: does not show what cannot be recorded"
done

ok "a model without some of its features is recorded and verified" "$krrctl" run \
	--accel "$accel" --cpu EPYC,-fsgsbase,-smap --record less --verify -- /tests/fsgsbase 1x
says "skipped" "and its guest does not see them"

exits 2 "a feature that there is not" "$krrctl" run --cpu +aes,+rdran -- true
says '"+rdran" cannot be recorded: krr does not know it' "a feature that there is not is named"
exits 2 "a feature that cannot be recorded" "$krrctl" vm start none --cpu Haswell,+la57
says '"+la57" cannot be recorded: krrctl verify' "a feature that cannot be recorded has a reason"
exits 3 "a model that there is not" "$krrctl" run --accel tcg --cpu Haswel -- true
says 'expected a model that QEMU has under tcg, found: ' "a model that there is not is named"
exits 2 "the host's CPU without KVM" "$krrctl" run --accel tcg --cpu host -- true
says 'try --accel kvm, or --cpu max' "the host's CPU without KVM has an alternative"
exits 3 "a feature that TCG lacks" "$krrctl" run --accel tcg --cpu +avx512f -- true
says '"+avx512f": expected a CPU that has it, found' "a feature that TCG lacks is named"

# newer QEMUs have these
for f in rdseed:random x2apic:epoll; do
	exits "0 3" "feature ${f%:*}, which QEMU may lack" "$krrctl" run --accel "$accel" --smp 2 \
		--cpu "+${f%:*}" --record "${f%:*}" --verify -- "/tests/${f#*:}" 0.3
	case $got in
	0)	says "${f#*:}: ok" "feature ${f%:*} is there" ;;
	*)	says "expected a CPU that has it, found" "feature ${f%:*} is refused" ;;
	esac
done
