# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# bash completion for krrctl; source it, or install it as
# /usr/share/bash-completion/completions/krrctl

# Names of directories may come from somebody else: only those that krrctl itself
# accepts pass, and no word of theirs is expanded anywhere below.
_krrctl_directories()
{
	local d name='^[A-Za-z0-9_][A-Za-z0-9._-]*$' LC_ALL=C

	for d in "$1"/*/; do
		d=${d%/}
		d=${d##*/}
		[[ ! $d =~ $name ]] || printf '%s\n' "$d"
	done
}

_krrctl_recordings()
{
	local d

	while read -r d; do
		case $d in
		*.incomplete) [ -z "${1:-}" ] || printf '%s\n' "${d%.incomplete}" ;;
		*) printf '%s\n' "$d" ;;
		esac
	done < <(_krrctl_directories "${KRR_STORE:-${XDG_DATA_HOME:-$HOME/.local/share}/krr}")
}

# as krr_runtime_open() has it: a directory of this user, and no link to one
_krrctl_vms()
{
	local base

	if [ -n "${XDG_RUNTIME_DIR:-}" ] && [ -O "$XDG_RUNTIME_DIR" ]; then
		base=$XDG_RUNTIME_DIR/krr
	elif [ "$EUID" -eq 0 ]; then
		base=/run/krr
	else
		base=/tmp/krr-$EUID
	fi
	[ -L "$base" ] || [ ! -O "$base" ] || _krrctl_directories "$base"
}

# options of a verb, in the order of its --help
_krrctl_options()
{
	local machine='--smp --mem --machine --accel --cpu --kernel --initrd --rootfs --keep-changes --disk
		--net --balloon --share --append --boot-timeout'

	case $1 in
	doctor|info|ls)	echo '--json --help' ;;
	run)		echo "--record --verify $machine --quiet --help" ;;
	replay)		echo '--verify --until --console --accel --timeout --poison --json --quiet --help' ;;
	verify)		echo '--accel --timeout --poison --json --quiet --help' ;;
	dump)		echo '--cpu --kind --subsys --match --from --to --json --help' ;;
	export)		echo '--perfetto --from --to --help' ;;
	enable)		echo '--subsys --comm --cgroup --port --when --then --rate --keep --budget
				--no-flight --help' ;;
	status|subsys)	echo '--json --help' ;;
	save)		echo '--last --note --help' ;;
	gdb)		echo '--at --accel --help' ;;
	vm-start)	echo "$machine" ;;
	*)		echo '--help' ;;
	esac
}

# not compgen -W, which expands its words
_krrctl_words()
{
	local IFS=$' \t\n' words word

	COMPREPLY=()
	read -r -d '' -a words <<<"$1"
	for word in "${words[@]}"; do
		[[ $word != "${COMP_WORDS[COMP_CWORD]}"* ]] || COMPREPLY+=("$word")
	done
}

_krrctl_files()
{
	compopt -o filenames 2>/dev/null
	mapfile -t COMPREPLY < <(compgen -f -- "${COMP_WORDS[COMP_CWORD]}")
}

# the argument of the option before the cursor, of a verb; fails if that takes none
_krrctl_argument()
{
	case $2,$1 in
	run,--cpu|vm,--cpu)
		compopt -o nospace 2>/dev/null
		_krrctl_words 'host max EPYC EPYC-Rome EPYC-Milan Haswell Broadwell Skylake-Server
				Cascadelake-Server Icelake-Server +aes +avx2 +avx512f +fsgsbase +pcid
				+pku +rdrand +rdseed +sha-ni +smap +smep +vaes +x2apic'
		return ;;
	esac
	case $1 in
	--accel)	_krrctl_words 'auto kvm tcg' ;;
	--smp)		_krrctl_words '1 2 4 8 16 32 64' ;;
	--mem)		_krrctl_words '512M 1G 2G 4G 8G' ;;
	--machine)	_krrctl_words 'pc q35' ;;
	--kind)		_krrctl_words 'stop acquire yield irq entry tsc random port mmio apic msr reg
				iodata uread ufault uatomic virtio vbuf pageread annotate panic
				uread4 fpu mark shared epoch keep' ;;
	--subsys)	_krrctl_words 'all net block fs mm sched irq syscall security error' ;;
	--then)		compopt -o nospace 2>/dev/null
			_krrctl_words 'mark: keep keep: start stop' ;;
	--keep)		_krrctl_words '30s 60s 5m 1h' ;;
	--budget)	_krrctl_words '1G 2G 4G 8G' ;;
	--last)		_krrctl_words '10s 20s 60s 5m' ;;
	--vm)		_krrctl_words "$(_krrctl_vms)" ;;
	--kernel|--initrd|--rootfs|--disk|--share) _krrctl_files ;;
	--append|--record|--timeout|--boot-timeout|--cpu|--from|--to|--at|--until|--match|--comm|--cgroup|\
	--port|--when|--rate|--note) COMPREPLY=() ;;
	*)		return 1 ;;
	esac
}

_krrctl_vm()
{
	case $COMP_CWORD,${COMP_WORDS[2]:-} in
	2,*)	_krrctl_words 'start ls exec balloon vsock stop --help' ;;
	3,exec|3,balloon|3,vsock|3,stop) _krrctl_words "$(_krrctl_vms)" ;;
	4,exec)	_krrctl_words '--' ;;
	4,vsock) _krrctl_files ;;
	4,balloon) _krrctl_words '128M 256M 512M 1G' ;;
	3,start|*,ls|*,balloon|*,vsock|*,stop) COMPREPLY=() ;;
	*,start) _krrctl_words "$(_krrctl_options vm-start)" ;;
	*)	_krrctl_files ;;
	esac
}

_krrctl()
{
	local verbs='doctor run replay verify ls info report dump export rm gdb vm record stop
		enable disable status subsys mark save'
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} verb=${COMP_WORDS[1]:-} i

	COMPREPLY=()
	if [ "$COMP_CWORD" -eq 1 ]; then
		_krrctl_words "$verbs --vm --help"
		return
	fi
	if [ "$verb" = --vm ] && [ "$COMP_CWORD" -eq 3 ]; then
		_krrctl_words 'enable disable status subsys mark save'
		return
	fi
	[ "$verb" != --vm ] || verb=${COMP_WORDS[3]:-}
	# what follows -- is a command of the guest, or gdb's
	for ((i = 2; i < COMP_CWORD; i++)); do
		if [ "${COMP_WORDS[i]}" = -- ]; then
			_krrctl_files
			return
		fi
	done
	case $verb in
	run|replay|verify|dump|export|gdb|vm|enable|save|'')
		! _krrctl_argument "$prev" "$verb" || return 0 ;;
	esac
	case $verb,$cur in
	vm,*)	_krrctl_vm ;;
	record,-*|stop,-*|rm,-*|*,-*) _krrctl_words "$(_krrctl_options "$verb")" ;;
	enable,*|save,*) _krrctl_words "$(_krrctl_options "$verb")" ;;
	subsys,*) _krrctl_words 'net block fs mm sched irq syscall security error' ;;
	replay,*|verify,*|info,*|dump,*|report,*|export,*|gdb,*) _krrctl_words "$(_krrctl_recordings)" ;;
	rm,*)	_krrctl_words "$(_krrctl_recordings all)" ;;
	record,*) [ "$COMP_CWORD" -ne 2 ] || _krrctl_words "$(_krrctl_vms)" ;;
	stop,*)	_krrctl_words "$(_krrctl_vms)" ;;
	run,*)	_krrctl_words "-- $(_krrctl_options run)" ;;
	esac
}

complete -F _krrctl krrctl
