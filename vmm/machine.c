// SPDX-License-Identifier: GPL-2.0-only
/*
 * QEMU's command line.
 *
 * A replayed kernel touches no device: it takes all input from the log and makes no
 * output but to COM1.  So a replay has the CPUs, the RAM, the board and COM1, and none of
 * the devices below.  What vmm/state.c lets through of the saved state fits that.
 *
 * PCI slots, the same in each machine: 3 serial ports, 4 entropy, 5 root disk,
 * 6 network, 7 balloon, 8 9p, 16 and up more disks.
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/proto.h"
#include "lib/util.h"
#include "vmm/cpu.h"
#include "vmm/machine.h"

#define CPU	"Nehalem-v1"
#define LEAST_QEMU "7.2"

/*
 * Types of machines.  @low_ram is below the PCI hole; @extra leaves out what does DMA
 * without virtio.  The first is the default.
 */
static const struct machine_type {
	const char *word, *prefix, *type, *extra;
	uint64_t low_ram;
} machine_types[] = {
	{ "pc", "pc-i440fx", "pc-i440fx-7.2", "", 3ull << 30 },
	{ "q35", "pc-q35", "pc-q35-7.2", ",sata=off", 2ull << 30 },
};

/* Paravirtual clocks and the like are inputs that do not pass a hook; counters make NMIs. */
#define NO_KVM_FEATURES							\
	",-kvmclock,-kvmclock-stable-bit,-kvm-steal-time,-kvm-asyncpf"	\
	",-kvm-asyncpf-int,-kvm-pv-eoi,-kvm-pv-unhalt,-kvm-pv-tlb-flush"	\
	",-kvm-pv-ipi,-kvm-poll-control,-kvm-pv-sched-yield"		\
	",-kvm-msi-ext-dest-id,kvm=off,pmu=off"

/* QEMU's local APIC counts nanoseconds, under any accelerator. */
static const char fixed_cmdline[] =
	"console=ttyS0 nokaslr tsc=reliable clocksource=tsc idle=halt no_timer_check panic=-1"
	" krr_lapic_hz=1000000000";

/**
 * krr_machine_defaults() - the machine that krr makes when nothing is said
 * @m: result, freed by krr_machine_free()
 */
void krr_machine_defaults(struct krr_machine *m)
{
	const char *qemu = getenv("KRR_QEMU");

	memset(m, 0, sizeof(*m));
	m->qemu = krr_strf("%s", qemu && *qemu ? qemu : "qemu-system-x86_64");
	m->accel = krr_strf("tcg");
	m->machine = krr_strf("%s", machine_types[0].type);
	m->cpu = krr_strf(CPU);
	m->smp = 1;
	m->mem = KRR_DEFAULT_MEM;
	m->boot_s = KRR_DEFAULT_BOOT_S;
}

/**
 * krr_host_tsc_khz() - how fast the guest's TSC will run
 *
 * Without HPET the guest could only measure it against the PIT, which fails on
 * a busy host under TCG; then it has no usable clock and refuses to record.
 *
 * Return: kHz, or 0 where it cannot be known.
 */
uint64_t krr_host_tsc_khz(void)
{
#ifdef __x86_64__
	uint64_t ns, ticks, t0 = krr_now_ns(), c0 = __builtin_ia32_rdtsc();

	krr_sleep_ms(20);
	ticks = __builtin_ia32_rdtsc() - c0;
	ns = krr_now_ns() - t0;
	return ticks * 1000000 / ns;
#else
	return 0;
#endif
}

/* These end up in comma-separated options of QEMU. */
static int check_word(const char *what, const char *s)
{
	const char *p;

	for (p = s; *p; p++)
		if (!isalnum((unsigned char)*p) && !strchr("._-", *p))
			break;
	if (!*p && p > s && p - s < 64)
		return 0;
	krr_err("\"%s\" cannot be a %s: letters, digits, '.', '_' and '-' only", s, what);
	return -EINVAL;
}

