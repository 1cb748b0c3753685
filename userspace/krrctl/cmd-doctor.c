// SPDX-License-Identifier: GPL-2.0-only
/* krrctl doctor: everything that recording and replaying need. */
#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <string.h>
#include <sys/vfs.h>

#include "krrctl/krrctl.h"
#include "lib/util.h"
#include "vmm/options.h"
#include "vmm/uffd.h"
#include "vmm/writes.h"

#define KERNEL_SOURCE "/usr/src/linux-source-6.1.tar.xz"

static const char usage[] =
	"usage: krrctl doctor [--json]\n"
	"\n"
	"Says if this machine can record and replay, and what is missing.  KVM is\n"
	"tried by booting the guest kernel, which takes up to 8 s once.\n";

static const struct option options[] = {
	{ "json", no_argument, NULL, 'j' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

struct doctor {
	json_t *out;		/* NULL: text */
	bool missing;
};

enum verdict { GOOD, NOTE, MISSING };

static void say(struct doctor *d, const char *what, enum verdict v, const char *text)
{
	static const char *const marks[] = { "ok", "note", "MISSING" };

	if (v == MISSING)
		d->missing = true;
	if (d->out)
		json_array_append_new(d->out, json_pack("{s:s,s:s,s:s}", "check", what, "result",
							marks[v], "text", text));
	else
		printf("%-8s %-10s %s\n", marks[v], what, text);
}

static void check_qemu(struct doctor *d)
{
	__free_ptr char *version = NULL;
	struct krr_machine m;

	krr_machine_defaults(&m);
	if (krr_qemu_version(m.qemu, &version))
		say(d, "qemu", MISSING, "install qemu-system-x86, or set KRR_QEMU");
	else
		say(d, "qemu", GOOD, version);
	krr_machine_free(&m);
}

static void check_artifact(struct doctor *d, const char *what, enum krr_artifact a,
			   enum verdict if_missing, const char *hint)
{
	__free_ptr char *path = krr_artifact_path(a);
	__free_ptr char *text = krr_strf("%s: not there; %s", path, hint);

	if (access(path, R_OK))
		say(d, what, if_missing, text);
	else
		say(d, what, GOOD, path);
}

static void check_space(struct doctor *d, const char *what, const char *path, uint64_t least)
{
	__free_ptr char *text = NULL, *room = NULL;
	struct statfs fs;

	if (statfs(path, &fs) < 0) {
		say(d, what, NOTE, path);
		return;
	}
	room = human_bytes((uint64_t)fs.f_bavail * (uint64_t)fs.f_bsize);
	text = krr_strf("%s: %s free", path, room);
	say(d, what, (uint64_t)fs.f_bavail * (uint64_t)fs.f_bsize < least ? NOTE : GOOD, text);
}

static void check_store(struct doctor *d)
{
	__free_ptr char *path = krr_store_path();
	int fd = krr_store_open();

	if (fd < 0) {
		say(d, "store", MISSING, path);
		return;
	}
	close(fd);
	check_space(d, "store", path, 1ull << 30);
}

/* How the pauses of a recording depend on the size of RAM. */
static void check_changes(struct doctor *d)
{
	static const char *const texts[] = {
		[KRR_WRITES_SCAN] = "scan: written pages of guest RAM are found by PAGEMAP_SCAN",
		[KRR_WRITES_SOFT] = "soft: written pages of guest RAM are found by soft-dirty bits",
		[KRR_WRITES_HASH] = "hash: all of guest RAM is hashed in each pause; expected a host "
			"kernel of 6.7 or later and krr-uffd.so beside krrctl, or one with "
			"CONFIG_MEM_SOFT_DIRTY",
	};
	enum krr_writes_way way = krr_writes_best(krr_uffd_there());

	say(d, "changes", way == KRR_WRITES_HASH ? NOTE : GOOD, texts[way]);
}

/* /dev/shm decides by its mount option; the sysfs switch is for other kinds of tmpfs. */
static void check_huge(struct doctor *d)
{
	__free_ptr char *mounts = krr_read_file_at(AT_FDCWD, "/proc/self/mounts", 1u << 20);
	char *line = NULL, *next = mounts, *option;

	/* the last one is on top */
	while (next && (next = strstr(next, " /dev/shm tmpfs ")))
		line = next++;
	if (line)
		line[strcspn(line, "\n")] = '\0';
	option = line ? strstr(line, "huge=") : NULL;
	if (option && strncmp(option, "huge=never", 10)) {
		option[strcspn(option, ", ")] = '\0';
		say(d, "huge pages", GOOD, option);
	} else {
		say(d, "huge pages", GOOD, "not used for guest RAM; mount -o remount,huge=advise "
		    "/dev/shm offers them");
	}
}

static void check_kvm(struct doctor *d)
{
	__free_ptr char *kernel = krr_artifact_path(KRR_KERNEL), *why = NULL, *text = NULL;
	bool ok = krr_kvm_usable(kernel, &why);

	text = krr_strf("%s%s", why, ok ? "" : "; recordings use TCG");
	say(d, "kvm", ok ? GOOD : NOTE, text);
}

/* Is there such a program, in the path or as a path? */
static bool runs(const char *program)
{
	const char *path = strchr(program, '/') ? "" : getenv("PATH");
	__free_ptr char *dirs = krr_strf("%s", path ? path : "");
	char *dir, *save = NULL;

	if (strchr(program, '/'))
		return !access(program, X_OK);
	for (dir = strtok_r(dirs, ":", &save); dir; dir = strtok_r(NULL, ":", &save)) {
		__free_ptr char *file = krr_strf("%s/%s", dir, program);

		if (!access(file, X_OK))
			return true;
	}
	return false;
}

static bool check_gdb(struct doctor *d)
{
	const char *set = getenv("KRR_GDB"), *gdb = set && *set ? set : "gdb";
	bool there = runs(gdb);

	say(d, "gdb", there ? GOOD : NOTE,
	    there ? gdb : "not there; krrctl gdb and make demo need it: install gdb");
	return there;
}

static char *add_word(char *list, const char *word)
{
	char *longer = krr_strf("%s%s%s", list, *list ? " " : "", word);

	free(list);
	return longer;
}

/* What builds the guest kernel and the Debian guest, as far as it is still to be built. */
static char *missing_tools(bool kernel, bool guest)
{
	static const struct {
		const char *program;
		bool kernel, guest;
	} tools[] = {
		{ "make", true, true },		{ "gcc", true, true },
		{ "patch", true, false },	{ "perl", true, false },
		{ "flex", true, false },	{ "bison", true, false },
		{ "bc", true, false },		{ "pahole", true, false },
		{ "lz4", true, false },		{ "xz", true, false },
		{ "mmdebstrap", false, true },	{ "/sbin/mke2fs", false, true },
	};
	const char *set = getenv("KRR_TARBALL"), *source = set && *set ? set : KERNEL_SOURCE;
	char *list = krr_strf("%s", "");
	size_t i;

	for (i = 0; i < ARRAY_SIZE(tools); i++)
		if (((kernel && tools[i].kernel) || (guest && tools[i].guest)) &&
		    !runs(tools[i].program))
			list = add_word(list, tools[i].program);
	if (kernel && access(source, R_OK))
		list = add_word(list, source);
	return list;
}

static bool artifact_missing(enum krr_artifact a)
{
	__free_ptr char *path = krr_artifact_path(a);

	return access(path, R_OK);
}

/* make demo builds what it needs, given the means. */
static void check_demo(struct doctor *d, bool gdb)
{
	bool kernel = artifact_missing(KRR_KERNEL) || artifact_missing(KRR_VMLINUX) ||
		      artifact_missing(KRR_KERNEL_BUGS);
	bool guest = artifact_missing(KRR_ROOTFS);
	__free_ptr char *tools = missing_tools(kernel, guest), *text = NULL;
	const char *build = kernel && guest ? "the guest kernels and the Debian guest" :
		kernel ? "the guest kernels" : "the Debian guest";

	if (*tools)
		text = krr_strf("make demo lacks %s to build %s; make setup installs them",
				tools, build);
	else if (kernel || guest)
		text = krr_strf("make demo will build %s first%s", build,
				guest && geteuid() ? ", for which it has to run as root" : "");
	else
		text = krr_strf("%s", gdb ? "make demo has what it needs" :
				"make demo lacks gdb; make setup installs it");
	say(d, "demo", gdb && !kernel && !guest ? GOOD : NOTE, text);
}

int cmd_doctor(int argc, char **argv)
{
	struct doctor d = { 0 };
	int opt;

	while ((opt = getopt_long(argc, argv, "h", options, NULL)) >= 0) {
		if (opt == 'h')
			return usage_help(usage);
		if (opt != 'j')
			return usage_error(usage);
		if (!d.out)
			d.out = json_array();
	}
	if (optind != argc)
		return usage_error(usage);
	check_qemu(&d);
	check_artifact(&d, "kernel", KRR_KERNEL, MISSING, "make kernel, or set KRR_KERNEL");
	check_artifact(&d, "guest", KRR_INITRD, MISSING, "make guest, or set KRR_INITRD");
	check_artifact(&d, "symbols", KRR_VMLINUX, NOTE, "reports will have bare addresses");
	check_store(&d);
	check_space(&d, "guest RAM", "/dev/shm", 1ull << 30);
	check_changes(&d);
	check_huge(&d);
	check_demo(&d, check_gdb(&d));
	check_kvm(&d);
	if (d.out) {
		json_dumpf(d.out, stdout, JSON_INDENT(2));
		putchar('\n');
		json_decref(d.out);
	}
	return d.missing ? KRR_EXIT_PRECONDITION : KRR_EXIT_OK;
}
