#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# fields.t - every field and every enumerator of the annotations, against an action
# of the guest that makes it, with a value that is known
. "$(dirname "$0")/lib.sh"

# What has to be in the recording, or with "not" in front of it must not be.  $NAME
# is a fact that tests/guest/fields.c prints: the step of that name has it as its
# process id.  A softirq runs on top of anything, so who it says it was is not asked.
# "panic" is about the second recording.  "skip" has a member that no action makes
# here, and why.
table() {
	cat <<'EOF'
net.state && net.pid == $net_close && net.tid == $net_close && net.comm == net_close && net.cgroup == $cgroup && net.sport == 4242 && net.old_state == close && net.state == listen
net.event == state && net.old_state == close && net.state == syn_sent && net.saddr == 127.0.0.1 && net.daddr == 127.0.0.1 && net.sport == 4343 && net.dport == 4242
net.old_state == syn_sent && net.state == established && net.sport == 4343 && net.netns == $netns && net.protocol == tcp && net.family == inet && net.sk > 0xffff800000000000
net.old_state == listen && net.state == syn_recv && net.sport == 4242
net.old_state == syn_recv && net.state == established && net.sport == 4242 && net.dport == 4343
net.old_state == established && net.state == fin_wait1 && net.sport == 4343 && net.dport == 4242
net.old_state == fin_wait1 && net.state == fin_wait2 && net.sport == 4343
net.old_state == fin_wait2 && net.state == close && net.sport == 4343
net.old_state == established && net.state == close_wait && net.sport == 4242
net.old_state == close_wait && net.state == last_ack && net.sport == 4242
net.old_state == last_ack && net.state == close && net.sport == 4242
net.old_state == fin_wait1 && net.state == closing && net.sport == 4245 && net.dport == 4346
net.old_state == closing && net.state == close && net.sport == 4245
net.old_state == listen && net.state == close && net.sport == 4242
net.reset_sent && net.comm == net_close6 && net.family == inet6 && net.saddr == ::1 && net.daddr == ::1 && net.sport == 4243 && net.dport == 4344 && net.netns == $netns
net.reset && net.family == inet6 && net.saddr == ::1 && net.sport == 4344 && net.dport == 4243 && net.state == established && net.netns == $netns
net.retransmit && net.sport == 4345 && net.dport == 4244 && net.len == 1234 && net.state == established && net.netns == $netns && net.protocol == tcp
net.retransmit && net.state == closing && net.sport == 4245 && net.daddr == 127.0.0.1
net.drop && net.drop_reason == socket_filter && net.sport == 4345 && net.dport == 4244 && net.len == 1266 && net.dev == lo && net.netns == $netns
net.drop && net.drop_reason == no_socket && net.protocol == udp && net.sport == 4353 && net.dport == 4299 && net.len == 108 && net.saddr == 127.0.0.1 && net.netns == $netns
net.drop && net.drop_reason == no_socket && net.protocol == udp && net.family == inet6 && net.dport == 4299 && net.len == 208 && net.daddr == ::1 && net.dev == lo
net.drop && net.drop_reason == no_socket && net.protocol == icmp && net.len == 64 && net.dev == lo
net.drop && net.drop_reason == no_socket && net.protocol == icmpv6 && net.len == 64 && net.family == inet6
net.drop && net.drop_reason == tcp_csum && net.state == new_syn_recv && net.sport == 4347 && net.dport == 4246 && net.len == 20 && net.sk > 0xffff800000000000
net.drop && net.drop_reason == tcp_csum && net.state == time_wait && net.sport == 4348 && net.dport == 4247 && net.protocol == tcp
skip net.drop_reason these are of the kernel, and copied as numbers: three of them do
skip net.old_state==time_wait a socket becomes another, smaller object
skip net.old_state==new_syn_recv a socket is made from another, smaller object
skip net.event==xmit_error lo and the virtio card take all packets
skip net.err of xmit_error only
block.issue && block.pid == $blk_queue && block.tid == $blk_queue && block.comm == blk_queue && block.cgroup == $cgroup && block.sector == 4096 && block.bytes == 12K && block.op == read
block.complete && block.dev == $disk && block.sector == 4096 && block.bytes == 12K && block.op == read && block.latency > 1us && block.latency < 100s
block.issue && block.dev == $disk && block.sector == 2048 && block.bytes == 8K && block.op == write
block.complete && block.dev == $disk && block.sector == 2048 && block.bytes == 8K && block.op == write && block.status == 0
block.complete && block.dev == $disk && block.op == flush && block.sector == 0 && block.bytes == 0 && block.latency > 1us
block.complete && block.dev == $disk && block.op == discard && block.sector == 6144 && block.bytes == 32K
block.complete && block.dev == $disk && block.op == other && block.sector == 8192 && block.bytes == 16K
block.issue && block.comm == blk_queue && block.op == other && block.sector == 0 && block.bytes == 20
block.complete && block.dev == $loop && block.status == EIO && block.op == write && block.sector == 256 && block.bytes == 64K
block.complete && block.dev == $disk && block.op == write && block.sector == 16384 && block.bytes == 4K && block.latency > 80ms && block.latency < 100s
not block.sector > 131072
not block.dev == $loop && block.status == 0 && block.complete
fs.open && fs.pid == $fs_file && fs.tid == $fs_file && fs.comm == fs_file && fs.cgroup == $cgroup && fs.name == fields.one && fs.inode == $fs_inode && fs.dev == $fs_dev
fs.write && fs.name == fields.one && fs.len == 12 && fs.ret == 12 && fs.inode == $fs_inode && fs.dev == $fs_dev && fs.fs == tmpfs && fs.latency > 100ns
fs.read && fs.name == fields.one && fs.len == 100 && fs.ret == 12 && fs.inode == $fs_inode && fs.dev == $fs_dev && fs.fs == tmpfs && fs.latency > 100ns
fs.open && fs.comm == fs_file && fs.name == fields.none && fs.ret == ENOENT && fs.inode == 0 && fs.fs == '' && fs.latency > 100ns
fs.rename && fs.name == fields.two && fs.inode == $fs_inode && fs.ret == 0 && fs.dev == $fs_dev && fs.fs == tmpfs
fs.rename && fs.name == fields.dir && fs.inode == $fs_inode && fs.ret == EISDIR
fs.unlink && fs.name == fields.two && fs.inode == $fs_inode && fs.ret == 0 && fs.dev == $fs_dev && fs.fs == tmpfs && fs.latency > 100ns
fs.write && fs.name == fields.full && fs.len == 300 && fs.ret == ENOSPC
fs.sync && fs.comm == fs_sync && fs.name == fields.slow && fs.ret == 0 && fs.fs == ext4 && fs.dev == $disk && fs.latency > 80ms && fs.latency < 100s
mm.mmap && mm.pid == $mm_map && mm.tid == $mm_map && mm.comm == mm_map && mm.cgroup == $cgroup && mm.addr == 0x10000000 && mm.len == 20K && mm.flags == 3
mm.fault && mm.pid == $mm_map && mm.addr == 0x10000123 && mm.flags == 6
mm.fault && mm.pid == $mm_map && mm.addr == 0x10001234 && mm.flags == 4
mm.fault && mm.pid == $mm_map && mm.addr == 0x10000345 && mm.flags == 7
mm.munmap && mm.pid == $mm_map && mm.addr == 0x10003000 && mm.len == 8K && mm.flags == 0
mm.alloc_fail && mm.comm == mm_fail && mm.order == 12 && mm.flags == 0x40cc0
mm.oom && mm.victim == $mm_glutton && mm.victim_comm == mm_glutton && mm.pid == $mm_glutton
mm.reclaim && mm.comm == mm_reclaim && mm.order == 9 && mm.pages > 0 && mm.flags > 0 && mm.latency > 1us && mm.latency < 100s
sched.switch && sched.other_tid == $sc_nice && sched.other_comm == sc_nice && sched.blocked > 290ms && sched.blocked < 100s && sched.prio == 127 && sched.from_cpu == 1 && sched.to_cpu == 1
sched.switch && sched.pid == $sc_nice && sched.tid == $sc_nice && sched.comm == sc_nice && sched.cgroup == $cgroup && sched.prev_state > 0 && sched.from_cpu == 1
sched.switch && sched.pid == $sec_traced && sched.prev_state == 1
sched.switch && sched.pid == $err_hung && sched.prev_state == 2
sched.wakeup && sched.pid == $sc_waker && sched.other_tid == $sc_woken && sched.other_comm == sc_woken && sched.from_cpu == 1 && sched.to_cpu == 1
sched.migrate && sched.other_tid == $sc_mover && sched.other_comm == sc_mover && sched.from_cpu == 0 && sched.to_cpu == 1 && sched.prio == 120
sched.fork && sched.pid == $sc_parent && sched.comm == sc_parent && sched.other_tid == $sc_child && sched.other_comm == sc_parent
sched.exec && sched.pid == $sc_exec && sched.other_tid == $sc_exec && sched.path == /tests/fields && sched.comm == fields
sched.exit && sched.pid == $sc_exec && sched.exit_code == 37
sched.exit && sched.pid == $sc_killed && sched.exit_code == 143 && sched.prio == 89
sched.exit && sched.pid == $sc_child && sched.exit_code == 0
not sched.switch && sched.other_tid == $sc_gone && sched.blocked > 290ms
irq.handler && irq.nr == $disk_irq && irq.name == $disk_irq_name && irq.function == $vring_interrupt && irq.latency > 100ns && irq.latency < 100s
irq.softirq && irq.nr == 3 && irq.name == NET_RX && irq.latency > 100ns
irq.softirq && irq.nr == 1 && irq.name == TIMER && irq.function == 0
irq.timer && irq.function == $tcp_write_timer && irq.late >= 4ms && irq.late < 100s
irq.hrtimer && irq.function == $hrtimer_wakeup && irq.late > 0 && irq.late < 100s
irq.pid == $irq_busy && irq.tid == $irq_busy && irq.comm == irq_busy && irq.cgroup == $cgroup
syscall.nr == getppid && syscall.ret == $sys_parent && syscall.args[0] == 0x1111 && syscall.args[1] == 0x2222 && syscall.args[2] == 0x3333 && syscall.args[3] == 0x4444 && syscall.args[4] == 0x5555 && syscall.args[5] == 0xfffffffffffffffa
syscall.exit && syscall.pid == $sys_args && syscall.tid == $sys_args && syscall.comm == sys_args && syscall.cgroup == $cgroup && syscall.nr == 999 && syscall.ret == ENOSYS
syscall.nr == clock_nanosleep && syscall.comm == sys_args && syscall.ret == 0 && syscall.latency > 300ms && syscall.latency < 100s
syscall.nr == close && syscall.pid == $sys_thread && syscall.tid == $sys_thread_tid && syscall.args[0] == 54321 && syscall.ret == EBADF
syscall.nr == rt_sigreturn && syscall.pid == $sys_signal && syscall.ret == 0
syscall.nr == execve && syscall.pid == $sc_exec && syscall.comm == fields && syscall.ret == 0 && syscall.args[1] > 0
security.cap_denied && security.pid == $sec_drop && security.tid == $sec_drop && security.comm == sec_drop && security.cgroup == $cgroup && security.cap == 21 && security.err == EPERM
security.cap_denied && security.pid == $sec_drop && security.uid == 1000 && security.euid == 1001 && security.new_uid == 1000 && security.new_euid == 1001
security.creds && security.pid == $sec_drop && security.uid == 1000 && security.euid == 1001 && security.new_uid == 1001 && security.new_euid == 1000
security.denied && security.pid == $sec_attach && security.name == ptrace_access_check && security.err == EPERM && security.uid == 1000
security.denied && security.pid == $sec_hooks && security.name == file_open && security.err == EACCES
security.denied && security.pid == $sec_hooks && security.name == bprm_check && security.err == EACCES
security.denied && security.pid == $sec_hooks && security.name == inode_permission && security.err == EACCES
security.denied && security.pid == $sec_hooks && security.name == task_kill && security.err == EACCES
security.denied && security.pid == $sec_hooks && security.name == sb_mount && security.err == EACCES
security.denied && security.pid == $sec_hooks && security.name == locked_down && security.err == EACCES
security.denied && security.pid == $sec_hooks && security.name == perf_event_open && security.err == EACCES
security.denied && security.pid == $sec_hooks && security.name == bpf && security.err == EACCES
security.denied && security.pid == $sec_hooks && security.name == kernel_module_request && security.err == EACCES
security.module && security.comm == module && security.name == test_static_key_base
error.printk && error.pid == $err_says && error.tid == $err_says && error.comm == err_says && error.cgroup == $cgroup && error.level == 3 && error.text == 'fields: an error'
error.printk && error.level == 4 && error.text == 'fields: a warning'
error.warn && error.comm == err_warn && error.text ~= drivers/misc/lkdtm/bugs.c: && error.addr > $lkdtm_WARNING && error.addr < $lkdtm_WARNING_end
error.oops && error.comm == err_oops && error.text == Oops && error.addr >= $lkdtm_EXCEPTION && error.addr < $lkdtm_EXCEPTION_end
error.oops && error.comm == err_bug && error.text == 'invalid opcode' && error.addr >= $lkdtm_BUG && error.addr < $lkdtm_BUG_end
error.hung_task && error.text == err_hung:$err_hung && error.comm == khungtaskd
panic syscall.nr == openat && syscall.pid == $sys_between && syscall.latency == 0
panic sched.switch && sched.other_tid == $sys_between && sched.blocked == 0
panic not syscall.nr == read && syscall.pid == $sys_between && syscall.args[2] == 1
panic not sched.other_tid == $sys_between && sched.blocked > 0
panic error.panic && error.text ~= 'Kernel panic - not syncing: dumptest' && error.comm == sh && error.level == 0
skip error.event==kasan the guest's kernel has no KASAN and no KFENCE
skip error.event==rcu_stall it takes a CPU that does not come back
not error.text ~= 'fields: a notice'
not net.event == xmit_error
not fs.name == fields.one && fs.len != 12 && fs.len != 100 && fs.len != 0
not fs.name == fields.one && fs.write && fs.len < 12
not fs.name == fields.one && fs.write && fs.len > 12
not fs.name == fields.one && fs.write && fs.len <= 11
not fs.name == fields.one && fs.write && fs.len >= 13
not fs.name == fields.one && fs.write && fs.len in (11, 13, 120)
not fs.name == fields.on
not fs.name ~= fields.one.
not fs.name ~= fields.full && fs.ret > 0 && fs.ret != 300
not fs.name ~= fields.full && fs.ret < -28
not fs.name == fields.none && fs.ret == EACCES
not fs.name == fields.one && fs.dev != $fs_dev
not syscall.nr == getppid && syscall.args[0] == 0x1111 && syscall.args[1] != 0x2222
not syscall.nr in (reboot, kexec_load)
not net.saddr == 127.0.0.2
not net.sport == 4242 && net.netns != $netns
not net.dport in (4241, 4299) && net.drop_reason != no_socket
not net.sport == 4343 && net.state in (close_wait, last_ack, closing)
not block.latency > 100s
not mm.victim_comm ~= mm_gluttony
EOF
}

