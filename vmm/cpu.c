// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest's CPU is a word for QEMU: MODEL[,+FEATURE...].
 *
 * A feature is allowed if recordings of a kernel that has it were seen to replay.  Others
 * are inputs that no hook knows, or need another kernel.  A replay has to have the same
 * features, and it always runs on QEMU's TCG, whatever the recording ran on: so that is
 * asked first.
 */
#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "lib/util.h"
#include "vmm/cpu.h"

#define MODEL_CHARS 63

/* Without what it needs, the guest's kernel would not use a feature. */
static const struct {
	const char *name, *needs;
} recordable[] = {
	{ "adx", NULL },
	{ "aes", NULL },
	{ "avx", "xsave" },
	{ "avx2", "avx" },
	{ "bmi1", NULL },
	{ "bmi2", NULL },
	{ "erms", NULL },
	{ "f16c", "avx" },
	{ "fma", "avx" },
	{ "movbe", NULL },
	{ "pclmulqdq", NULL },
	{ "rdrand", NULL },
	{ "rdseed", NULL },
	{ "smap", NULL },
	{ "smep", NULL },
	{ "xsave", "xsaveopt" },	/* with it QEMU has the CPUID leaf of both */
	{ "xsaveopt", "xsave" },
};

/* Return: index into recordable[], or -1. */
static int find(const char *name, size_t len)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(recordable); i++)
		if (strlen(recordable[i].name) == len && !strncmp(recordable[i].name, name, len))
			return (int)i;
	return -1;
}

/* freed by free() */
static char *all_names(void)
{
	char *text = krr_strf("%s", recordable[0].name), *more;
	size_t i;

	for (i = 1; i < ARRAY_SIZE(recordable); i++) {
		more = krr_strf("%s %s", text, recordable[i].name);
		free(text);
		text = more;
	}
	return text;
}

/* Is @text +FEATURE[,+FEATURE...]? */
static int check_features(const char *text)
{
	__free_ptr char *all = all_names();
	size_t len;

	for (;; text += len + 1) {
		len = strcspn(text, ",");
		if (*text != '+' || find(text + 1, len - 1) < 0) {
			krr_err("CPU feature \"%.*s\": expected +FEATURE[,+FEATURE...], of: %s",
				(int)len, text, all);
			return -EINVAL;
		}
		if (!text[len])
			return 0;
	}
}

static bool has(const char *cpu, const char *name)
{
	size_t len = strlen(name);
	const char *p;

	for (p = strchr(cpu, ','); p; p = strchr(p + 1, ','))
		if (p[1] == '+' && !strncmp(p + 2, name, len) && (!p[2 + len] || p[2 + len] == ','))
			return true;
	return false;
}

static void add(char **cpu, int feature)
{
	const char *needs;
	char *more;

	while (!has(*cpu, recordable[feature].name)) {
		more = krr_strf("%s,+%s", *cpu, recordable[feature].name);
		free(*cpu);
		*cpu = more;
		needs = recordable[feature].needs;
		if (!needs)
			return;
		feature = find(needs, strlen(needs));
	}
}

/**
 * krr_cpu_add() - put features on top of a CPU, and what they need
 * @cpu: MODEL[,+FEATURE...], replaced; freed by free()
 * @features: +FEATURE[,+FEATURE...]
 *
 * Return: 0 or -EINVAL (said on stderr).
 */
int krr_cpu_add(char **cpu, const char *features)
{
	int err = check_features(features);
	size_t len;

	for (; !err && *features; features += len + (features[len] == ',')) {
		len = strcspn(features, ",");
		add(cpu, find(features + 1, len - 1));
	}
	return err;
}

/**
 * krr_cpu_check() - may this be given to QEMU?
 * @cpu: MODEL[,+FEATURE...], not trusted
 *
 * Return: 0 or -EINVAL (said on stderr).
 */
