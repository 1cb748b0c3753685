/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What krrd tells the programs: which records to log, and what to look for in them.
 *
 * A rule is a conjunction of clauses over the members of one subsystem's record.
 * A record is logged if the subsystem has no filter, or all clauses of one of its
 * filters hold.  Each trigger that holds then does its action.
 */
#ifndef KRR_BPF_POLICY_H
#define KRR_BPF_POLICY_H

#define KRR_MAX_CLAUSES	8	/* in a rule */
#define KRR_MAX_FILTERS	8	/* for a subsystem */
#define KRR_MAX_TRIGGERS 8	/* for a subsystem */
#define KRR_MAX_VALUES	8	/* of "in" */
#define KRR_VALUE_BYTES	(8 * KRR_MAX_VALUES)	/* of a string */
#define KRR_RULE_NAME	16

enum krr_op {
	KRR_IS_EQUAL,	/* any of the values, for "in" too */
	KRR_IS_LESS,
	KRR_IS_GREATER,
	KRR_HAS_PREFIX,	/* strings: the first @len bytes; equality has the NUL in @len */
};

/* A member against constants. */
struct krr_clause {
	__u16 off;		/* in the record */
	__u8  size;		/* 1, 2, 4, 8: a number; else a string or bytes */
	__u8  is_signed;
	__u8  op;		/* enum krr_op */
	__u8  negate;		/* the clause holds if the comparison does not */
	__u8  nr;		/* values, at least 1; strings: 1 */
	__u8  len;		/* strings: bytes to compare, at most KRR_VALUE_BYTES */
	union {
		__u64 value[KRR_MAX_VALUES];
		__u8  bytes[KRR_VALUE_BYTES];
	};
};

enum krr_action {
	KRR_ACT_MARK	= 1,	/* a named position in the log */
	KRR_ACT_KEEP	= 2,	/* seal what the flight recorder holds */
	KRR_ACT_STOP	= 4,	/* end the recording */
	KRR_ACT_START	= 8,	/* begin one; looked for while there is none */
};

struct krr_rule {
	__u32 nr_clauses;	/* 0: the rule holds always */
	__u32 action;		/* triggers: enum krr_action */
	__u32 per_second;	/* triggers: at most so many, 0: no limit */
	__u32 pad;
	char  name[KRR_RULE_NAME];	/* of the mark */
	struct krr_clause clause[KRR_MAX_CLAUSES];
};

struct krr_policy {
	__u32 nr_filters, nr_triggers;
	__u32 nr_starts;	/* triggers that are KRR_ACT_START */
	__u32 pad;
	struct krr_rule filter[KRR_MAX_FILTERS];
	struct krr_rule trigger[KRR_MAX_TRIGGERS];
};

/* What became of it, one per subsystem; the programs write it. */
struct krr_rule_count {
	__u64 hits, suppressed;
	__u64 window_ns;	/* of the rate limit: when it began, */
	__u64 window_hits;	/* and hits since */
};

struct krr_counts {
	__u64 seen, logged;
	__u64 lost;		/* too many programs interrupted each other */
	struct krr_rule_count trigger[KRR_MAX_TRIGGERS];
};

#endif /* KRR_BPF_POLICY_H */
