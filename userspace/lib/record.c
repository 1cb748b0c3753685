// SPDX-License-Identifier: GPL-2.0-only
/* An annotation record as a line of text. */
#include <arpa/inet.h>
#include <ctype.h>
#include <inttypes.h>
#include <linux/types.h>
#include <string.h>

#include "lib/names.h"
#include "lib/record.h"
#include "lib/text.h"
#include "lib/util.h"

#include "bpf/records.h"

#define BYTES_SHOWN 16

/* A member's bytes, with zeros for those that are missing. */
static void get_bytes(const struct krr_record *r, size_t off, void *to, size_t n)
{
	size_t there = off < r->len ? r->len - off : 0;

	memset(to, 0, n);
	if (there)
		memcpy(to, r->bytes + off, there < n ? there : n);
}

/**
 * krr_record_number() - value of a member that is a number
 * @r: record
 * @f: the member
 * @i: element of an array, else 0
 *
 * Return: extended to 64 bits, with its sign if it has one.
 */
uint64_t krr_record_number(const struct krr_record *r, const struct krr_field *f, unsigned int i)
{
	unsigned int unused = 64 - 8u * f->size;
	uint64_t v = 0;

	get_bytes(r, f->off + (size_t)i * f->size, &v, f->size);
	if (f->kind == KRR_FIELD_SIGNED)
		return (uint64_t)((int64_t)(v << unused) >> unused);
	return v;
}

/**
 * krr_record_string() - value of a member that is a string, '?' for what is not ASCII
 * @r: record
 * @f: the member
 * @buf: result, of f->size + 1 bytes
 */
void krr_record_string(const struct krr_record *r, const struct krr_field *f, char *buf)
{
	get_bytes(r, f->off, buf, f->size);
	buf[f->size] = '\0';
	for (; *buf; buf++)
		if (!isprint((unsigned char)*buf))
			*buf = '?';
}

/**
 * krr_record_address() - value of a member that is an address
 * @r: record; its family says which kind
 * @f: the member
 * @buf: result
 *
 * Return: AF_INET, AF_INET6, or 0: there is no address.
 */
int krr_record_address(const struct krr_record *r, const struct krr_field *f,
		       char buf[KRR_VALUE_TEXT])
{
	const struct krr_field *family = krr_schema_field(r->schema, "family");
	uint64_t af = family ? krr_record_number(r, family, 0) : AF_INET6;
	uint8_t bytes[16];

	if ((af != AF_INET && af != AF_INET6) || f->size != sizeof(bytes))
		return 0;
	get_bytes(r, f->off, bytes, sizeof(bytes));
	return inet_ntop((int)af, bytes, buf, KRR_VALUE_TEXT) ? (int)af : 0;
}

/** krr_value_name() - name of an enumerator, system call or (negative) error, or NULL */
const char *krr_value_name(const struct krr_field *f, uint64_t value)
{
	const struct krr_enumerator *e;

	switch (f->format) {
	case KRR_FORMAT_CALL:
		return krr_call_name(value);
	case KRR_FORMAT_ERRNO:
		return (int64_t)value < 0 && (int64_t)value > -4096 ?
		       krr_errno_name(-(int)value) : NULL;
	default:
		e = krr_enumerator_of(f, value);
		return e ? e->name : NULL;
	}
}

/* With one or two digits after the point, cut off and not rounded: 1.5 ms is enough. */
static void add_time(struct krr_text *o, uint64_t ns)
{
	static const char *const units[] = { "ns", "us", "ms", "s" };
	uint64_t factor = 1, cents;
	unsigned int i = 0;

	for (; i + 1 < ARRAY_SIZE(units) && ns / factor >= 1000; i++)
		factor *= 1000;
	cents = ns % factor * 100 / factor;
	krr_text_add(o, "%" PRIu64, ns / factor);
	if (cents % 10)
		krr_text_add(o, ".%02" PRIu64, cents);
	else if (cents)
		krr_text_add(o, ".%" PRIu64, cents / 10);
	krr_text_add(o, " %s", units[i]);
}

/* Only what is a whole number of a larger unit loses nothing. */
static void add_size(struct krr_text *o, uint64_t bytes)
{
	static const char *const units[] = { "", " KiB", " MiB", " GiB" };
	unsigned int i = 0;

	for (; i + 1 < ARRAY_SIZE(units) && bytes && !(bytes & 1023); i++)
		bytes >>= 10;
	krr_text_add(o, "%" PRIu64 "%s", bytes, units[i]);
}

static void add_plain(struct krr_text *o, const struct krr_field *f, uint64_t v)
{
	if (f->format == KRR_FORMAT_HEX)
		krr_text_add(o, "%#" PRIx64, v);
	else if (f->format == KRR_FORMAT_DEV)
		krr_text_add(o, "%" PRIu64 ":%" PRIu64, v >> KRR_DEV_MINOR_BITS,
		    v & ((1u << KRR_DEV_MINOR_BITS) - 1));
	else if (f->unit == KRR_UNIT_NS)
		add_time(o, v);
	else if (f->unit == KRR_UNIT_BYTES)
		add_size(o, v);
	else if (f->kind == KRR_FIELD_SIGNED)
		krr_text_add(o, "%" PRId64, (int64_t)v);
	else
		krr_text_add(o, "%" PRIu64, v);
}

