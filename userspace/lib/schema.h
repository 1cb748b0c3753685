/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What annotation records are made of.  It is read from the BTF of
 * <bpf/records.h>, which each program has in it.
 */
#ifndef KRR_LIB_SCHEMA_H
#define KRR_LIB_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* KRR_FORMAT_DEV: dev_t as in the kernel */
#define KRR_DEV_MAJOR_BITS	12
#define KRR_DEV_MINOR_BITS	20

enum krr_field_kind {
	KRR_FIELD_UNSIGNED,
	KRR_FIELD_SIGNED,
	KRR_FIELD_ENUM,
	KRR_FIELD_STRING,	/* char[], with a NUL */
	KRR_FIELD_BYTES,	/* u8[] */
};

enum krr_unit {
	KRR_UNIT_NONE,
	KRR_UNIT_NS,
	KRR_UNIT_BYTES,
	KRR_UNIT_SECTORS,
};

enum krr_number_format {
	KRR_FORMAT_PLAIN,
	KRR_FORMAT_IP,
	KRR_FORMAT_HEX,
	KRR_FORMAT_DEV,
	KRR_FORMAT_ERRNO,
	KRR_FORMAT_CALL,
};

struct krr_enumerator {
	char *name;		/* as people see it: reset_sent */
	char *full;		/* KRR_NET_RESET_SENT */
	uint64_t value;
};

struct krr_enumeration {
	unsigned int nr;
	struct krr_enumerator e[];
};

struct krr_field {
	const char *name;
	uint16_t off;
	uint16_t size;		/* of one element; of all of a string or bytes */
	uint16_t nr;		/* elements of an array of numbers, else 1 */
	enum krr_field_kind kind;
	enum krr_unit unit;
	enum krr_number_format format;
	const char *enum_name;	/* KRR_FIELD_ENUM: its type */
	bool of_kernel;		/* that type is the kernel's; see krr_schema_add_kernel_btf() */
	struct krr_enumeration *values;	/* NULL: not known */
};

/* A subsystem: its name, and the record. */
struct krr_schema {
	const char *name;
	uint32_t id;		/* enum krr_subsys */
	uint16_t size;
	unsigned int nr;	/* members */
	struct krr_field *field;
};

static inline bool krr_field_is_number(const struct krr_field *f)
{
	return f->kind != KRR_FIELD_STRING && f->kind != KRR_FIELD_BYTES;
}

const struct krr_schema *krr_schema_next(const struct krr_schema *after);
const struct krr_schema *krr_schema_by_id(uint32_t id);
const struct krr_schema *krr_schema_by_name(const char *name);
const struct krr_field *krr_schema_field(const struct krr_schema *s, const char *name);
int krr_schema_add_kernel_btf(const char *path);

const struct krr_enumerator *krr_enumerator_of(const struct krr_field *f, uint64_t value);
const struct krr_enumerator *krr_enumerator_by_name(const struct krr_field *f, const char *name);

#endif /* KRR_LIB_SCHEMA_H */
