// SPDX-License-Identifier: GPL-2.0-only
/* Parser of rules: constants, each as its field wants it, and messages. */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <strings.h>

#include "lib/predicate-parse.h"
#include "lib/util.h"

#define MAX_CALLS	1024

struct suffix {
	const char *text;
	uint64_t factor;
};

static const struct suffix time_suffixes[] = {
	{ "ns", 1 }, { "us", 1000 }, { "ms", 1000000 }, { "s", 1000000000 }, { NULL, 0 },
};

static const struct suffix byte_suffixes[] = {
	{ "B", 1 }, { "K", 1u << 10 }, { "KiB", 1u << 10 }, { "M", 1u << 20 },
	{ "MiB", 1u << 20 }, { "G", 1u << 30 }, { "GiB", 1u << 30 }, { NULL, 0 },
};

static const struct suffix no_suffixes[] = { { NULL, 0 } };

/**
 * krr_refuse() - note what is wrong
 * @p: parser
 * @at: at which byte of the text
 * @fmt: expected, found, what to try
 *
 * Return: -EINVAL.
 */
int krr_refuse(struct parser *p, size_t at, const char *fmt, ...)
{
	va_list ap;
	char *c;

	p->err->column = (unsigned int)at;
	va_start(ap, fmt);
	vsnprintf(p->err->text, sizeof(p->err->text), fmt, ap);
	va_end(ap);
	for (c = p->err->text; *c; c++)
		if (!isprint((unsigned char)*c))
			*c = '?';
	return -EINVAL;
}

/** krr_parse_add_name() - one of the names that there are */
void krr_parse_add_name(struct names *n, const char *name)
{
	size_t have = strlen(n->all);

	krr_nearest_try(&n->nearest, name);
	if (have + strlen(name) + 7 < sizeof(n->all))
		snprintf(n->all + have, sizeof(n->all) - have, "%s%s", have ? ", " : "", name);
	else if (have && n->all[have - 1] != '.')
		strcpy(n->all + have, " ...");
}

/** krr_parse_advice() - for the end of a message: the name that was meant, or all of them */
const char *krr_parse_advice(struct names *n)
{
	if (n->nearest.best)
		snprintf(n->advice, sizeof(n->advice), ": did you mean %s?", n->nearest.best);
	else
		snprintf(n->advice, sizeof(n->advice), "; there are %s", n->all);
	return n->advice;
}

static int out_of_range(struct parser *p, const struct subject *s, const struct word *w)
{
	unsigned int bits = 8u * s->field->size;
	uint64_t max = UINT64_MAX >> (64 - bits);

	if (s->field->kind == KRR_FIELD_SIGNED)
		return krr_refuse(p, w->at, "%s can be %" PRId64 " to %" PRId64 ", found %.40s",
				  s->name, -(int64_t)(max / 2) - 1, (int64_t)(max / 2), w->s);
	return krr_refuse(p, w->at, "%s can be 0 to %" PRIu64 ", found %.40s", s->name, max, w->s);
}

/* @n, or -@n, as the member has it. */
static int fit(struct parser *p, const struct subject *s, const struct word *w, uint64_t n,
	       bool minus, uint64_t *value)
{
	unsigned int bits = 8u * s->field->size;
	bool is_signed = s->field->kind == KRR_FIELD_SIGNED;
	uint64_t max = UINT64_MAX >> (64 - bits + is_signed);

	if (minus ? n > (is_signed ? max + 1 : 0) : n > max)
		return out_of_range(p, s, w);
	*value = minus ? -n : n;
	return 0;
}

/* Adds .5 of a factor 1000; only what comes out whole, and at most 9 digits. */
static bool add_fraction(const char *digits, uint64_t factor, uint64_t *n)
{
	uint64_t value = 0, scale = 1;

	for (; isdigit((unsigned char)*digits); digits++, scale *= 10) {
		if (scale == 1000000000)
			return false;
		value = value * 10 + (uint64_t)(*digits - '0');
	}
	return value * factor % scale == 0 &&
	       !__builtin_add_overflow(*n, value * factor / scale, n);
}

static const struct suffix *suffixes_of(const struct krr_field *f)
{
	switch (f->unit) {
	case KRR_UNIT_NS:
		return time_suffixes;
	case KRR_UNIT_BYTES:
		return byte_suffixes;
	default:
		return no_suffixes;
	}
}

static const char *number_hint(const struct krr_field *f)
{
	if (f->kind == KRR_FIELD_ENUM && !f->values)
		return "a number: the names are in the kernel's BTF, which is not at hand";
	if (f->unit == KRR_UNIT_NS)
		return "a time as 250us or 1.5ms";
	if (f->unit == KRR_UNIT_BYTES)
		return "a number of bytes as 512 or 4KiB";
	if (f->format == KRR_FORMAT_ERRNO)
		return "a number or an error as -ENOMEM";
	return "a number as 10 or 0x10";
}

static int bad_number(struct parser *p, const struct subject *s, const struct word *w)
{
	return krr_refuse(p, w->at, "%s is %s; found \"%.40s\"", s->name, number_hint(s->field),
			  w->s);
}

