#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# run.sh O SECONDS TARGET... - fuzz each target for a while
#
# The start are the target's own seeds, what earlier runs found, and the inputs of
# tests/fuzz/corpus.  Those that reach something new go to O/fuzz/corpus/TARGET; `make
# fuzz-corpus` takes over the best.  One that breaks something is kept as O/fuzz/TARGET-*.
set -eu

O=$1 seconds=$2
shift 2
status=0
for target in "$@"; do
	corpus=$O/fuzz/corpus/$target log=$O/fuzz/$target.log
	mkdir -p "$corpus"
	"$O/unit/fuzz/$target" --seeds "$corpus"
	kept=tests/fuzz/corpus/${target#fuzz-}
	[ -d "$kept" ] || kept=
	if "$O/fuzz/bin/$target" -max_total_time="$seconds" -max_len=65536 -timeout=30 \
			-rss_limit_mb=2048 -artifact_prefix="$O/fuzz/$target-" "$corpus" \
			${kept:+"$kept"} >"$log" 2>&1; then
		printf '  %-7s %-16s %s\n' FUZZ "${target#fuzz-}" \
			"$(sed -n 's/^Done \([0-9]*\) runs.*/\1 inputs/p' "$log")"
	else
		status=1
		tail -n 60 "$log" >&2
		echo "fuzz: $target: expected to survive all inputs; the one above is kept, try" >&2
		echo "fuzz:   $O/unit/fuzz/$target $O/fuzz/$target-*" >&2
	fi
done
exit $status
