// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reading a saved device state, and writing what a replay needs of it.
 *
 * The stream, integers big-endian:
 *
 *	"QEVM", version (4 bytes)
 *	07 length (4), name of the machine type, subsections
 *	01, 02, 03 ...		sections in parts: RAM blocks
 *	04 ...			full sections: one for each device, CPU, timer
 *	00
 *	06 length (4), JSON	describes the full sections
 *
 * A full section is
 *
 *	04 id (4), length (1), name, instance (4), version (4)
 *	fields, then subsections: 05 length (1), name, version (4), fields, subsections
 *	7e id (4)
 *
 * It has no length of its own: only the code of its device knows.  But the JSON has the size
 * of each field as it was written.  So the full sections are found from the end of the file,
 * and then each has to begin and to end where the JSON says.  The RAM blocks between the
 * machine's name and the full sections are not looked at.
 *
 * A replayed kernel touches no device: inputs come from the log, outputs are dropped, COM1 is
 * all that it writes to.  A replay needs the CPUs, then, and what decides which memory they
 * see.  All other sections are left out, so it does not matter whether the QEMU that replays
 * has such devices, and in which version: a KVM clock, for example, exists under KVM only.
 */
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/util.h"
#include "vmm/state.h"

#define STATE_MAX	(64u << 20)
#define DESCRIPTION_MAX	(8u << 20)
#define DEPTH_MAX	8u	/* subsections in subsections; QEMU 10 has two levels */
#define NAME_MAX_LEN	255u

#define STREAM_VERSION	3u
#define TYPE_EOF	0x00
#define TYPE_FULL	0x04
#define TYPE_SUBSECTION	0x05
#define TYPE_DESCRIPTION 0x06
#define TYPE_MACHINE	0x07
#define TYPE_FOOTER	0x7e
#define FOOTER_BYTES	5u

/* What a replay needs, and how often: once, once a CPU, or one of them. */
enum state_times { STATE_ONCE, STATE_PER_CPU, STATE_BRIDGE };

static const struct {
	const char *name;
	enum state_times times;
} state_needed[] = {
	{ "timer", STATE_ONCE },		/* TCG's TSC */
	{ "cpu_common", STATE_PER_CPU },	/* halted or not */
	{ "cpu", STATE_PER_CPU },
	{ "apic", STATE_PER_CPU },		/* mode, and whether it waits for a SIPI */
	{ "serial", STATE_ONCE },		/* COM1 */
	{ "0000:00:00.0/I440FX", STATE_BRIDGE },	/* PAM: is there RAM at 0xc0000? */
	{ "0000:00:00.0/mch", STATE_BRIDGE },
};

/*
 * Subsections of "cpu" that decide how kernel code runs.  The others are MSRs that a replay
 * takes from the log or never asks for, or belong to guests of the guest.  QEMU refuses a
 * state with a subsection that it does not know, and some of them only make sense to KVM.
 */
static const char *const state_cpu_parts[] = {
	"cpu/xss", "cpu/pkru", "cpu/pkrs",
};

