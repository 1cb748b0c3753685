# SPDX-License-Identifier: GPL-2.0-only
# The benchmark.  Its loads are in the Debian guest, as /tests/bench/NAME: scripts,
# and programs that are built here.

BENCH_PROGRAMS	:= $(patsubst tests/bench/loads/%.c,$(O)/guest/bench/%,$(wildcard tests/bench/loads/*.c))
BENCH_SCRIPTS	:= $(filter-out %.c %.h,$(wildcard tests/bench/loads/*))

$(O)/guest/bench/%: tests/bench/loads/%.c
	$(call msg,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -static $(GUEST_CFLAGS) -MF $(O)/guest/bench-$*.d -DTEST_NAME='"$*"' -o $@ $<

# not part of the benchmark: what other ways to compress logs would bring
$(O)/host/pack: $(O)/host/tests/bench/pack.o $(LIBKRR)
	$(call host-msg,LINK,$@)
	$(Q)$(CC) $(HOST_CFLAGS) -o $@ $^ $(HOST_LIBS)

-include $(O)/host/tests/bench/pack.d
-include $(BENCH_PROGRAMS:$(O)/guest/bench/%=$(O)/guest/bench-%.d)
