// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest's CPU, and the CPU that a replay needs.
 *
 * User mode does not run in a replay, and what the kernel reads of its CPU comes from the
 * log.  So a replay needs only what the kernel itself executes, kernel_uses.  It runs on a
 * plain model with these features on top, whatever the guest saw.  What only user mode
 * uses, user_uses, the guest sees and the replay does not.
 *
 * What stands in neither list is hidden from the guest: the kernel could use it in a way
 * that no hook knows, or that QEMU's TCG cannot replay.  Who asks for it by name is told.
 *
 * A model is asked for by name, so QEMU says what it has (query-cpu-model-expansion).  It
 * lists a model's features whether the accelerator has them or not; those of "max" it has.
 */
#include <ctype.h>
#include <errno.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "lib/util.h"
#include "vmm/cpu.h"

#define REPLAY_MODEL	"Nehalem-v1"	/* QEMU's TCG has all of it */
#define WORD_CHARS	63
#define ANSWER_BYTES	(1u << 20)

/*
 * The kernel executes these, or sets a bit of CR4 for them, in a replay as well.  Of the
 * vector instructions only those that its ciphers and checksums may use; QEMU 7.2 has them.
 */
static const char kernel_uses[] =
	" adx aes avx avx2 bmi1 bmi2 clflushopt clwb fsgsbase movbe pclmulqdq pdpe1gb smap smep"
	" xsave ";

/* User mode only; or the kernel, by an access that is logged or left out in a replay. */
static const char user_uses[] =
	" 3dnow 3dnowext 3dnowprefetch abm acpi amd-no-ssb amd-psfd amd-ssbd amd-stibp apic arat"
	" arch-capabilities auto-ibrs avx-ifma avx-ne-convert avx-vnni avx-vnni-int16"
	" avx-vnni-int8 avx512-4fmaps avx512-4vnniw avx512-bf16 avx512-fp16 avx512-vp2intersect"
	" avx512-vpopcntdq avx512bitalg avx512bw avx512cd avx512dq avx512er avx512f avx512ifma"
	" avx512pf avx512vbmi avx512vbmi2 avx512vl avx512vnni bhi-ctrl bhi-no cldemote clflush"
	" clzero cmov cmp-legacy cmpccxadd cr8legacy cx16 cx8 ddpd-u de erms f16c fb-clear"
	" fbsdp-no fdp-excptn-only flush-l1d fma fma4 fpu fsrc fsrm fsrs fxsr fxsr-opt fzrm"
	" gds-no gfni hle ht hypervisor ibpb ibpb-brtype ibrs ibrs-all intel-psfd invpcid"
	" ipred-ctrl lahf-lm lfence-always-serializing lm mca mcdt-no mce md-clear mds-no"
	" misalignsse mmx mmxext monitor movdir64b movdiri mpx msr mtrr no-nested-data-bp"
	" nodeid-msr null-sel-clr-base nx osvw overflow-recov pae pat pbrsb-no pcid pcommit pge"
	" pku pni popcnt prefetchiti pschange-mc-no psdp-no pse pse36 rdctl-no rdpid rdrand"
	" rdseed rdtscp rfds-clear rfds-no rrsba-ctrl rsba rtm sbdr-ssdp-no sbpb sep sha-ni"
	" sha512 skip-l1dfl-vmentry sm3 sm4 spec-ctrl srso-no srso-user-kernel-no ss ssb-no ssbd"
	" sse sse2 sse4.1 sse4.2 sse4a ssse3 stibp stibp-always-on succor syscall taa-no tbm tm"
	" tm2 topoext tsc tsc-adjust tsc-deadline tsx-ctrl tsx-ldtrk umip vaes virt-ssbd vme"
	" vpclmulqdq wbnoinvd x2apic xgetbv1 xop xsavec xsaveerptr xsaveopt xsaves"
	" zero-fcs-fds ";

