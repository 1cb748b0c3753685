# SPDX-License-Identifier: GPL-2.0-only
# The guest kernel.  The script knows what is up to date, so it always runs.

KERNEL		:= $(O)/kernel
KERNEL_DEBUG	:= $(O)/kernel-debug
KERNEL_PLAIN	:= $(O)/kernel-plain

.PHONY: kernel kernel-debug kernel-bugs kernel-plain check-patches

kernel:
	$(Q)V=$(V) kpatch/build-kernel.sh $(O) guest

kernel-debug:
	$(Q)V=$(V) kpatch/build-kernel.sh $(O) debug

kernel-bugs:
	$(Q)V=$(V) kpatch/build-kernel.sh $(O) bugs

kernel-plain:
	$(Q)V=$(V) kpatch/build-kernel.sh $(O) plain

check-patches:
	$(Q)V=$(V) kpatch/check-patches.sh $(or $(KRR_TARBALL),/usr/src/linux-source-6.1.tar.xz) \
		$(O)/check-patches $(wildcard tests/bugs/*/reopen.patch)
