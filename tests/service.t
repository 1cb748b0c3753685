#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# service.t - krrd as services of systemd: confined, restarted, and what is enabled stays
# shellcheck disable=SC2016 # expanded in the guest
. "$(dirname "$0")/lib.sh"
plan 22

vm=krr-service-$$
image=$O/guest/debian.img

guest() {	# NAME COMMAND
	ok "$1" "$krrctl" vm exec "$vm" -- /bin/sh -c "$2"
}

back='back() { for i in $(seq 100); do krrctl status >/dev/null 2>&1 && return; sleep 0.1; done; false; }
pid() { systemctl show -p MainPID --value "$1"; }
'

[ -f "$image" ] || skip_rest "$image: not found; make guest-debian"
ok "a VM starts, with systemd" "$krrctl" vm start "$vm" --accel "$accel" --smp 2 --mem 1G \
	--rootfs "$image" --append init=/lib/systemd/systemd --boot-timeout 120
guest "both services are up" "$back"'back; systemctl is-active krrd krrd-exec'
guest "systemd was told so by krrd" 'systemctl show -p StatusText krrd krrd-exec'
says "StatusText=serves requests of krrctl" "by the one"
says "StatusText=runs commands for the host" "and the other"
guest "requests are served by user krr" "$back"'grep -E "^(Uid|CapEff|NoNew|Seccomp:)" /proc/$(pid krrd)/status'
says "CapEff:	000000c400000000" "with three capabilities"
says "Uid:	990	990	990	990" "as user krr"
says "Seccomp:	2" "and few system calls"
guest "systemd finds it well confined" 'systemd-analyze security --threshold=30 --no-pager krrd.service | tail -n 1'

ok "all is enabled" "$krrctl" --vm "$vm" enable --subsys all --when net.drop
"$krrctl" --vm "$vm" status >"$work/before"
ok "it is recorded" "$krrctl" record "$vm" service
guest "something happens while krrd is restarted" "$back"'/tests/tcp 3x; systemctl restart krrd; /tests/tcp 3x; back'
guest "and while it is killed" "$back"'kill -9 $(pid krrd); /tests/tcp 3x; back'
guest "and while it is stopped for a while" "$back"'systemctl stop krrd; /tests/tcp 3x; systemctl start krrd; back'
guest "it was started again by systemd" 'journalctl -b --no-pager -u krrd | grep "Main process exited, code=killed"'
ok "the recording ends" "$krrctl" stop "$vm"
ok "it is verified" "$krrctl" verify service
"$krrctl" --vm "$vm" status >"$work/after"
rules() {
	sed -n '/^enabled/p; s/^\(  when .*\): .*/\1/p' "$work/$1"
}
[ -n "$(rules before)" ] && [ "$(rules before)" = "$(rules after)" ]
point $? "what was enabled is enabled"
exits 137 "a command is killed with the service that runs it" "$krrctl" vm exec "$vm" -- /bin/sh -c \
	"$back"'kill -9 $(pid krrd-exec); sleep 100'
sleep 2
guest "which is there again" "$back"'back; systemctl is-active krrd-exec'
ok "disable takes it back" "$krrctl" --vm "$vm" disable
"$krrctl" vm stop "$vm"
