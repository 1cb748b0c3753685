# SPDX-License-Identifier: GPL-2.0-only
# The description of annotation records, for the tools: BTF of records.h, as an
# object that each program links.

CLANG		?= clang
LLVM_OBJCOPY	?= llvm-objcopy
RECORDS		:= $(O)/bpf/records
RECORDS_BTF	:= $(RECORDS)-btf.o

# <asm/types.h> is among the headers of the host's architecture
RECORDS_CFLAGS	 = -target bpf -g -O2 -Wall -Wextra -Werror \
		   -idirafter /usr/include/$(shell $(CC) -print-multiarch)

$(RECORDS).bpf.o: bpf/records.bpf.c
	$(call host-msg,CLANG,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(RECORDS_CFLAGS) -MMD -MP -c $< -o $@

$(RECORDS).btf: $(RECORDS).bpf.o
	$(call host-msg,BTF,$@)
	$(Q)$(LLVM_OBJCOPY) --dump-section .BTF=$@ $< /dev/null

$(RECORDS_BTF): userspace/lib/records-btf.S $(RECORDS).btf
	$(call host-msg,AS,$@)
	$(Q)$(CC) -DKRR_RECORDS_BTF='"$(RECORDS).btf"' -c $< -o $@

-include $(RECORDS).bpf.d
