# SPDX-License-Identifier: GPL-2.0-only
# The guest kernel.  The script knows what is up to date, so it always runs.

KERNEL		:= $(O)/kernel
KERNEL_DEBUG	:= $(O)/kernel-debug

.PHONY: kernel kernel-debug check-patches

kernel:
	$(Q)V=$(V) kpatch/build-kernel.sh $(O) guest

kernel-debug:
	$(Q)V=$(V) kpatch/build-kernel.sh $(O) debug

check-patches:
	$(Q)V=$(V) kpatch/check-patches.sh $(or $(KRR_TARBALL),/usr/src/linux-source-6.1.tar.xz) \
		$(O)/check-patches
