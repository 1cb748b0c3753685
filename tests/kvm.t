#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# kvm.t - recorded under KVM, replayed under TCG and under KVM: a few programs, a panic,
# the flight recorder, and a QEMU that is killed.  make check-kvm does more of it.
exec "$(dirname "$0")/kvm-rig/check" --short
