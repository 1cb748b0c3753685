#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# bench.t - what tests/bench makes of measurements; these here are made up, so that
# each figure is known
. "$(dirname "$0")/lib.sh"
plan 21

report=$top/tests/bench/report
out=$work/out
mkdir -p "$out" "$work/docs"
python3 -c '' 2>/dev/null || skip_rest "no python3"

# a line of JSON, in parts
put() { printf '%s' "$@" '
' >>"$out/raw.jsonl"; }

begin() {	# QUICK
	: >"$out/raw.jsonl"
	put '{"what": "machine", "cpu": "some", "cores": 2, "memory_mib": 1024, "kernel": "1", ' \
		'"qemu": "7.2", "date": "today", "commit": "0123456789abcdef"}'
	put '{"what": "options", "quick": ' "$1" ', "rounds": 3, "smp": [2], "mem": "512M", ' \
		'"primary": 2, "configs": ["plain", "record"], ' \
		'"work": {"cpu": 1, "pipe": 1, "delay": 1}}'
}

runs() {	# LOAD CONFIG SECONDS... with one for each round; VALUES is set
	load=$1 config=$2 round=0
	shift 2
	for seconds in "$@"; do
		round=$((round + 1))
		put '{"what": "run", "smp": 2, "round": ' $round ', "load": "' "$load" \
			'", "config": "' "$config" '", "seconds": ' "$seconds" \
			', "values": {' "${values:-}" '}}'
	done
}

recording() {	# LOAD: 100 events of 1000 bytes, 300 compressed, in a second; replayed in half of it
	put '{"what": "recording", "smp": 2, "round": 1, "config": "record", "load": "' "$1" \
		'", "replay_seconds": 0.5, "manifest": {"events": 100, "raw_bytes": 1000, ' \
		'"log_bytes": 300, "duration_ms": 1000, "handovers": 7, "throttled": 0, ' \
		'"start_pause_ms": 20, "end_pause_ms": 30, "kinds": {' \
		'"1": {"events": 40, "bytes": 160}, "4": {"events": 60, "bytes": 840}}}}'
}

measurements() {
	runs cpu plain 1 2 4
	runs cpu record 1.2 3 4.4	# ratios 1.2, 1.5, 1.1
	runs pipe plain 1 1 1
	runs pipe record 2 2.5 "$1"
	values='"p99_us": 100' runs delay plain 1 1 1
	values='"p99_us": 900' runs delay record 1 1 1
	recording cpu
	recording pipe
	put '{"what": "cores", "smp": 2, "round": 1, "alone": 0.5, "beside": 0.6}'
	put '{"what": "cores", "smp": 2, "round": 1, "alone": 0.4, "beside": 0.8}'
}

row() {		# NAME CELLS...
	name=$1
	shift
	last=$out/bench.txt
	ok "$name" grep -qx "$* *" "$last"
}

begin false
measurements 4
ok "a report" "$report" "$out"
row "a ratio is the median of the rounds' own" 'cpu   *1\.20 (1\.10\.\.1\.50)'
row "means are geometric" 'mean, all   *1\.73'
row "the mean of a class has its loads alone" 'mean, user   *1\.20'
row "a goal that is reached" 'interrupt delay, .* 0\.80 (delay)   *yes'
row "one that is not" 'recording, kernel-bound, each .* 2\.50 (pipe)   *NO'
row "one that was not measured" 'recording, 4 vCPUs .* -   *-'
row "a recording" 'cpu   *1\.00   *0\.50   *100   *0\.00   *0\.00   *10\.00   *3\.00   *0\.00'
row "the lock" 'cpu   *40   *7   *-   *-   *-   *0   *20   *30'
row "how fast cores were" 'the same beside busy cores  *0\.70 (0\.60\.\.0\.80)'
row "and what others that are busy do to them" 'which is so many times  *1\.60 (1\.20\.\.2\.00)'
row "kinds have names, and those with most bytes are first" 'entry   *60\.0 %   *84\.0 %   *14\.00'
ok "is JSON, too" sh -c \
	"'$top/tests/json' krr_bench results.2.cpu.record.ratio.n <'$out/bench.json'"
says 3 "with what it is made of"
ok "and a page of the documentation" "$report" "$out" --docs "$work/docs"
ok "with tables" grep -qx '| cpu | 1\.20 (1\.10\.\.1\.50) |' "$work/docs/benchmarks.md"

begin true
measurements 4
ok "a quick run within its bounds" "$report" "$out"
begin true
measurements 30
runs pipe record 30 30 30
exits 1 "one beyond them fails" "$report" "$out"

begin false
measurements 4
put '{"what": "failure", "smp": 2, "round": 1, "load": "cpu", "config": "plain", ' \
	'"text": "it broke"}'
exits 1 "a failure fails" "$report" "$out"
says "it broke" "and is told"
exits 3 "no measurements" "$report" "$work/none"
