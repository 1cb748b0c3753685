# SPDX-License-Identifier: GPL-2.0-only
# Unit tests of the host code: each test-*.c is a program. They are built twice,
# plain and with the address and undefined-behaviour sanitizers, and run as TAP.

UNIT_TESTS	:= $(patsubst tests/unit/%.c,%,$(wildcard tests/unit/test-*.c))
UNIT_LIB_SRC	:= $(wildcard userspace/lib/*.c vmm/*.c) tests/unit/unit.c tests/unit/writer.c
UNIT_SAN	:= -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
UNIT_CFLAGS	 = $(HOST_WARN) -O1 -g $(HOST_CPPFLAGS) -Itests/unit
UNIT_PLAIN	:= $(UNIT_TESTS:%=$(O)/unit/plain/%)
UNIT_ASAN	:= $(UNIT_TESTS:%=$(O)/unit/asan/%)

$(O)/unit/plain/%.o: %.c
	$(call host-msg,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(UNIT_CFLAGS) -MMD -MP -c $< -o $@

$(O)/unit/asan/%.o: %.c
	$(call host-msg,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(UNIT_CFLAGS) $(UNIT_SAN) -MMD -MP -c $< -o $@

# krrd's policies, without the programs
UNIT_POLICY	:= $(addprefix userspace/krrd/,policy.o policy-file.o flight.o) tests/unit/no-bpf.o
$(O)/unit/plain/test-policy: $(UNIT_POLICY:%=$(O)/unit/plain/%)
$(O)/unit/asan/test-policy: $(UNIT_POLICY:%=$(O)/unit/asan/%)

# what krrctl has of its own
UNIT_KRRCTL	:= userspace/krrctl/lanes.o
$(O)/unit/plain/test-lanes: $(UNIT_KRRCTL:%=$(O)/unit/plain/%)
$(O)/unit/asan/test-lanes: $(UNIT_KRRCTL:%=$(O)/unit/asan/%)

$(UNIT_PLAIN): $(O)/unit/plain/%: $(O)/unit/plain/tests/unit/%.o \
		$(UNIT_LIB_SRC:%.c=$(O)/unit/plain/%.o) $(RECORDS_BTF)
	$(call host-msg,LINK,$@)
	$(Q)$(CC) -o $@ $^ -lcmocka $(HOST_LIBS)

$(UNIT_ASAN): $(O)/unit/asan/%: $(O)/unit/asan/tests/unit/%.o \
		$(UNIT_LIB_SRC:%.c=$(O)/unit/asan/%.o) $(RECORDS_BTF)
	$(call host-msg,LINK,$@)
	$(Q)$(CC) $(UNIT_SAN) -o $@ $^ -lcmocka $(HOST_LIBS)

.PHONY: unit
.SECONDARY: $(UNIT_TESTS:%=$(O)/unit/plain/tests/unit/%.o) $(UNIT_TESTS:%=$(O)/unit/asan/tests/unit/%.o)
unit: $(UNIT_PLAIN) $(UNIT_ASAN) $(O)/bin/krr-uffd.so
	$(Q)KRR_UFFD_LIBRARY=$(abspath $(O)/bin/krr-uffd.so) CMOCKA_MESSAGE_OUTPUT=TAP prove -e '' $(UNIT_PLAIN) $(UNIT_ASAN) $(FUZZ_CHECKS)

-include $(patsubst %.o,$(O)/unit/plain/%.d,$(UNIT_POLICY) $(UNIT_KRRCTL))
-include $(patsubst %.o,$(O)/unit/asan/%.d,$(UNIT_POLICY) $(UNIT_KRRCTL))
-include $(patsubst %.c,$(O)/unit/plain/%.d,$(UNIT_LIB_SRC) $(UNIT_TESTS:%=tests/unit/%.c))
-include $(patsubst %.c,$(O)/unit/asan/%.d,$(UNIT_LIB_SRC) $(UNIT_TESTS:%=tests/unit/%.c))
