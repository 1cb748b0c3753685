# SPDX-License-Identifier: GPL-2.0-only
# libkrr, krrctl and krrd for the host; and for the guest, static, its krrd.

CC		?= gcc
HOST_CFLAGS	?= -O2 -g
HOST_CPPFLAGS	:= -D_GNU_SOURCE -I. -Iuserspace -I$(O)/gen -Ikpatch/overlay/include/uapi
HOST_WARN	:= -std=gnu11 -Wall -Wextra -Werror
HOST_LIBS	:= -lzstd -ljansson -lbpf -lelf -lz -lpthread
GUEST_LIBS	:= -lbpf -lelf -lz -ljansson -lcap
# functions of libbpf that krrd/programs.c has others for
GUEST_WRAP	:= btf__load_vmlinux_btf btf__free

host-msg	= @$(if $(filter-out 0,$(V)),:,printf '  %-7s %s\n' '$(1)' '$(patsubst $(O)/%,%,$(2))')

LIBKRR_SRC	:= $(wildcard userspace/lib/*.c)
LIBKRR_OBJ	:= $(LIBKRR_SRC:%.c=$(O)/host/%.o)
LIBKRR		:= $(O)/host/libkrr.a
KRRCTL_OBJ	:= $(patsubst %.c,$(O)/host/%.o,$(filter-out %-guest.c,$(wildcard userspace/krrctl/*.c)))
KRRD_OBJ	:= $(patsubst %,$(O)/host/userspace/krrd/%,main.o host.o)
KRRD_GUEST_SRC	:= $(filter-out %/host.c,$(wildcard userspace/krrd/*.c)) \
		   $(addprefix userspace/lib/,names.c predicate.c predicate-value.c proto.c rule.c \
		   schema.c util.c verifier.c words.c)
KRRCTL_GUEST_SRC := $(addprefix userspace/krrctl/,main.c cmd-policy.c verbs-guest.c) \
		   vmm/link.c vmm/socket.c $(addprefix userspace/lib/,names.c proto.c util.c)
KRRD_GUEST_OBJ	:= $(KRRD_GUEST_SRC:%.c=$(O)/guest-obj/%.o)
KRRCTL_GUEST_OBJ := $(KRRCTL_GUEST_SRC:%.c=$(O)/guest-obj/%.o)

$(O)/host/%.o: %.c
	$(call host-msg,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(HOST_WARN) $(HOST_CFLAGS) $(HOST_CPPFLAGS) -MMD -MP -c $< -o $@

$(O)/guest-obj/%.o: %.c
	$(call host-msg,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(HOST_WARN) -O2 $(HOST_CPPFLAGS) -MMD -MP -c $< -o $@

# names of the system calls, from the kernel headers
CALLS_H		:= $(O)/gen/calls.h

$(CALLS_H):
	$(call host-msg,GEN,$@)
	$(Q)mkdir -p $(@D)
	$(Q)echo '#include <asm/unistd_64.h>' | $(CC) -E -dM - | \
		sed -n 's/^#define __NR_\([a-z0-9_]*\) \([0-9]*\)$$/[\2] = "\1",/p' | LC_ALL=C sort >$@
	$(Q)test -s $@

$(patsubst %,$(O)/%/userspace/lib/names.o,host guest-obj unit/plain unit/asan fuzz): | $(CALLS_H)

$(LIBKRR): $(LIBKRR_OBJ) $(RECORDS_BTF)
	$(call host-msg,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(O)/host/userspace/krrctl/gdb-unwind.o: userspace/krrctl/gdb-unwind.S userspace/krrctl/gdb-unwind.py
	$(call host-msg,AS,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -c $< -o $@

$(O)/bin/krrctl: $(KRRCTL_OBJ) $(O)/host/userspace/krrctl/gdb-unwind.o $(VMM_LIB) $(LIBKRR)
	$(call host-msg,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(HOST_CFLAGS) -o $@ $^ $(HOST_LIBS)

$(O)/bin/krrd: $(KRRD_OBJ) $(VMM_LIB) $(LIBKRR)
	$(call host-msg,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(HOST_CFLAGS) -o $@ $^ $(HOST_LIBS)

$(O)/guest/krrd: $(KRRD_GUEST_OBJ) $(RECORDS_BTF)
	$(call host-msg,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -static $(GUEST_WRAP:%=-Wl,--wrap=%) -o $@ $^ $(GUEST_LIBS)

$(O)/guest/krrctl: $(KRRCTL_GUEST_OBJ)
	$(call host-msg,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -static -o $@ $^ -ljansson

-include $(LIBKRR_OBJ:.o=.d) $(KRRCTL_OBJ:.o=.d) $(KRRD_OBJ:.o=.d) $(KRRD_GUEST_OBJ:.o=.d) \
	 $(KRRCTL_GUEST_OBJ:.o=.d)
