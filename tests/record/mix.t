#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# mix.t - several programs at once on four vCPUs, under each preemption model
. "$(dirname "$0")/../lib.sh"
plan 6

mix='p=; for t in "fork 5x" "futex 0.5" "pipe 0.5" "mmap 0.5" "signals 0.3" "tcp 0.3"; do
	/tests/$t & p="$p $!"
done
r=0; for i in $p; do wait $i || r=1; done; exit $r'

for preempt in none voluntary full; do
	rec=mix-$preempt
	ok "a mix on 4 vCPU, preempt=$preempt: recorded and verified" \
		"$krrctl" run --accel "$accel" --smp 4 --append preempt=$preempt --record $rec \
			--verify -- /bin/sh -c "$mix"
	ok "a mix on 4 vCPU, preempt=$preempt: replayed again" "$krrctl" replay $rec
done
