// SPDX-License-Identifier: GPL-2.0-only
/* Options of a machine, and where its kernel is when nobody says so. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/util.h"
#include "vmm/cpu.h"
#include "vmm/kvm-probe.h"
#include "vmm/options.h"
#include "vmm/runtime.h"

#define DAY_S 86400u
#define PROBE_FILE ".kvm-probe"	/* in the runtime directory */

static const struct {
	const char *env, *path;
} artifacts[] = {
	[KRR_KERNEL] = { "KRR_KERNEL", "kernel/bzImage" },
	[KRR_INITRD] = { "KRR_INITRD", "guest/initramfs.cpio.gz" },
	[KRR_VMLINUX] = { "KRR_VMLINUX", "kernel/vmlinux" },
	[KRR_ROOTFS] = { "KRR_ROOTFS", "guest/debian.img" },
	[KRR_KERNEL_BUGS] = { NULL, "kernel-bugs/bzImage" },
	[KRR_UFFD_LIBRARY] = { "KRR_UFFD_LIBRARY", "bin/krr-uffd.so" },
};

/**
 * krr_artifact_path() - a kernel, initramfs or vmlinux when none was named
 * @what: which
 *
 * Return: from the environment, else beside the directory that this program is
 * in, else below build/; freed by free(). It need not exist.
 */
char *krr_artifact_path(enum krr_artifact what)
{
	const char *env = artifacts[what].env ? getenv(artifacts[what].env) : NULL;
	char self[PATH_MAX], *slash, *path;
	ssize_t n;

	if (env && *env)
		return krr_strf("%s", env);
	n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	if (n > 0) {
		self[n] = '\0';
		slash = strrchr(self, '/');
		*slash = '\0';
		path = krr_strf("%s/../%s", self, artifacts[what].path);
		if (!access(path, F_OK))
			return path;
		free(path);
	}
	return krr_strf("build/%s", artifacts[what].path);
}

static int number(const char *name, const char *arg, uint64_t *value)
{
	int err = krr_parse_size(arg, value);

	if (err)
		krr_err("%s \"%s\": a number is expected, e.g. 2 or 512M", name, arg);
	return err ? -EINVAL : 0;
}

static void append(struct krr_machine *m, const char *text)
{
	char *more = m->append ? krr_strf("%s %s", m->append, text) : krr_strf("%s", text);

	free(m->append);
	m->append = more;
}

/**
 * krr_accel_check() - is this an argument of --accel?
 *
 * Return: 0 or -EINVAL (said on stderr).
 */
int krr_accel_check(const char *arg)
{
	if (!strcmp(arg, "auto") || !strcmp(arg, "kvm") || !strcmp(arg, "tcg"))
		return 0;
	krr_err("--accel \"%s\": auto, kvm or tcg is expected", arg);
	return -EINVAL;
}

static int accel(struct krr_machine *m, const char *arg)
{
	int err = krr_accel_check(arg);

	if (!err)
		krr_set_text(&m->accel, arg);
	return err;
}

static int more_disk(struct krr_machine *m, const char *path)
{
	unsigned int i;

	for (i = 0; i < KRR_MORE_DISKS; i++) {
		if (m->more_disks[i].path)
			continue;
		krr_set_text(&m->more_disks[i].path, path);
		return 0;
	}
	krr_err("--disk %s: up to %d are possible", path, KRR_MORE_DISKS);
	return -EINVAL;
}

static int boot_timeout(struct krr_machine *m, const char *arg)
{
	if (!krr_parse_u64(arg, &m->boot_s) && m->boot_s <= DAY_S)
		return 0;
	krr_err("--boot-timeout \"%s\": seconds are expected, up to %u", arg, DAY_S);
	return -EINVAL;
}

/* DIR[:TAG]; a directory with a colon in its name needs the tag. */
static int share(struct krr_machine *m, const char *arg)
{
	const char *colon = strrchr(arg, ':');

	if (m->share) {
		krr_err("--share %s: one directory can be shared", arg);
		return -EINVAL;
	}
	m->share = krr_strf("%s", colon ? colon + 1 : "krr");
	m->share_dir = krr_strf("%.*s", colon ? (int)(colon - arg) : (int)strlen(arg), arg);
	return 0;
}

