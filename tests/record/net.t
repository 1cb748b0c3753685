#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# net.t - the virtio network card: TCP and UDP to an echo server of the host
. "$(dirname "$0")/../lib.sh"
plan 7

# the guest's test program is static and runs here, too
ln -s "$O/guest/krr-tests" "$work/net"
"$work/net" --serve >"$work/port" &
server=$!
trap 'kill $server; finish' EXIT
i=0
while [ ! -s "$work/port" ] && [ $i -lt 50 ]; do
	sleep 0.1
	i=$((i + 1))
done
port=$(cat "$work/port")
[ "${port:-0}" -gt 0 ]
point $? "the server says its port"
record_program net "0.3 $port" --net
