// SPDX-License-Identifier: GPL-2.0-only
/* Parser of rules: the grammar. */
#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "lib/predicate-parse.h"
#include "lib/util.h"

#define EXAMPLE		"net.dport == 443"

struct operator {
	const char *text;
	enum krr_op op;
	bool negate;
	bool ordered;		/* for plain numbers only */
	bool list;
};

/* The longer ones first. */
static const struct operator operators[] = {
	{ .text = "==", .op = KRR_IS_EQUAL },
	{ .text = "!=", .op = KRR_IS_EQUAL, .negate = true },
	{ .text = "<=", .op = KRR_IS_GREATER, .negate = true, .ordered = true },
	{ .text = ">=", .op = KRR_IS_LESS, .negate = true, .ordered = true },
	{ .text = "~=", .op = KRR_HAS_PREFIX },
	{ .text = "<", .op = KRR_IS_LESS, .ordered = true },
	{ .text = ">", .op = KRR_IS_GREATER, .ordered = true },
};

static const struct operator op_in = { .text = "in", .op = KRR_IS_EQUAL, .list = true };

/* Words */

static bool in_word(char c)
{
	return c && !isspace((unsigned char)c) && !strchr(",()&|\"'<>=!~", c);
}

static void skip_space(struct parser *p)
{
	while (isspace((unsigned char)p->text[p->at]))
		p->at++;
}

static int read_quoted(struct parser *p, struct word *w)
{
	char quote = p->text[p->at++], c;

	w->quoted = true;
	while ((c = p->text[p->at]) != quote) {
		if (c == '\\' && p->text[p->at + 1])
			c = p->text[++p->at];
		if (!c)
			return krr_refuse(p, w->at, "expected a string that ends with %c, found "
					  "none; add the second %c", quote, quote);
		if (w->len + 1 >= sizeof(w->s))
			return krr_refuse(p, w->at, "expected at most %d characters, found more; "
					  "try the beginning of it and ~=", WORD_MAX - 1);
		w->s[w->len++] = c;
		p->at++;
	}
	p->at++;
	return 0;
}

/* The next word, of length 0 and not quoted if there is none. */
static int read_word(struct parser *p, struct word *w)
{
	skip_space(p);
	memset(w, 0, sizeof(*w));
	w->at = p->at;
	if (p->text[p->at] == '"' || p->text[p->at] == '\'')
		return read_quoted(p, w);
	for (; in_word(p->text[p->at]); p->at++) {
		if (w->len + 1 >= sizeof(w->s))
			return krr_refuse(p, w->at, "expected a word of at most %d characters, "
					  "found a longer one", WORD_MAX - 1);
		w->s[w->len++] = p->text[p->at];
	}
	return 0;
}

/* If the word is next, take it. */
static bool accept_word(struct parser *p, const char *word)
{
	size_t n = strlen(word);

	skip_space(p);
	if (strncasecmp(p->text + p->at, word, n) || in_word(p->text[p->at + n]))
		return false;
	p->at += n;
	return true;
}

static bool accept_sign(struct parser *p, const char *sign)
{
	skip_space(p);
	if (strncmp(p->text + p->at, sign, strlen(sign)))
		return false;
	p->at += strlen(sign);
	return true;
}

/* What is next, for messages. */
static const char *found(struct parser *p, char buf[WORD_MAX])
{
	size_t n = 0;

	skip_space(p);
	if (!p->text[p->at])
		return "the end";
	while (n < 30 && in_word(p->text[p->at + n]))
		n++;
	while (n < 2 && p->text[p->at + n] && ispunct((unsigned char)p->text[p->at + n]))
		n++;
	snprintf(buf, WORD_MAX, "\"%.*s\"", n ? (int)n : 1, p->text + p->at);
	return buf;
}

/* Subjects */

static int unknown_subsystem(struct parser *p, size_t at, const char *name)
{
	struct names n = { .nearest.wanted = name };
	const struct krr_schema *s = NULL;

	while ((s = krr_schema_next(s)))
		krr_parse_add_name(&n, s->name);
	return krr_refuse(p, at, "there is no subsystem \"%s\"%s", name, krr_parse_advice(&n));
}

