#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# put-programs.sh GUEST ROOT SBIN TEST... - krrd, krrctl and the test programs into
# the file system of a guest; SBIN is where daemons go
set -eu

guest=$1 root=$2 sbin=$3
shift 3

mkdir -p "$root/tests/bugs" "$root$sbin"
install -s -m 755 "$guest/krrd" "$guest/krrctl" "$root$sbin"
install -s -m 755 "$guest/krr-tests" "$guest/compat" "$root/tests"
for t in "$@"; do
	case $t in
	bugs/*)	install -s -m 755 "$guest/$t" "$root/tests/$t" ;;
	*)	ln "$root/tests/krr-tests" "$root/tests/$t" ;;
	esac
done
