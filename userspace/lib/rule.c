// SPDX-License-Identifier: GPL-2.0-only
/* Rules on the host: does one hold, can it ever? */
#include <string.h>

#include "lib/predicate.h"

#include "bpf/match.h"

static bool is_number(const struct krr_clause *c)
{
	return c->size == 1 || c->size == 2 || c->size == 4 || c->size == 8;
}

static bool holds_here(const struct krr_rule *rule, uint16_t off, const struct krr_bytes *record)
{
	unsigned int i;

	for (i = 0; i < rule->nr_clauses; i++)
		if (rule->clause[i].off == off && !krr_clause_holds(&rule->clause[i], record))
			return false;
	return true;
}

static bool try_number(const struct krr_rule *rule, const struct krr_clause *c, uint64_t value)
{
	struct krr_bytes record = { 0 };

	memcpy(record.at + c->off, &value, c->size);
	return holds_here(rule, c->off, &record);
}

/*
 * What satisfies the clauses is a union of intervals, and each begins at a
 * constant, right behind one, or at the lowest value.
 */
static bool number_possible(const struct krr_rule *rule, const struct krr_clause *last)
{
	uint64_t lowest = last->is_signed ? 1ull << (8 * last->size - 1) : 0;
	const struct krr_clause *c;
	unsigned int i, v;

	if (try_number(rule, last, lowest))
		return true;
	for (i = 0; i < rule->nr_clauses; i++) {
		c = &rule->clause[i];
		for (v = 0; c->off == last->off && v < c->nr; v++)
			if (try_number(rule, c, c->value[v]) ||
			    try_number(rule, c, c->value[v] + 1))
				return true;
	}
	return false;
}

/* Does a string hold that begins so?  One of a few letters more gets by all the !=. */
static bool try_string(const struct krr_rule *rule, const struct krr_clause *c)
{
	struct krr_bytes record = { 0 };
	uint8_t *end = record.at + c->off + c->len;
	unsigned int i;

	memcpy(record.at + c->off, c->bytes, c->len);
	if (holds_here(rule, c->off, &record))
		return true;
	if (c->op == KRR_IS_EQUAL || c->len + 1 >= c->size)
		return false;
	for (i = 0; i <= KRR_MAX_CLAUSES; i++) {
		*end = (uint8_t)('a' + i);
		if (holds_here(rule, c->off, &record))
			return true;
	}
	return false;
}

static bool string_possible(const struct krr_rule *rule, const struct krr_clause *last)
{
	const struct krr_clause *c;
	bool any = true;
	unsigned int i;

	for (i = 0; i < rule->nr_clauses; i++) {
		c = &rule->clause[i];
		if (c->off != last->off || c->negate)
			continue;
		if (try_string(rule, c))
			return true;
		any = false;
	}
	return any;
}

/**
 * krr_rule_possible() - can a rule hold?
 * @rule: rule that could without its last clause
 * @last: that clause; only those about the same field are looked at
 */
bool krr_rule_possible(const struct krr_rule *rule, const struct krr_clause *last)
{
	return is_number(last) ? number_possible(rule, last) :
					    string_possible(rule, last);
}

/**
 * krr_rule_holds_bytes() - does a rule hold, as the programs would say?
 * @rule: rule
 * @record: untrusted bytes of a record of that subsystem
 * @len: how many; members behind the end are zero
 */
bool krr_rule_holds_bytes(const struct krr_rule *rule, const void *record, size_t len)
{
	struct krr_bytes bytes = { 0 };

	memcpy(bytes.at, record, len < KRR_RECORD_MAX ? len : KRR_RECORD_MAX);
	return krr_rule_holds(rule, &bytes);
}
