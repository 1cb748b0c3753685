#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# krrd.t - krrd in the guest: what is enabled outlives it, whenever it is killed; what
# it may do; whom it talks to
# shellcheck disable=SC2016 # expanded in the guest
. "$(dirname "$0")/lib.sh"
plan 58

vm=krr-krrd-$$

guest() {	# NAME COMMAND
	ok "$1" "$krrctl" vm exec "$vm" -- /bin/sh -c "$2"
}

# in the guest: the process that serves requests is the one of user krr
serving='serving() { for p in $(pidof krrd); do [ "$(stat -c %U /proc/$p)" != krr ] || echo $p; done; }
back() { for i in $(seq 100); do [ "$(serving)" ] && krrctl status >/dev/null 2>&1 && return; usleep 50000; done; false; }
'
# only what is active is pinned
sets='test "$(ls /sys/fs/bpf/krr | wc -l)" = 2 && test -d /sys/fs/bpf/krr/active/'

status_of() {	# NAME: of the guest, without what changes by itself
	"$krrctl" --vm "$vm" status >"$work/$1.status" 2>&1
	sed -n '/^\(enabled\|missing\)/p; s/^\(  when.*\): .*/\1/p; s/^\([a-z]*\) .* seen .*/\1/p' "$work/$1.status" >"$work/$1"
}

ok "a VM starts" "$krrctl" vm start "$vm" --accel "$accel" --smp 2

# privileges
guest "one process has other privileges than root's" "$serving"'
	p=$(serving) && grep -E "^(Uid|Groups|Cap|NoNew)" /proc/$p/status'
says "CapEff:	000000c400000000" "CAP_BPF, CAP_PERFMON and CAP_SYSLOG in effect"
says "CapPrm:	000000c400000000" "and no more permitted"
says "CapBnd:	0000000000000000" "none can be gained"
says "NoNewPrivs:	1" "nor anything else, by execve()"
guest "commands are root's" 'test "$(id -u)" = 0 && grep -q "CapEff:	000001ffffffffff" /proc/self/status'

# whom it talks to
guest "a member of the group krr is served" 'su member -c "krrctl status"'
exits 1 "another user is not" "$krrctl" vm exec "$vm" -- su other -c 'krrctl status || exit 1'
says "be root, or in the group krr" "and is told who is"
exits 1 "nor if it gets at the socket" "$krrctl" vm exec "$vm" -- /bin/sh -c \
	'chmod 666 /run/krrd.sock; su other -c "krrctl status"'
says "krrd does not talk to user 1000" "and is told by krrd"

# what it reads
"$krrctl" vm exec "$vm" -- pidof krrd >"$work/pids"
guest "clients that mean no good" '/tests/clients 10x'
says "clients: ok" "do no harm"
for port in control port; do
	perl -MIO::Socket::UNIX -e '
		my $s = IO::Socket::UNIX->new(Peer => $ARGV[0]) or die "$ARGV[0]: $!";
		srand(7);
		for my $round (1 .. 30) {
			my $len = int(rand(20000));
			$s->syswrite(join("", map { chr(int(rand(256))) } 1 .. $len));
			# a header that promises more than comes
			$s->syswrite(pack("VVV", 0x3152524b, 9, 65536) . "crc?" . "KRR1" x 100);
		}' "$runtime/$vm/$port.sock" >&2
	point $? "noise on the host side of $port.sock"
done
ok "requests are served" "$krrctl" --vm "$vm" status
guest "and commands are run" true
"$krrctl" vm exec "$vm" -- pidof krrd | cmp - "$work/pids" >&2
point $? "by the processes that there were"

# killed, it comes back to what was enabled
ok "something is enabled" "$krrctl" --vm "$vm" enable --subsys net,sched,syscall --comm tcp --cgroup / \
	--when 'net.drop' --then mark:dropped --rate 7
status_of before
ok "it is recorded" "$krrctl" record "$vm" restarts
guest "something happens" "/tests/tcp 1x"
"$krrctl" --vm "$vm" status --json >"$work/json"
most=$(sed -n 's/.*"verified_insns": *\([0-9]*\).*/\1/p' "$work/json" | sort -n | tail -n 1)
[ "${most:-0}" -gt 0 ] && [ "$most" -le 4000 ]
point $? "no program is long to verify: $most instructions"
guest "krrd is killed while it is recorded" "$serving"'
	p=$(serving); kill -9 $p; /tests/tcp 3x; back && test "$(serving)" != $p'