static int check_path(const char *what, const char *path)
{
	struct stat st;

	if (!path)
		return 0;
	if (stat(path, &st) < 0) {
		krr_err("%s %s: %s", what, path, strerror(errno));
		return -ENOENT;
	}
	if (strchr(path, ',')) {
		krr_err("%s %s: a path with a comma cannot be given to QEMU", what, path);
		return -EINVAL;
	}
	return 0;
}

static int check_disk(const char *path, uint64_t *bytes)
{
	struct stat st;
	int err = check_path("disk image", path);

	if (err || !path)
		return err;
	if (stat(path, &st) < 0 || !S_ISREG(st.st_mode) || !st.st_size || st.st_size & 511) {
		krr_err("disk image %s: a raw image of whole 512-byte sectors is needed", path);
		return -EINVAL;
	}
	*bytes = (uint64_t)st.st_size;
	return 0;
}

static int check_share(const struct krr_machine *m)
{
	struct stat st;
	int err;

	if (!m->share)
		return 0;
	err = check_word("mount tag", m->share);
	if (!err)
		err = check_path("shared directory", m->share_dir);
	if (err || !m->share_dir)
		return err;
	if (!stat(m->share_dir, &st) && S_ISDIR(st.st_mode))
		return 0;
	krr_err("%s: a directory is needed to share it", m->share_dir);
	return -EINVAL;
}

/**
 * krr_machine_set_type() - choose a type of machine
 * @m: machine
 * @word: "pc" or "q35"
 *
 * Return: 0 or -EINVAL (said on stderr).
 */
int krr_machine_set_type(struct krr_machine *m, const char *word)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(machine_types); i++) {
		if (strcmp(word, machine_types[i].word))
			continue;
		krr_set_text(&m->machine, machine_types[i].type);
		return 0;
	}
	krr_err("--machine \"%s\": expected pc or q35; without --machine it is pc", word);
	return -EINVAL;
}

/* What a manifest names may be none of ours; QEMU has the last word then. */
static const struct machine_type *find_type(const char *machine)
{
	size_t i;

	for (i = 1; i < ARRAY_SIZE(machine_types); i++)
		if (!strncmp(machine, machine_types[i].prefix, strlen(machine_types[i].prefix)))
			return &machine_types[i];
	return &machine_types[0];
}

/**
 * krr_machine_low_ram() - how much of RAM is below the PCI hole
 * @machine: QEMU's type, as pc-q35-7.2; not trusted
 * @mem: bytes of RAM
 *
 * QEMU's own limit depends on the size of RAM and on its version, so it is told this one
 * (max-ram-below-4g).
 */
uint64_t krr_machine_low_ram(const char *machine, uint64_t mem)
{
	uint64_t low = find_type(machine)->low_ram;

	return mem < low ? mem : low;
}

/**
 * krr_machine_check() - can this machine be made?
 * @m: machine; sizes of disks are set from their images
 *
 * Return: 0 or -errno (said on stderr).
 */
int krr_machine_check(struct krr_machine *m)
{
	unsigned int i;
	int err;

	if (!m->smp || m->smp > KRR_MAX_CPUS) {
		krr_err("%" PRIu64 " CPUs: krr records 1 to %d", m->smp, KRR_MAX_CPUS);
		return -EOPNOTSUPP;
	}
	if (m->mem > KRR_MAX_MEM || m->mem < 64u << 20 || m->mem & ((1u << 20) - 1)) {
		krr_err("%" PRIu64 " bytes of guest RAM: krr takes whole MiB, 64M to %lluG; try "
			"--mem 512M", m->mem, KRR_MAX_MEM >> 30);
		return -EOPNOTSUPP;
	}
	err = check_path("kernel", m->kernel);
	if (!err)
		err = check_path("initrd", m->initrd);
	if (!err)
		err = check_disk(m->disk, &m->disk_bytes);
	for (i = 0; !err && i < KRR_MORE_DISKS; i++)
		err = check_disk(m->more_disks[i].path, &m->more_disks[i].bytes);
	return err ? err : check_share(m);
}

/**
 * krr_machine_from_manifest() - the machine to replay a recording on, without devices
 * @m: result, freed by krr_machine_free(); its accelerator is TCG
 * @man: manifest; not trusted
 */