static void add_number(struct krr_text *o, const struct krr_field *f, uint64_t v)
{
	const char *name = krr_value_name(f, v);

	if (name)
		krr_text_add(o, "%s%s", f->format == KRR_FORMAT_ERRNO ? "-" : "", name);
	else
		add_plain(o, f, v);
}

/* Quoted if one would not see where it ends. */
static void add_string(struct krr_text *o, const struct krr_record *r, const struct krr_field *f)
{
	char s[UINT8_MAX + 2], *p;

	krr_record_string(r, f, s);
	if (!strpbrk(s, " \"\\")) {
		krr_text_add(o, "%s", s);
		return;
	}
	krr_text_add(o, "\"");
	for (p = s; *p; p++)
		krr_text_add(o, "%s%c", *p == '"' || *p == '\\' ? "\\" : "", *p);
	krr_text_add(o, "\"");
}

static bool is_zero(const struct krr_record *r, const struct krr_field *f)
{
	size_t i, n = f->size * (size_t)f->nr;
	uint8_t bytes[KRR_RECORD_MAX];

	/* of a string, only what is before the first NUL */
	if (f->kind == KRR_FIELD_STRING)
		n = 1;
	get_bytes(r, f->off, bytes, n);
	for (i = 0; i < n; i++)
		if (bytes[i])
			return false;
	return true;
}

static void add_value(struct krr_text *o, const struct krr_record *r, const struct krr_field *f)
{
	char address[KRR_VALUE_TEXT];
	unsigned int i;

	if (f->kind == KRR_FIELD_STRING) {
		add_string(o, r, f);
	} else if (f->kind == KRR_FIELD_BYTES) {
		krr_text_add(o, "%s", krr_record_address(r, f, address) ? address : "?");
	} else {
		for (i = 0; i < f->nr; i++) {
			krr_text_add(o, "%s", i ? "," : "");
			add_number(o, f, krr_record_number(r, f, i));
		}
	}
}

/* saddr:sport */
static bool add_end(struct krr_text *o, const struct krr_record *r, const char *address,
		    const char *port)
{
	const struct krr_field *a = krr_schema_field(r->schema, address);
	const struct krr_field *p = krr_schema_field(r->schema, port);
	char text[KRR_VALUE_TEXT];
	int af = a && p ? krr_record_address(r, a, text) : 0;

	if (af)
		krr_text_add(o, af == AF_INET6 ? " [%s]:%" PRIu64 : " %s:%" PRIu64, text,
		    krr_record_number(r, p, 0));
	return af;
}

static bool is_connection(const struct krr_field *f)
{
	static const char *const names[] = { "family", "saddr", "daddr", "sport", "dport" };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(names); i++)
		if (!strcmp(f->name, names[i]))
			return true;
	return false;
}

/* "pid 123 nginx": the command's name needs no name. */
static void add_member(struct krr_text *o, const struct krr_record *r, const struct krr_field *f)
{
	const struct krr_field *pid = krr_schema_field(r->schema, "pid");

	if (is_zero(r, f) || !strcmp(f->name, "event"))
		return;
	if (!strcmp(f->name, "tid") && pid &&
	    krr_record_number(r, f, 0) == krr_record_number(r, pid, 0))
		return;
	krr_text_add(o, " ");
	if (strcmp(f->name, "comm"))
		krr_text_add(o, "%s ", f->name);
	add_value(o, r, f);
}

static void add_members(struct krr_text *o, const struct krr_record *r)
{
	bool connected = false;
	unsigned int i;

	for (i = 0; i < r->schema->nr; i++) {
		const struct krr_field *f = &r->schema->field[i];

		if (!strcmp(f->name, "family") && add_end(o, r, "saddr", "sport")) {
			krr_text_add(o, " >");
			connected = add_end(o, r, "daddr", "dport");
		}
		if (!connected || !is_connection(f))
			add_member(o, r, f);
	}
}

static void add_event(struct krr_text *o, const struct krr_record *r)
{
	const struct krr_field *event = krr_schema_field(r->schema, "event");

	krr_text_add(o, "%s", r->schema->name);
	if (!event)
		return;
	krr_text_add(o, ".");
	add_number(o, event, krr_record_number(r, event, 0));
}

static void add_unknown(struct krr_text *o, const struct krr_record *r)
{
	size_t i, shown = r->len < BYTES_SHOWN ? r->len : BYTES_SHOWN;

	krr_text_add(o, "subsystem %u, %zu bytes ", r->subsys, r->len);
	for (i = 0; i < shown; i++)
		krr_text_add(o, " %02x", r->bytes[i]);
	if (shown < r->len)
		krr_text_add(o, " ..");
}

/**
 * krr_record_text() - an annotation in words: the event, and what is not zero
 * @subsys: whose record
 * @bytes: the record; may be shorter or longer than is known here
 * @len: how many
 * @buf: result, printable ASCII, always ended
 * @room: bytes there, at least 1
 *
 * Return: length of the text.
 */
size_t krr_record_text(uint32_t subsys, const void *bytes, size_t len, char *buf, size_t room)
{
	struct krr_record r = { krr_schema_by_id(subsys), subsys, bytes, len };
	struct krr_text o = { buf, room, 0 };

	buf[0] = '\0';
	if (r.schema) {
		add_event(&o, &r);
		add_members(&o, &r);
	} else {
		add_unknown(&o, &r);
	}
	return o.n;
}