int krr_cpu_check(const char *cpu)
{
	size_t n = strcspn(cpu, ","), i;

	for (i = 0; i < n; i++)
		if (!isalnum((unsigned char)cpu[i]) && !strchr("._-", cpu[i]))
			break;
	if (!n || i < n || n > MODEL_CHARS) {
		krr_err("\"%.*s\" cannot be a CPU model: letters, digits, '.', '_' and '-' only",
			(int)(n < MODEL_CHARS ? n : MODEL_CHARS), cpu);
		return -EINVAL;
	}
	return cpu[n] ? check_features(cpu + n + 1) : 0;
}

/* Features that no replay uses: user mode is not replayed, and the kernel has no use for them. */
static const char *const user_only[] = {
	"vme",	/* virtual 8086 mode; a guest of TCG never has it */
};

static bool is_user_only(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(user_only); i++)
		if (!strcmp(name, user_only[i]))
			return true;
	return false;
}

/* Names with blanks between them, freed by free(); @list is QEMU's. */
static char *join_missing(const json_t *list)
{
	char *text = krr_strf("%s", ""), *more;
	const json_t *v;
	const char *name;
	size_t i;

	json_array_foreach(list, i, v) {
		name = json_string_value(v);
		if (!name || is_user_only(name))
			continue;
		more = krr_strf("%s%s%s", text, *text ? " " : "", name);
		free(text);
		text = more;
	}
	return text;
}

static int first_cpu(struct krr_qmp *q, char **path)
{
	const char *text;
	json_t *r = NULL;
	int err;

	err = krr_qmp_call(q, "query-cpus-fast", NULL, &r);
	if (err)
		return err;
	text = json_string_value(json_object_get(json_array_get(r, 0), "qom-path"));
	*path = text ? krr_strf("%s", text) : NULL;
	json_decref(r);
	if (*path)
		return 0;
	krr_err("QEMU did not tell what its first CPU is called");
	return -EPROTO;
}

/**
 * krr_cpu_missing() - features of its CPU model that a QEMU cannot give to the guest
 * @q: its QMP
 * @names: result, with blanks between them, "" if a replay lacks nothing; freed by free()
 *
 * What the accelerator, or under KVM the host's processor, does not have, QEMU leaves out.
 *
 * Return: 0 or -errno (said on stderr).
 */
int krr_cpu_missing(struct krr_qmp *q, char **names)
{
	__free_ptr char *path = NULL;
	json_t *r = NULL;
	int err;

	err = first_cpu(q, &path);
	if (!err)
		err = krr_qmp_call(q, "qom-get", json_pack("{s:s,s:s}", "path", path, "property",
							   "unavailable-features"), &r);
	if (err)
		return err;
	*names = join_missing(r);
	json_decref(r);
	return 0;
}

/* @text: without what is blank at its end */
static void read_all(FILE *f, char *text, size_t room)
{
	size_t n = fread(text, 1, room - 1, f);

	text[n] = '\0';
	while (n && isspace((unsigned char)text[n - 1]))
		text[--n] = '\0';
}

/**
 * krr_cpu_probe() - can a replay have such a CPU?
 * @qemu: program
 * @machine: QEMU's machine type
 * @cpu: as krr_cpu_check() takes it; without features, nothing is asked
 *
 * Return: 0, or -EOPNOTSUPP (said on stderr).
 */
int krr_cpu_probe(const char *qemu, const char *machine, const char *cpu)
{
	__free_ptr char *cmd = krr_strf("echo quit | '%s' -nodefaults -display none -S -machine '%s'"
					" -accel tcg -cpu '%s,enforce=on' -monitor stdio 2>&1"
					" >/dev/null", qemu, machine, cpu);
	char said[1024];
	int status;
	FILE *f;

	if (!strchr(cpu, ','))
		return 0;
	f = strchr(qemu, '\'') ? NULL : popen(cmd, "r");
	if (!f) {
		krr_err("cannot run %s", qemu);
		return -EOPNOTSUPP;
	}
	read_all(f, said, sizeof(said));
	status = pclose(f);
	if (WIFEXITED(status) && !WEXITSTATUS(status))
		return 0;
	krr_err("CPU \"%s\": replays run on QEMU's TCG, which says:\n%s", cpu, said);
	return -EOPNOTSUPP;
}