lines=$(table | wc -l)
plan $((lines + 9 + 12))

PATH=$PATH:/usr/sbin:/sbin
truncate -s 64M "$work/ext4.img"
mke2fs -q -F -t ext4 "$work/ext4.img"
vm=krr-fields-$$

# modules of another kernel cannot be loaded
modules=${KRR_MODULES:-$O/kernel/modules}
[ -z "${KRR_KERNEL:-}" ] || [ -n "${KRR_MODULES:-}" ] || modules=$(dirname "$KRR_KERNEL")/modules
[ -d "$modules" ] || skip_rest "there are no modules at $modules; KRR_MODULES names the folder"

act() {	# GROUP...: what the guest does, whose facts are kept
	ok "the guest does this: $*" "$krrctl" vm exec "$vm" -- /tests/fields "$@"
	cat "$last" >>"$work/facts"
}

# Writes to the disk become this slow.
throttle() {	# WRITES-PER-SECOND
	"$top/tests/qmp" "$runtime/$vm/qmp.sock" block_set_io_throttle "{\"device\": \"disk1\",
		\"bps\": 0, \"bps_rd\": 0, \"bps_wr\": 0, \"iops\": 0, \"iops_rd\": 0, \"iops_wr\": $1}" >&2
}

ok "a VM starts" "$krrctl" vm start "$vm" --accel "$accel" --smp 2 --disk "$work/ext4.img" \
	--share "$modules:modules"