guest "and once more" "$serving"'kill -9 $(serving); back'
guest "nothing is left behind" "$sets"
status_of after
cmp "$work/before" "$work/after" >&2
point $? "what was enabled is enabled"
seen() {
	sed -n 's/^net *\([0-9]*\) seen.*/\1/p' "$work/$1.status"
}
[ "$(seen after)" -gt 0 ] && [ "$(seen after)" -gt "$(tr -d ' \n' <"$work/json" |
	sed 's/.*"name":"net","seen":\([0-9]*\).*/\1/')" ]
point $? "and went on counting"
ok "the recording ends" "$krrctl" stop "$vm"
ok "it is verified" "$krrctl" verify restarts
"$krrctl" dump --match 'sched.exec && sched.path == /tests/tcp' restarts >"$work/execs"
[ "$(grep -c . "$work/execs")" -ge 1 ]
point $? "and has annotations"
ok "all of it is taken back" "$krrctl" --vm "$vm" disable
guest "in bpffs as well" 'test -z "$(ls /sys/fs/bpf/krr)"'

# killed while it changes from one policy to another: it has the one or the other
changes='one="--subsys net --when net.reset" two="--subsys net,sched,block"
n=0 both=
# later and later, on a busy host until one change is done in time
while [ $n -lt 14 ] || { [ $n -lt 60 ] && [ "${both#*"<$two>"}" = "$both" ]; }; do
	krrctl enable $one 2>/dev/null; krrctl enable $two 2>/dev/null & e=$!
	usleep $((n * 150000)); kill -9 $(serving); wait $e; back || exit 3
	now=$(krrctl status | sed -n "s/^enabled *//p")
	case $now in "$one"|"$two") ;; *) echo "neither: $now"; exit 1 ;; esac
	case $both in *"$now"*) ;; *) both="$both<$now>" ;; esac
	'"$sets"' || { ls -l /sys/fs/bpf/krr; exit 2; }
	n=$((n < 14 ? n + 1 : n + 15))
done; echo "$both"'
limit=900
guest "killed at 14 points of a change or more, it has one of the two" "$serving$changes"
limit=${KRR_TEST_TIMEOUT:-300}
says "<--subsys net --when net.reset>" "sometimes the old one"
says "<--subsys net,sched,block>" "and sometimes the new one"

# the other process, and all of it
exits 137 "a command ends with the process that runs it" "$krrctl" vm exec "$vm" -- /bin/sh -c '
	kill -9 $PPID; sleep 100'
says "krrd was started again" "and its host is told"
guest "the next one runs" true
exits 137 "all of krrd is killed" "$krrctl" vm exec "$vm" -- /bin/sh -c 'kill -9 $(pidof krrd); sleep 100'
sleep 3
guest "and there again" true
status_of last
exits 0 "with what was enabled" grep "^enabled    --subsys net" "$work/last"
guest "nothing is left behind" "$sets"

# absent
guest "krrd stands still" "$serving"'kill -STOP $(serving)'
exits 6 "then status ends in time" "$krrctl" --vm "$vm" status
says "is krrd running in it?" "and says what is missing"
guest "in the guest, too" 'krrctl status; test $? = 6'
says "is it running?" "and there"
guest "it goes on" "$serving"'kill -CONT $(serving); back'
ok "and answers" "$krrctl" --vm "$vm" status
guest "an old socket of a krrd that is gone is no answer" 'mv /run/krrd.sock /run/old; krrctl status; test $? = 3'
says "is it running?" "and the message says so"
"$krrctl" vm stop "$vm"

# kernels that lack something; without ports krrd serves the socket
rg=$top/tests/run-guest.sh
alone='krrd --guest --only control & sleep 1; krrctl enable --subsys net'
ok "a kernel without krr" "$rg" -- "$alone; test \$? = 3"
says "the guest kernel has no krr" "is what enable says"
ok "a kernel without BTF" "$rg" --append krr=16M -- "mount -t tmpfs none /sys/kernel/btf; $alone; test \$? = 3"
says "the guest kernel has no BTF" "is what enable says"
ok "a guest without bpffs" "$rg" --append krr=16M -- "umount /sys/fs/bpf; $alone || exit 1; kill -9 \$!; $alone"
says "policies will end with krrd" "is told by krrd"
