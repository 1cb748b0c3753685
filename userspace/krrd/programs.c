// SPDX-License-Identifier: GPL-2.0-only
/*
 * One BPF object a subsystem, in this program as bytes.
 *
 * A program whose tracepoint or function the kernel does not have is left out; any
 * other trouble undoes everything.
 *
 * What is attached is pinned, see pins.c, together with the words that it was made
 * from; a krrd that is started again adopts it.
 */
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <string.h>

#include "block.skel.h"
#include "bpf/records.h"
#include "error.skel.h"
#include "fs.skel.h"
#include "irq.skel.h"
#include "krrd/pins.h"
#include "krrd/programs.h"
#include "lib/util.h"
#include "lib/verifier.h"
#include "mm.skel.h"
#include "net.skel.h"
#include "sched.skel.h"
#include "security.skel.h"
#include "syscall.skel.h"

#define SAID_MAX	4096	/* kept of what libbpf says */
#define SAID_ONCE	8192	/* a message, which may hold the verifier's log */

struct program {
	char *name;
	int fd, link;
};

struct object {
	const char *subsys;
	struct bpf_object *bpf;	/* until all is attached and pinned */
	int counts, policy;	/* maps */
	struct program *prog;
	size_t nr;
};

struct krr_programs {
	char *set;		/* of pins; NULL: nothing is pinned */
	char *missing;
	size_t nr;
	struct object object[KRR_NR_SUBSYS];
};

/* Pinned with the programs: the words of the policy, then the names of what is missing. */
struct text {
	uint32_t words, missing;	/* bytes of each */
	char bytes[];
};

static const struct {
	const char *subsys;
	const void *(*bytes)(size_t *len);
} known[] = {
	{ "block", block_bpf__elf_bytes },
	{ "error", error_bpf__elf_bytes },
	{ "fs", fs_bpf__elf_bytes },
	{ "irq", irq_bpf__elf_bytes },
	{ "mm", mm_bpf__elf_bytes },
	{ "net", net_bpf__elf_bytes },
	{ "sched", sched_bpf__elf_bytes },
	{ "security", security_bpf__elf_bytes },
	{ "syscall", syscall_bpf__elf_bytes },
};

/* The end of what libbpf said, since the reason comes last. */
static char said[SAID_MAX + 1];

static int keep_said(enum libbpf_print_level level, const char *fmt, va_list args)
{
	char text[SAID_ONCE];
	size_t have = strlen(said), add;
	int n;

	if (level == LIBBPF_DEBUG)
		return 0;
	n = vsnprintf(text, sizeof(text), fmt, args);
	add = n < 0 ? 0 : strlen(text);
	if (add > SAID_MAX)
		add = SAID_MAX;
	if (have + add > SAID_MAX) {
		memmove(said, said + have + add - SAID_MAX, SAID_MAX - add);
		have = SAID_MAX - add;
	}
	memcpy(said + have, text + strlen(text) - add, add);
	said[have + add] = 0;
	return n;
}

/* --- the kernel's types -------------------------------------------------------------- */

/*
 * libbpf reads them anew for each object, which is a good part of the time that enable
 * takes.  It has no way to be given them, so the linker puts these in front of its own
 * functions (--wrap): while an object is loaded there is one copy, which is ours.
 */
static struct btf *kernel_btf;

struct btf *__real_btf__load_vmlinux_btf(void);
void __real_btf__free(struct btf *btf);
struct btf *__wrap_btf__load_vmlinux_btf(void);
void __wrap_btf__free(struct btf *btf);

struct btf *__wrap_btf__load_vmlinux_btf(void)
{
	if (!kernel_btf)
		kernel_btf = __real_btf__load_vmlinux_btf();
	return kernel_btf;
}

void __wrap_btf__free(struct btf *btf)
{
	if (btf != kernel_btf)
		__real_btf__free(btf);
}

static void forget_kernel_btf(void)
{
	__real_btf__free(kernel_btf);
	kernel_btf = NULL;
}

/* --- objects ------------------------------------------------------------------------- */

static const void *bytes_of(const char *subsys, size_t *len)
{
	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (!strcmp(known[i].subsys, subsys))
			return known[i].bytes(len);
	return NULL;
}

static struct object *add_object(struct krr_programs *p, const char *subsys)
{
	struct object *o = &p->object[p->nr++];

