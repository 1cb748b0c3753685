# SPDX-License-Identifier: GPL-2.0-only
# The guests: the test programs, an initramfs of busybox and them, and a small
# Debian with servers in it.
#
# The programs are linked into one static binary that looks at its own name;
# it keeps the initramfs small.  Each compiles alone as well.  The reproducers
# of tests/bugs are programs of their own, /tests/bugs/NAME in the guests.

GUEST		:= $(O)/guest
GUEST_TESTS	:= $(basename $(notdir $(filter-out %/multi.c %/compat.c,$(wildcard tests/guest/*.c))))
GUEST_OBJS	:= $(GUEST_TESTS:%=$(GUEST)/tests/%.o)
GUEST_CFLAGS	:= -O2 -g -std=gnu11 -D_GNU_SOURCE -Wall -Wextra -pthread -MMD -MP
INITRAMFS	:= $(GUEST)/initramfs.cpio.gz
DEBIAN_IMG	:= $(GUEST)/debian.img
GUEST_BUGS	:= $(patsubst tests/%/reproducer.c,%,$(wildcard tests/bugs/*/reproducer.c))

.PHONY: guest guest-debian
guest: $(INITRAMFS) $(GUEST)/vsock-peer
guest-debian: $(DEBIAN_IMG)

$(GUEST)/tests/%.o: tests/guest/%.c
	$(call msg,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(GUEST_CFLAGS) -DTEST_NAME='"$*"' -Dmain=test_$* -c -o $@ $<

# the table of the programs, only written when a name comes or goes
$(GUEST)/tests/table.h: FORCE
	$(Q)mkdir -p $(@D)
	$(Q)printf 'T(%s)\n' $(GUEST_TESTS) >$@.tmp
	$(Q)if cmp -s $@.tmp $@; then rm $@.tmp; else mv $@.tmp $@; fi

$(GUEST)/tests/multi.o: tests/guest/multi.c $(GUEST)/tests/table.h
	$(call msg,CC,$@)
	$(Q)$(CC) $(GUEST_CFLAGS) -I$(GUEST)/tests -c -o $@ $<

$(GUEST)/krr-tests: $(GUEST_OBJS) $(GUEST)/tests/multi.o
	$(call msg,LD,$@)
	$(Q)$(CC) -static -pthread -o $@ $^

$(GUEST)/compat: tests/guest/compat.c tests/guest/test.h
	$(call msg,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -m32 -static $(GUEST_CFLAGS) -MF $@.d -DTEST_NAME='"compat"' -o $@ $<

$(GUEST)/bugs/%: tests/bugs/%/reproducer.c
	$(call msg,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -static $(GUEST_CFLAGS) -MF $@.d -Itests/guest -DTEST_NAME='"$*"' -o $@ $<

# no guest program, but what a test needs on the host
$(GUEST)/vsock-peer: tests/vsock-peer.c
	$(call msg,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(filter-out -MMD -MP,$(GUEST_CFLAGS)) -o $@ $<

GUEST_PARTS := $(GUEST)/krr-tests $(GUEST)/compat $(GUEST_BUGS:%=$(GUEST)/%) $(GUEST)/krrd $(GUEST)/krrctl \
	       tests/guest/init

$(INITRAMFS): $(GUEST_PARTS) $(addprefix tests/guest/,make-initramfs.sh put-programs.sh)
	$(call msg,CPIO,$@)
	$(Q)tests/guest/make-initramfs.sh $(GUEST) $@ $(GUEST_TESTS) $(GUEST_BUGS)

$(DEBIAN_IMG): $(GUEST_PARTS) $(addprefix tests/guest/,make-debian.sh put-programs.sh) \
	       $(wildcard tests/guest/loads/* userspace/systemd/*) $(BENCH_PROGRAMS) $(BENCH_SCRIPTS)
	$(call msg,IMAGE,$@)
	$(Q)tests/guest/make-debian.sh $(GUEST) $@ $(GUEST_TESTS) $(GUEST_BUGS)

# the kernel's selftests, an initramfs to append
SELFTESTS := $(O)/selftests.cpio.gz
$(SELFTESTS): $(addprefix tests/selftests/,build.sh guest-run list)
	$(call msg,CPIO,$@)
	$(Q)tests/selftests/build.sh $(O)/selftests tests/selftests/list $@

-include $(GUEST_OBJS:.o=.d) $(GUEST)/tests/multi.d $(GUEST)/compat.d $(GUEST_BUGS:%=$(GUEST)/%.d)