static const struct krr_field *event_field(const struct krr_schema *s)
{
	return krr_schema_field(s, "event");
}

static int unknown_field(struct parser *p, size_t at, const char *name, bool event_too)
{
	const struct krr_field *event = event_field(p->schema);
	struct names n = { .nearest.wanted = name };
	unsigned int i;

	if (!event_too && event && krr_enumerator_by_name(event, name))
		return krr_refuse(p, at, "%s is an event of %s; expected it without an operator, "
				  "or %s.event == %s", name, p->schema->name, p->schema->name,
				  name);
	for (i = 0; event_too && event && i < event->values->nr; i++)
		krr_parse_add_name(&n, event->values->e[i].name);
	for (i = 0; i < p->schema->nr; i++)
		krr_parse_add_name(&n, p->schema->field[i].name);
	return krr_refuse(p, at, "%s has no %s \"%s\"%s", p->schema->name,
			  event_too ? "event or field" : "field", name, krr_parse_advice(&n));
}

/* NAME or NAME[n] */
static int find_field(struct parser *p, struct subject *s, size_t at, char *name)
{
	char *index = strchr(name, '[');
	uint64_t n = 0;
	size_t len;

	if (index) {
		*index++ = '\0';
		len = strlen(index);
		if (!len || index[len - 1] != ']')
			return krr_refuse(p, at, "expected %s[NUMBER], found no \"]\" at its end",
					  name);
		index[len - 1] = '\0';
	}
	s->field = krr_schema_field(p->schema, name);
	if (!s->field)
		return unknown_field(p, at, name, false);
	if (!!index != (s->field->nr > 1))
		return index ? krr_refuse(p, at, "%s is no array; try it without [ ]", s->name) :
			       krr_refuse(p, at, "%s is an array; expected one element of it, "
					  "%s[0] to %s[%d]", s->name, name, name, s->field->nr - 1);
	if (index && (krr_parse_u64(index, &n) || n >= s->field->nr))
		return krr_refuse(p, at, "expected %s[0] to %s[%d], found %s[%s]", name, name,
				  s->field->nr - 1, name, index);
	s->element = (unsigned int)n;
	return 0;
}

static int check_start(struct parser *p)
{
	char buf[WORD_MAX];

	skip_space(p);
	switch (p->text[p->at]) {
	case '(':
		return krr_refuse(p, p->at, "expected SUBSYSTEM.FIELD, found a parenthesis; "
				  "clauses are joined by && only, so there is nothing to group");
	case '!':
		return krr_refuse(p, p->at, "expected SUBSYSTEM.FIELD, found \"!\"; try != with "
				  "the value");
	}
	if (!in_word(p->text[p->at]))
		return krr_refuse(p, p->at, "expected SUBSYSTEM.FIELD, found %s; try " EXAMPLE,
				  found(p, buf));
	return 0;
}

static int set_subsystem(struct parser *p, const struct word *w, const char *name)
{
	const struct krr_schema *s = krr_schema_by_name(name);

	if (!s)
		return unknown_subsystem(p, w->at, name);
	if (p->schema && p->schema != s)
		return krr_refuse(p, w->at, "expected a field of %s as before, found one of %s; "
				  "each rule is about one subsystem, give another rule for %s",
				  p->schema->name, s->name, s->name);
	p->schema = s;
	return 0;
}

/* Operators and constants */

static const struct operator *read_operator(struct parser *p)
{
	size_t i;

	if (accept_word(p, "in"))
		return &op_in;
	for (i = 0; i < ARRAY_SIZE(operators); i++)
		if (accept_sign(p, operators[i].text))
			return &operators[i];
	return NULL;
}

/* Numbers that are names for something have no order. */
static bool is_ordered(const struct krr_field *f)
{
	return (f->kind == KRR_FIELD_UNSIGNED || f->kind == KRR_FIELD_SIGNED) &&
	       f->format != KRR_FORMAT_CALL && f->format != KRR_FORMAT_DEV;
}