static int state_bad(const struct krr_saved *s, size_t at, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* What was expected and what was found. Return: -EBADMSG. */
static int state_bad(const struct krr_saved *s, size_t at, const char *fmt, ...)
{
	char what[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	krr_err("%s, byte %zu of %zu: %s; it is not what QEMU saved: copy the recording again",
		s->path, at, s->len, what);
	return -EBADMSG;
}

static uint32_t state_be32(const struct krr_saved *s, size_t at)
{
	const uint8_t *p = s->data + at;

	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static bool state_has(const struct krr_saved *s, size_t at, size_t bytes)
{
	return at <= s->len && bytes <= s->len - at;
}

/* Add to a size that must stay within the file. */
static bool state_add(const struct krr_saved *s, size_t *size, uint64_t n)
{
	if (n > s->len - *size)
		return false;
	*size += n;
	return true;
}

static bool state_number(const json_t *v, uint64_t most, uint64_t *n)
{
	if (!json_is_integer(v) || json_integer_value(v) < 0 ||
	    (uint64_t)json_integer_value(v) > most)
		return false;
	*n = (uint64_t)json_integer_value(v);
	return true;
}

/* A name that fits into its byte of length and can be printed, or NULL. */
static const char *state_name(const json_t *object, const char *key)
{
	const json_t *v = json_object_get(object, key);
	const char *name = json_string_value(v);
	size_t len = json_string_length(v), i;

	if (!len || len > NAME_MAX_LEN)
		return NULL;
	for (i = 0; i < len; i++)
		if (name[i] < ' ' || name[i] > '~')
			return NULL;
	return name;
}

/* Elements of an array can be described once, by the first of them. */
static bool state_field_size(const struct krr_saved *s, const json_t *field, size_t *size)
{
	const json_t *len = json_object_get(field, "array_len");
	uint64_t bytes, n = 1, all;

	return state_number(json_object_get(field, "size"), s->len, &bytes) &&
	       (!len || state_number(len, s->len, &n)) &&
	       !__builtin_mul_overflow(bytes, n, &all) && state_add(s, size, all);
}

/* Bytes of the fields of a section or subsection, as described. */
static bool state_fields_size(const struct krr_saved *s, const json_t *d, size_t *size)
{
	const json_t *fields = json_object_get(d, "fields"), *field;
	size_t i;

	*size = 0;
	if (!json_is_array(fields))
		return false;
	json_array_foreach(fields, i, field)
		if (!state_field_size(s, field, size))
			return false;
	return true;
}

/* The same with its subsections. */
static bool state_size(const struct krr_saved *s, const json_t *d, unsigned int depth, size_t *size)
{
	const json_t *parts = json_object_get(d, "subsections"), *part;
	const char *name;
	size_t i, more;

	if (depth > DEPTH_MAX || !state_fields_size(s, d, size) ||
	    (parts && !json_is_array(parts)))
		return false;
	json_array_foreach(parts, i, part) {
		name = state_name(part, "vmsd_name");
		if (!name || !state_size(s, part, depth + 1, &more) ||
		    !state_add(s, size, 1 + 1 + strlen(name) + 4) || !state_add(s, size, more))
			return false;
	}
	return true;
}

/* Type, id, length and text of the name, instance, version. */
static size_t state_header_bytes(const char *name)
{
	return 1 + 4 + 1 + strlen(name) + 4 + 4;
}

static int state_head(struct krr_saved *s, size_t *end)
{
	size_t len;

	if (!state_has(s, 0, 13) || memcmp(s->data, "QEVM", 4))
		return state_bad(s, 0, "expected a migration stream of QEMU, \"QEVM\"");
	if (state_be32(s, 4) != STREAM_VERSION)
		return state_bad(s, 4, "expected version %u of the stream, found %u",
				 STREAM_VERSION, state_be32(s, 4));
	len = state_be32(s, 9);
	if (s->data[8] != TYPE_MACHINE || !len || len > NAME_MAX_LEN || !state_has(s, 13, len))
		return state_bad(s, 8, "expected the name of a machine type, found type 0x%02x, "
				 "length %zu", s->data[8], len);
	s->machine = s->data + 13;
	s->machine_len = len;
	*end = 13 + len;
	return 0;
}

/* It is text, so the last byte of its type in the file is the one before its length. */
static int state_find_description(const struct krr_saved *s, size_t head, size_t *at)
{
	size_t p, len;

	for (p = s->len - 5; p > head; p--) {
		len = s->len - p - 5;
		if (len > DESCRIPTION_MAX)
			break;
		if (s->data[p] == TYPE_DESCRIPTION && state_be32(s, p + 1) == len) {
			*at = p;
			return 0;
		}
	}
	return state_bad(s, s->len, "expected a description of the sections at the end, of at "
			 "most %u bytes", DESCRIPTION_MAX);
}

static int state_load_description(struct krr_saved *s, size_t at)
{
	json_error_t e;

	s->description = json_loadb((const char *)s->data + at + 5, s->len - at - 5, 0, &e);
	if (!s->description)
		return state_bad(s, at + 5, "expected a description in JSON: %s", e.text);
	if (!json_is_array(json_object_get(s->description, "devices")))
		return state_bad(s, at + 5, "expected an array \"devices\" in the description");
	return 0;
}

/* What the JSON says about a section; where it is comes later. */
static bool state_describe(const struct krr_saved *s, const json_t *d, struct krr_section *c)
{
	uint64_t instance, version = 0;
	const json_t *v = json_object_get(d, "version");

	c->description = d;
	c->name = state_name(d, "name");
	if (!c->name || !state_number(json_object_get(d, "instance_id"), UINT32_MAX, &instance) ||
	    (v && !state_number(v, UINT32_MAX, &version)) || !state_size(s, d, 0, &c->size) ||
	    !state_add(s, &c->size, state_header_bytes(c->name) + FOOTER_BYTES))
		return false;
	c->instance = (uint32_t)instance;
	c->version = (uint32_t)version;
	return true;
}

static int state_describe_all(struct krr_saved *s, size_t at, size_t *total)
{
	const json_t *devices = json_object_get(s->description, "devices"), *d;
	size_t i;

	*total = 0;
	s->section = calloc(json_array_size(devices) + 1, sizeof(*s->section));
	if (!s->section)
		return -ENOMEM;
	json_array_foreach(devices, i, d) {
		struct krr_section *c = &s->section[i];

		if (!state_describe(s, d, c) || !state_add(s, total, c->size))
			return state_bad(s, at + 5, "expected name, instance, and sizes that fit "
					 "into the file in the description of section %zu", i);
	}
	s->nr_sections = (unsigned int)i;
	return 0;
}

/* Does the section begin and end as described? */
static int state_check_section(const struct krr_saved *s, struct krr_section *c, size_t at)
{
	size_t len = strlen(c->name), footer = at + c->size - FOOTER_BYTES;
	const uint8_t *p = s->data + at;
	uint32_t version = state_be32(s, at + 6 + len + 4);

	if (p[0] != TYPE_FULL || p[5] != len || memcmp(p + 6, c->name, len) ||
	    state_be32(s, at + 6 + len) != c->instance)
		return state_bad(s, at, "expected section \"%s\" %u", c->name, c->instance);
	if (c->version && version != c->version)
		return state_bad(s, at, "expected version %u of section \"%s\", found %u",
				 c->version, c->name, version);
	if (s->data[footer] != TYPE_FOOTER || state_be32(s, footer + 1) != state_be32(s, at + 1))
		return state_bad(s, footer, "expected the end of section \"%s\" %u", c->name,
				 c->instance);
	c->at = at;
	c->version = version;
	return 0;
}

static int state_find_sections(struct krr_saved *s, size_t head, size_t end)
{
	size_t total, at;
	unsigned int i;
	int err;

	err = state_describe_all(s, end, &total);
	if (err)
		return err;
	if (s->data[end - 1] != TYPE_EOF)
		return state_bad(s, end - 1, "expected the end of the sections, found type 0x%02x",
				 s->data[end - 1]);
	if (total > end - 1 - head)
		return state_bad(s, head, "expected %zu bytes of sections, found %zu", total,
				 end - 1 - head);
	for (i = 0, at = end - 1 - total; !err && i < s->nr_sections; i++) {
		err = state_check_section(s, &s->section[i], at);
		at += s->section[i].size;
	}
	return err;
}

/**
 * krr_state_parse() - take a saved state apart
 * @data: the stream, not trusted; outlives @s
 * @len: its bytes
 * @path: for messages; outlives @s
 * @s: result, freed by krr_state_free() also after an error
 *
 * Return: 0, -EBADMSG (said on stderr) or -ENOMEM.
 */
int krr_state_parse(const uint8_t *data, size_t len, const char *path, struct krr_saved *s)
{
	size_t head = 0, end = 0;
	int err;

	memset(s, 0, sizeof(*s));
	s->data = data;
	s->len = len;
	s->path = path;
	err = state_head(s, &head);
	if (!err)
		err = state_find_description(s, head, &end);
	if (!err)
		err = state_load_description(s, end);
	return err ? err : state_find_sections(s, head, end);
}

/**
 * krr_state_read() - take the saved state in a file apart
 * @fd: the file, not trusted
 * @path: its name, for messages; outlives @s
 * @s: result, freed by krr_state_free() also after an error
 *
 * Return: 0, -EBADMSG or another -errno (said on stderr).
 */
int krr_state_read(int fd, const char *path, struct krr_saved *s)
{
	uint8_t *data;
	struct stat st;
	ssize_t n;
	int err;

	memset(s, 0, sizeof(*s));
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || !st.st_size || st.st_size > STATE_MAX) {
		krr_err("%s: expected a file of 1 byte to %u MiB: copy the recording again", path,
			STATE_MAX >> 20);
		return -EBADMSG;
	}
	data = malloc((size_t)st.st_size);
	if (!data)
		return -ENOMEM;
	n = krr_pread_full(fd, data, (size_t)st.st_size, 0);
	if (n < 0)
		krr_err("cannot read %s: %s", path, strerror((int)-n));
	err = n < 0 ? (int)n : krr_state_parse(data, (size_t)n, path, s);
	s->own = data;
	return err;
}

/**
 * krr_state_section() - the fields of a section
 * @s: state
 * @name: of the section, the first if there are several
 * @version: the only one that the caller knows
 * @len: their bytes, without subsections
 *
 * Return: into the state, or NULL when there is none of that version.
 */
const uint8_t *krr_state_section(const struct krr_saved *s, const char *name, uint32_t version,
				 size_t *len)
{
	const struct krr_section *c;
	unsigned int i;

	for (i = 0; i < s->nr_sections; i++) {
		c = &s->section[i];
		if (strcmp(c->name, name) || c->version != version)
			continue;
		return state_fields_size(s, c->description, len) ?
		       s->data + c->at + state_header_bytes(name) : NULL;
	}
	return NULL;
}

/* Return: index into state_needed[], or -1. */
static int state_find_needed(const struct krr_section *c)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(state_needed); i++)
		if (!strcmp(c->name, state_needed[i].name) &&
		    (c->instance == 0 || state_needed[i].times == STATE_PER_CPU))
			return (int)i;
	return -1;
}

