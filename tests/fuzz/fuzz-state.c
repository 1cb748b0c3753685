// SPDX-License-Identifier: GPL-2.0-only
/*
 * A saved device state from somewhere else: a file, or a recipe of sections, whose
 * description may lie.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "fuzz.h"
#include "lib/util.h"
#include "vmm/state.h"

const unsigned int fuzz_rounds = 3000;

#define CPUS 2u

static void fix_length(void);
static void cook(struct input *in);

static uint8_t file[FUZZ_MAX];
static struct made made = {
	.bytes = file, .room = sizeof(file), .fix = fix_length, .cook = cook,
};

static const char *const names[] = {
	"timer", "cpu_common", "cpu", "apic", "serial", "0000:00:00.0/I440FX", "0000:00:00.0/mch",
	"kvmclock", "i8259", "cpu/xss", "cpu/pkru", "cpu/tsc_khz", "", "\x1b",
};

static void put(uint64_t v, unsigned int bytes)
{
	while (bytes && made.len < sizeof(file))
		file[made.len++] = (uint8_t)(v >> (8 * --bytes));
}

static void put_zeros(uint64_t n)
{
	while (n--)
		put(0, 1);
}

static void put_name(const char *name)
{
	put(strlen(name), 1);
	while (*name)
		put((uint8_t)*name++, 1);
}

/* The description begins after the last byte of its type. */
static void fix_length(void)
{
	const uint8_t *p = memrchr(file, 0x06, made.len);
	size_t end = made.len;

	if (!p || end - (size_t)(p - file) < 5)
		return;
	made.len = (size_t)(p - file) + 1;
	put(end - made.len - 4, 4);
	made.len = end;
}

static const char *take_name(struct input *in)
{
	return names[take(in, 1) % ARRAY_SIZE(names)];
}

static json_t *cook_fields(struct input *in)
{
	json_t *fields = json_array();
	unsigned int n = (unsigned int)take(in, 1) % 4, lies;
	uint64_t size, count;

	while (n--) {
		size = take(in, 1);
		count = 1 + take(in, 1) % 4;
		lies = (unsigned int)take(in, 1);
		put_zeros(size * count);
		size = lies & 1 ? take(in, 8) : size;
		count = lies & 2 ? take(in, 8) : count;
		json_array_append_new(fields, json_pack("{s:I,s:I}", "size", (json_int_t)size,
							"array_len", (json_int_t)count));
	}
	return fields;
}

static json_t *cook_part(struct input *in, unsigned int depth)
{
	const char *name = take_name(in);
	json_t *d = json_object(), *parts = json_array();
	unsigned int n;

	put(0x05, 1);
	put_name(name);
	put(1, 4);
	json_object_set_new(d, "vmsd_name", json_string(name));
	json_object_set_new(d, "fields", cook_fields(in));
	for (n = depth < 12 ? (unsigned int)take(in, 1) % 3 : 0; n; n--)
		json_array_append_new(parts, cook_part(in, depth + 1));
	json_object_set_new(d, "subsections", parts);
	return d;
}

static json_t *cook_section(struct input *in)
{
	const char *name = take_name(in);
	uint32_t instance = (uint32_t)take(in, 1), version = (uint32_t)take(in, 1), id;
	json_t *d = json_object(), *parts = json_array();
	unsigned int n;

	id = (uint32_t)made.len;
	put(0x04, 1);
	put(id, 4);
	put_name(name);
	put(instance, 4);
	put(version, 4);
	json_object_set_new(d, "name", json_string(name));
	json_object_set_new(d, "instance_id", json_integer(instance));
	json_object_set_new(d, "version", json_integer(version ^ (uint32_t)take(in, 1)));
	json_object_set_new(d, "fields", cook_fields(in));
	for (n = (unsigned int)take(in, 1) % 4; n; n--)
		json_array_append_new(parts, cook_part(in, 0));
	json_object_set_new(d, "subsections", parts);
	put(0x7e, 1);
	put(id, 4);
	return d;
}

static void cook(struct input *in)
{
	json_t *root = json_object(), *devices = json_array();
	char *text;

	made.len = 0;
	put(0x5145564d00000003, 8);
	put(0x07, 1);
	put(0, 3);
	put_name("pc");
	put(0x0103, take(in, 1) % 3);
	while (in->p < in->end)
		json_array_append_new(devices, cook_section(in));
	json_object_set_new(root, "devices", devices);
	text = json_dumps(root, JSON_COMPACT);
	must(text);
	put(0x00, 1);
	put(0x06, 1);
	put(strlen(text), 4);
	if (strlen(text) < sizeof(file) - made.len) {
		memcpy(file + made.len, text, strlen(text));
		made.len += strlen(text);
	}
	free(text);
	json_decref(root);
}

/* What is written has a beginning, an end, and no more than what there was. */
static void check_filtered(const struct krr_saved *s)
{
	__close_fd int fd = openat(fuzz_dir(), "out", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	static uint8_t out[FUZZ_MAX];
	ssize_t n;
	int err;

	must(fd >= 0);
	err = krr_state_filter(s, CPUS, fd);
	must(!err || err == -EBADMSG);
	n = krr_pread_full(fd, out, sizeof(out), 0);
	must(n >= 0 && (size_t)n < s->len && (!err || !n));
	must(err || (!memcmp(out, "QEVM", 4) && !out[n - 1]));
}

static void check_sections(const struct krr_saved *s)
{
	unsigned int i;
	const uint8_t *p;
	size_t len;

	for (i = 0; i < s->nr_sections; i++) {
		const struct krr_section *c = &s->section[i];

		must(c->at < s->len && c->size < s->len - c->at && s->data[c->at] == 0x04);
		p = krr_state_section(s, c->name, c->version, &len);
		must(p && p > s->data && len <= s->len - (size_t)(p - s->data));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct krr_saved s;
	uint8_t *copy;
	char *text;
	int err;

	if (!make_file(&made, data, len))
		return 0;
	copy = malloc(made.len ? made.len : 1);
	must(copy);
	memcpy(copy, file, made.len);
	err = krr_state_parse(copy, made.len, "state", &s);
	must(!err || err == -EBADMSG);
	if (!err) {
		check_sections(&s);
		text = krr_state_text(&s);
		must(text);
		free(text);
		check_filtered(&s);
	}
	krr_state_free(&s);
	free(copy);
	return 0;
}

static void seed_section(struct output *out, unsigned int name, unsigned int instance,
			 unsigned int parts)
{
	give(out, name, 1);
	give(out, instance, 1);
	give(out, 3, 1);	/* version, which the description has, too */
	give(out, 0, 1);
	give(out, 1, 1);	/* one field, twice 4 bytes */
	give(out, 4, 1);
	give(out, 1, 1);
	give(out, 0, 1);
	give(out, parts, 1);
	while (parts--) {
		give(out, 9 + parts, 1);
		give(out, 1, 1);
		give(out, 2, 1);
		give(out, 0, 2);
		give(out, 0, 1);
	}
}

void fuzz_seeds(void)
{
	static struct output out;
	unsigned int cpu, name, bridge;

	for (bridge = 5; bridge <= 6; bridge++) {
		give(&out, FUZZ_RECIPE, 1);
		give(&out, 1, 1);
		seed_section(&out, 0, 0, 0);
		for (cpu = 0; cpu < CPUS; cpu++)
			for (name = 1; name <= 3; name++)
				seed_section(&out, name, cpu, name == 2 ? 3 : 0);
		seed_section(&out, bridge, 0, 0);
		seed_section(&out, 7, 0, 1);
		seed_section(&out, 4, 0, 0);
		seed_made(&made, &out);
	}
}