/*
 * What REPLAY_MODEL has, and the kernel may execute, or set a bit of a control register for.
 * Not vme: that is for 16-bit code, and no guest of TCG has it.
 */
static const char model_has[] =
	" apic clflush cmov cx16 cx8 de fpu fxsr lahf-lm lm mca mce mmx msr mtrr nx pae pat pge pni"
	" popcnt pse pse36 sep sse sse2 sse4.1 sse4.2 ssse3 syscall tsc ";

/* Why the best known of the others are not recorded. */
static const struct {
	const char *names, *why;
} refused[] = {
	{ " amx-bf16 amx-complex amx-fp16 amx-int8 amx-tile xfd ",
	  "the kernel saves its registers where no hook looks" },
	{ " la57 ", "krrctl verify reads page tables of four levels" },
	{ " serialize waitpkg ", "the kernel executes it, and QEMU's TCG cannot" },
	{ " svm vmx ", "a guest that runs guests is not recorded" },
	{ " invtsc ", "QEMU takes no snapshot of such a CPU" },
	{ " arch-lbr ibs intel-pt pdcm perfctr-core perfctr-nb perfmon-v2 ",
	  "its interrupts are NMIs, which are not recorded" },
};

/* Without what it needs, the guest's kernel would not use a feature. */
static const struct {
	const char *name, *needs;
} needs[] = {
	{ "avx", "xsave" },
	{ "avx2", "avx" },
	{ "avx512f", "avx2" },
	{ "f16c", "avx" },
	{ "fma", "avx" },
	{ "pku", "xsave" },
	{ "vaes", "avx" },
	{ "vpclmulqdq", "avx" },
	{ "xsave", "xsaveopt" },	/* with it QEMU has the CPUID leaf of both */
	{ "xsavec", "xsave" },
	{ "xsaveopt", "xsave" },
	{ "xsaves", "xsavec" },
};

/* @list: " word word " */
static bool is_in(const char *list, const char *word, size_t len)
{
	const char *p = list;

	while ((p = strchr(p, ' ')) && p[1]) {
		p++;
		if (!strncmp(p, word, len) && p[len] == ' ')
			return true;
	}
	return false;
}

static bool is_recordable(const char *name, size_t len)
{
	return is_in(kernel_uses, name, len) || is_in(user_uses, name, len);
}

static bool is_replayed(const char *name)
{
	return is_in(kernel_uses, name, strlen(name)) || is_in(model_has, name, strlen(name));
}

static const char *reason(const char *name, size_t len)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(refused); i++)
		if (is_in(refused[i].names, name, len))
			return refused[i].why;
	return "krr does not know it; \"qemu-system-x86_64 -cpu help\" has a list of names";
}

static bool is_word(const char *s, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (!isalnum((unsigned char)s[i]) && !strchr("._-", s[i]))
			return false;
	return len && len <= WORD_CHARS;
}

/* @text: +FEATURE or -FEATURE, separated by commas */
static int check_features(const char *text, bool any)
{
	size_t len;

	for (;; text += len + 1) {
		len = strcspn(text, ",");
		if (!len || !strchr("+-", *text) || !is_word(text + 1, len - 1)) {
			krr_err("CPU feature \"%.*s\": expected +FEATURE or -FEATURE", (int)len,
				text);
			return -EINVAL;
		}
		if (!any && *text == '+' && !is_recordable(text + 1, len - 1)) {
			krr_err("CPU feature \"%.*s\" cannot be recorded: %s", (int)len, text,
				reason(text + 1, len - 1));
			return -EINVAL;
		}
		if (!text[len])
			return 0;
	}
}

static int check(const char *cpu, bool any)
{
	size_t n = strcspn(cpu, ",");

	if (!is_word(cpu, n)) {
		krr_err("\"%.*s\" cannot be a CPU model: letters, digits, '.', '_' and '-' only",
			(int)(n < WORD_CHARS ? n : WORD_CHARS), cpu);
		return -EINVAL;
	}
	return cpu[n] ? check_features(cpu + n + 1, any) : 0;
}

