// SPDX-License-Identifier: GPL-2.0-only
/* Reading and writing manifest.json. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/manifest.h"
#include "lib/util.h"

#define FILE_NAME	"manifest.json"
#define MAX_BYTES	(1u << 20)
#define MAX_DISK	(1ll << 46)

enum type { TEXT, NUMBER, FLAG };

struct field {
	const char *name;
	enum type type;
	size_t offset;
	bool must;
};

#define F(type, member, must) { #member, type, offsetof(struct krr_manifest, member), must }

static const struct field fields[] = {
	F(TEXT, name, true),
	F(TEXT, created, true),
	F(TEXT, build_id, true),
	F(TEXT, release, true),
	F(TEXT, kversion, true),
	F(TEXT, cmdline, false),
	F(NUMBER, tsc_khz, false),
	F(TEXT, qemu_version, true),
	F(TEXT, machine, true),
	F(TEXT, cpu, true),
	F(TEXT, cpu_features, false),
	F(TEXT, cpu_replay, false),
	F(TEXT, accel, true),
	F(NUMBER, smp, true),
	F(NUMBER, mem, true),
	F(NUMBER, disk_bytes, true),
	F(FLAG, net, true),
	F(FLAG, balloon, false),
	F(TEXT, share, false),
	F(TEXT, qemu_argv, false),
	F(TEXT, changes, false),
	F(NUMBER, hdr_gpa, true),
	F(NUMBER, ring_base, true),
	F(NUMBER, events, true),
	F(NUMBER, raw_bytes, true),
	F(NUMBER, log_bytes, true),
	F(FLAG, complete, true),
	F(TEXT, stop_reason, false),
	F(TEXT, message, false),
	F(TEXT, why, false),
	F(FLAG, flight, false),
	F(NUMBER, epochs, false),
	F(NUMBER, border_pause_ms, false),
	F(NUMBER, border_pause_most_ms, false),
	F(NUMBER, start_pause_ms, false),
	F(NUMBER, end_pause_ms, false),
	F(NUMBER, duration_ms, false),
	F(NUMBER, ahead_pages, false),
	F(NUMBER, throttled, false),
	F(NUMBER, handovers, false),
	F(NUMBER, windows, false),
	F(NUMBER, lock_wait_us, false),
	F(NUMBER, lock_hold_us, false),
	F(NUMBER, lock_hold_max_us, false),
	F(TEXT, ram_path, false),
	F(NUMBER, generation, false),
};

static const char *const files[] = {
#define X(NAME, file) file,
	KRR_FILES(X)
#undef X
};

/** krr_file_name() - name of a file of a recording */
const char *krr_file_name(enum krr_file f)
{
	return files[f];
}

static char **text_of(const struct krr_manifest *m, const struct field *f)
{
	return (char **)((char *)m + f->offset);
}

static uint64_t *number_of(const struct krr_manifest *m, const struct field *f)
{
	return (uint64_t *)((char *)m + f->offset);
}

static bool *flag_of(const struct krr_manifest *m, const struct field *f)
{
	return (bool *)((char *)m + f->offset);
}

static json_t *disks_json(const struct krr_manifest *m)
{
	json_t *disks = json_array();
	unsigned int i;

	for (i = 0; i < KRR_MORE_DISKS && m->more_disks[i]; i++)
		json_array_append_new(disks, json_integer((json_int_t)m->more_disks[i]));
	return disks;
}

static json_t *to_json(const struct krr_manifest *m)
{
	json_t *root = json_object(), *kinds = json_object(), *sums = json_object();
	const struct field *f;
	unsigned int i;
	char id[8];

	json_object_set_new(root, "krr_manifest", json_integer(KRR_MANIFEST_VERSION));
	json_object_set_new(root, "format", json_integer(KRR_FORMAT_VERSION));
	for (f = fields; f < fields + ARRAY_SIZE(fields); f++) {
		if (f->type == NUMBER)
			json_object_set_new(root, f->name,
					    json_integer((json_int_t)*number_of(m, f)));
		else if (f->type == FLAG)
			json_object_set_new(root, f->name, json_boolean(*flag_of(m, f)));
		else if (*text_of(m, f))
			json_object_set_new(root, f->name,
					    json_string(*text_of(m, f)) ?: json_string("?"));
	}
	json_object_set_new(root, "more_disks", disks_json(m));
	for (i = 0; i < KRR_NR_KINDS; i++) {
		if (!m->count[i])
			continue;
		snprintf(id, sizeof(id), "%u", i);
		json_object_set_new(kinds, i < KRR_NR_IDS ? krr_kind_name(i) : id,
				    json_pack("{s:I,s:I}", "events", (json_int_t)m->count[i],
					      "bytes", (json_int_t)m->bytes[i]));
	}
	json_object_set_new(root, "kinds", kinds);
	for (i = 0; i < KRR_NR_FILES; i++)
		if (*m->sum[i])
			json_object_set_new(sums, files[i], json_string(m->sum[i]));
	json_object_set_new(root, "sums", sums);
	return root;
}