static int state_check_count(const struct krr_saved *s, const char *name, uint64_t n, uint64_t want)
{
	if (n == want)
		return 0;
	return state_bad(s, s->len, "expected %llu of section \"%s\", found %llu",
			 (unsigned long long)want, name, (unsigned long long)n);
}

/* Is all there that a replay with so many CPUs needs? */
static int state_check_needed(const struct krr_saved *s, uint64_t cpus)
{
	uint64_t count[ARRAY_SIZE(state_needed)] = { 0 }, bridges = 0;
	int err = 0, found;
	unsigned int i;

	for (i = 0; i < s->nr_sections; i++) {
		found = state_find_needed(&s->section[i]);
		if (found >= 0)
			count[found]++;
	}
	for (i = 0; !err && i < ARRAY_SIZE(state_needed); i++) {
		if (state_needed[i].times == STATE_BRIDGE)
			bridges += count[i];
		else
			err = state_check_count(s, state_needed[i].name, count[i],
						state_needed[i].times == STATE_ONCE ? 1 : cpus);
	}
	return err ? err : state_check_count(s, "0000:00:00.0", bridges, 1);
}

static void state_copy(const struct krr_saved *s, size_t at, size_t bytes, FILE *to)
{
	fwrite(s->data + at, 1, bytes, to);
}

