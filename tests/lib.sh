# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
#
# lib.sh - what the shell tests share: TAP, a store of their own, krrctl
#
#	plan N			before anything else
#	ok NAME COMMAND...	COMMAND has to succeed
#	exits N NAME COMMAND...	COMMAND has to exit with N, or one of "N M"
#	says TEXT NAME		the last command's output has to contain TEXT
#	lacks TEXT NAME		... not to contain it
#	wait_for SECONDS COMMAND...	until COMMAND succeeds; fails after so long
#	is_logged NAME		the log of a recording that is being made has grown
#	skip_rest WHY		the points left are not tested here
#	oops CONSOLE		prints the oops up to the panic, time stamps and all
#	record_program PROGRAM "ARGUMENTS" [OPTIONS...]
#				4 points: a guest program is recorded on one vCPU and
#				on two, verified, and replayed once more with user
#				memory poisoned; 6 points with
#				options of krrctl run that give it a device to use
#	record_module PROGRAM "ARGUMENTS"
#				the plan, and 6 points: the same for a program that loads
#				a module of the kernel
#
# Output of each command goes to $work/N.out; it is shown if the point fails,
# and the folder is then kept.

top=$(cd "$(dirname "$0")" && while [ ! -f kpatch/build.mk ] && [ "$PWD" != / ]; do cd ..; done; pwd)
O=${O:-build}
case $O in /*) ;; *) O=$top/$O ;; esac
krrctl=${KRRCTL:-$O/bin/krrctl}
# auto or kvm works, too; tcg is the same everywhere
# shellcheck disable=SC2034
accel=${KRR_TEST_ACCEL:-tcg}
work=$(mktemp -d "${TMPDIR:-/tmp}/krr-test.XXXXXX")
export KRR_STORE="$work/store"
# the small guest, also where a Debian image is at hand
export KRR_INITRD="${KRR_INITRD:-$O/guest/initramfs.cpio.gz}"
# where VMs have their files
# shellcheck disable=SC2034
runtime=${XDG_RUNTIME_DIR:-/run}/krr
planned=0 done_=0 failed=0 last=/dev/null
# how long one command may take, in seconds; exit status 124 says that it did
limit=${KRR_TEST_TIMEOUT:-300}

plan() {
	planned=$1
	echo "1..$1"
}

finish() {
	if [ "$failed" -eq 0 ] && [ "$done_" -eq "$planned" ]; then
		rm -rf "$work"
		exit 0
	fi
	{
		echo "# $failed of $planned failed, $((planned - done_)) not run; look inside:"
		echo "#   KRR_STORE=$KRR_STORE $krrctl ls; ls $work"
	} >&2
	exit 1
}
trap finish EXIT
trap 'exit 1' INT TERM

point() {	# STATUS NAME
	done_=$((done_ + 1))
	if [ "$1" -eq 0 ]; then
		echo "ok $done_ - $2"
	else
		echo "not ok $done_ - $2"
		failed=$((failed + 1))
	fi
}

exits() {
	want=$1 name=$2
	shift 2
	last=$work/$((done_ + 1)).out
	got=0
	timeout -k 10 "$limit" "$@" >"$last" 2>&1 </dev/null || got=$?
	case " $want " in
	*" $got "*)
		point 0 "$name"
		return 0
	esac
	point 1 "$name"
	{
		echo "# $name: expected exit status $want, found $got, from: $*"
		tail -n 30 "$last" | sed 's/^/#   /'
	} >&2
	return 1
}

ok() {
	exits 0 "$@"
}

says() {
	grep -qF -e "$1" "$last"
	point $? "$2"
	grep -qF -e "$1" "$last" || {
		echo "# $2: expected \"$1\" in the output, which ends so:"
		tail -n 5 "$last" | sed 's/^/#   /'
	} >&2
}

lacks() {
	! grep -qF -e "$1" "$last"
	point $? "$2"
	! grep -F -e "$1" "$last" >&2
}

wait_for() {
	tries=$(($1 * 10))
	shift
	while ! "$@"; do
		tries=$((tries - 1))
		[ $tries -gt 0 ] || return 1
		sleep 0.1
	done
}

is_logged() {
	[ "$(stat -c %s "$KRR_STORE/$1.incomplete/log.krr" 2>/dev/null || echo 0)" -ge 20000 ]
}

record_program() {
	program=$1 arguments=$2
	shift 2
	for smp in 1 2; do
		rec=$program-$smp
		# shellcheck disable=SC2086 # words
		ok "$program on $smp vCPU: recorded and verified" \
			"$krrctl" run --accel "$accel" --smp $smp "$@" --record "$rec" --verify \
				-- "/tests/$program" $arguments
		[ $# -eq 0 ] || lacks "skipped" "$program on $smp vCPU: had its device"
		ok "$program on $smp vCPU: replayed with user memory poisoned" \
			"$krrctl" replay --poison "$rec"
	done
}

# those of another kernel cannot be loaded
record_module() {
	program=$1
	if [ -n "${KRR_KERNEL:-}" ] && [ -z "${KRR_MODULES:-}" ]; then
		echo "1..0 # SKIP KRR_KERNEL names a kernel, and KRR_MODULES no modules of it"
		exit
	fi
	plan 6
	record_program "$program" "$2" --share "${KRR_MODULES:-$O/kernel/modules}:modules"
}

skip_rest() {
	while [ "$done_" -lt "$planned" ]; do
		done_=$((done_ + 1))
		if [ "$failed" -eq 0 ]; then
			echo "ok $done_ # SKIP $1"
		else
			echo "not ok $done_ - not reached: $1"
		fi
	done
	exit
}

oops() {
	tr -d '\r' <"$1" | sed -n '/BUG: kernel NULL pointer/,/Kernel panic/p'
}
