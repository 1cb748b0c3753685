// SPDX-License-Identifier: GPL-2.0-only
/* Annotation records as their BTF describes them. */
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <ctype.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <strings.h>

#include "lib/schema.h"
#include "lib/util.h"

/* records-btf.S */
extern const uint8_t krr_records_btf[], krr_records_btf_end[];

static struct btf *records;	/* never freed: names point into it */
static struct krr_enumeration *subsystems;
static struct krr_schema *schemas;	/* of each of them */
static pthread_once_t once = PTHREAD_ONCE_INIT;

static const struct {
	const char *tag;
	enum krr_unit unit;
	enum krr_number_format format;
} tags[] = {
	{ "unit:ns", KRR_UNIT_NS, KRR_FORMAT_PLAIN },
	{ "unit:bytes", KRR_UNIT_BYTES, KRR_FORMAT_PLAIN },
	{ "unit:sectors", KRR_UNIT_SECTORS, KRR_FORMAT_PLAIN },
	{ "fmt:ip", KRR_UNIT_NONE, KRR_FORMAT_IP },
	{ "fmt:hex", KRR_UNIT_NONE, KRR_FORMAT_HEX },
	{ "fmt:dev", KRR_UNIT_NONE, KRR_FORMAT_DEV },
	{ "fmt:errno", KRR_UNIT_NONE, KRR_FORMAT_ERRNO },
	{ "calls", KRR_UNIT_NONE, KRR_FORMAT_CALL },
};

/* The BTF is part of the program: without memory, or without sense, nothing goes on. */
static void __attribute__((noreturn)) broken(const char *what)
{
	krr_err("the description of annotation records is broken at %s; krr was built wrongly: "
		"make clean, and build it again",
		what);
	abort();
}

static void *allocate(size_t n, size_t size)
{
	void *p = calloc(n ? n : 1, size);

	if (!p)
		abort();
	return p;
}

static const char *name_at(const struct btf *btf, uint32_t off)
{
	const char *s = btf__name_by_offset(btf, off);

	return s ? s : "";
}

/* "KRR_" and one word more; of the kernel's enumerators the name of the enum. */
static size_t prefix_length(const char *full, const char *enum_name)
{
	size_t n = strlen(enum_name);
	const char *end;

	if (!strncmp(full, "KRR_", 4)) {
		end = strchr(full + 4, '_');
		return end ? (size_t)(end + 1 - full) : 0;
	}
	return n && !strncasecmp(full, enum_name, n) && full[n] == '_' && full[n + 1] ? n + 1 : 0;
}