static bool state_cpu_part_needed(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(state_cpu_parts); i++)
		if (!strcmp(name, state_cpu_parts[i]))
			return true;
	return false;
}

/* Copy those subsections of a CPU that are needed; @at is where its fields end. */
static int state_copy_cpu_parts(const struct krr_saved *s, const struct krr_section *c, size_t at,
				FILE *to)
{
	const json_t *parts = json_object_get(c->description, "subsections"), *part;
	size_t i, size, head, len;
	const char *name;

	json_array_foreach(parts, i, part) {
		name = state_name(part, "vmsd_name");
		if (!name || !state_size(s, part, 0, &size))
			return -EBADMSG;	/* krr_state_parse() has seen all of them */
		len = strlen(name);
		head = 1 + 1 + len + 4;
		if (s->data[at] != TYPE_SUBSECTION || s->data[at + 1] != len ||
		    memcmp(s->data + at + 2, name, len))
			return state_bad(s, at, "expected subsection \"%s\" of section \"%s\" %u",
					 name, c->name, c->instance);
		if (state_cpu_part_needed(name))
			state_copy(s, at, head + size, to);
		at += head + size;
	}
	return 0;
}

static int state_copy_section(const struct krr_saved *s, const struct krr_section *c, FILE *to)
{
	size_t head = state_header_bytes(c->name), fields;
	int err;

	if (strcmp(c->name, "cpu")) {
		state_copy(s, c->at, c->size, to);
		return 0;
	}
	if (!state_fields_size(s, c->description, &fields))
		return -EBADMSG;
	state_copy(s, c->at, head + fields, to);
	err = state_copy_cpu_parts(s, c, c->at + head + fields, to);
	state_copy(s, c->at + c->size - FOOTER_BYTES, FOOTER_BYTES, to);
	return err;
}

