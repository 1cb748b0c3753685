# SPDX-License-Identifier: GPL-2.0-only
# The BPF programs, one object a subsystem, and their skeletons.  vmlinux.h comes
# from the guest kernel; libbpf adapts the programs to the one that runs.

BPF_CLANG	?= clang
BPFTOOL		?= bpftool
BPF		:= $(O)/bpf
BPF_VMLINUX	:= $(or $(KRR_VMLINUX),$(O)/kernel/vmlinux)
BPF_PROGRAMS	:= $(filter-out records,$(patsubst bpf/%.bpf.c,%,$(wildcard bpf/*.bpf.c)))
BPF_SKELETONS	:= $(BPF_PROGRAMS:%=$(BPF)/%.skel.h)
BPF_CFLAGS	:= -g -O2 -target bpf -mcpu=v3 -D__TARGET_ARCH_x86 -std=gnu11 -Wall -Wextra \
		   -Werror -Wno-unused-parameter -I$(BPF) -Ibpf

$(BPF)/vmlinux.h: $(BPF_VMLINUX)
	$(call msg,BTF,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(BPFTOOL) btf dump file $< format c >$@

$(BPF_VMLINUX): | $(if $(KRR_VMLINUX),,kernel)
	$(Q)test -e $@ || { echo "bpf: $@: not found" >&2; exit 1; }

$(BPF)/%.bpf.o: bpf/%.bpf.c $(BPF)/vmlinux.h
	$(call msg,CLANG,$@)
	$(Q)$(BPF_CLANG) $(BPF_CFLAGS) -MMD -MP -MF $(@:.o=.d) -MT $@ -c $< -o $@

# gen object takes the source's file names out, and with them the builder's paths
$(BPF)/%.linked.o: $(BPF)/%.bpf.o
	$(Q)$(BPFTOOL) gen object $@ $<

$(BPF)/%.skel.h: $(BPF)/%.linked.o
	$(call msg,SKEL,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name $*_bpf >$@

.PHONY: bpf
.SECONDARY: $(BPF_PROGRAMS:%=$(BPF)/%.linked.o) $(BPF_PROGRAMS:%=$(BPF)/%.bpf.o)
bpf: $(BPF_SKELETONS)

# krrd of the guest has them in it
$(O)/guest-obj/userspace/krrd/programs.o: HOST_CPPFLAGS += -I$(BPF)
$(O)/guest-obj/userspace/krrd/programs.o: $(BPF_SKELETONS)

-include $(BPF_PROGRAMS:%=$(BPF)/%.bpf.d)