	*o = (struct object){ .subsys = subsys, .counts = -1, .policy = -1 };
	return o;
}

static struct program *add_program(struct object *o, const char *name)
{
	struct program *more = reallocarray(o->prog, o->nr + 1, sizeof(*more));

	if (!more)
		abort();
	o->prog = more;
	more += o->nr++;
	*more = (struct program){ krr_strf("%s", name), -1, -1 };
	return more;
}

/**
 * krr_programs_known() - whether there are programs for a subsystem
 * @subsys: its name
 */
bool krr_programs_known(const char *subsys)
{
	size_t len;

	return bytes_of(subsys, &len);
}

/* Sections are named KIND/TARGET. */
static bool target_exists(const struct bpf_program *prog)
{
	const char *section = bpf_program__section_name(prog), *slash = strchr(section, '/');
	__free_ptr char *type = NULL;

	if (!slash)
		return true;
	if (strncmp(section, "tp_btf/", 7))
		return btf__find_by_name_kind(kernel_btf, slash + 1, BTF_KIND_FUNC) > 0;
	type = krr_strf("btf_trace_%s", slash + 1);
	return btf__find_by_name_kind(kernel_btf, type, BTF_KIND_TYPEDEF) > 0;
}

/* Descriptors of our own, so that libbpf's bookkeeping can go. Return: or -errno. */
static int keep(int fd)
{
	int mine = fcntl(fd, F_DUPFD_CLOEXEC, 3);

	return mine < 0 ? -errno : mine;
}

static void note_missing(struct krr_programs *p, const struct bpf_program *prog)
{
	char *all = krr_strf("%s%s%s (%s)", p->missing, *p->missing ? ", " : "",
			     bpf_program__name(prog), bpf_program__section_name(prog));

	free(p->missing);
	p->missing = all;
}

static int keep_map(const struct object *o, const char *name, int *fd)
{
	const struct bpf_map *map = bpf_object__find_map_by_name(o->bpf, name);

	*fd = map ? keep(bpf_map__fd(map)) : -ENOENT;
	return *fd < 0 ? *fd : 0;
}

static int write_policy(const struct object *o, const struct krr_policy *policy)
{
	static const struct krr_policy all;
	uint32_t zero = 0;

	return bpf_map_update_elem(o->policy, &zero, policy ? policy : &all, BPF_ANY) ? -errno : 0;
}

/* From now on its programs log nothing, although they still run: no value equals any of none. */
static void hush(const struct object *o)
{
	static const struct krr_policy nothing = {
		.nr_filters = 1,
		.filter[0] = { .nr_clauses = 1, .clause[0] = { .size = 8, .op = KRR_IS_EQUAL } },
	};

	if (o->policy >= 0)
		write_policy(o, &nothing);
}

static int load(struct krr_programs *p, struct object *o, const struct krr_policy *policy)
{
	__free_ptr char *name = krr_strf("krr_%s", o->subsys);
	LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = name);
	struct bpf_program *prog;
	size_t len = 0;
	const void *bytes = bytes_of(o->subsys, &len);
	int err;

	if (!bytes)
		return -ENOENT;
	o->bpf = bpf_object__open_mem(bytes, len, &opts);
	if (!o->bpf)
		return -errno;
	bpf_object__for_each_program(prog, o->bpf) {
		if (target_exists(prog))
			continue;
		note_missing(p, prog);
		bpf_program__set_autoload(prog, false);
	}
	err = bpf_object__load(o->bpf);
	if (!err)
		err = keep_map(o, "counts", &o->counts);
	if (!err)
		err = keep_map(o, "policy", &o->policy);
	return err ? err : write_policy(o, policy);
}

static int attach_one(struct object *o, const struct bpf_program *prog)
{
	struct program *mine = add_program(o, bpf_program__name(prog));
	struct bpf_link *link = bpf_program__attach(prog);

	if (!link)
		return -errno;
	mine->fd = keep(bpf_program__fd(prog));
	mine->link = keep(bpf_link__fd(link));
	bpf_link__destroy(link);
	return mine->fd < 0 ? mine->fd : mine->link < 0 ? mine->link : 0;
}

static int attach(struct object *o)
{
	struct bpf_program *prog;
	int err = 0;

	bpf_object__for_each_program(prog, o->bpf)
		if (!err && bpf_program__autoload(prog))
			err = attach_one(o, prog);
	return err;
}