static int parse_number(struct parser *p, const struct subject *s, const struct word *w,
			uint64_t *value)
{
	const struct suffix *suffix = suffixes_of(s->field);
	bool minus = w->s[0] == '-', hex;
	const char *digits = w->s + minus, *fraction = NULL;
	uint64_t n, factor = 1;
	char *end;

	if (!isdigit((unsigned char)*digits))
		return bad_number(p, s, w);
	hex = digits[0] == '0' && tolower((unsigned char)digits[1]) == 'x';
	errno = 0;
	n = strtoull(digits, &end, hex ? 16 : 10);
	if (errno)
		return out_of_range(p, s, w);
	if (*end == '.' && isdigit((unsigned char)end[1])) {
		fraction = end + 1;
		end += 1 + strspn(end + 1, "0123456789");
	}
	if (*end) {
		while (suffix->text && strcasecmp(suffix->text, end))
			suffix++;
		factor = suffix->factor;
		if (!factor)
			return bad_number(p, s, w);
	}
	if (__builtin_mul_overflow(n, factor, &n))
		return out_of_range(p, s, w);
	if (fraction && !add_fraction(fraction, factor, &n))
		return bad_number(p, s, w);
	return fit(p, s, w, n, minus, value);
}

static int parse_enumerator(struct parser *p, const struct subject *s, const struct word *w,
			    uint64_t *value)
{
	const struct krr_enumerator *e = krr_enumerator_by_name(s->field, w->s);
	const struct krr_enumeration *all = s->field->values;
	struct names n = { .nearest.wanted = w->s };
	unsigned int i;

	if (e)
		return fit(p, s, w, e->value, false, value);
	if (!all || isdigit((unsigned char)w->s[0]) || w->s[0] == '-')
		return parse_number(p, s, w, value);
	for (i = 0; i < all->nr; i++)
		krr_parse_add_name(&n, all->e[i].name);
	return krr_refuse(p, w->at, "%s has no value \"%.40s\"%s", s->name, w->s,
			  krr_parse_advice(&n));
}

static int parse_errno(struct parser *p, const struct subject *s, const struct word *w,
		       uint64_t *value)
{
	int number = krr_errno_number(w->s + (w->s[0] == '-'));

	if (number)
		return fit(p, s, w, (uint64_t)number, true, value);
	return parse_number(p, s, w, value);
}

static int parse_call(struct parser *p, const struct subject *s, const struct word *w,
		      uint64_t *value)
{
	struct names n = { .nearest.wanted = w->s };
	int number = krr_call_number(w->s);
	const char *name;
	uint64_t i;

	if (number >= 0)
		return fit(p, s, w, (uint64_t)number, false, value);
	if (isdigit((unsigned char)w->s[0]) || w->s[0] == '-')
		return parse_number(p, s, w, value);
	for (i = 0; i < MAX_CALLS; i++) {
		name = krr_call_name(i);
		if (name)
			krr_nearest_try(&n.nearest, name);
	}
	return krr_refuse(p, w->at, "there is no system call \"%.40s\"%s", w->s,
			  n.nearest.best ? krr_parse_advice(&n) : "; a number is taken as well");
}

static int parse_dev(struct parser *p, const struct subject *s, const struct word *w,
		     uint64_t *value)
{
	char *colon = strchr(w->s, ':');
	uint64_t major, minor;

	if (!colon && !krr_parse_u64(w->s, &major))
		return fit(p, s, w, major, false, value);
	if (colon)
		*colon = '\0';
	if (!colon || krr_parse_u64(w->s, &major) || krr_parse_u64(colon + 1, &minor) ||
	    major >= 1u << KRR_DEV_MAJOR_BITS || minor >= 1u << KRR_DEV_MINOR_BITS) {
		if (colon)
			*colon = ':';
		return krr_refuse(p, w->at, "%s is a device as 8:0, MAJOR:MINOR; found \"%.40s\"",
				  s->name, w->s);
	}
	*value = major << KRR_DEV_MINOR_BITS | minor;
	return 0;
}

/**
 * krr_parse_value() - a constant for a member that is a number
 * @p: parser
 * @s: the member
 * @w: what was written
 * @value: result, extended to 64 bits
 */
int krr_parse_value(struct parser *p, const struct subject *s, struct word *w, uint64_t *value)
{
	switch (s->field->format) {
	case KRR_FORMAT_ERRNO:
		return parse_errno(p, s, w, value);
	case KRR_FORMAT_CALL:
		return parse_call(p, s, w, value);
	case KRR_FORMAT_DEV:
		return parse_dev(p, s, w, value);
	default:
		return s->field->kind == KRR_FIELD_ENUM ? parse_enumerator(p, s, w, value) :
							  parse_number(p, s, w, value);
	}
}

/** krr_parse_address() - the bytes to compare of an address */
int krr_parse_address(struct parser *p, const struct subject *s, const struct word *w,
		      struct krr_clause *c)
{
	c->len = 16;
	if (s->field->format == KRR_FORMAT_IP && s->field->size == c->len &&
	    (inet_pton(AF_INET, w->s, c->bytes) == 1 || inet_pton(AF_INET6, w->s, c->bytes) == 1))
		return 0;
	return krr_refuse(p, w->at, "%s is an address as 10.0.2.15 or fe80::1; found \"%.40s\"",
			  s->name, w->s);
}

/** krr_parse_string() - the bytes to compare of a string; @c has its operator */
int krr_parse_string(struct parser *p, const struct subject *s, const struct word *w,
		     struct krr_clause *c)
{
	bool whole = c->op == KRR_IS_EQUAL;

	if (w->len >= s->field->size)
		return krr_refuse(p, w->at, "expected at most %d characters, which %s can have, "
				  "found %zu; try the beginning of it and ~=", s->field->size - 1,
				  s->name, w->len);
	if (w->len + whole > KRR_VALUE_BYTES)
		return krr_refuse(p, w->at, "expected at most %d characters, as many are compared, "
				  "found %zu; try the beginning of it and ~=",
				  KRR_VALUE_BYTES - whole, w->len);
	if (!w->len && !whole)
		return krr_refuse(p, w->at, "expected how %s begins, found an empty string, with "
				  "which all begin", s->name);
	memcpy(c->bytes, w->s, w->len);
	c->len = (uint8_t)(w->len + whole);
	return 0;
}
