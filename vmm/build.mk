# SPDX-License-Identifier: GPL-2.0-only
# The VMM side as a static library; programs link it before libkrr.

VMM_SRC := $(wildcard vmm/*.c)
VMM_OBJ := $(VMM_SRC:%.c=$(O)/host/%.o)
VMM_LIB := $(O)/host/libkrrvmm.a

$(VMM_LIB): $(VMM_OBJ)
	$(call host-msg,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

-include $(VMM_OBJ:.o=.d)
