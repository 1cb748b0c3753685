#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# annotate.t - BPF programs put into the log what each subsystem does; rules mark
# it; replay makes the same annotations; and they are positions to go to
. "$(dirname "$0")/lib.sh"
plan 77

PATH=$PATH:/usr/sbin:/sbin
truncate -s 64M "$work/ext4.img"
mke2fs -q -F -t ext4 "$work/ext4.img"

# something for every subsystem
actions='nc -w 1 127.0.0.1 81 </dev/null
/tests/tcp 3x; /tests/disk 1x; /tests/oom 1x; /tests/fork 3x; /tests/namespaces 1x
echo 12345 >/tmp/written; cat /tmp/written /nowhere; rm /tmp/written
echo WARNING >/sys/kernel/debug/provoke-crash/DIRECT; true'

start_vm() {	# SMP
	vm=krr-annotate-$1-$$ smp=$1
	ok "a VM starts, $1 vCPU" "$krrctl" vm start "$vm" --accel "$accel" --smp "$1" \
		--disk "$work/ext4.img" --append slub_debug=-
}

record() {	# NAME
	ok "recording begins" "$krrctl" record "$vm" "$1"
	ok "everything is done" "$krrctl" vm exec "$vm" -- /bin/sh -c "$actions"
	ok "recording ends" "$krrctl" stop "$vm"
}

found() {	# RECORDING MATCH
	"$krrctl" dump --match "$2" "$1" >"$work/found" && [ -s "$work/found" ]
	point $? "there is $2"
}

for n in 1 4; do
	start_vm $n
	ok "all subsystems are enabled" "$krrctl" --vm "$vm" enable --subsys all
	record "all-$n"
	"$krrctl" vm stop "$vm"
	ok "with all annotations it is verified" "$krrctl" verify "all-$n"
done

start_vm 2
ok "what there is is listed" "$krrctl" --vm "$vm" subsys
says "block" "with the subsystems"
ok "and its fields" "$krrctl" --vm "$vm" subsys net
says "drop_reason" "by name"
ok "nothing is enabled" "$krrctl" --vm "$vm" status
says "enabled    nothing" "says the status"
ok "all is enabled, with rules" "$krrctl" --vm "$vm" enable --subsys all \
	--when 'net.drop_reason == no_socket' --then mark:nobody --when 'syscall.ret == ENOENT' --rate 1
record all-2
ok "the status has counts" "$krrctl" --vm "$vm" status
says "then mark:nobody: 1 hits, 0 suppressed" "of the rule that was hit once"
"$krrctl" vm stop "$vm"
ok "it is verified" "$krrctl" verify all-2

found all-2 'net.drop && net.dport == 81 && net.drop_reason == no_socket && net.dev == lo'
found all-2 'net.reset && net.daddr == 127.0.0.1 && net.comm == nc'
found all-2 'net.state && net.old_state == syn_sent && net.state == established && net.comm == tcp'
found all-2 'block.complete && block.op == write && block.bytes >= 4K && block.latency > 1us'
found all-2 'fs.write && fs.name == written && fs.len == 6 && fs.ret == 6'
found all-2 'fs.open && fs.name == nowhere && fs.ret == ENOENT'
found all-2 'fs.unlink && fs.name == written && fs.comm == rm'
found all-2 'mm.oom && mm.victim_comm == oom'
found all-2 'mm.mmap && mm.len >= 64K'
found all-2 'sched.exec && sched.path == /tests/fork'
found all-2 'sched.exit && sched.comm == cat && sched.exit_code == 1'
found all-2 'sched.switch && sched.blocked > 1us'
found all-2 'irq.softirq && irq.latency > 1us'
found all-2 'irq.softirq && irq.name == TIMER'
found all-2 'syscall.nr == openat && syscall.ret == ENOENT && syscall.comm == cat'
found all-2 'security.creds && security.comm == namespaces'
found all-2 'error.warn'
found all-2 'error.printk && error.text ~= "WARNING: CPU"'
found all-2 'mark:nobody'

# positions
ok "a replay goes to a mark" "$krrctl" replay --until mark:nobody all-2
says "name nobody" "and says what it is"
exits 2 "a mark that is not there" "$krrctl" replay --until mark:nothing all-2
exits 2 "a third reset of two" "$krrctl" replay --until 'net.reset#300' all-2
ok "gdb goes there" "$krrctl" gdb --at mark:nobody all-2 -- -batch -ex bt
says "tcp_v4_rcv" "and shows the way through the network stack"
ok "a report is made" "$krrctl" report all-2
says "slowest block I/O" "with the slowest I/O"
ok "a timeline is made" "$krrctl" export --perfetto all-2
"$top/tests/json" displayTimeUnit <"$last" >/dev/null
point $? "which is JSON"

# what is wrong changes nothing
refused() {	# NAME TEXT OPTIONS...
	name=$1 text=$2
	shift 2
	exits 2 "$name" "$krrctl" --vm "$vm" enable "$@"
	says "$text" "and the message says what would be right"
}

start_vm 2
ok "net is enabled" "$krrctl" --vm "$vm" enable --subsys net --when 'net.reset'
refused "an unknown subsystem" "there are: all, net" --subsys nte
refused "an unknown field" "did you mean drop_reason" --subsys net --when 'net.drop_raeson == 1'
refused "no subsystem" "--subsys LIST is needed" --comm nginx
refused "a rule for another subsystem" "which --subsys does not name" --subsys net --when 'fs.open'
ok "the status is as before" "$krrctl" --vm "$vm" status
says "enabled    --subsys net --when net.reset" "with what was enabled first"
ok "a policy is in a file" "$krrctl" vm exec "$vm" -- /bin/sh -c \
	"mkdir -p /etc/krr; echo \"--subsys sched # comment\" >/etc/krr/a.conf; krrctl enable"
ok "and applied" "$krrctl" --vm "$vm" status
says "enabled    --subsys sched" "in place of the other one"
ok "it is taken back" "$krrctl" --vm "$vm" disable
"$krrctl" vm stop "$vm"

# a panic with its last annotations
start_vm 2
ok "net and error are enabled in the guest" "$krrctl" vm exec "$vm" -- krrctl enable \
	--subsys net,error --comm nc --comm sh
"$krrctl" record "$vm" panic
"$krrctl" vm exec "$vm" -- /bin/sh -c "$actions; echo PANIC >/sys/kernel/debug/provoke-crash/DIRECT" \
	>/dev/null 2>&1
ok "the panic replays" "$krrctl" verify panic
ok "the report of a panic" "$krrctl" report panic
says "Kernel panic - not syncing" "has what the kernel printed"
says "error.panic" "and its annotation"