/**
 * krr_cpu_check() - may this be given to QEMU?
 * @cpu: MODEL[,+FEATURE...][,-FEATURE...], not trusted
 *
 * Return: 0 or -EINVAL (said on stderr).
 */
int krr_cpu_check(const char *cpu)
{
	return check(cpu, true);
}

static bool is_model(const char *cpu, const char *name)
{
	size_t len = strlen(name);

	return !strncmp(cpu, name, len) && (!cpu[len] || cpu[len] == ',');
}

/* Is ,+NAME or ,-NAME in @cpu? */
static bool has(const char *cpu, char sign, const char *name, size_t len)
{
	const char *p;

	for (p = strchr(cpu, ','); p; p = strchr(p + 1, ','))
		if (p[1] == sign && !strncmp(p + 2, name, len) && (!p[2 + len] || p[2 + len] == ','))
			return true;
	return false;
}

static void add(char **cpu, char sign, const char *name, size_t len)
{
	char *more;

	if (has(*cpu, sign, name, len))
		return;
	more = krr_strf("%s,%c%.*s", *cpu, sign, (int)len, name);
	free(*cpu);
	*cpu = more;
}

static const char *needed_by(const char *name, size_t len)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(needs); i++)
		if (strlen(needs[i].name) == len && !strncmp(needs[i].name, name, len))
			return needs[i].needs;
	return NULL;
}

static void add_with_needs(char **cpu, const char *name, size_t len)
{
	while (name && !has(*cpu, '+', name, len)) {
		add(cpu, '+', name, len);
		name = needed_by(name, len);
		len = name ? strlen(name) : 0;
	}
}

/**
 * krr_cpu_add() - the word that --cpu gets
 * @cpu: MODEL[,+FEATURE...], replaced; freed by free()
 * @word: another one instead, or +FEATURE[,+FEATURE...] on top; what they need is added
 *
 * Return: 0 or -EINVAL (said on stderr).
 */
int krr_cpu_add(char **cpu, const char *word)
{
	bool top = *word && strchr("+-", *word);
	const char *f = top ? word : strchr(word, ',');
	int err = top ? check_features(word, false) : check(word, false);
	size_t len;

	if (err)
		return err;
	if (!top) {
		free(*cpu);
		*cpu = krr_strf("%.*s", (int)strcspn(word, ","), word);
		f = f ? f + 1 : "";
	}
	for (; *f; f += len + (f[len] == ',')) {
		len = strcspn(f, ",");
		if (*f == '+')
			add_with_needs(cpu, f + 1, len - 1);
		else
			add(cpu, '-', f + 1, len - 1);
	}
	return 0;
}

/* --- what QEMU says ---------------------------------------------------------- */

static json_t *model_json(const char *cpu)
{
	json_t *model, *props = json_object();
	size_t n = strcspn(cpu, ","), len;
	const char *f;

	model = json_pack("{s:s%}", "name", cpu, n);
	for (f = cpu + n; *f; f += len) {
		f++;
		len = strcspn(f, ",");
		__free_ptr char *name = krr_strf("%.*s", (int)len - 1, f + 1);

		json_object_set_new(props, name, json_boolean(*f == '+'));
	}
	json_object_set_new(model, "props", props);
	return model;
}

static char *question(const char *cpu)
{
	json_t *q = json_pack("{s:s, s:{s:s, s:o}}", "execute", "query-cpu-model-expansion",
			      "arguments", "type", "static", "model", model_json(cpu));
	char *text = json_dumps(q, JSON_COMPACT);

	json_decref(q);
	return text;
}