static int check_operator(struct parser *p, const struct subject *s, const struct operator *op,
			  size_t at)
{
	if (op->op == KRR_HAS_PREFIX && s->field->kind != KRR_FIELD_STRING)
		return krr_refuse(p, at, "%s is no string; expected %s, found ~=", s->name,
				  is_ordered(s->field) ? "== != < <= > >= or in" : "== != or in");
	if (op->ordered && !is_ordered(s->field))
		return krr_refuse(p, at, "values of %s have no order; expected == != %s, found %s",
				  s->name, s->field->kind == KRR_FIELD_STRING ? "or ~=" : "or in",
				  op->text);
	return 0;
}

static int add_value(struct parser *p, const struct subject *s, struct krr_clause *c)
{
	char buf[WORD_MAX];
	uint64_t value = 0;
	struct word w;
	int err;

	err = read_word(p, &w);
	if (err)
		return err;
	if (!w.len && !w.quoted)
		return krr_refuse(p, p->at, "expected a value for %s, found %s", s->name,
				  found(p, buf));
	if (!krr_field_is_number(s->field)) {
		if (c->nr++)
			return krr_refuse(p, w.at, "expected one value, found another: a "
					  "clause has one string or address; give another rule");
		return s->field->kind == KRR_FIELD_STRING ? krr_parse_string(p, s, &w, c) :
							    krr_parse_address(p, s, &w, c);
	}
	if (c->nr == KRR_MAX_VALUES)
		return krr_refuse(p, w.at, "expected at most %d values, found more; give another "
				  "rule for the rest", KRR_MAX_VALUES);
	err = krr_parse_value(p, s, &w, &value);
	c->value[c->nr++] = value;
	return err;
}

static int add_values(struct parser *p, const struct subject *s, const struct operator *op,
		      struct krr_clause *c)
{
	bool open = op->list && accept_sign(p, "(");
	char buf[WORD_MAX];
	int err;

	do {
		err = add_value(p, s, c);
	} while (!err && op->list && accept_sign(p, ","));
	if (!err && open && !accept_sign(p, ")"))
		err = krr_refuse(p, p->at, "expected \",\" or \")\" in the list, found %s",
				 found(p, buf));
	return err;
}

static int check_possible(struct parser *p, const struct subject *s)
{
	const struct krr_rule *rule = p->rule;
	const struct krr_clause *last = &rule->clause[rule->nr_clauses - 1];
	struct krr_rule alone = { .nr_clauses = 1 };

	if (krr_rule_possible(rule, last))
		return 0;
	alone.clause[0] = *last;
	if (!krr_rule_possible(&alone, last))
		return krr_refuse(p, s->at, "expected a clause that can hold, found one that never "
				  "does, whatever %s is", s->name);
	return krr_refuse(p, s->at, "expected a clause that can hold with those before it, found "
			  "one that contradicts them: %s cannot be both", s->name);
}

/* Clauses */

static struct krr_clause *new_clause(struct parser *p, const struct subject *s,
				     const struct operator *op)
{
	struct krr_clause *c = &p->rule->clause[p->rule->nr_clauses];

	c->off = (uint16_t)(s->field->off + s->element * s->field->size);
	c->size = (uint8_t)s->field->size;
	c->is_signed = s->field->kind == KRR_FIELD_SIGNED;
	c->op = (uint8_t)op->op;
	c->negate = op->negate;
	return c;
}

static bool clause_ends(struct parser *p)
{
	skip_space(p);
	return !p->text[p->at] || strchr("&|,()", p->text[p->at]) ||
	       !strncasecmp(p->text + p->at, "and", 3) || !strncasecmp(p->text + p->at, "or", 2);
}

/* net.reset; and net.state, which is a field as well, but stands alone here */
static int parse_event(struct parser *p, struct subject *s, size_t at, const char *name)
{
	const struct krr_enumerator *e = NULL;
	struct krr_clause *c;

	s->field = event_field(p->schema);
	if (s->field)
		e = krr_enumerator_by_name(s->field, name);
	if (!e && krr_schema_field(p->schema, name))
		return krr_refuse(p, p->at, "expected an operator after %s, found none; try == and "
				  "a value", s->name);
	if (!e)
		return unknown_field(p, at, name, true);
	c = new_clause(p, s, &operators[0]);
	c->value[c->nr++] = e->value;
	return 0;
}

