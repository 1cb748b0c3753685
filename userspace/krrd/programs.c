// SPDX-License-Identifier: GPL-2.0-only
/*
 * One BPF object a subsystem, in this program as bytes.
 *
 * A program whose tracepoint or function the kernel does not have is left out; any
 * other trouble undoes everything.
 */
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "block.skel.h"
#include "error.skel.h"
#include "fs.skel.h"
#include "irq.skel.h"
#include "krrd/programs.h"
#include "lib/util.h"
#include "mm.skel.h"
#include "net.skel.h"
#include "sched.skel.h"
#include "security.skel.h"
#include "syscall.skel.h"

#define SAID_MAX	2048	/* kept of what libbpf says */
#define SAID_ONCE	8192	/* a message, which may hold the verifier's log */

struct object {
	const char *subsys;
	struct bpf_object *bpf;
	struct bpf_link **link;
	size_t nr_links;
};

struct krr_programs {
	size_t nr;
	int measuring;		/* while it is open, the kernel measures; -1: not */
	char *missing;
	struct object object[];
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

static const void *bytes_of(const char *subsys, size_t *len)
{
	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (!strcmp(known[i].subsys, subsys))
			return known[i].bytes(len);
	return NULL;
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
static bool target_exists(const struct btf *kernel, const struct bpf_program *prog)
{
	const char *section = bpf_program__section_name(prog), *slash = strchr(section, '/');
	__free_ptr char *type = NULL;

	if (!slash)
		return true;
	if (strncmp(section, "tp_btf/", 7))
		return btf__find_by_name_kind(kernel, slash + 1, BTF_KIND_FUNC) > 0;
	type = krr_strf("btf_trace_%s", slash + 1);
	return btf__find_by_name_kind(kernel, type, BTF_KIND_TYPEDEF) > 0;
}

static void note_missing(struct krr_programs *p, const struct bpf_program *prog)
{
	char *all = krr_strf("%s%s%s (%s)", p->missing, *p->missing ? ", " : "",
			     bpf_program__name(prog), bpf_program__section_name(prog));

	free(p->missing);
	p->missing = all;
}

static int write_policy(const struct object *o, const struct krr_policy *policy)
{
	static const struct krr_policy none;
	struct bpf_map *map = bpf_object__find_map_by_name(o->bpf, "policy");
	uint32_t zero = 0;

	if (!map)
		return -ENOENT;
	return bpf_map__update_elem(map, &zero, sizeof(zero), policy ? policy : &none,
				    sizeof(none), BPF_ANY);
}

static int load(struct krr_programs *p, struct object *o, const struct krr_watch *watch,
		const struct btf *kernel)
{
	__free_ptr char *name = krr_strf("krr_%s", watch->subsys);
	LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = name);
	struct bpf_program *prog;
	size_t len = 0;
	const void *bytes = bytes_of(watch->subsys, &len);
	int err;

	if (!bytes)
		return -ENOENT;
	o->subsys = watch->subsys;
	o->bpf = bpf_object__open_mem(bytes, len, &opts);
	if (!o->bpf)
		return -errno;
	bpf_object__for_each_program(prog, o->bpf) {
		if (target_exists(kernel, prog))
			continue;
		note_missing(p, prog);
		bpf_program__set_autoload(prog, false);
	}
	err = bpf_object__load(o->bpf);
	return err ? err : write_policy(o, watch->policy);
}

static size_t count_programs(const struct object *o)
{
	struct bpf_program *prog;
	size_t n = 0;

	bpf_object__for_each_program(prog, o->bpf)
		n++;
	return n;
}

static int attach(struct object *o)
{
	struct bpf_program *prog;
	struct bpf_link *link;

	o->link = calloc(count_programs(o), sizeof(*o->link));
	if (!o->link)
		return -ENOMEM;
	bpf_object__for_each_program(prog, o->bpf) {
		if (!bpf_program__autoload(prog))
			continue;
		link = bpf_program__attach(prog);
		if (!link)
			return -errno;
		o->link[o->nr_links++] = link;
	}
	return 0;
}

/* Nothing is attached before everything has been loaded. */
static int start(struct krr_programs *p, const struct krr_watch *watch, size_t nr,
		 const char **failed)
{
	struct btf *kernel = btf__load_vmlinux_btf();
	int err = kernel ? 0 : -errno;

	*failed = "the kernel's BTF";
	for (; !err && p->nr < nr; p->nr++) {
		*failed = watch[p->nr].subsys;
		err = load(p, &p->object[p->nr], &watch[p->nr], kernel);
		if (err)
			bpf_object__close(p->object[p->nr].bpf);
		if (err)
			break;
	}
	for (size_t i = 0; !err && i < nr; i++) {
		*failed = watch[i].subsys;
		err = attach(&p->object[i]);
	}
	btf__free(kernel);
	return err;
}

/**
 * krr_programs_start() - load and attach the programs of some subsystems
 * @watch: the subsystems; their names are kept by address
 * @nr: how many
 * @out: the programs, for krr_programs_stop()
 * @why: on failure the reason, for free()
 *
 * All are attached, or none.
 *
 * Return: 0 or -errno; -ENOENT: there is no such subsystem.
 */
int krr_programs_start(const struct krr_watch *watch, size_t nr, struct krr_programs **out,
		       char **why)
{
	struct krr_programs *p = calloc(1, sizeof(*p) + nr * sizeof(p->object[0]));
	const char *failed;
	int err;

	*why = NULL;
	if (!p)
		return -ENOMEM;
	p->measuring = -1;
	p->missing = krr_strf("%s", "");
	*said = 0;
	libbpf_set_print(keep_said);
	err = start(p, watch, nr, &failed);
	if (err) {
		*why = krr_strf("%s: %s%s%s", failed, strerror(-err), *said ? "\n" : "", said);
		krr_programs_stop(p);
		return err;
	}
	*out = p;
	return 0;
}

static void stop(struct object *o)
{
	while (o->nr_links)
		bpf_link__destroy(o->link[--o->nr_links]);
	free(o->link);
	bpf_object__close(o->bpf);
}

/**
 * krr_programs_stop() - detach and unload
 * @p: from krr_programs_start(), or NULL
 */
void krr_programs_stop(struct krr_programs *p)
{
	if (!p)
		return;
	while (p->nr)
		stop(&p->object[--p->nr]);
	if (p->measuring >= 0)
		close(p->measuring);
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
	const struct bpf_map *map;
	uint32_t zero = 0;

	for (size_t i = 0; i < p->nr; i++) {
		if (strcmp(p->object[i].subsys, subsys))
			continue;
		map = bpf_object__find_map_by_name(p->object[i].bpf, "counts");
		return map ? bpf_map__lookup_elem(map, &zero, sizeof(zero), counts,
						  sizeof(*counts), 0) : -ENOENT;
	}
	return -ENOENT;
}

/**
 * krr_programs_measure() - have the kernel measure how long programs run
 * @p: the programs; until krr_programs_stop()
 *
 * Each run costs two looks at the clock then.
 *
 * Return: 0 or -errno.
 */
int krr_programs_measure(struct krr_programs *p)
{
	if (p->measuring < 0)
		p->measuring = bpf_enable_stats(BPF_STATS_RUN_TIME);
	return p->measuring < 0 ? -errno : 0;
}

static int program_stat(const struct bpf_program *prog, struct krr_program_stat *stat)
{
	struct bpf_prog_info info = { 0 };
	uint32_t len = sizeof(info);
	int err = bpf_obj_get_info_by_fd(bpf_program__fd(prog), &info, &len);

	if (err)
		return err;
	*stat = (struct krr_program_stat){
		.name = bpf_program__name(prog),
		.runs = info.run_cnt,
		.ns = info.run_time_ns,
		.misses = info.recursion_misses,
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
	struct bpf_program *prog;
	size_t n = 0;
	int err = 0;

	for (size_t i = 0; i < p->nr; i++)
		n += p->object[i].nr_links;
	list = calloc(n ? n : 1, sizeof(*list));
	if (!list)
		return -ENOMEM;
	n = 0;
	for (size_t i = 0; i < p->nr; i++)
		bpf_object__for_each_program(prog, p->object[i].bpf)
			if (!err && bpf_program__autoload(prog))
				err = program_stat(prog, &list[n++]);
	if (err)
		return err;
	*nr = n;
	*stats = list;
	list = NULL;
	return 0;
}
