/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Whether a rule holds for a record: the one evaluation there is, in the programs
 * and on the host.
 *
 * A record lies in a struct krr_bytes, with zeroes after its end, so what is compared
 * is there whatever a clause says.  Includers bring in <linux/types.h> or vmlinux.h.
 */
#ifndef KRR_BPF_MATCH_H
#define KRR_BPF_MATCH_H

#include "policy.h"
#include "records.h"

struct krr_bytes {
	__u8 at[KRR_RECORD_MAX + KRR_VALUE_BYTES];
};

/* The number of 1, 2, 4 or 8 bytes at @p, extended to 64 bits. */
static inline __u64 krr_number(const __u8 *p, __u8 size, __u8 is_signed)
{
	__u32 above = (64 - 8 * size) & 63;
	__u64 v;

	__builtin_memcpy(&v, p, sizeof(v));
	v <<= above;
	return is_signed ? (__u64)((__s64)v >> above) : v >> above;
}

static inline int krr_number_matches(const struct krr_clause *c, const __u8 *p)
{
	__u64 v = krr_number(p, c->size, c->is_signed);

	if (c->op == KRR_IS_LESS)
		return c->is_signed ? (__s64)v < (__s64)c->value[0] : v < c->value[0];
	if (c->op == KRR_IS_GREATER)
		return c->is_signed ? (__s64)v > (__s64)c->value[0] : v > c->value[0];
	for (__u32 i = 0; i < KRR_MAX_VALUES; i++)
		if (i < c->nr && v == c->value[i])
			return 1;
	return 0;
}

static inline int krr_bytes_match(const struct krr_clause *c, const __u8 *p)
{
	for (__u32 i = 0; i < KRR_VALUE_BYTES; i++) {
		if (i >= c->len)
			break;
		if (p[i] != c->bytes[i])
			return 0;
	}
	return 1;
}

static inline int krr_clause_holds(const struct krr_clause *c, const struct krr_bytes *record)
{
	const __u8 *p = record->at + (c->off & (KRR_RECORD_MAX - 1));
	int number = c->size == 1 || c->size == 2 || c->size == 4 || c->size == 8;
	int matches = number ? krr_number_matches(c, p) : krr_bytes_match(c, p);

	return c->negate ? !matches : matches;
}

static inline int krr_rule_holds(const struct krr_rule *rule, const struct krr_bytes *record)
{
	for (__u32 i = 0; i < KRR_MAX_CLAUSES; i++) {
		if (i >= rule->nr_clauses)
			break;
		if (!krr_clause_holds(&rule->clause[i], record))
			return 0;
	}
	return 1;
}

#endif /* KRR_BPF_MATCH_H */