static int pin_object(const char *set, const struct object *o)
{
	int err = pins_add(set, o->subsys);

	if (!err)
		err = pins_put(set, o->subsys, "map", "counts", o->counts);
	if (!err)
		err = pins_put(set, o->subsys, "map", "policy", o->policy);
	for (size_t i = 0; !err && i < o->nr; i++) {
		err = pins_put(set, o->subsys, "prog", o->prog[i].name, o->prog[i].fd);
		if (!err)
			err = pins_put(set, o->subsys, "link", o->prog[i].name, o->prog[i].link);
	}
	return err;
}

static int pin_text(const char *set, const char *words, size_t len, const char *missing)
{
	uint32_t zero = 0, n = (uint32_t)(sizeof(struct text) + len + strlen(missing));
	__free_ptr struct text *t = calloc(1, n);
	__close_fd int fd = -1;

	if (!t)
		return -ENOMEM;
	t->words = (uint32_t)len;
	t->missing = (uint32_t)strlen(missing);
	memcpy(t->bytes, words, len);
	memcpy(t->bytes + len, missing, t->missing);
	fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "krr_text", sizeof(zero), n, 1, NULL);
	if (fd < 0 || bpf_map_update_elem(fd, &zero, t, BPF_ANY))
		return -errno;
	return pins_put(set, NULL, "text", "policy", fd);
}

static int pin(struct krr_programs *p, const char *words, size_t len)
{
	int err = pins_begin(&p->set);

	if (err || !p->set)
		return err;
	for (size_t i = 0; !err && i < p->nr; i++)
		err = pin_object(p->set, &p->object[i]);
	if (!err)
		err = pin_text(p->set, words, len, p->missing);
	return err ? err : pins_activate(p->set);
}

static void unload(struct krr_programs *p)
{
	for (size_t i = 0; i < p->nr; i++) {
		bpf_object__close(p->object[i].bpf);
		p->object[i].bpf = NULL;
	}
}

static struct krr_programs *new_programs(void)
{
	struct krr_programs *p = calloc(1, sizeof(*p));

	if (!p)
		abort();
	*said = 0;
	libbpf_set_print(keep_said);
	p->missing = krr_strf("%s", "");
	return p;
}

/* The end of krr_programs_load() and _attach(). */
static int told(int err, const char *failed, char **why)
{
	__free_ptr char *verifier = NULL;

	if (!err)
		return 0;
	verifier = krr_verifier_says(said);
	*why = krr_strf("%s: %s%s", failed, strerror(-err), verifier);
	return err == -ENOENT ? err : -EIO;	/* nothing that the options could help */
}

/**
 * krr_programs_load() - load the programs of some subsystems
 * @watch: the subsystems; their names are kept by address
 * @nr: how many
 * @out: the programs, for krr_programs_attach() and krr_programs_stop()
 * @why: on failure the reason, for free()
 *
 * The kernel verifies them, which takes its time; they do not run yet.
 *
 * Return: 0; -ENOENT: there is no such subsystem, or no BTF; -EIO: the kernel refused.
 */
int krr_programs_load(const struct krr_watch *watch, size_t nr, struct krr_programs **out, char **why)
{
	struct krr_programs *p = new_programs();
	const char *failed = "the guest kernel has no BTF, boot one made by make kernel";
	int err = __wrap_btf__load_vmlinux_btf() ? 0 : -ENOENT;

	*why = NULL;
	for (size_t i = 0; !err && i < nr; i++) {
		failed = watch[i].subsys;
		err = load(p, add_object(p, watch[i].subsys), watch[i].policy);
	}
	err = told(err, failed, why);
	if (err)
		krr_programs_stop(p);
	else
		*out = p;
	forget_kernel_btf();
	return err;
}

/**
 * krr_programs_attach() - attach and pin what has been loaded
 * @p: programs, for krr_programs_stop() also after an error
 * @words: what krr_programs_adopt() is to give back
 * @len: bytes of it
 * @why: on failure the reason, for free()
 *
 * From then on a restarted krrd adopts these, and not those that were started before.
 *
 * Return: 0; -ENOENT or -EIO: the kernel refused.
 */