/* One answer a line; the one to qmp_capabilities has no model. */
static int take_answer(const char *line, json_t **features, char **refusal)
{
	json_error_t error;
	json_t *root = json_loads(line, 0, &error);
	json_t *props = json_object_get(json_object_get(json_object_get(root, "return"), "model"),
					"props");
	const char *desc = json_string_value(json_object_get(json_object_get(root, "error"),
							     "desc"));
	int taken = 0;

	if (props) {
		*features = json_incref(props);
		taken = 1;
	} else if (desc) {
		free(*refusal);
		*refusal = krr_strf("%s", desc);
	}
	json_decref(root);
	return taken;
}

/*
 * Features of @cpu as if any accelerator had them, and those that @accel has.  Results are
 * freed by json_decref().
 */
static int ask(const char *qemu, const char *machine, const char *accel, const char *cpu,
	       json_t **model, json_t **max)
{
	__free_ptr char *first = question(cpu), *second = question("max"), *cmd = NULL;
	__free_ptr char *line = malloc(ANSWER_BYTES), *last = krr_strf("nothing"), *refusal = NULL;
	json_t *features[2] = { NULL, NULL };
	unsigned int n = 0;
	FILE *f;

	cmd = krr_strf("echo '{\"execute\":\"qmp_capabilities\"}%s%s{\"execute\":\"quit\"}' |"
		       " '%s' -nodefaults -display none -S -machine '%s' -accel %s -qmp stdio"
		       " 2>&1", first, second, qemu, machine, accel);
	f = strchr(qemu, '\'') ? NULL : popen(cmd, "r");
	if (!f || !line) {
		krr_err("cannot run %s", qemu);
		return -EOPNOTSUPP;
	}
	while (n < 2 && fgets(line, ANSWER_BYTES, f)) {
		n += (unsigned int)take_answer(line, &features[n], &refusal);
		if (*line != '{')
			krr_set_text(&last, line);
	}
	pclose(f);
	if (n == 2) {
		*model = features[0];
		*max = features[1];
		return 0;
	}
	json_decref(features[0]);
	last[strcspn(last, "\n")] = '\0';
	krr_err("CPU \"%s\": expected a model that QEMU has under %s, found: %s; try"
		" \"qemu-system-x86_64 -cpu help\"", cpu, accel, refusal ? refusal : last);
	return -EOPNOTSUPP;
}

static bool is_on(json_t *features, const char *name)
{
	return json_is_true(json_object_get(features, name));
}

