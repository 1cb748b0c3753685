/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Rules over annotation records, as people write them:
 *
 *	net.reset				an event
 *	net.drop && net.dport in (80, 443)	clauses that all have to hold
 *	block.latency > 10ms && block.op == write
 *	sched.comm ~= kworker			a string that begins so
 *
 * Operators: == != < <= > >= in ~= (strings).  Constants by field: numbers, also
 * with a unit; names of enumerators, errors (ENOMEM is -ENOMEM: errors are
 * negative in records; a plain number is itself) and system calls; addresses;
 * MAJOR:MINOR; strings, quoted if they are more than a word.  An element of an array
 * is syscall.args[1].
 *
 * A rule that can never hold is refused, as is what is not a conjunction.
 */
#ifndef KRR_LIB_PREDICATE_H
#define KRR_LIB_PREDICATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <linux/types.h>

#include "bpf/policy.h"

struct krr_predicate_error {
	unsigned int column;	/* bytes before what is wrong */
	char text[240];		/* expected, found, what to try */
};

int krr_predicate_parse(const char *text, uint32_t *subsys, struct krr_rule *rule,
			struct krr_predicate_error *err);
char *krr_predicate_explain(const char *text, const struct krr_predicate_error *err);

/* rule.c */
bool krr_rule_holds_bytes(const struct krr_rule *rule, const void *record, size_t len);
bool krr_rule_possible(const struct krr_rule *rule, const struct krr_clause *last);

#endif /* KRR_LIB_PREDICATE_H */
