# SPDX-License-Identifier: GPL-2.0-only
# Tests under KVM, for machines without it: QEMU 10 emulates AMD's SVM, an outer guest
# with Debian's own kernel and KVM runs in it, and krr's guests in that one.  The scripts
# know what is up to date, so they always run.

KVM_RIG		:= $(O)/kvm-rig

.PHONY: kvm-rig

kvm-rig:
	$(Q)tests/kvm-rig/get-qemu.sh $(KVM_RIG)/qemu
	$(Q)tests/kvm-rig/make-l1.sh $(KVM_RIG)/l1
