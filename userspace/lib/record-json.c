// SPDX-License-Identifier: GPL-2.0-only
/* An annotation record as JSON. */
#include <inttypes.h>
#include <jansson.h>

#include "lib/record.h"
#include "lib/util.h"

/*
 * Names where there are some; addresses and what JSON's integers cannot hold in
 * hex; an error is a number, since a count may be in the same place.
 */
static json_t *number_json(const struct krr_field *f, uint64_t v)
{
	const char *name = f->format == KRR_FORMAT_ERRNO ? NULL : krr_value_name(f, v);

	if (name)
		return json_string(name);
	if (f->format == KRR_FORMAT_DEV)
		return json_sprintf("%" PRIu64 ":%" PRIu64, v >> KRR_DEV_MINOR_BITS,
				    v & ((1u << KRR_DEV_MINOR_BITS) - 1));
	if (f->format == KRR_FORMAT_HEX || (f->kind != KRR_FIELD_SIGNED && v > INT64_MAX))
		return json_sprintf("%#" PRIx64, v);
	return json_integer((json_int_t)v);
}

static json_t *numbers_json(const struct krr_record *r, const struct krr_field *f)
{
	json_t *list = json_array();
	unsigned int i;

	for (i = 0; i < f->nr; i++)
		json_array_append_new(list, number_json(f, krr_record_number(r, f, i)));
	return list;
}

static json_t *member_json(const struct krr_record *r, const struct krr_field *f)
{
	char text[UINT8_MAX + 2];

	if (f->kind == KRR_FIELD_STRING) {
		krr_record_string(r, f, text);
		return json_string(text);
	}
	if (f->kind == KRR_FIELD_BYTES)
		return krr_record_address(r, f, text) ? json_string(text) : json_null();
	if (f->nr > 1)
		return numbers_json(r, f);
	return number_json(f, krr_record_number(r, f, 0));
}

/**
 * krr_record_json() - an annotation as an object: "subsystem", then all its members
 * @subsys: whose record; of one that is not known, there is "data" in hex
 * @bytes: the record; may be shorter or longer than is known here
 * @len: how many
 */
json_t *krr_record_json(uint32_t subsys, const void *bytes, size_t len)
{
	struct krr_record r = { krr_schema_by_id(subsys), subsys, bytes, len };
	json_t *o = json_object();
	unsigned int i;

	if (!r.schema) {
		__free_ptr char *hex = krr_hex(bytes, len);

		json_object_set_new(o, "subsystem", json_integer(subsys));
		json_object_set_new(o, "data", json_string(hex));
		return o;
	}
	json_object_set_new(o, "subsystem", json_string(r.schema->name));
	for (i = 0; i < r.schema->nr; i++)
		json_object_set_new(o, r.schema->field[i].name,
				    member_json(&r, &r.schema->field[i]));
	return o;
}
