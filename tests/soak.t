#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# soak.t - a few runs of tests/soak, of the same seed each time
. "$(dirname "$0")/lib.sh"
plan 4

limit=1200
for args in "--smp 1 --count 2" "--smp 2 --count 3" "--smp 4 --count 2" \
	    "--smp 2 --count 2 --part middle"; do
	# shellcheck disable=SC2086 # words
	ok "soak $args" "$top/tests/soak" $args --seed 1 --dir "$work/soak$((done_ + 1))"
done
