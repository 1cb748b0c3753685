/* SPDX-License-Identifier: GPL-2.0-only */
/* Annotation records for people and for programs.  Their bytes are not trusted. */
#ifndef KRR_LIB_RECORD_H
#define KRR_LIB_RECORD_H

#include <stddef.h>
#include <stdint.h>

#include "lib/schema.h"

struct json_t;

#define KRR_VALUE_TEXT	64	/* bytes for a number or an address in words */

/* Bytes of a record; members, or parts of them, that are behind the end are zero. */
struct krr_record {
	const struct krr_schema *schema;	/* NULL: of a subsystem that is not known */
	uint32_t subsys;
	const uint8_t *bytes;
	size_t len;
};

uint64_t krr_record_number(const struct krr_record *r, const struct krr_field *f, unsigned int i);
void krr_record_string(const struct krr_record *r, const struct krr_field *f, char *buf);
int krr_record_address(const struct krr_record *r, const struct krr_field *f,
		       char buf[KRR_VALUE_TEXT]);
const char *krr_value_name(const struct krr_field *f, uint64_t value);

size_t krr_record_text(uint32_t subsys, const void *bytes, size_t len, char *buf, size_t room);
struct json_t *krr_record_json(uint32_t subsys, const void *bytes, size_t len);

#endif /* KRR_LIB_RECORD_H */