/**
 * krr_machine_option() - take one of KRR_MACHINE_OPTIONS
 * @m: machine, from krr_machine_defaults()
 * @opt: what getopt_long() returned
 * @arg: its argument
 *
 * Return: 0, -EINVAL (said on stderr), or -ENOSYS when it is not one of them.
 */
int krr_machine_option(struct krr_machine *m, int opt, const char *arg)
{
	switch (opt) {
	case KRR_OPT_SMP:
		return number("--smp", arg, &m->smp);
	case KRR_OPT_MEM:
		return number("--mem", arg, &m->mem);
	case KRR_OPT_MACHINE:
		return krr_machine_set_type(m, arg);
	case KRR_OPT_ACCEL:
		return accel(m, arg);
	case KRR_OPT_CPU:
		return krr_cpu_add(&m->cpu, arg);
	case KRR_OPT_KERNEL:
		krr_set_text(&m->kernel, arg);
		return 0;
	case KRR_OPT_INITRD:
		krr_set_text(&m->initrd, arg);
		return 0;
	case KRR_OPT_ROOTFS:
		krr_set_text(&m->disk, arg);
		return 0;
	case KRR_OPT_KEEP:
		m->disk_write = true;
		return 0;
	case KRR_OPT_NET:
		m->net = true;
		return 0;
	case KRR_OPT_DISK:
		return more_disk(m, arg);
	case KRR_OPT_BALLOON:
		m->balloon = true;
		return 0;
	case KRR_OPT_SHARE:
		return share(m, arg);
	case KRR_OPT_APPEND:
		append(m, arg);
		return 0;
	case KRR_OPT_BOOT_TIMEOUT:
		return boot_timeout(m, arg);
	default:
		return -ENOSYS;
	}
}

/**
 * krr_kvm_usable() - krr_kvm_probe(), remembered
 * @kernel: bzImage to try
 * @why: result in words, freed by free()
 */
bool krr_kvm_usable(const char *kernel, char **why)
{
	__free_ptr char *of = NULL;
	struct stat st;
	int ok;

	if (stat(kernel, &st) < 0)
		return krr_kvm_probe(kernel, why);
	of = krr_strf("%llu %lld", (unsigned long long)st.st_ino, (long long)st.st_mtim.tv_sec);
	ok = krr_kvm_remembered(PROBE_FILE, of, why);
	if (ok >= 0)
		return ok;
	ok = krr_kvm_probe(kernel, why);
	krr_kvm_remember(PROBE_FILE, of, ok, *why);
	return ok;
}

/*
 * The Debian image if there is one, since programs are in it, else the
 * initramfs; what the environment names goes first.
 */
static void choose_guest(struct krr_machine *m)
{
	__free_ptr char *rootfs = krr_artifact_path(KRR_ROOTFS);
	const char *named = getenv(artifacts[KRR_ROOTFS].env);
	const char *initrd = getenv(artifacts[KRR_INITRD].env);

	if (named && *named)
		krr_set_text(&m->disk, named);
	else if (!(initrd && *initrd) && !access(rootfs, R_OK))
		krr_set_text(&m->disk, rootfs);
	else
		m->initrd = krr_artifact_path(KRR_INITRD);
}

static void choose_accel(struct krr_machine *m)
{
	__free_ptr char *why = NULL;

	if (strcmp(m->accel, "auto"))
		return;
	krr_set_text(&m->accel, krr_kvm_usable(m->kernel, &why) ? "kvm" : "tcg");
}

/**
 * krr_machine_complete() - fill in what no option said, and check
 * @m: machine
 *
 * Return: 0 or -errno (said on stderr).
 */
int krr_machine_complete(struct krr_machine *m)
{
	int err;

	if (!m->kernel)
		m->kernel = krr_artifact_path(KRR_KERNEL);
	if (!m->initrd && !m->disk)
		choose_guest(m);
	if (m->disk)
		append(m, "root=/dev/vda rw");
	err = krr_machine_check(m);
	if (err)
		return err;
	choose_accel(m);
	err = krr_cpu_resolve(m->qemu, m->machine, m->accel, &m->cpu, &m->cpu_features,
			      &m->cpu_replay);
	if (err)
		return err;
	m->tsc_khz = krr_host_tsc_khz();
	return 0;
}
