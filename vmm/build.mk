# SPDX-License-Identifier: GPL-2.0-only
# The VMM side as a static library; programs link it before libkrr.

VMM_SRC := $(wildcard vmm/*.c)
VMM_OBJ := $(VMM_SRC:%.c=$(O)/host/%.o)
VMM_LIB := $(O)/host/libkrrvmm.a

$(VMM_LIB): $(VMM_OBJ)
	$(call host-msg,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

# what QEMU is started with, beside the program that starts it
$(O)/bin/krr-uffd.so: vmm/preload/uffd.c
	$(call host-msg,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(HOST_WARN) $(HOST_CFLAGS) $(HOST_CPPFLAGS) -fPIC -shared -o $@ $<

-include $(VMM_OBJ:.o=.d)