int krr_programs_attach(struct krr_programs *p, const char *words, size_t len, char **why)
{
	const char *failed = "";
	int err = 0;

	*why = NULL;
	for (size_t i = 0; !err && i < p->nr; i++) {
		failed = p->object[i].subsys;
		err = attach(&p->object[i]);
	}
	if (!err) {
		failed = "pins in " KRR_PINS;
		err = pin(p, words, len);
	}
	unload(p);
	return told(err, failed, why);
}

/* --- pinned ones ------------------------------------------------------------------- */

struct adoption {
	const struct krr_programs *p;
	struct object *o;
};

static int adopt_program(void *ctx, const char *name)
{
	const struct adoption *a = ctx;
	struct program *mine = add_program(a->o, name);

	mine->link = pins_get(a->p->set, a->o->subsys, "link", name);
	mine->fd = pins_get(a->p->set, a->o->subsys, "prog", name);
	return mine->link < 0 ? mine->link : mine->fd < 0 ? mine->fd : 0;
}

/* Return: bytes of a value, or -errno. */
static int value_size(int map)
{
	struct bpf_map_info info = { 0 };
	uint32_t len = sizeof(info);

	if (bpf_obj_get_info_by_fd(map, &info, &len))
		return -errno;
	return info.type == BPF_MAP_TYPE_ARRAY && info.value_size < INT32_MAX ?
	       (int)info.value_size : -EPROTO;
}

/* What another version of krrd counts cannot be read. */
static int adopt_object(struct krr_programs *p, const char *subsys)
{
	struct adoption a = { p, add_object(p, subsys) };
	int err = pins_each(p->set, subsys, "link", adopt_program, &a);

	if (err)
		return err;
	a.o->counts = pins_get(p->set, subsys, "map", "counts");
	if (a.o->counts < 0)
		return a.o->counts;
	a.o->policy = pins_get(p->set, subsys, "map", "policy");
	if (a.o->policy < 0)
		return a.o->policy;
	return value_size(a.o->counts) == sizeof(struct krr_counts) &&
	       value_size(a.o->policy) == sizeof(struct krr_policy) ? 0 : -EPROTO;
}

static int adopt_text(struct krr_programs *p, char **words, size_t *len)
{
	__close_fd int fd = pins_get(p->set, NULL, "text", "policy");
	int n = fd < 0 ? fd : value_size(fd);
	__free_ptr struct text *t = NULL;
	uint32_t zero = 0;

	if (n < (int)sizeof(*t))
		return n < 0 ? n : -EPROTO;
	t = malloc((size_t)n);
	if (!t)
		abort();
	if (bpf_map_lookup_elem(fd, &zero, t))
		return -errno;
	if ((uint64_t)t->words + t->missing + sizeof(*t) != (uint64_t)n)
		return -EPROTO;
	*len = t->words;
	*words = malloc(*len + 1);
	if (!*words)
		abort();
	memcpy(*words, t->bytes, *len);
	free(p->missing);
	p->missing = krr_strf("%.*s", (int)t->missing, t->bytes + *len);
	return 0;
}

/**
 * krr_programs_adopt() - take over what a krrd before this one attached
 * @out: the programs, also after an error, for krr_programs_stop(); NULL: none are there
 * @words: as krr_programs_attach() had them, freed by free(); NULL: they are lost
 * @len: bytes of it
 *
 * Return: 0 or -errno.
 */
int krr_programs_adopt(struct krr_programs **out, char **words, size_t *len)
{
	char *set = pins_active();
	struct krr_programs *p;
	int err;

	*out = NULL;
	*words = NULL;
	pins_clean();
	if (!set)
		return 0;
	*out = p = new_programs();
	p->set = set;
	err = adopt_text(p, words, len);
	for (size_t i = 0; !err && i < ARRAY_SIZE(known); i++) {
		err = adopt_object(p, known[i].subsys);
		if (err == -ENOENT && !p->object[p->nr - 1].nr) {
			p->nr--;	/* not in this policy */
			err = 0;
		}
	}
	return err;
}

/*
 * To detach a program from a function takes the kernel some 50 ms, in which it waits for
 * all tasks.  krrd does not wait with it.
 */
struct closing {
	size_t nr;
	int fd[];
};

static void *close_all(void *arg)
{
	struct closing *c = arg;

	while (c->nr)
		close(c->fd[--c->nr]);
	free(c);
	return NULL;
}

