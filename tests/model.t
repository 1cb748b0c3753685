#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# model.t - the model of the RR lock in tests/bench, where its answers are known
. "$(dirname "$0")/lib.sh"
plan 22

model=$top/tests/bench/model
out=$work/out
mkdir -p "$out"
python3 -c '' 2>/dev/null || skip_rest "no python3"

# NAME EXPRESSION VALUE: of repairman.py
is() {
	ok "$1" env PYTHONPATH="$top/tests/bench" python3 -c "
from repairman import *
def mva(n, hold, outside):
    queue = 0
    for k in range(1, n + 1):
        x = k / (hold * (1 + queue) + outside)
        queue = x * hold * (1 + queue)
    return x
found = $2
print(found)
assert abs(found - ($3)) < 1e-6"
}

is "one stream does not wait" 'factor(1, 1, 3, 5)' 1
is "two that want it half of the time" 'throughput(2, 2, 1, 1)' 0.8
is "a wait is what the other has left" 'wait(2, 30, 10)' '30 * 30 / 40'
is "with cores for all it is mean value analysis" 'throughput(7, 8, 2, 5)' 'mva(7, 2, 5)'
is "a lock that is always busy" 'factor(60, 60, 1, 1)' '60 * 1 / 2'
is "one that hardly is" 'factor(8, 8, 1e-9, 1)' 1
is "on one core nobody waits in vain" 'factor(4, 1, 3, 5)' 1
is "more streams than cores, all of it outside" 'factor(4, 2, 1e-9, 1)' 1
is "more streams than cores keep the lock busy" 'factor(60, 2, 1000, 1)' '2 * 1000 / 1001'
is "the bound" 'least(8, 8, 1, 1)' 4
is "one and a half streams" 'factor(1.5, 2, 1, 1)' '(1 + factor(2, 2, 1, 1)) / 2'

# a line of JSON, in parts
put() { printf '%s' "$@" '
' >>"$out/raw.jsonl"; }

run() {		# VCPUS LOAD CONFIG SECONDS
	put '{"what": "run", "smp": ' "$1" ', "round": 1, "load": "' "$2" '", "config": "' "$3" \
		'", "seconds": ' "$4" ', "values": {}}'
}

recording() {	# VCPUS LOAD LOCK: of a second, with 100 acquisitions
	put '{"what": "recording", "smp": ' "$1" ', "round": 1, "config": "record", "load": "' "$2" \
		'", "replay_seconds": 1, "manifest": {"events": 100, "raw_bytes": 1000, ' \
		'"log_bytes": 300, "duration_ms": 1000, "handovers": 7, "throttled": 0, ' "$3" \
		'"start_pause_ms": 20, "end_pause_ms": 30, "kinds": {' \
		'"1": {"events": 100, "bytes": 160}}}}'
}

row() {		# NAME CELLS...
	name=$1
	shift
	last=$work/tables
	ok "$name" grep -qx "$* *" "$work/tables"
}

: >"$out/raw.jsonl"
put '{"what": "machine", "cpu": "some", "cores": 2, "memory_mib": 1024, "kernel": "1", ' \
	'"qemu": "7.2", "date": "today", "commit": "0123456789abcdef"}'
put '{"what": "options", "quick": false, "rounds": 1, "smp": [1, 2], "mem": "512M", ' \
	'"primary": 2, "configs": ["plain", "record"], "work": {"cpu": 1, "pipe": 1, "fio": 1}}'
run 1 pipe plain 1
run 1 pipe record 2
recording 1 pipe '"lock_hold_us": 500000, "lock_wait_us": 0,'
run 2 pipe plain 0.5
run 2 pipe record 1.5
recording 2 pipe '"lock_hold_us": 500000, "lock_wait_us": 250000,'
run 2 cpu record 1
recording 2 cpu '"lock_hold_us": 500000, "lock_wait_us": 250000,'
run 2 fio plain 1
run 2 fio record 2
recording 2 fio ''		# as of a krrctl that does not know them

"$top/tests/bench/report" "$out" >/dev/null 2>&1
ok "tables" sh -c "'$model' '$out' >'$work/tables'"
row "there is nothing to predict for the run that all is made of" \
	'pipe  *1  *200 %  *5,000  *5,000  *50 %  *0\.00  *0\.00  *-  *-  *2\.00  *-'
row "a ratio is that of one vCPU times what waiting adds" \
	'pipe  *2  *150 %  *5,000  *12,500  *50 %  *2,500  *1,429  *2\.0  *2\.50  *3\.00  *-17 %'
row "a load that was not compared" \
	'cpu  *2  *100 %  *5,000  *12,500  *50 %  *2,500  *1,429  *-  *-  *-  *-'
row "recordings that do not tell how long the lock was held" \
	'fio  *2  *200 %  *-  *-  *-  *-  *-  *-  *-  *2\.00  *-'
row "8 vCPUs" 'pipe  *1  *8\.0  *100 %  *4\.00  *4\.00  *8\.00  *5\.34  *10\.67  *8\.00'
row "8 vCPUs, without measurements" 'fio  *-  *-  *-  *-  *-  *-  *-  *-  *-'
ok "are Markdown, too" sh -c "'$model' '$out' --markdown | grep -q '^| pipe | 2 | 150 % |'"
exits 2 "wrong usage" "$model"
exits 3 "no results" "$model" "$work/none"
echo '{}' >"$out/bench.json"
exits 1 "results of something else" "$model" "$out"
