#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# completion.t - what TAB offers, and that names of directories are never run
top=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/krr-test.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
export KRR_STORE=$work/store XDG_RUNTIME_DIR=$work/run HOME=$work
mkdir -m 700 -p store/first store/second store/third.incomplete run/krr/web run/krr/db
# shellcheck disable=SC2016 # not to be expanded, that is the test
for bad in '$(touch pwned)' '`touch pwned`' '${x[$(touch pwned)]}' '<(touch pwned)' '*' 'a b' '-rf' $'a\nb' '~root'; do
	mkdir "store/$bad" "run/krr/$bad"
done
compopt() { :; }	# of a real completion only
# shellcheck source=/dev/null
. "$top/userspace/completion/krrctl.bash"

n=0 failed=0
offers() {	# EXPECTED NAME WORDS...
	local expected=$1 name=$2 got
	shift 2
	# shellcheck disable=SC2034 # the completion's
	COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
	_krrctl
	got=$(printf '%s\n' "${COMPREPLY[@]}" | LC_ALL=C sort | tr '\n' ' ')
	got=${got% }
	n=$((n + 1))
	if [ "$got" = "$expected" ] && [ ! -e pwned ]; then
		echo "ok $n - $name"
	else
		echo "not ok $n - $name"
		echo "# expected \"$expected\", found \"$got\"$([ ! -e pwned ] || echo ', and a name was run')" >&2
		failed=$((failed + 1))
		rm -f pwned
	fi
}

echo 1..9
offers "first second" "recordings, by names that krrctl accepts" krrctl info ''
offers "second" "by what they begin with" krrctl replay s
offers "first second third" "incomplete ones can be removed" krrctl rm ''
offers "db web" "VMs" krrctl vm stop ''
offers "db web" "for --vm" krrctl --vm ''
# shellcheck disable=SC2016
offers "" "a word that looks like a command" krrctl info '$(touch pwned)'
offers "auto kvm tcg" "values of an option" krrctl run --accel ''
mv run/krr elsewhere && ln -s ../elsewhere run/krr
offers "" "no VMs through a symbolic link" krrctl vm stop ''
IFS=,
offers "kvm" "whatever IFS is" krrctl run --accel k
exit "$failed"
