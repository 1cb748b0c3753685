/* SPDX-License-Identifier: GPL-2.0-only */
/* Inside of the parser of rules: predicate.c has the grammar, predicate-value.c the constants. */
#ifndef KRR_LIB_PREDICATE_PARSE_H
#define KRR_LIB_PREDICATE_PARSE_H

#include "lib/names.h"
#include "lib/predicate.h"
#include "lib/schema.h"

#define WORD_MAX	128	/* bytes of a word; the longest string of a record has 96 */

struct word {
	size_t at;		/* in the text */
	size_t len;
	bool quoted;
	char s[WORD_MAX];	/* with a NUL, quotes taken off */
};

struct parser {
	const char *text;
	size_t at;		/* what is next */
	const struct krr_schema *schema;	/* of all clauses */
	struct krr_rule *rule;
	struct krr_predicate_error *err;
};

/* A clause while it is made. */
struct subject {
	const struct krr_field *field;
	unsigned int element;	/* of an array */
	size_t at;		/* in the text */
	char name[2 * WORD_MAX];	/* for messages: net.dport */
};

/* Names that there are, for messages about one that is not. */
struct names {
	struct krr_nearest nearest;
	char all[140];		/* cut short with "..." */
	char advice[160];
};

int krr_refuse(struct parser *p, size_t at, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void krr_parse_add_name(struct names *n, const char *name);
const char *krr_parse_advice(struct names *n);

int krr_parse_value(struct parser *p, const struct subject *s, struct word *w, uint64_t *value);
int krr_parse_address(struct parser *p, const struct subject *s, const struct word *w,
		      struct krr_clause *c);
int krr_parse_string(struct parser *p, const struct subject *s, const struct word *w,
		     struct krr_clause *c);

#endif /* KRR_LIB_PREDICATE_PARSE_H */