static int parse_comparison(struct parser *p, struct subject *s, size_t at, char *name)
{
	const struct operator *op;
	char buf[WORD_MAX];
	size_t op_at;
	int err;

	skip_space(p);
	op_at = p->at;
	op = read_operator(p);
	if (!op && p->text[op_at] == '=')
		return krr_refuse(p, op_at, "expected ==, found =");
	if (!op)
		return krr_refuse(p, op_at, "expected one of == != < <= > >= in ~=, found %s",
				  found(p, buf));
	err = find_field(p, s, at, name);
	if (!err)
		err = check_operator(p, s, op, op_at);
	return err ? err : add_values(p, s, op, new_clause(p, s, op));
}

static int parse_clause(struct parser *p)
{
	struct subject s = { 0 };
	struct word w;
	char *name;
	int err;

	err = check_start(p);
	if (!err)
		err = read_word(p, &w);
	if (err)
		return err;
	if (p->rule->nr_clauses == KRR_MAX_CLAUSES)
		return krr_refuse(p, w.at, "expected at most %d clauses, found more",
				  KRR_MAX_CLAUSES);
	s.at = w.at;
	snprintf(s.name, sizeof(s.name), "%s", w.s);
	name = strchr(w.s, '.');
	if (!name)
		return krr_refuse(p, w.at, "expected SUBSYSTEM.FIELD, found \"%.40s\"; try "
				  EXAMPLE, w.s);
	*name++ = '\0';
	err = set_subsystem(p, &w, w.s);
	if (err)
		return err;
	err = clause_ends(p) ? parse_event(p, &s, w.at + (size_t)(name - w.s), name) :
			       parse_comparison(p, &s, w.at + (size_t)(name - w.s), name);
	if (err)
		return err;
	p->rule->nr_clauses++;
	return check_possible(p, &s);
}

static int check_or(struct parser *p)
{
	size_t at = p->at;

	if (!accept_sign(p, "||") && !accept_word(p, "or"))
		return 0;
	return krr_refuse(p, at, "expected && or the end, found \"or\"; a rule is one conjunction, "
			  "give another rule for the other case");
}

static int parse_all(struct parser *p)
{
	char buf[WORD_MAX];
	int err;

	skip_space(p);
	if (!p->text[p->at])
		return krr_refuse(p, 0, "expected a rule, found nothing; try " EXAMPLE);
	for (;;) {
		err = parse_clause(p);
		skip_space(p);
		if (!err)
			err = check_or(p);
		if (err || !p->text[p->at])
			return err;
		if (!accept_sign(p, "&&") && !accept_word(p, "and"))
			return krr_refuse(p, p->at, "expected && or the end, found %s",
					  found(p, buf));
	}
}

/**
 * krr_predicate_parse() - what someone wrote, as a rule for the programs
 * @text: see predicate.h
 * @subsys: result: whose records it is about
 * @rule: result: clauses; all else is zero
 * @err: what is wrong, if something is
 *
 * Return: 0, or -EINVAL with @err set.
 */
int krr_predicate_parse(const char *text, uint32_t *subsys, struct krr_rule *rule,
			struct krr_predicate_error *err)
{
	struct parser p = { .text = text, .rule = rule, .err = err };
	int ret;

	memset(rule, 0, sizeof(*rule));
	ret = parse_all(&p);
	if (!ret)
		*subsys = p.schema->id;
	return ret;
}

/**
 * krr_predicate_explain() - an error for people: what, and under the text where
 * @text: what was parsed
 * @err: what was wrong with it
 *
 * Return: lines for krr_err(), freed by free().
 */
char *krr_predicate_explain(const char *text, const struct krr_predicate_error *err)
{
	__free_ptr char *line = krr_strf("%s", text);
	char *c;

	for (c = line; *c; c++)
		if (!isprint((unsigned char)*c))
			*c = '?';
	return krr_strf("%s\n    %s\n    %*s^", err->text, line, (int)err->column, "");
}
