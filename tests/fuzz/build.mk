# SPDX-License-Identifier: GPL-2.0-only
# Fuzz targets: each fuzz-*.c is a program, built twice.  With driver.c and gcc's
# sanitizers it tries some thousand inputs in `make unit`, the same ones always.
# With clang's libFuzzer, `make fuzz` looks for new ones, FUZZ_SECONDS each, and
# `make fuzz-corpus` keeps the best of them for KEEP_TARGETS in tests/fuzz/corpus.

FUZZ_TARGETS	:= $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/fuzz-*.c))
FUZZ_LIB_SRC	:= $(filter-out vmm/socket.c,$(UNIT_LIB_SRC)) tests/fuzz/fuzz.c userspace/krrctl/report.c \
		   userspace/krrctl/report-json.c
FUZZ_CHECKS	:= $(FUZZ_TARGETS:%=$(O)/unit/fuzz/%)
FUZZ_BIN	:= $(FUZZ_TARGETS:%=$(O)/fuzz/bin/%)
FUZZ_PACKAGES	:= clang libclang-rt-14-dev
FUZZ_SECONDS	?= 20
# what reads the words of people and of the other side
KEEP_TARGETS	?= fuzz-predicate fuzz-proto fuzz-guest fuzz-record
CLANG		?= clang
FUZZ_CFLAGS	 = $(HOST_WARN) -O1 -g $(HOST_CPPFLAGS) -Itests/unit \
		   -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all \
		   -fno-omit-frame-pointer

$(O)/unit/fuzz/fuzz-guest: $(UNIT_POLICY:%=$(O)/unit/asan/%)
$(O)/fuzz/bin/fuzz-guest: $(UNIT_POLICY:%=$(O)/fuzz/%)

$(FUZZ_CHECKS): $(O)/unit/fuzz/%: $(O)/unit/asan/tests/fuzz/%.o $(O)/unit/asan/tests/fuzz/driver.o \
		$(FUZZ_LIB_SRC:%.c=$(O)/unit/asan/%.o) $(RECORDS_BTF)
	$(call host-msg,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(UNIT_SAN) -o $@ $^ -lcmocka $(HOST_LIBS)

$(O)/fuzz/%.o: %.c | fuzz-clang
	$(call host-msg,CLANG,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(FUZZ_CFLAGS) -MMD -MP -c $< -o $@

$(FUZZ_BIN): $(O)/fuzz/bin/%: $(O)/fuzz/tests/fuzz/%.o $(FUZZ_LIB_SRC:%.c=$(O)/fuzz/%.o) $(RECORDS_BTF)
	$(call host-msg,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(FUZZ_CFLAGS) -fsanitize=fuzzer -o $@ $^ -lcmocka $(HOST_LIBS)

.PHONY: fuzz fuzz-corpus fuzz-clang
.SECONDARY: $(FUZZ_TARGETS:%=$(O)/unit/asan/tests/fuzz/%.o) $(FUZZ_TARGETS:%=$(O)/fuzz/tests/fuzz/%.o)
unit: $(FUZZ_CHECKS)

fuzz: $(FUZZ_CHECKS) $(FUZZ_BIN)
	$(Q)tests/fuzz/run.sh $(O) $(FUZZ_SECONDS) $(FUZZ_TARGETS)

fuzz-corpus: $(KEEP_TARGETS:%=$(O)/fuzz/bin/%)
	$(Q)tests/fuzz/keep.sh $(O) $(KEEP_TARGETS)

fuzz-clang:
	$(Q)command -v $(CLANG) >/dev/null || { \
		echo "fuzz: $(CLANG): not found; try: apt-get install $(FUZZ_PACKAGES)" >&2; exit 1; }

-include $(patsubst %.c,$(O)/unit/asan/%.d,$(FUZZ_LIB_SRC) tests/fuzz/driver.c $(FUZZ_TARGETS:%=tests/fuzz/%.c))
-include $(patsubst %.c,$(O)/fuzz/%.d,$(FUZZ_LIB_SRC) $(FUZZ_TARGETS:%=tests/fuzz/%.c))
