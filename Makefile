# SPDX-License-Identifier: GPL-2.0-only
# krr - record and replay the kernel of a Linux VM
#
# `make help` lists what can be made.  V=1 shows the commands, O=DIR builds
# elsewhere than in build/.

O		?= build
V		?=
SOAK_ARGS	?= --smp 2 --count 20
KVM_SOAK_ARGS	?= --smp 2 --count 20
FLIGHT_ARGS	?= --smp 2 --mem 1G --seconds 600
BENCH_ARGS	?= --smp 1,2,4

Q		:= $(if $(filter-out 0,$(V)),,@)
msg		= $(if $(filter-out 0,$(V)),,@printf '  %-7s %s\n' '$(1)' '$(patsubst $(O)/%,%,$(2))')

# what the tools, the guest kernel, the guests and the tests are made with
PACKAGES	:= gcc gcc-multilib make pkg-config patch perl file git \
		   libzstd-dev libxxhash-dev libjansson-dev libelf-dev libcmocka-dev \
		   libbpf-dev libcap-dev zlib1g-dev clang llvm bpftool \
		   linux-source-6.1 bc flex bison dwarves lz4 xz-utils \
		   busybox-static cpio e2fsprogs mmdebstrap \
		   qemu-system-x86 gdb

# what the kernel's selftests want besides
SELFTEST_PACKAGES := libcap-ng-dev libpopt-dev

# what the benchmark makes its tables and plots with
BENCH_PACKAGES	:= python3 gnuplot-nox fonts-dejavu-core

export O V

.DELETE_ON_ERROR:
.DEFAULT_GOAL := all
.PHONY: help all tools setup demo check check-full check-kvm check-kvm-short soak-kvm soak soak-flight selftests bench bench-quick bench-docs \
	unit clean FORCE

all: tools

help:
	@echo 'krr: record and replay the kernel of a Linux VM'
	@echo
	@echo '  make              the tools: krrctl and krrd, in $(O)/bin'
	@echo '  make setup        install the Debian packages that are missing (as root)'
	@echo '  make kernel       the guest kernel that krr records, in $(O)/kernel'
	@echo '  make kernel-debug the same with KASAN, lockdep and KUnit tests, in $(O)/kernel-debug'
	@echo '  make kernel-bugs  the same with the bugs of tests/bugs in it, in $(O)/kernel-bugs'
	@echo '  make kernel-plain the same with CONFIG_KRR=n, to measure against, in $(O)/kernel-plain'
	@echo '  make bpf          the BPF programs that annotate recordings, in $(O)/bpf'
	@echo '  make guest        the small test guest, in $(O)/guest'
	@echo '  make guest-debian the Debian guest with servers in it'
	@echo '  make demo         record two panics under load, replay them, look at them'
	@echo '  make unit         unit tests of the host code'
	@echo '  make fuzz         look for input that breaks it (clang), FUZZ_SECONDS=20 a target'
	@echo '  make fuzz-corpus  keep the best of what it found in tests/fuzz/corpus'
	@echo '  make check        all of the above that it needs, then the tests (prove)'
	@echo '  make check-full   check, the debug kernel, selftests, longer soaks, fuzzing, CONFIG_KRR=n'
	@echo '  make check-kvm    record under KVM, in an emulated machine where there is none; 40 minutes'
	@echo '  make check-kvm-short  some of it, as make check does'
	@echo '  make soak-kvm     random loads under KVM, KVM_SOAK_ARGS="$(KVM_SOAK_ARGS)"'
	@echo '  make selftests    the selftests of the kernel itself, recorded and replayed'
	@echo '  make soak         random loads, SOAK_ARGS="$(SOAK_ARGS)"'
	@echo '  make soak-flight  the flight recorder under load, FLIGHT_ARGS="$(FLIGHT_ARGS)"'
	@echo '  make bench        what krr costs, against other ways; hours, BENCH_ARGS="$(BENCH_ARGS)"'
	@echo '  make bench-quick  some of it in 10 minutes; fails if a cost has doubled'
	@echo '  make bench-docs   the results of the last one as docs/benchmarks.md'
	@echo '  make check-patches  do the kernel patches apply?'
	@echo '  make clean        remove $(O)'
	@echo
	@echo '  V=1 shows commands, O=DIR builds there, KRR_CACHE=DIR keeps built kernels there,'
	@echo '  KRR_KERNEL=bzImage KRR_VMLINUX=vmlinux test a kernel that was built before'