/* What was asked for by name must come true. */
static int check_asked(const char *cpu, const char *accel, json_t *model, json_t *max)
{
	const char *f;
	size_t len;

	for (f = strchr(cpu, ','); f; f = strchr(f + 1, ',')) {
		len = strcspn(f + 1, ",");
		__free_ptr char *name = krr_strf("%.*s", (int)len - 1, f + 2);

		if (f[1] != '+' || (is_on(model, name) && is_on(max, name)))
			continue;
		krr_err("CPU feature \"+%s\": expected a CPU that has it, found that %s does not;"
			" leave it out", name,
			!strcmp(accel, "kvm") ? "this host" : "QEMU's TCG");
		return -EOPNOTSUPP;
	}
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Names of what is on in @model, in order; the array is freed by free(). */
static const char **names_on(json_t *model, size_t *n)
{
	const char **names = calloc(json_object_size(model) + 1, sizeof(*names)), *name;
	json_t *v;

	if (!names)
		abort();
	*n = 0;
	json_object_foreach(model, name, v)
		if (json_is_true(v))
			names[(*n)++] = name;
	qsort(names, *n, sizeof(*names), by_name);
	return names;
}

static void append_word(char **text, const char *word)
{
	char *more = krr_strf("%s%s%s", *text, **text ? " " : "", word);

	free(*text);
	*text = more;
}

/* what krr_cpu_resolve() gets and gives */
struct cpu {
	char **cpu, **features, **replay;
};

/* @tcg: features that QEMU's TCG has */
static int settle(struct cpu *c, json_t *model, json_t *max, json_t *tcg)
{
	size_t n, i, len;
	const char **names = names_on(model, &n);
	bool kernel;
	int err = 0;

	krr_set_text(c->features, "");
	krr_set_text(c->replay, REPLAY_MODEL);
	for (i = 0; i < n; i++) {
		len = strlen(names[i]);
		kernel = is_in(kernel_uses, names[i], len);
		if (kernel && !is_on(tcg, names[i]) && has(*c->cpu, '+', names[i], len)) {
			krr_err("CPU feature \"+%s\": the kernel uses it, so a replay needs it;"
				" found that this QEMU's TCG lacks it; leave it out", names[i]);
			err = -EOPNOTSUPP;
		}
		if (!is_on(max, names[i]) || (kernel && !is_on(tcg, names[i])) ||
		    !is_recordable(names[i], len)) {
			add(c->cpu, '-', names[i], len);
			continue;
		}
		append_word(c->features, names[i]);
		if (kernel)
			add_with_needs(c->replay, names[i], len);
	}
	free(names);
	return err;
}

/**
 * krr_cpu_resolve() - ask QEMU what the guest will see, and what its replay needs
 * @qemu: program
 * @machine: QEMU's machine type
 * @accel: "kvm" or "tcg", which the guest will run on
 * @cpu: as krr_cpu_add() made it; what the guest must not see is taken from it
 * @features: result, words; all that the guest sees
 * @replay: result, the CPU that a replay on TCG needs; as @cpu, for QEMU
 *
 * The default model without a word of the user's is left as it is, also for the replay:
 * the results are then NULL.  Else they are freed by free().
 *
 * Return: 0, -EINVAL, or -EOPNOTSUPP (said on stderr).
 */
int krr_cpu_resolve(const char *qemu, const char *machine, const char *accel, char **cpu,
		    char **features, char **replay)
{
	json_t *model = NULL, *max = NULL, *same = NULL, *tcg = NULL;
	struct cpu c = { cpu, features, replay };
	bool kvm = !strcmp(accel, "kvm");
	int err;

	if (!strcmp(*cpu, REPLAY_MODEL))
		return 0;
	if (!kvm && is_model(*cpu, "host")) {
		krr_err("CPU \"host\": expected KVM, whose guests have the host's CPU, found TCG;"
			" try --accel kvm, or --cpu max for all that TCG has");
		return -EINVAL;
	}
	err = ask(qemu, machine, accel, *cpu, &model, &max);
	if (!err && kvm)
		err = ask(qemu, machine, "tcg", "max", &same, &tcg);
	if (!err)
		err = check_asked(*cpu, accel, model, max);
	if (!err)
		err = settle(&c, model, max, kvm ? tcg : max);
	json_decref(model);
	json_decref(max);
	json_decref(same);
	json_decref(tcg);
	return err;
}

/* Features of the plain model that are not in @features */
static void take_from_model(char **cpu, const char *features)
{
	__free_ptr char *list = krr_strf(" %s ", features);
	const char *f;
	size_t len;

	for (f = model_has + 1; *f; f += len + 1) {
		len = strcspn(f, " ");
		if (!is_in(list, f, len))
			add(cpu, '-', f, len);
	}
}

/**
 * krr_cpu_seen() - a CPU with all that the guest of a recording saw, and no more
 * @features: words, as of krr_cpu_resolve(); not trusted
 *
 * For a replay under KVM, which checks control registers against the CPU's features: bits
 * for what only user mode uses are set in them, too.
 *
 * Return: MODEL,+FEATURE...,-FEATURE..., for QEMU; freed by free().
 */
char *krr_cpu_seen(const char *features)
{
	char *cpu = krr_strf("%s", REPLAY_MODEL);
	const char *f;
	size_t len;

	for (f = features; *f; f += len + (f[len] == ' ')) {
		len = strcspn(f, " ");
		if (is_recordable(f, len))
			add(&cpu, '+', f, len);
	}
	take_from_model(&cpu, features);
	return cpu;
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
		if (!name || !is_replayed(name))
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
 * What only user mode uses is none of these.
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