static void set_enumerator(struct krr_enumerator *e, const char *full, const char *enum_name,
			   uint64_t value)
{
	char *p;

	e->full = krr_strf("%s", full);
	e->name = krr_strf("%s", full + prefix_length(full, enum_name));
	for (p = e->name; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	e->value = value;
}

static uint64_t enum_value(const struct btf_type *t, unsigned int i)
{
	if (btf_is_enum64(t))
		return btf_enum64_value(btf_enum64(t) + i);
	return btf_kflag(t) ? (uint64_t)btf_enum(t)[i].val : (uint32_t)btf_enum(t)[i].val;
}

static struct krr_enumeration *read_enum(const struct btf *btf, const struct btf_type *t)
{
	unsigned int i, n = btf_vlen(t);
	struct krr_enumeration *e = allocate(1, sizeof(*e) + n * sizeof(e->e[0]));
	const char *full;

	for (i = 0; i < n; i++) {
		full = name_at(btf, btf_is_enum64(t) ? btf_enum64(t)[i].name_off :
						       btf_enum(t)[i].name_off);
		if (*full && strncmp(full, "KRR_NR_", 7))
			set_enumerator(&e->e[e->nr++], full, name_at(btf, t->name_off),
				       enum_value(t, i));
	}
	return e;
}

static void free_enum(struct krr_enumeration *e)
{
	unsigned int i;

	for (i = 0; e && i < e->nr; i++) {
		free(e->e[i].name);
		free(e->e[i].full);
	}
	free(e);
}

static struct krr_enumeration *find_enum(const struct btf *btf, const char *name)
{
	int id = btf__find_by_name_kind(btf, name, BTF_KIND_ENUM);

	if (id < 0)
		id = btf__find_by_name_kind(btf, name, BTF_KIND_ENUM64);
	return id < 0 ? NULL : read_enum(btf, btf__type_by_id(btf, (uint32_t)id));
}

static const struct btf_type *plain_type(uint32_t id)
{
	int real = btf__resolve_type(records, id);

	return real < 0 ? NULL : btf__type_by_id(records, (uint32_t)real);
}

static bool read_array(struct krr_field *f, const struct btf_array *a, const struct btf_type **t)
{
	const struct btf_type *element = plain_type(a->type);

	if (!element || !btf_is_int(element) || !a->nelems || a->nelems > UINT8_MAX)
		return false;
	*t = element;
	if (element->size == 1) {
		f->kind = strcmp(name_at(records, element->name_off), "char") ? KRR_FIELD_BYTES :
										KRR_FIELD_STRING;
		f->size = (uint16_t)a->nelems;
		return true;
	}
	f->nr = (uint16_t)a->nelems;
	return true;
}

static bool read_type(struct krr_field *f, uint32_t id)
{
	const struct btf_type *t = plain_type(id);

	f->nr = 1;
	if (t && btf_is_array(t) && !read_array(f, btf_array(t), &t))
		return false;
	if (f->size)
		return true;
	if (!t || (!btf_is_int(t) && !btf_is_enum(t)) || t->size > sizeof(uint64_t))
		return false;
	f->size = (uint16_t)t->size;
	if (btf_is_enum(t)) {
		f->kind = KRR_FIELD_ENUM;
		f->enum_name = name_at(records, t->name_off);
		f->values = read_enum(records, t);
	} else if (btf_int_encoding(t) & BTF_INT_SIGNED) {
		f->kind = KRR_FIELD_SIGNED;
	}
	return true;
}

static void apply_tag(struct krr_field *f, const char *tag)
{
	size_t i;

	if (!strncmp(tag, "enum:", 5)) {
		f->kind = KRR_FIELD_ENUM;
		f->enum_name = tag + 5;
		f->values = find_enum(records, f->enum_name);
		f->of_kernel = !f->values;
		return;
	}
	for (i = 0; i < ARRAY_SIZE(tags); i++) {
		if (strcmp(tags[i].tag, tag))
			continue;
		f->unit = tags[i].unit;
		f->format = tags[i].format;
		return;
	}
	broken(tag);
}

static void apply_tags(struct krr_schema *s, uint32_t id)
{
	const struct btf_type *t;
	uint32_t i;
	int member;

	for (i = 1; i < btf__type_cnt(records); i++) {
		t = btf__type_by_id(records, i);
		if (!btf_is_decl_tag(t) || t->type != id)
			continue;
		member = btf_decl_tag(t)->component_idx;
		if (member >= 0 && (unsigned int)member < s->nr)
			apply_tag(&s->field[member], name_at(records, t->name_off));
	}
}

static void read_schema(struct krr_schema *s, const struct krr_enumerator *subsys)
{
	__free_ptr char *type = krr_strf("krr_%s", subsys->name);
	int id = btf__find_by_name_kind(records, type, BTF_KIND_STRUCT);
	const struct btf_type *t = id < 0 ? NULL : btf__type_by_id(records, (uint32_t)id);
	unsigned int i;

	if (!t)
		broken(type);
	s->name = subsys->name;
	s->id = (uint32_t)subsys->value;
	s->size = (uint16_t)t->size;
	s->nr = btf_vlen(t);
	s->field = allocate(s->nr, sizeof(*s->field));
	for (i = 0; i < s->nr; i++) {
		struct krr_field *f = &s->field[i];

		f->name = name_at(records, btf_members(t)[i].name_off);
		f->off = (uint16_t)(btf_member_bit_offset(t, i) / 8);
		if (!read_type(f, btf_members(t)[i].type))
			broken(f->name);
	}
	apply_tags(s, (uint32_t)id);
}

static void read_records(void)
{
	unsigned int i;

	records = btf__new(krr_records_btf, (uint32_t)(krr_records_btf_end - krr_records_btf));
	if (!records)
		broken("its start");
	subsystems = find_enum(records, "krr_subsys");
	if (!subsystems)
		broken("enum krr_subsys");
	schemas = allocate(subsystems->nr, sizeof(*schemas));
	for (i = 0; i < subsystems->nr; i++)
		read_schema(&schemas[i], &subsystems->e[i]);
}

/** krr_schema_next() - the subsystem after this one, NULL: the first; NULL at the end */
const struct krr_schema *krr_schema_next(const struct krr_schema *after)
{
	pthread_once(&once, read_records);
	after = after ? after + 1 : schemas;
	return after < schemas + subsystems->nr ? after : NULL;
}

/** krr_schema_by_id() - the subsystem with this number, or NULL */
const struct krr_schema *krr_schema_by_id(uint32_t id)
{
	const struct krr_schema *s = NULL;

	while ((s = krr_schema_next(s)))
		if (s->id == id)
			return s;
	return NULL;
}

/** krr_schema_by_name() - the subsystem with this name in any case, or NULL */
const struct krr_schema *krr_schema_by_name(const char *name)
{
	const struct krr_schema *s = NULL;

	while ((s = krr_schema_next(s)))
		if (!strcasecmp(s->name, name))
			return s;
	return NULL;
}

/** krr_schema_field() - the member with this name, or NULL */
const struct krr_field *krr_schema_field(const struct krr_schema *s, const char *name)
{
	unsigned int i;

	for (i = 0; i < s->nr; i++)
		if (!strcasecmp(s->field[i].name, name))
			return &s->field[i];
	return NULL;
}

static void add_kernel_enums(struct krr_schema *s, const struct btf *btf)
{
	unsigned int i;

	for (i = 0; i < s->nr; i++) {
		struct krr_field *f = &s->field[i];

		if (!f->of_kernel)
			continue;
		free_enum(f->values);
		f->values = find_enum(btf, f->enum_name);
	}
}

/**
 * krr_schema_add_kernel_btf() - from now on know the values of the kernel's enums
 * @path: raw BTF, as /sys/kernel/btf/vmlinux is, or an ELF file with BTF, as vmlinux
 *
 * Not to be called while another thread uses the schema.
 */
int krr_schema_add_kernel_btf(const char *path)
{
	libbpf_print_fn_t print;
	char reason[100];
	struct btf *btf;
	unsigned int i;
	int err;

	pthread_once(&once, read_records);
	print = libbpf_set_print(NULL);
	btf = btf__parse(path, NULL);
	err = btf ? 0 : -errno;
	libbpf_set_print(print);
	if (err) {
		libbpf_strerror(err, reason, sizeof(reason));
		krr_err("expected BTF of a kernel in %s: %s; names of the kernel's enums need a "
			"vmlinux that was built with CONFIG_DEBUG_INFO_BTF=y",
			path, reason);
		return err <= -__LIBBPF_ERRNO__START ? -EINVAL : err;
	}
	for (i = 0; i < subsystems->nr; i++)
		add_kernel_enums(&schemas[i], btf);
	btf__free(btf);
	return 0;
}

/** krr_enumerator_of() - the enumerator with this value, or NULL */
const struct krr_enumerator *krr_enumerator_of(const struct krr_field *f, uint64_t value)
{
	unsigned int i;

	for (i = 0; f->values && i < f->values->nr; i++)
		if (f->values->e[i].value == value)
			return &f->values->e[i];
	return NULL;
}

/** krr_enumerator_by_name() - the enumerator with this name, short or full, or NULL */
const struct krr_enumerator *krr_enumerator_by_name(const struct krr_field *f, const char *name)
{
	const struct krr_enumerator *e;
	unsigned int i;

	for (i = 0; f->values && i < f->values->nr; i++) {
		e = &f->values->e[i];
		if (!strcasecmp(e->name, name) || !strcasecmp(e->full, name))
			return e;
	}
	return NULL;
}