int krr_machine_from_manifest(struct krr_machine *m, const struct krr_manifest *man)
{
	krr_machine_defaults(m);
	if (check_word("machine", man->machine) || krr_cpu_check(man->cpu) ||
	    (man->cpu_replay && krr_cpu_check(man->cpu_replay)))
		return -EBADMSG;
	free(m->machine);
	free(m->cpu);
	m->machine = krr_strf("%s", man->machine);
	m->cpu = krr_strf("%s", man->cpu);
	m->cpu_features = man->cpu_features ? krr_strf("%s", man->cpu_features) : NULL;
	m->cpu_replay = man->cpu_replay ? krr_strf("%s", man->cpu_replay) : NULL;
	m->smp = man->smp;
	m->mem = man->mem;
	return 0;
}

/** krr_machine_to_manifest() - note a machine in a manifest */
void krr_machine_to_manifest(const struct krr_machine *m, struct krr_manifest *man)
{
	unsigned int i;

	man->machine = krr_strf("%s", m->machine);
	man->cpu = krr_strf("%s", m->cpu);
	man->cpu_features = m->cpu_features ? krr_strf("%s", m->cpu_features) : NULL;
	man->cpu_replay = m->cpu_replay ? krr_strf("%s", m->cpu_replay) : NULL;
	man->accel = krr_strf("%s", m->accel);
	man->smp = m->smp;
	man->mem = m->mem;
	man->net = m->net;
	man->balloon = m->balloon;
	man->share = m->share ? krr_strf("%s", m->share) : NULL;
	man->disk_bytes = m->disk_bytes;
	for (i = 0; i < KRR_MORE_DISKS; i++)
		man->more_disks[i] = m->more_disks[i].bytes;
}

