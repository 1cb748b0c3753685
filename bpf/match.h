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

/* In a program such a function is verified once, however often it is called. */
#ifdef __bpf__
#define KRR_ONCE __attribute__((noinline))
#else
#define KRR_ONCE static inline
#endif

struct krr_bytes {
	__u8 at[KRR_RECORD_MAX + KRR_VALUE_BYTES];
};

/* x86 reads from any address; clang would make 8 reads of it where it is not sure of that. */
static inline __u64 krr_word(const __u8 *p)
{
#ifdef __bpf__
	return *(const __u64 *)p;
#else
	__u64 v;

	__builtin_memcpy(&v, p, sizeof(v));
	return v;
#endif
}

/*
 * The number of 1 to 8 bytes at @p, little-endian, extended to 64 bits.  Here as below
 * there are as few branches as possible, since all ways through are verified.
 */
static inline __u64 krr_number(const __u8 *p, __u32 size, __u32 is_signed)
{
	__u32 above = (64 - 8 * size) & 63;
	__u64 sign = (__u64)(is_signed & 1) << (63 - above);

	return ((krr_word(p) << above >> above) ^ sign) - sign;
}

static inline int krr_number_matches(const struct krr_clause *c, const __u8 *p)
{
	__u64 sign = (__u64)(c->is_signed & 1) << 63;
	__u64 v = krr_number(p, c->size, c->is_signed);

	if (c->op == KRR_IS_LESS)
		return (v ^ sign) < (c->value[0] ^ sign);
	if (c->op == KRR_IS_GREATER)
		return (v ^ sign) > (c->value[0] ^ sign);
	for (__u32 i = 0; i < KRR_MAX_VALUES; i++)
		if (i < c->nr && v == c->value[i])
			return 1;
	return 0;
}

/* Words of 8 bytes, then what is left. */
static inline int krr_bytes_match(const struct krr_clause *c, const __u8 *p)
{
	__u32 words = c->len / 8, left = c->len & 7, end = c->len & (KRR_VALUE_BYTES - 8);

	for (__u32 i = 0; i < KRR_MAX_VALUES; i++) {
		if (i >= words)
			break;
		if (krr_word(p + 8 * i) != c->value[i])
			return 0;
	}
	if (!left || c->len > KRR_VALUE_BYTES)
		return 1;
	return krr_number(p + end, left, 0) == krr_number(c->bytes + end, left, 0);
}

/* No verifier believes that a pointer is one. */
KRR_ONCE int krr_clause_holds(const struct krr_clause *c, const struct krr_bytes *record)
{
	const __u8 *p;
	int number, matches;

	if (!c || !record)
		return 0;
	p = record->at + (c->off & (KRR_RECORD_MAX - 1));
	number = c->size == 1 || c->size == 2 || c->size == 4 || c->size == 8;
	matches = number ? krr_number_matches(c, p) : krr_bytes_match(c, p);
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