/* SIGIO is for ppoll() in the thread that has it blocked otherwise; so has the new one. */
static void close_aside(struct closing *c)
{
	pthread_attr_t attr;
	pthread_t thread;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	if (pthread_create(&thread, &attr, close_all, c))
		close_all(c);
	pthread_attr_destroy(&attr);
}

static void let_go(struct closing *c, int fd)
{
	if (fd >= 0)
		c->fd[c->nr++] = fd;
}

static void forget_object(struct object *o, struct closing *c)
{
	hush(o);
	let_go(c, o->counts);
	let_go(c, o->policy);
	while (o->nr) {
		struct program *prog = &o->prog[--o->nr];

		let_go(c, prog->fd);
		let_go(c, prog->link);
		free(prog->name);
	}
	free(o->prog);
}

static size_t descriptors(const struct krr_programs *p)
{
	size_t n = 0;

	for (size_t i = 0; i < p->nr; i++)
		n += 2 + 2 * p->object[i].nr;
	return n;
}

/**
 * krr_programs_stop() - detach and unload
 * @p: from krr_programs_load() or krr_programs_adopt(), or NULL
 *
 * They log nothing from now on; that they are gone may take seconds.
 */
void krr_programs_stop(struct krr_programs *p)
{
	struct closing *c;

	if (!p)
		return;
	c = calloc(1, sizeof(*c) + descriptors(p) * sizeof(*c->fd));
	if (!c)
		abort();
	unload(p);
	while (p->nr)
		forget_object(&p->object[--p->nr], c);
	pins_drop(p->set);
	close_aside(c);
	free(p->set);
	free(p->missing);
	free(p);
}

/**
 * krr_programs_missing() - the programs that this kernel has no place for
 * @p: the programs
 *
 * Return: names and places, with commas between them; "" if there are none.
 */
const char *krr_programs_missing(const struct krr_programs *p)
{
	return p->missing;
}

/**
 * krr_programs_counts() - what became of a subsystem's records so far
 * @p: the programs
 * @subsys: which
 * @counts: for the answer
 *
 * Return: 0 or -errno; -ENOENT: it is not among them.
 */
int krr_programs_counts(const struct krr_programs *p, const char *subsys, struct krr_counts *counts)
{
	uint32_t zero = 0;

	for (size_t i = 0; i < p->nr; i++)
		if (!strcmp(p->object[i].subsys, subsys))
			return bpf_map_lookup_elem(p->object[i].counts, &zero, counts) ? -errno : 0;
	return -ENOENT;
}

/**
 * krr_programs_measure() - have the kernel measure how long programs run
 *
 * That takes CAP_SYS_ADMIN, and lasts as long as this process.  Each run costs two looks
 * at the clock then.
 *
 * Return: 0 or -errno.
 */
int krr_programs_measure(void)
{
	return bpf_enable_stats(BPF_STATS_RUN_TIME) < 0 ? -errno : 0;
}

static int program_stat(const struct program *prog, struct krr_program_stat *stat)
{
	struct bpf_prog_info info = { 0 };
	uint32_t len = sizeof(info);

	if (bpf_obj_get_info_by_fd(prog->fd, &info, &len))
		return -errno;
	*stat = (struct krr_program_stat){
		.name = prog->name,
		.runs = info.run_cnt,
		.ns = info.run_time_ns,
		.misses = info.recursion_misses,
		.verified = info.verified_insns,
	};
	return 0;
}

/**
 * krr_programs_stats() - what each program did
 * @p: the programs
 * @stats: an array, for free()
 * @nr: how many are in it
 *
 * Return: 0 or -errno.
 */
int krr_programs_stats(const struct krr_programs *p, struct krr_program_stat **stats, size_t *nr)
{
	__free_ptr struct krr_program_stat *list = NULL;
	size_t n = 0;
	int err = 0;

	for (size_t i = 0; i < p->nr; i++)
		n += p->object[i].nr;
	list = calloc(n ? n : 1, sizeof(*list));
	if (!list)
		return -ENOMEM;
	n = 0;
	for (size_t i = 0; i < p->nr; i++)
		for (size_t j = 0; !err && j < p->object[i].nr; j++)
			err = program_stat(&p->object[i].prog[j], &list[n++]);
	if (err)
		return err;
	*nr = n;
	*stats = list;
	list = NULL;
	return 0;
}
