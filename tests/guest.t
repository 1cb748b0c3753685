#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# guest.t - the test programs pass in a guest that nobody records
. "$(dirname "$0")/lib.sh"
plan 3

all='r=0; for t in /tests/*; do case $t in *krr-tests|*/bugs) ;; *) timeout 60 $t 0.2 || r=1;; esac; done; exit $r'
rg=$top/tests/run-guest.sh
# shellcheck disable=SC2086
ok "all programs on 1 vCPU" "$rg" --smp 1 -- "$all"
ok "all programs on 2 vCPU" "$rg" --smp 2 -- "$all"
exits 7 "a failure in the guest is seen" "$rg" -- 'exit 7'
