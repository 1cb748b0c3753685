#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# keep.sh O TARGET... - what fuzzing found, and is worth keeping, to tests/fuzz/corpus
#
# That is a small set of small inputs which together reach all code that all of them
# reach.  How often each place is reached does not count here, or the set would be
# thrice as large; a run of the fuzzer finds that again soon.
set -eu

O=$1 most=8192
shift
for target in "$@"; do
	found=$O/fuzz/corpus/$target kept=tests/fuzz/corpus/${target#fuzz-} new=$O/fuzz/$target.new
	small=$O/fuzz/$target.small
	rm -rf "$new" "$small"
	mkdir -p "$new" "$small" "$found" "$kept"
	find "$found" "$kept" -type f -size "-$((most + 1))c" -exec cp -t "$small" {} +
	"$O/fuzz/bin/$target" -set_cover_merge=1 -use_counters=0 "$new" "$small" >"$O/fuzz/$target.log" 2>&1
	rm -rf "$kept" "$small"
	mv "$new" "$kept"
	printf '  %-7s %-16s %s inputs, %s bytes\n' KEEP "${target#fuzz-}" \
		"$(find "$kept" -type f | wc -l)" "$(cat "$kept"/* | wc -c)"
done