static void add(struct krr_argv *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void add(struct krr_argv *a, const char *fmt, ...)
{
	va_list ap;

	a->v = realloc(a->v, (a->n + 2) * sizeof(*a->v));
	if (!a->v)
		abort();
	va_start(ap, fmt);
	if (vasprintf(&a->v[a->n++], fmt, ap) < 0)
		abort();
	va_end(ap);
	a->v[a->n] = NULL;
}

static void add_opt(struct krr_argv *a, const char *opt, const char *value)
{
	add(a, "%s", opt);
	add(a, "%s", value);
}

/*
 * A feature that is asked for must not be left out with a warning.  A replay asks which
 * ones are: krr_cpu_missing().
 */
static void add_cpu(const struct krr_machine *m, bool replay, struct krr_argv *a)
{
	__free_ptr char *seen = NULL;
	const char *cpu = m->cpu;

	if (replay && m->cpu_replay)
		cpu = m->cpu_replay;
	if (replay && m->cpu_features && !strcmp(m->accel, "kvm"))
		cpu = seen = krr_cpu_seen(m->cpu_features);
	add(a, "-cpu");
	add(a, "%s" NO_KVM_FEATURES "%s", cpu, strchr(cpu, ',') && !replay ? ",enforce=on" : "");
}

static void add_board(const struct krr_machine *m, const struct krr_machine_io *io,
		      struct krr_argv *a)
{
	const struct machine_type *type = find_type(m->machine);

	add_opt(a, "-nodefaults", "-no-user-config");
	add_opt(a, "-display", "none");
	add(a, "-no-reboot");
	add(a, "-machine");
	add(a, "%s,hpet=off,vmport=off,memory-backend=ram,max-ram-below-4g=%" PRIu64 "%s",
	    m->machine, type->low_ram, type->extra);
	add(a, "-object");
	/* a mapping that is not aligned cannot have huge pages */
	add(a, "memory-backend-file,id=ram,size=%" PRIu64 ",align=2M,share=on,mem-path=%s", m->mem,
	    io->ram);
	add(a, "-m");
	add(a, "%" PRIu64 "M", m->mem >> 20);
	add(a, "-smp");
	add(a, "%" PRIu64, m->smp);
	add_cpu(m, io->replay, a);
	/* QEMU would patch the guest's memory, at times of its own, for guests that use the TPR */
	add_opt(a, "-global", "apic-common.vapic=off");
	add(a, "-accel");
	if (!strcmp(m->accel, "kvm"))
		add(a, "kvm");
	else
		add(a, "tcg,thread=%s", io->replay ? "single" : "multi");
}

static void add_backing(const char *id, const char *path, bool write, struct krr_argv *a)
{
	add(a, "-drive");
	add(a, "if=none,id=%s,format=raw,file=%s,cache=writeback%s", id, path,
	    write ? "" : ",snapshot=on");
}

/* The guest names disks in the order of slots; a serial number tells ours apart. */
static void add_disks(const struct krr_machine *m, struct krr_argv *a)
{
	unsigned int i;
	char id[16];

	if (m->disk) {
		add_backing("disk", m->disk, m->disk_write, a);
		add_opt(a, "-device", "virtio-blk-pci,drive=disk,addr=5");
	}
	for (i = 0; i < KRR_MORE_DISKS && m->more_disks[i].path; i++) {
		snprintf(id, sizeof(id), "disk%u", i + 1);
		add_backing(id, m->more_disks[i].path, m->disk_write, a);
		add(a, "-device");
		add(a, "virtio-blk-pci,drive=%s,serial=%s,addr=0x%x", id, id, 0x10 + i);
	}
}

static void add_net(const struct krr_machine *m, struct krr_argv *a)
{
	if (!m->net)
		return;
	add_opt(a, "-netdev", "user,id=net");
	add_opt(a, "-device", "virtio-net-pci,netdev=net,mac=52:54:00:6b:72:72,romfile=,addr=6");
}

static void add_balloon(const struct krr_machine *m, struct krr_argv *a)
{
	if (m->balloon)
		add_opt(a, "-device", "virtio-balloon-pci,id=balloon,addr=7");
}

static void add_share(const struct krr_machine *m, struct krr_argv *a)
{
	if (!m->share)
		return;
	add(a, "-fsdev");
	add(a, "local,id=share,security_model=none,multidevs=remap,path=%s", m->share_dir);
	add(a, "-device");
	add(a, "virtio-9p-pci,fsdev=share,mount_tag=%s,addr=8", m->share);
}

static void add_port(const char *id, const char *name, const char *path, struct krr_argv *a)
{
	add(a, "-chardev");
	if (path)
		add(a, "socket,id=%s,path=%s,server=on,wait=off", id, path);
	else
		add(a, "null,id=%s", id);
	add(a, "-device");
	add(a, "virtserialport,chardev=%s,name=%s", id, name);
}

static void add_ports(const struct krr_machine_io *io, struct krr_argv *a)
{
	add_opt(a, "-device", "virtio-serial-pci,addr=3,max_ports=4");
	add_port("port", KRR_PORT_NAME, io->port, a);
	add_port("control", KRR_CONTROL_NAME, io->control, a);
}

static void add_devices(const struct krr_machine *m, const struct krr_machine_io *io,
			struct krr_argv *a)
{
	add_ports(io, a);
	add_opt(a, "-object", "rng-builtin,id=rng");
	add_opt(a, "-device", "virtio-rng-pci,rng=rng,addr=4");
	add_disks(m, a);
	add_net(m, a);
	add_balloon(m, a);
	add_share(m, a);
}

static bool names_ring(const char *append)
{
	return append && (!strncmp(append, "krr=", 4) || strstr(append, " krr="));
}

static void add_kernel(const struct krr_machine *m, struct krr_argv *a)
{
	__free_ptr char *tsc = NULL;

	if (!m->kernel)
		return;
	add_opt(a, "-kernel", m->kernel);
	if (m->initrd)
		add_opt(a, "-initrd", m->initrd);
	add(a, "-append");
	if (m->tsc_khz)
		tsc = krr_strf(" tsc_early_khz=%" PRIu64, m->tsc_khz);
	add(a, "%s%s%s%s%s", names_ring(m->append) ? "" : "krr=" KRR_DEFAULT_RING " ",
	    fixed_cmdline, tsc ? tsc : "", m->append ? " " : "", m->append ? m->append : "");
}

static void add_qmp(const char *id, const char *path, struct krr_argv *a)
{
	if (!path)
		return;
	add(a, "-chardev");
	add(a, "socket,id=%s,path=%s,server=on,wait=off", id, path);
	add(a, "-mon");
	add(a, "chardev=%s,mode=control", id);
}

/**
 * krr_machine_argv() - QEMU's command line
 * @m: machine
 * @io: this run of it
 * @out: result, freed by krr_argv_free()
 */
void krr_machine_argv(const struct krr_machine *m, const struct krr_machine_io *io,
		      struct krr_argv *out)
{
	memset(out, 0, sizeof(*out));
	add(out, "%s", m->qemu);
	add_board(m, io, out);
	add(out, "-chardev");
	add(out, "file,id=console,path=%s", io->console);
	add_opt(out, "-serial", "chardev:console");
	add_qmp("qmp", io->qmp, out);
	add_qmp("qmp2", io->qmp2, out);
	if (io->replay) {
		add_opt(out, "-incoming", "defer");
		add(out, "-S");
	} else {
		add_devices(m, io, out);
		add_kernel(m, out);
	}
	if (io->gdb) {
		add(out, "-gdb");
		add(out, "unix:%s,server=on,wait=off", io->gdb);
	}
}

/** krr_argv_text() - a command line for people, freed by free() */
char *krr_argv_text(const struct krr_argv *a)
{
	char *text = krr_strf("%s", a->n ? a->v[0] : ""), *more;
	unsigned int i;

	for (i = 1; i < a->n; i++) {
		more = krr_strf(strpbrk(a->v[i], " \t$") ? "%s '%s'" : "%s %s", text, a->v[i]);
		free(text);
		text = more;
	}
	return text;
}

/** krr_argv_free() - free what krr_machine_argv() made */
void krr_argv_free(struct krr_argv *a)
{
	while (a->n)
		free(a->v[--a->n]);
	free(a->v);
	a->v = NULL;
}

/**
 * krr_qemu_version() - ask QEMU for its version
 * @qemu: program
 * @version: result, e.g. "7.2.22", freed by free()
 *
 * Return: 0, -ENOENT, or -ENODEV when it is too old (said on stderr).
 */
int krr_qemu_version(const char *qemu, char **version)
{
	__free_ptr char *cmd = krr_strf("'%s' --version 2>/dev/null", qemu);
	char line[256] = "", number[64];
	FILE *f = strchr(qemu, '\'') ? NULL : popen(cmd, "r");

	if (f) {
		if (!fgets(line, sizeof(line), f))
			line[0] = '\0';
		pclose(f);
	}
	if (sscanf(line, "QEMU emulator version %63[0-9.]", number) != 1) {
		krr_err("%s does not run: install qemu-system-x86 (7.2 or later), or set KRR_QEMU",
			qemu);
		return -ENOENT;
	}
	if (krr_version_cmp(number, LEAST_QEMU) < 0) {
		krr_err("%s is version %s: krr needs " LEAST_QEMU " or later", qemu, number);
		return -ENODEV;
	}
	*version = krr_strf("%s", number);
	return 0;
}

/**
 * krr_version_cmp() - compare "MAJOR.MINOR..." by these two
 *
 * Return: below, equal to or above 0, as strcmp().
 */
int krr_version_cmp(const char *a, const char *b)
{
	unsigned int x[2] = { 0, 0 }, y[2] = { 0, 0 };

	sscanf(a, "%u.%u", &x[0], &x[1]);
	sscanf(b, "%u.%u", &y[0], &y[1]);
	if (x[0] != y[0])
		return x[0] < y[0] ? -1 : 1;
	return x[1] < y[1] ? -1 : x[1] > y[1];
}

/** krr_machine_free() - free the strings */
void krr_machine_free(struct krr_machine *m)
{
	unsigned int i;

	for (i = 0; i < KRR_MORE_DISKS; i++)
		free(m->more_disks[i].path);
	free(m->share);
	free(m->share_dir);
	free(m->qemu);
	free(m->accel);
	free(m->machine);
	free(m->cpu);
	free(m->cpu_features);
	free(m->cpu_replay);
	free(m->disk);
	free(m->kernel);
	free(m->initrd);
	free(m->append);
	memset(m, 0, sizeof(*m));
}
