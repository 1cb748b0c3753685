#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# export.t - a timeline is a trace as the trace-event format wants it, and has in it
# what the recording has: stays in the kernel, the RR lock, annotations, marks, epochs
. "$(dirname "$0")/lib.sh"
plan 37

PATH=$PATH:/usr/sbin:/sbin
vm=krr-export-$$
truncate -s 64M "$work/ext4.img"
mke2fs -q -F -t ext4 "$work/ext4.img"

# NAME of a recording, OPTIONS
export_of() {
	rec=$1
	shift
	ok "$rec is exported" "$krrctl" export --perfetto "$@" "$rec"
	# shellcheck disable=SC2016 # of that sh
	ok "as the format wants it" sh -c '"$1" <"$2"' - "$top/tests/trace-event" "$last"
}

# the checker sees what is wrong
refuses() {	# WHY EVENT...
	why=$1
	shift
	cat >"$work/bad.json" <<-END
		[ {"name":"process_name","ph":"M","pid":1,"args":{"name":"p"}},
		  {"name":"thread_name","ph":"M","pid":1,"tid":1,"args":{"name":"t"}}, $* ]
	END
	# shellcheck disable=SC2016
	exits 1 "what is no trace is refused: $why" \
		sh -c '"$1" <"$2"' - "$top/tests/trace-event" "$work/bad.json"
	says "wrong: $why" "for that"
}

refuses "bad ts" '{"name":"a","cat":"c","ph":"X","ts":-1,"dur":1,"pid":1,"tid":1}'
refuses "bad dur" '{"name":"a","cat":"c","ph":"X","ts":1,"dur":"1","pid":1,"tid":1}'
refuses "cuts a slice in two" '{"name":"a","cat":"c","ph":"X","ts":1,"dur":2,"pid":1,"tid":1},' \
	'{"name":"b","cat":"c","ph":"X","ts":2,"dur":2,"pid":1,"tid":1}'
refuses "not ended" '{"name":"a","cat":"c","ph":"b","id":1,"ts":1,"pid":1,"tid":1}'
refuses "1/2 has no name" '{"name":"a","cat":"c","ph":"i","s":"t","ts":1,"pid":1,"tid":2}'

# something for every lane
ok "a VM starts" "$krrctl" vm start "$vm" --accel "$accel" --smp 2 --disk "$work/ext4.img" \
	--append oops=panic
ok "all subsystems are enabled, with a rule" "$krrctl" --vm "$vm" enable --subsys all --no-flight \
	--when 'net.drop && net.dport == 81' --then mark:nobody
ok "recording begins" "$krrctl" record "$vm" all
ok "everything is done" "$krrctl" vm exec "$vm" -- /bin/sh -c \
	'nc -w 1 127.0.0.1 81 </dev/null; /tests/tcp 3x; /tests/disk 1x; /tests/fork 3
	krrctl mark by-hand; true'
ok "recording ends" "$krrctl" stop "$vm"
export_of all
for what in "counter RR lock CPU 0 held" "counter RR lock CPU 1 held" "counter RR lock hand-overs" \
	"category kernel" "category syscall" "category irq" "name fs.write" "name blocked" \
	"name net.state" "name block.complete" "phase b" "name mark: 2" "name stop 1"; do
	says "$what" "with $what"
done
export_of all --from 1000 --to 20000

# through epochs the clock goes on, and what ended it is in it
ok "it flies" "$krrctl" --vm "$vm" enable --subsys net,error --keep 4s --budget 1G
"$krrctl" vm exec "$vm" -- /bin/sh -c \
	'/tests/pipe 3; echo EXCEPTION >/sys/kernel/debug/provoke-crash/DIRECT' >"$work/crash" 2>&1
for _ in $(seq 300); do
	rec=$(cd "$KRR_STORE" && ls -d "$vm"-panic-* 2>/dev/null | grep -v incomplete)
	[ -z "$rec" ] || break
	sleep 0.1
done
export_of "$rec"
says "name epoch" "with epochs"
says "name panic:" "and the panic"
