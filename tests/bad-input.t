#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# bad-input.t - damaged recordings, missing things and wrong calls are told
# apart by exit status: 2 usage, 3 precondition, 4 damaged, 5 diverged
. "$(dirname "$0")/lib.sh"
plan 47

s=$KRR_STORE

# a fresh copy of the good recording under the name $1
copy() {
	rm -rf "${s:?}/$1"
	cp -r --sparse=always "$s/good" "$s/$1"
}

# flip one bit of FILE at OFFSET (negative: from its end)
flip() {
	perl -e 'my ($f, $o) = @ARGV; open(F, "+<:raw", $f) or die; seek(F, $o, $o < 0 ? 2 : 0);
		read(F, my $b, 1) == 1 or die "no byte at $o"; seek(F, -1, 1);
		print F chr(ord($b) ^ 0x10)' "$1" "$2"
}

half() {
	truncate -s $(($(stat -c %s "$1") / 2)) "$1"
}

damaged() {	# NAME WHAT
	exits 4 "$2 is found damaged" "$krrctl" replay "$1"
}

# two good recordings to damage; copying one does not
ok "a recording to damage" \
	"$krrctl" run --accel $accel --smp 1 --record good -- /tests/clock 20x ||
	skip_rest "no recording could be made"
ok "another one" "$krrctl" run --accel $accel --smp 1 --record other -- /tests/random 20x
copy same
ok "a copy replays" "$krrctl" replay same

# the log
copy bad && half "$s/bad/log.krr" && damaged bad "a truncated log"
copy bad && flip "$s/bad/log.krr" $(($(stat -c %s "$s/bad/log.krr") / 2)) && damaged bad "a log with a flipped bit"
copy bad && flip "$s/bad/log.krr" 2 && damaged bad "a log without its magic"
copy bad && flip "$s/bad/log.krr" 8 && damaged bad "a log of a foreign version"
copy bad && flip "$s/bad/log.krr" -8 && damaged bad "a log with a damaged end mark"
copy bad && : >"$s/bad/log.krr" && damaged bad "an empty log"
copy bad && rm "$s/bad/log.krr" && damaged bad "a recording without log"
copy bad && cp "$s/other/log.krr" "$s/bad/log.krr" && damaged bad "a swapped log"
copy bad && echo more >>"$s/bad/log.krr" && damaged bad "a log with something behind its end"

# the manifest
copy bad && half "$s/bad/manifest.json" && damaged bad "a truncated manifest"
copy bad && : >"$s/bad/manifest.json" && damaged bad "an empty manifest"
copy bad && echo '[1]' >"$s/bad/manifest.json" && damaged bad "a manifest that is no object"
copy bad && sed -i 's/"krr_manifest": *[0-9]*/"krr_manifest": 999/' "$s/bad/manifest.json" &&
	exits "3 4" "a manifest of a foreign version is refused" "$krrctl" replay bad
copy bad && sed -i 's/"mem": *[0-9]*/"mem": 4096/' "$s/bad/manifest.json" && damaged bad "an impossible amount of memory"

# the snapshot
copy bad && half "$s/bad/start.state" && damaged bad "a truncated device state"
copy bad && : >"$s/bad/start.state" && damaged bad "an empty device state"
copy bad && truncate -s 1M "$s/bad/start.ram" && damaged bad "truncated memory"
copy bad && rm "$s/bad/start.ram" && damaged bad "a recording without memory"
copy bad && cp --sparse=always "$s/other/start.ram" "$s/bad/start.ram" &&
	exits "4 5" "swapped memory is found" "$krrctl" replay bad
copy bad && flip "$s/bad/end.ram" $((16 << 20)) &&
	exits "4 5" "a flipped bit of end memory is found" "$krrctl" verify bad

# symlinks
rm -rf "$s/bad" && ln -s good "$s/bad" &&
	exits "3 4" "a symlink to a recording is not followed" "$krrctl" replay bad
rm "$s/bad" && copy bad && mv "$s/bad/log.krr" "$s/log" && ln -s ../log "$s/bad/log.krr" &&
	exits "3 4" "a symlink inside a recording is not followed" "$krrctl" replay bad

# what has to be there
exits 3 "no such recording" "$krrctl" replay nothing
exits 3 "no vmlinux" env KRR_VMLINUX=/nonexistent "$krrctl" gdb good
exits 3 "no QEMU" env KRR_QEMU=/nonexistent "$krrctl" replay good
printf '#!/bin/sh\necho "QEMU emulator version 1.2.3"\n' >"$work/old-qemu"
chmod +x "$work/old-qemu"
exits 3 "another QEMU than the recording's" env KRR_QEMU="$work/old-qemu" "$krrctl" replay good
exits 3 "a name that is taken" "$krrctl" run --accel $accel --smp 1 --record good -- /bin/true
exits 3 "a guest without krr" \
	"$krrctl" run --accel $accel --smp 1 --append "krr=0" --record none -- /bin/true

# wrong calls
exits 2 "no verb" "$krrctl"
exits 2 "an unknown option" "$krrctl" replay --no-such-option good

exits 6 "a guest that does not come up ends in time" "$krrctl" run --accel $accel \
	--boot-timeout 4 --append 'rdinit=/bin/sleep -- 100' -- true
says "did not answer within 4 s" "and the message says so"

# sizes that no guest may have, or this host has no room for
for mem in 63M 65G; do
	exits 3 "--mem $mem is refused" "$krrctl" run --accel $accel --mem $mem -- /bin/true
	says "64M to 64G" "with what is possible"
done
exits 2 "an unknown machine" "$krrctl" run --accel $accel --machine isapc -- /bin/true
says "expected pc or q35" "with those that there are"
sed 's/^\(MemAvailable\|SwapFree\):.*/\1: 100000 kB/' /proc/meminfo >"$work/meminfo"
exits 3 "a host with half of the memory" unshare -rm sh -c 'mount --bind "$0" /proc/meminfo && exec "$@"' \
	"$work/meminfo" "$krrctl" run --accel $accel --mem 391M -- /bin/true
says "expected 391 MiB of available host memory, found 195 MiB" "with both figures"
ram=$(sed -n 's/.*guest RAM in \([^:]*\):.*/\1/p' "$last")
[ -n "$ram" ] && [ ! -e "$ram" ]
point $? "and the RAM file is gone"

# a guest that spoils its ring: what is lost is never taken for a recording
"$krrctl" run --accel $accel --smp 1 --record spoilt -- /bin/sleep 4 >"$work/spoilt" 2>&1 &
pid=$!
wait_for 60 test -s "$s/spoilt.incomplete/log.krr"
hdr=$(sed -n 's/.*"hdr_gpa": *\([0-9]*\).*/\1/p' "$s/spoilt.incomplete/manifest.json")
# the head of the ring, see docs/format.md
perl -e 'my ($f, $at) = @ARGV; open(F, "+<:raw", $f) or die "$f: $!";
	for (1 .. 100) { sysseek(F, $at, 0); syswrite(F, pack("Q", 1 << 62)); select(undef, undef, undef, 0.002) }' \
	"$(echo /dev/shm/krr-*-run-$pid.ram)" $((hdr + 640))
wait $pid
[ $? -eq 4 ]
point $? "a spoilt ring ends krrctl run with 4"
last=$work/spoilt
says "the guest's event stream is damaged" "with a message"
says "what was logged before the damage" "and the part before it is named"