static int state_write(const struct krr_saved *s, FILE *to)
{
	unsigned int i;
	int err = 0;

	state_copy(s, 0, 13 + s->machine_len, to);
	for (i = 0; !err && i < s->nr_sections; i++)
		if (state_find_needed(&s->section[i]) >= 0)
			err = state_copy_section(s, &s->section[i], to);
	putc(TYPE_EOF, to);
	return err;
}

/**
 * krr_state_filter() - write the stream that a replay loads
 * @s: state
 * @cpus: how many the machine has
 * @fd: file to write to, from where it stands
 *
 * The result has the sections that a replay needs, in their order, no RAM blocks and no
 * description.  It has to be loaded without x-ignore-shared.
 *
 * Return: 0, -EBADMSG when one is missing, or another -errno (said on stderr).
 */
int krr_state_filter(const struct krr_saved *s, uint64_t cpus, int fd)
{
	__free_ptr char *stream = NULL;
	size_t len = 0;
	FILE *to;
	int err;

	err = state_check_needed(s, cpus);
	if (err)
		return err;
	to = open_memstream(&stream, &len);
	if (!to)
		return -ENOMEM;
	err = state_write(s, to);
	if (fclose(to) && !err)
		err = -ENOMEM;
	if (err)
		return err;
	err = krr_write_full(fd, stream, len);
	if (err)
		krr_err("cannot copy what a replay needs of %s: %s", s->path, strerror(-err));
	return err;
}

/**
 * krr_state_text() - what krr_state_filter() writes, for people
 * @s: state
 *
 * Return: names and versions of the first of each, e.g. "timer 2, cpu_common 1, cpu 12"; freed
 * by free().
 */
char *krr_state_text(const struct krr_saved *s)
{
	char *text = krr_strf("%s", ""), *more;
	const struct krr_section *c;
	unsigned int i;

	for (i = 0; i < s->nr_sections; i++) {
		c = &s->section[i];
		if (state_find_needed(c) < 0 || c->instance)
			continue;
		more = krr_strf("%s%s%s %u", text, *text ? ", " : "", c->name, c->version);
		free(text);
		text = more;
	}
	return text;
}

/** krr_state_free() - free what krr_state_parse() or krr_state_read() made */
void krr_state_free(struct krr_saved *s)
{
	free(s->section);
	json_decref(s->description);
	free(s->own);
	memset(s, 0, sizeof(*s));
}