include bpf/build.mk
-include vmm/build.mk
-include userspace/build.mk
-include tests/unit/build.mk
-include tests/fuzz/build.mk
include bpf/programs.mk
include kpatch/build.mk
include tests/bench/build.mk
include tests/guest/build.mk
include tests/kvm-rig/build.mk

TOOLS := $(O)/bin/krrctl $(O)/bin/krrd $(O)/bin/krr-uffd.so
tools: $(TOOLS)

setup:
	$(Q)tests/setup.sh $(PACKAGES)

# The packages have to be there before make looks at anything else, hence the
# second make.
check: setup
	$(Q)$(MAKE) --no-print-directory do-check

check-full: setup
	$(Q)$(MAKE) --no-print-directory kernel-debug do-check
	$(Q)tests/config-n.sh
	$(Q)tests/setup.sh $(FUZZ_PACKAGES)
	$(Q)$(MAKE) --no-print-directory fuzz selftests soak soak-flight
	$(Q)KRR_KERNEL=$(KERNEL_DEBUG)/bzImage KRR_VMLINUX=$(KERNEL_DEBUG)/vmlinux \
		tests/soak --smp 2 --count 5 --mem 1G --boot-timeout 400

demo: setup
	$(Q)$(MAKE) --no-print-directory do-demo

# KRR_KERNEL and KRR_VMLINUX name a kernel that is there already
TEST_KERNEL := $(if $(KRR_KERNEL),,kernel)

.PHONY: do-check do-demo do-check-kvm do-check-kvm-short
# what says soonest that something is wrong
QUICK_TESTS := tests/layers.t tests/docs.t tests/kernel-build.t tests/guest.t

# Two at a time: the rig, which has one thread, and the programs of tests/record, one after
# another, beside all others, one after another.
CHECK_RULES := --rules='seq={tests/kvm.t,tests/record/*.t}' --rules='seq=tests/*.t'

do-check: check-patches tools $(TEST_KERNEL) kernel-bugs guest guest-debian kvm-rig unit
	$(Q)prove --timer -j2 $(CHECK_RULES) $(QUICK_TESTS) \
		$(filter-out $(QUICK_TESTS),$(wildcard tests/*.t tests/record/*.t))

do-demo: tools $(TEST_KERNEL) kernel-bugs guest-debian
	$(Q)tests/demo.sh

check-kvm check-kvm-short: setup
	$(Q)$(MAKE) --no-print-directory do-$@

do-check-kvm: tools $(TEST_KERNEL) guest guest-debian kvm-rig
	$(Q)prove --timer tests/kvm-rig/check && cat $(O)/kvm-rig/table

do-check-kvm-short: tools $(TEST_KERNEL) guest kvm-rig
	$(Q)prove --timer tests/kvm.t && cat $(O)/kvm-rig/table-short

soak-kvm: tools $(TEST_KERNEL) guest kvm-rig
	$(Q)tests/kvm-rig/soak $(KVM_SOAK_ARGS)

soak: tools $(TEST_KERNEL) guest
	$(Q)tests/soak $(SOAK_ARGS)

soak-flight: tools $(TEST_KERNEL) guest
	$(Q)tests/soak-flight $(FLIGHT_ARGS)

selftests: tools $(TEST_KERNEL) guest
	$(Q)tests/setup.sh $(SELFTEST_PACKAGES)
	$(Q)$(MAKE) --no-print-directory $(SELFTESTS)
	$(Q)prove --timer tests/selftests.sh

# Everything is built before the first measurement, and nothing else runs beside it.
BENCH_NEEDS := tools $(TEST_KERNEL) $(if $(KRR_PLAIN_KERNEL),,kernel-plain) guest-debian

bench bench-quick: setup
	$(Q)tests/setup.sh $(BENCH_PACKAGES)
	$(Q)$(MAKE) --no-print-directory $(BENCH_NEEDS)
	$(Q)tests/bench/bench $(if $(filter bench-quick,$@),--quick --out $(O)/bench-quick,$(BENCH_ARGS))

bench-docs:
	$(Q)tests/bench/report $(O)/bench --docs docs

clean:
	rm -rf $(O)