"$krrctl" --vm "$vm" subsys --json >"$work/subsys.json"
ok "all subsystems are enabled" "$krrctl" --vm "$vm" enable --subsys all --no-flight
ok "recording begins" "$krrctl" record "$vm" fields
act hung net block fs mm sched irq syscall security module
throttle 10
point $? "the disk becomes slow"
act slow
act error between
ok "recording ends" "$krrctl" stop "$vm"
ok "a process goes on" "$krrctl" vm exec "$vm" -- /bin/sh -c 'echo >/tmp/fifo.one'
ok "recording begins again" "$krrctl" record "$vm" panic
"$krrctl" vm exec "$vm" -- /bin/sh -c ': >/tmp/fifo.two; sleep 0.2; echo PANIC >/sys/kernel/debug/provoke-crash/DIRECT' \
	>/dev/null 2>&1
ok "and ends with a panic" "$krrctl" verify panic
ok "a replay finds all of it again" "$krrctl" verify fields

# shellcheck disable=SC1091 # lines NAME=VALUE
. "$work/facts"

found() {	# RECORDING MATCH
	"$krrctl" dump --match "$2" "$1" >"$work/found" 2>&1 && [ -s "$work/found" ]
}

# The members of a subsystem that no line names: fields, and values of an enumeration.
missing() {	# SUBSYSTEM
	table | perl -MJSON::PP -e '
		my ($file, $name) = @ARGV;
		open(my $in, "<", $file) or die "$file: $!";
		my ($s) = grep { $_->{name} eq $name } @{decode_json(do { local $/; <$in> })};
		my %seen;
		while (<STDIN>) {
			next if /^(panic )?not /;
			$seen{"$1$2"} = $seen{$1} = 1 if /^skip (\w+\.\w+)(==\w+)?/;
			$seen{"$1.event==$2"} = $seen{"$1.event"} = 1 while /(\w+)\.(\w+)(?= &&|$)/g;
			$seen{"$1==$2"} = $seen{$1} = 1 while /(\w+\.\w+)\S* (?:[<>=~]+) (\S+)/g;
			$all{$1} = 1 if /^skip (\w+\.\w+) /;
		}
		die "there is no subsystem $name\n" if !$s;
		foreach my $f (@{$s->{fields}}) {
			my $field = "$name.$f->{name}";
			print "$field\n" if !$seen{$field};
			next if $all{$field};
			print map { "$field == $_\n" } grep { !$seen{"$field==$_"} } @{$f->{values}};
		}' "$work/subsys.json" "$1"
}

for s in net block fs mm sched irq syscall security error; do
	missing $s >"$work/missing" 2>&1
	[ ! -s "$work/missing" ]
	point $? "each member of $s has a line in the table"
	sed 's/^/# no line in the table: /' "$work/missing" >&2
done

table >"$work/table"
while read -r line; do
	eval "line=\"$line\""
	rec=fields
	case $line in
	panic*) rec=panic line=${line#panic } ;;
	esac
	case $line in
	skip*)
		why=${line#skip * }
		member=${line#skip }
		done_=$((done_ + 1))
		echo "ok $done_ - ${member%% *} # SKIP $why"
		;;
	not*)
		! found $rec "${line#not }"
		point $? "there is no ${line#not }"
		sed 's/^/# found: /' "$work/found" >&2
		;;
	*)
		found $rec "$line"
		point $? "there is $line"
		;;
	esac
done <"$work/table"
"$krrctl" vm stop "$vm" >/dev/null 2>&1
true
