// SPDX-License-Identifier: GPL-2.0-only
/*
 * Makes the BTF of <records.h>, and nothing else: a type that no variable has
 * would be left out.
 */
#include <linux/types.h>

#include "records.h"

struct {
	enum krr_subsys subsys;
	enum krr_net_family family;
	enum krr_net_protocol protocol;
	enum krr_tcp_state tcp_state;

	struct krr_mark mark;
	struct krr_net net;
	struct krr_block block;
	struct krr_fs fs;
	struct krr_mm mm;
	struct krr_sched sched;
	struct krr_irq irq;
	struct krr_syscall syscall;
	struct krr_security security;
	struct krr_error error;
} krr_records;