/** krr_manifest_json() - the manifest as text, freed by free() */
char *krr_manifest_json(const struct krr_manifest *m)
{
	json_t *root = to_json(m);
	char *text = json_dumps(root, JSON_INDENT(2));

	json_decref(root);
	return text;
}

static int save(int dirfd, const struct krr_manifest *m, bool sync)
{
	__free_ptr char *text = krr_manifest_json(m);
	__close_fd int fd = -1;
	int err;

	if (!text)
		return -ENOMEM;
	fd = openat(dirfd, FILE_NAME ".tmp",
		    O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	err = krr_write_full(fd, text, strlen(text));
	if (!err)
		err = krr_write_full(fd, "\n", 1);
	if (!err && sync && fsync(fd) < 0)
		err = -errno;
	if (!err && renameat(dirfd, FILE_NAME ".tmp", dirfd, FILE_NAME) < 0)
		err = -errno;
	return err;
}

/**
 * krr_manifest_save() - write manifest.json, all of it or nothing
 * @dirfd: directory of the recording
 * @m: what to write
 */
int krr_manifest_save(int dirfd, const struct krr_manifest *m)
{
	return save(dirfd, m, true);
}

/**
 * krr_manifest_begin() - the same, and wait for no disk: of a recording that begins
 * @dirfd: directory of the recording
 * @m: what to write
 */
int krr_manifest_begin(int dirfd, const struct krr_manifest *m)
{
	return save(dirfd, m, false);
}

static int wrong(const char *name, const char *what)
{
	krr_err("manifest.json is damaged: \"%s\" %s", name, what);
	return -EBADMSG;
}

/* What a terminal would obey, ASCII or C1, has no place in texts that are printed. */
static char *printable(const char *text)
{
	char *s = krr_strf("%s", text), *p;

	for (p = s; *p; p++)
		if (((uint8_t)*p < ' ' && *p != '\n' && *p != '\t') || *p == 0x7f)
			*p = '?';
	for (p = s; (p = strchr(p, '\xc2')); p++)
		if (p[1] && (uint8_t)p[1] < 0xa0)
			memcpy(p, "??", 2);
	return s;
}

static int take_field(struct krr_manifest *m, const struct field *f, json_t *v)
{
	if (!v)
		return f->must ? wrong(f->name, "is missing") : 0;
	switch (f->type) {
	case NUMBER:
		if (!json_is_integer(v))
			return wrong(f->name, "must be a number");
		*number_of(m, f) = (uint64_t)json_integer_value(v);
		return 0;
	case FLAG:
		if (!json_is_boolean(v))
			return wrong(f->name, "must be true or false");
		*flag_of(m, f) = json_is_true(v);
		return 0;
	case TEXT:
		if (!json_is_string(v))
			return wrong(f->name, "must be a string");
		*text_of(m, f) = printable(json_string_value(v));
		return 0;
	}
	return 0;
}

static int take_disks(struct krr_manifest *m, json_t *disks)
{
	json_int_t bytes;
	size_t i;

	if (disks && (!json_is_array(disks) || json_array_size(disks) > KRR_MORE_DISKS))
		return wrong("more_disks", "is not a list of few disks");
	for (i = 0; i < json_array_size(disks); i++) {
		bytes = json_integer_value(json_array_get(disks, i));
		if (bytes <= 0 || bytes > MAX_DISK)
			return wrong("more_disks", "has one that is no size of a disk");
		m->more_disks[i] = (uint64_t)bytes;
	}
	return 0;
}

static int take_counts(struct krr_manifest *m, json_t *kinds)
{
	const char *name;
	uint64_t id;
	json_t *v;
	int i;

	json_object_foreach(kinds, name, v) {
		i = krr_kind_by_name(name);
		if (i < 0 && !krr_parse_u64(name, &id) && id < KRR_NR_KINDS)
			i = (int)id;
		if (i < 0 || !json_is_integer(json_object_get(v, "events")) ||
		    !json_is_integer(json_object_get(v, "bytes")))
			return wrong("kinds", "has an entry that is none");
		m->count[i] = (uint64_t)json_integer_value(json_object_get(v, "events"));
		m->bytes[i] = (uint64_t)json_integer_value(json_object_get(v, "bytes"));
	}
	return 0;
}

static int take_sums(struct krr_manifest *m, json_t *sums)
{
	const char *sum;
	json_t *v;
	int i;

	for (i = 0; i < KRR_NR_FILES; i++) {
		v = json_object_get(sums, files[i]);
		sum = json_string_value(v);
		if (v && (!sum || strlen(sum) != KRR_SUM_TEXT - 1))
			return wrong("sums", "has one that is no checksum");
		if (v)
			strcpy(m->sum[i], sum);
	}
	return 0;
}

static int check_ranges(const struct krr_manifest *m)
{
	if (!m->smp || m->smp > KRR_MAX_CPUS)
		return wrong("smp", "is not a number of CPUs that krr records");
	if (m->mem < (1u << 20) || m->mem > KRR_MAX_MEM || m->mem & 4095)
		return wrong("mem", "is not a size of guest RAM that krr records");
	if (m->hdr_gpa & 4095 || m->hdr_gpa >= m->mem)
		return wrong("hdr_gpa", "is not the address of a page in guest RAM");
	if (m->disk_bytes > MAX_DISK)
		return wrong("disk_bytes", "is too large");
	return 0;
}

static int from_json(struct krr_manifest *m, json_t *root)
{
	json_t *version = json_object_get(root, "krr_manifest");
	const struct field *f;
	int err;

	if (!json_is_integer(version))
		return wrong("krr_manifest", "is missing");
	if (json_integer_value(version) != KRR_MANIFEST_VERSION) {
		krr_err("manifest.json has version %lld, this krrctl reads %d; use the krr that "
			"made it",
			(long long)json_integer_value(version), KRR_MANIFEST_VERSION);
		return -EBADMSG;
	}
	for (f = fields; f < fields + ARRAY_SIZE(fields); f++) {
		err = take_field(m, f, json_object_get(root, f->name));
		if (err)
			return err;
	}
	err = check_ranges(m);
	if (!err)
		err = take_disks(m, json_object_get(root, "more_disks"));
	if (!err)
		err = take_counts(m, json_object_get(root, "kinds"));
	return err ? err : take_sums(m, json_object_get(root, "sums"));
}

/**
 * krr_manifest_load() - read and check manifest.json
 * @dirfd: directory of the recording
 * @m: result, freed by krr_manifest_free() also after an error
 *
 * Return: 0, -ENOENT when there is none, or -EBADMSG (said on stderr).
 */
int krr_manifest_load(int dirfd, struct krr_manifest *m)
{
	__free_ptr char *text = krr_read_file_at(dirfd, FILE_NAME, MAX_BYTES);
	json_error_t error;
	json_t *root;
	int err;

	memset(m, 0, sizeof(*m));
	if (!text && errno == ENOENT)
		return -ENOENT;
	if (!text) {
		krr_err("cannot read manifest.json: %s", strerror(errno));
		return -EBADMSG;
	}
	root = json_loads(text, 0, &error);
	if (!root) {
		krr_err("manifest.json is damaged: line %d: %s", error.line, error.text);
		return -EBADMSG;
	}
	err = from_json(m, root);
	json_decref(root);
	return err;
}

/**
 * krr_manifest_copy() - a copy, freed by krr_manifest_free()
 * @to: result
 * @from: manifest
 */
void krr_manifest_copy(struct krr_manifest *to, const struct krr_manifest *from)
{
	const struct field *f;

	*to = *from;
	for (f = fields; f < fields + ARRAY_SIZE(fields); f++)
		if (f->type == TEXT && *text_of(from, f))
			*text_of(to, f) = krr_strf("%s", *text_of(from, f));
}

/** krr_manifest_set_counts() - take over what a decoder counted */
void krr_manifest_set_counts(struct krr_manifest *m, const struct krr_decoder *d)
{
	m->events = d->number;
	m->raw_bytes = d->offset;
	memcpy(m->count, d->count, sizeof(m->count));
	memcpy(m->bytes, d->bytes, sizeof(m->bytes));
}

/** krr_manifest_free() - free the strings, leave an empty manifest */
void krr_manifest_free(struct krr_manifest *m)
{
	const struct field *f;

	for (f = fields; f < fields + ARRAY_SIZE(fields); f++)
		if (f->type == TEXT)
			free(*text_of(m, f));
	memset(m, 0, sizeof(*m));
}
