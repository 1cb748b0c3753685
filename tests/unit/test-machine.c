// SPDX-License-Identifier: GPL-2.0-only
/* Options, sizes, and QEMU's command lines for recording and for replay. */
#include <errno.h>
#include <string.h>

#include "lib/util.h"
#include "unit.h"
#include "vmm/kvm-probe.h"
#include "vmm/options.h"
#include "vmm/replay.h"

static void sizes(void **state)
{
	uint64_t n;

	(void)state;
	assert_int_equal(krr_parse_size("512M", &n), 0);
	assert_true(n == 512u << 20);
	assert_int_equal(krr_parse_size("3g", &n), 0);
	assert_true(n == 3ull << 30);
	assert_int_equal(krr_parse_size("7", &n), 0);
	assert_true(n == 7);
	assert_int_equal(krr_parse_size("", &n), -EINVAL);
	assert_int_equal(krr_parse_size("-1", &n), -EINVAL);
	assert_int_equal(krr_parse_size("1MB", &n), -EINVAL);
	assert_int_equal(krr_parse_size("M", &n), -EINVAL);
	assert_int_equal(krr_parse_size("99999999999999999999", &n), -ERANGE);
	assert_int_equal(krr_parse_size("99999999999999G", &n), -ERANGE);
	assert_int_equal(krr_parse_u64("0x10", &n), 0);
	assert_true(n == 16);
	assert_int_equal(krr_parse_u64("1x", &n), -EINVAL);
}

static void versions(void **state)
{
	(void)state;
	assert_true(krr_version_cmp("7.2.22", "7.2.1") == 0);
	assert_true(krr_version_cmp("7.2", "8.0") < 0);
	assert_true(krr_version_cmp("10.0", "9.2") > 0);
}

static void options(void **state)
{
	struct krr_machine m;

	(void)state;
	krr_machine_defaults(&m);
	assert_int_equal(krr_machine_option(&m, KRR_OPT_SMP, "4"), 0);
	assert_int_equal(krr_machine_option(&m, KRR_OPT_MEM, "1G"), 0);
	assert_int_equal(krr_machine_option(&m, KRR_OPT_APPEND, "a"), 0);
	assert_int_equal(krr_machine_option(&m, KRR_OPT_APPEND, "b"), 0);
	assert_string_equal(m.append, "a b");
	assert_true(m.smp == 4 && m.mem == 1u << 30);
	assert_int_equal(krr_machine_check(&m), 0);
	quiet_begin();
	assert_int_equal(krr_machine_option(&m, KRR_OPT_SMP, "many"), -EINVAL);
	assert_int_equal(krr_machine_option(&m, KRR_OPT_ACCEL, "xen"), -EINVAL);
	assert_int_equal(krr_machine_option(&m, KRR_OPT_MACHINE, "pc-q35-7.2,sata=on"), -EINVAL);
	assert_int_equal(krr_machine_option(&m, KRR_OPT_MACHINE, "microvm"), -EINVAL);
	assert_int_equal(krr_machine_option(&m, 1, ""), -ENOSYS);
	m.smp = KRR_MAX_CPUS + 1;
	assert_int_equal(krr_machine_check(&m), -EOPNOTSUPP);
	m.smp = 1;
	m.mem = 63u << 20;
	assert_int_equal(krr_machine_check(&m), -EOPNOTSUPP);
	m.mem = KRR_MAX_MEM + (1u << 20);
	assert_int_equal(krr_machine_check(&m), -EOPNOTSUPP);
	m.mem = KRR_MAX_MEM;
	m.kernel = krr_strf("/nonexistent/kernel");
	assert_int_equal(krr_machine_check(&m), -ENOENT);
	quiet_end();
	krr_machine_free(&m);
}

static bool has(const struct krr_argv *a, const char *text)
{
	unsigned int i;

	for (i = 0; i < a->n; i++)
		if (strstr(a->v[i], text))
			return true;
	return false;
}

static void cpus(void **state)
{
	static const char *const bad[] = {
		"", "+rdrand,", "+rdrand,,+aes", "+rdran", "+rdrandom", "+", ",", "-", "EPYC,",
		"+la57", "EPYC,+svm", "EPYC,rdrand", "EPYC +rdrand", "+rdrand,kvm=on",
		"+rdrand=off", "+rdrand +aes",
	};
	struct krr_manifest man = { .smp = 1, .mem = KRR_DEFAULT_MEM };
	struct krr_machine_io io = { .ram = "/r", .console = "/c" };
	struct krr_machine m, again;
	struct krr_argv argv;
	size_t i;

	(void)state;
	krr_machine_defaults(&m);
	krr_machine_argv(&m, &io, &argv);
	assert_false(has(&argv, "enforce"));
	krr_argv_free(&argv);
	quiet_begin();
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(krr_machine_option(&m, KRR_OPT_CPU, bad[i]), -EINVAL);
	quiet_end();
	assert_int_equal(krr_machine_option(&m, KRR_OPT_CPU, "+rdrand,+rdseed"), 0);
	assert_int_equal(krr_machine_option(&m, KRR_OPT_CPU, "+aes"), 0);
	assert_int_equal(krr_machine_option(&m, KRR_OPT_CPU, "+aes,+rdrand"), 0);
	assert_string_equal(m.cpu, "Nehalem-v1,+rdrand,+rdseed,+aes");

	/* a replay has the same where nothing else is noted, as in older recordings */
	krr_machine_to_manifest(&m, &man);
	assert_int_equal(krr_machine_from_manifest(&again, &man), 0);
	io.replay = true;
	krr_machine_argv(&again, &io, &argv);
	assert_true(has(&argv, "Nehalem-v1,+rdrand,+rdseed,+aes,-kvmclock"));
	assert_false(has(&argv, ",enforce=on"));	/* but says what it lacks */
	krr_argv_free(&argv);
	krr_machine_free(&again);
	krr_manifest_free(&man);
	krr_machine_free(&m);

	/* what they need comes along */
	krr_machine_defaults(&m);
	assert_int_equal(krr_machine_option(&m, KRR_OPT_CPU, "+avx2,+avx,+fma"), 0);
	assert_string_equal(m.cpu, "Nehalem-v1,+avx2,+avx,+xsave,+xsaveopt,+fma");

	/* a model takes the place of what was said before, and loses what it should */
	assert_int_equal(krr_machine_option(&m, KRR_OPT_CPU, "EPYC-Rome,-smap,+pku"), 0);
	assert_string_equal(m.cpu, "EPYC-Rome,-smap,+pku,+xsave,+xsaveopt");
	assert_int_equal(krr_machine_option(&m, KRR_OPT_CPU, "-rdrand"), 0);
	assert_string_equal(m.cpu, "EPYC-Rome,-smap,+pku,+xsave,+xsaveopt,-rdrand");
	krr_machine_free(&m);
}

/* What the guest saw is for people; a replay has a CPU of its own. */
static void cpu_of_a_replay(void **state)
{
	struct krr_manifest man = { .smp = 1, .mem = KRR_DEFAULT_MEM };
	struct krr_machine_io io = { .ram = "/r", .console = "/c" };
	struct krr_machine m, again;
	struct krr_argv argv;

	(void)state;
	krr_machine_defaults(&m);
	krr_set_text(&m.cpu, "EPYC-Rome,-svm");
	krr_set_text(&m.cpu_features, "aes fsgsbase");
	krr_set_text(&m.cpu_replay, "Nehalem-v1,+fsgsbase");
	krr_machine_argv(&m, &io, &argv);
	assert_true(has(&argv, "EPYC-Rome,-svm,-kvmclock"));
	krr_argv_free(&argv);

	krr_machine_to_manifest(&m, &man);
	assert_string_equal(man.cpu_features, "aes fsgsbase");
	assert_int_equal(krr_machine_from_manifest(&again, &man), 0);
	io.replay = true;
	krr_machine_argv(&again, &io, &argv);
	assert_true(has(&argv, "Nehalem-v1,+fsgsbase,-kvmclock"));
	assert_false(has(&argv, "EPYC"));
	krr_argv_free(&argv);
	krr_machine_free(&again);

	krr_set_text(&man.cpu_replay, "Nehalem-v1,kvm=on");
	quiet_begin();
	assert_int_equal(krr_machine_from_manifest(&again, &man), -EBADMSG);
	quiet_end();
	krr_machine_free(&again);
	krr_manifest_free(&man);
	krr_machine_free(&m);
}

static void devices(void **state)
{
	struct krr_manifest man = { 0 };
	struct krr_machine m;
	int i;

	(void)state;
	krr_machine_defaults(&m);
	assert_int_equal(krr_machine_option(&m, KRR_OPT_BALLOON, NULL), 0);
	assert_int_equal(krr_machine_option(&m, KRR_OPT_SHARE, "/a/b:c"), 0);
	assert_string_equal(m.share, "c");
	assert_string_equal(m.share_dir, "/a/b");
	for (i = 0; i < KRR_MORE_DISKS; i++) {
		assert_int_equal(krr_machine_option(&m, KRR_OPT_DISK, "/img"), 0);
		m.more_disks[i].bytes = 512u << i;
	}
	quiet_begin();
	assert_int_equal(krr_machine_option(&m, KRR_OPT_DISK, "/img"), -EINVAL);
	assert_int_equal(krr_machine_option(&m, KRR_OPT_SHARE, "/d"), -EINVAL);
	assert_int_equal(krr_machine_check(&m), -ENOENT);
	quiet_end();

	krr_machine_to_manifest(&m, &man);
	assert_true(man.balloon);
	assert_string_equal(man.share, "c");
	for (i = 0; i < KRR_MORE_DISKS; i++)
		assert_true(man.more_disks[i] == 512u << i);
	krr_manifest_free(&man);
	krr_machine_free(&m);
}

static void shares(void **state)
{
	static const char *const bad[] = { "/:a,b", "/:", "/nonexistent", "/dev/null" };
	struct krr_machine m;
	size_t i;

	(void)state;
	krr_machine_defaults(&m);
	assert_int_equal(krr_machine_option(&m, KRR_OPT_SHARE, "/"), 0);
	assert_string_equal(m.share, "krr");
	assert_int_equal(krr_machine_check(&m), 0);
	krr_machine_free(&m);
	quiet_begin();
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		krr_machine_defaults(&m);
		assert_int_equal(krr_machine_option(&m, KRR_OPT_SHARE, bad[i]), 0);
		assert_true(krr_machine_check(&m) < 0);
		krr_machine_free(&m);
	}
	quiet_end();
}

/* CPUs, RAM and board have to be equal; a replay has no device. */
static void same_board(const struct krr_argv *record, const struct krr_argv *replay)
{
	static const char *const options[] = { "-machine", "-cpu", "-smp", "-m" };
	unsigned int o, i, j;

	for (o = 0; o < ARRAY_SIZE(options); o++) {
		for (i = 0; strcmp(record->v[i], options[o]); i++)
			assert_true(i + 2 < record->n);
		for (j = 0; strcmp(replay->v[j], options[o]); j++)
			assert_true(j + 2 < replay->n);
		assert_string_equal(record->v[i + 1], replay->v[j + 1]);
	}
	assert_true(has(record, "-device"));
	assert_false(has(replay, "-device"));
}

static void argv(void **state)
{
	struct krr_machine_io io = { .ram = "/r", .qmp = "/q", .port = "/p", .console = "/c" };
	struct krr_argv record, replay;
	struct krr_machine m;

	(void)state;
	krr_machine_defaults(&m);
	m.net = m.balloon = true;
	m.share = krr_strf("tag");
	m.share_dir = krr_strf("/shared");
	m.more_disks[0] = (struct krr_disk){ krr_strf("/more.img"), 2u << 20 };
	m.disk = krr_strf("/disk.img");
	m.disk_bytes = 1u << 20;
	m.kernel = krr_strf("/kernel");
	m.append = krr_strf("quiet");
	krr_machine_argv(&m, &io, &record);
	io.replay = true;
	io.port = NULL;
	krr_machine_argv(&m, &io, &replay);
	same_board(&record, &replay);
	assert_true(has(&record, "/disk.img"));
	assert_true(has(&record, "snapshot=on"));
	assert_true(has(&record, "file=/more.img"));
	assert_true(has(&record, "drive=disk1,serial=disk1"));
	assert_false(has(&record, "disk2"));
	assert_true(has(&record, "virtio-balloon-pci"));
	assert_true(has(&record, "mount_tag=tag"));
	assert_true(has(&record, "path=/shared"));
	assert_true(has(&record, "krr=64M console=ttyS0"));
	assert_false(has(&replay, ".img"));
	assert_false(has(&replay, "-netdev"));
	assert_false(has(&replay, "/shared"));
	assert_false(has(&replay, "/kernel"));
	assert_true(has(&replay, "chardev:console"));
	assert_true(has(&replay, "thread=single"));
	assert_true(has(&replay, "defer"));
	krr_argv_free(&record);
	krr_argv_free(&replay);

	free(m.append);
	m.append = krr_strf("quiet krr=8M");
	io.replay = false;
	krr_machine_argv(&m, &io, &record);
	assert_false(has(&record, "krr=64M"));
	assert_true(has(&record, "krr=8M"));
	krr_argv_free(&record);
	krr_machine_free(&m);
}

/* A replay has the type of machine, and the PCI hole, of the recording. */
static void types(void **state)
{
	static const struct {
		const char *word, *type, *machine;
	} known[] = {
		{ "pc", "pc-i440fx-7.2",
		  "pc-i440fx-7.2,hpet=off,vmport=off,memory-backend=ram,max-ram-below-4g=3221225472" },
		{ "q35", "pc-q35-7.2", "pc-q35-7.2,hpet=off,vmport=off,memory-backend=ram,"
		  "max-ram-below-4g=2147483648,sata=off" },
	};
	struct krr_machine_io io = { .ram = "/r", .console = "/c", .replay = true };
	struct krr_machine m, again;
	struct krr_manifest man;
	struct krr_argv argv;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(known); i++) {
		memset(&man, 0, sizeof(man));
		krr_machine_defaults(&m);
		assert_int_equal(krr_machine_option(&m, KRR_OPT_MACHINE, known[i].word), 0);
		krr_machine_to_manifest(&m, &man);
		assert_string_equal(man.machine, known[i].type);
		assert_int_equal(krr_machine_from_manifest(&again, &man), 0);
		krr_machine_argv(&again, &io, &argv);
		assert_true(has(&argv, known[i].machine));
		krr_argv_free(&argv);
		krr_machine_free(&again);
		krr_machine_free(&m);
		krr_manifest_free(&man);
	}
}

/* Under KVM a replay has the same board, and no thread of TCG's. */
static void accelerators(void **state)
{
	struct krr_machine_io io = { .replay = true, .ram = "/r", .console = "/c" };
	struct krr_manifest man = { .smp = 1, .mem = KRR_DEFAULT_MEM };
	struct krr_argv kvm, tcg;
	struct krr_machine m;

	(void)state;
	man.machine = "pc";
	man.cpu = "Nehalem-v1";
	man.accel = "kvm";
	assert_int_equal(krr_machine_from_manifest(&m, &man), 0);
	krr_machine_argv(&m, &io, &tcg);
	krr_set_text(&m.accel, "kvm");
	krr_machine_argv(&m, &io, &kvm);
	assert_true(has(&tcg, "tcg,thread=single") && !has(&kvm, "tcg"));
	assert_true(has(&kvm, "vapic=off") && has(&tcg, "vapic=off"));
	assert_int_equal(kvm.n, tcg.n);
	krr_argv_free(&kvm);
	krr_argv_free(&tcg);

	/* KVM wants to see features whose bits are in the saved CR4; a name may be a lie */
	m.cpu_features = krr_strf("avx2 pcid pku x=on,pmu vme apic clflush cmov cx16 cx8 de fpu"
				  " fxsr lahf-lm lm mca mce mmx msr mtrr nx pae pat pge pse pse36"
				  " sep sse sse2 syscall tsc");
	m.cpu_replay = krr_strf("Nehalem-v1,+avx2");
	krr_machine_argv(&m, &io, &kvm);
	assert_true(has(&kvm, "Nehalem-v1,+avx2,+pcid,+pku,+vme,+apic,"));
	assert_true(has(&kvm, ",+tsc,-pni,-popcnt,-sse4.1,-sse4.2,-ssse3,-kvmclock"));
	krr_argv_free(&kvm);
	krr_set_text(&m.accel, "tcg");
	krr_machine_argv(&m, &io, &tcg);
	assert_true(has(&tcg, "Nehalem-v1,+avx2,-kvmclock"));
	krr_argv_free(&tcg);
	krr_machine_free(&m);
	assert_int_equal(krr_accel_check("auto"), 0);
	quiet_begin();
	assert_int_equal(krr_accel_check("kvm,thread=single"), -EINVAL);
	quiet_end();
}

static void timeouts(void **state)
{
	(void)state;
	assert_int_equal(krr_replay_timeout("tcg", "tcg"), 30);
	assert_int_equal(krr_replay_timeout("kvm", "kvm"), 30);
	assert_int_equal(krr_replay_timeout("tcg", "kvm"), 30);
	assert_true(krr_replay_timeout("kvm", "tcg") >= 50 * 10);
}

/* Between two reboots, about the same thing only. */
static void remembered(void **state)
{
	char *why;

	(void)state;
	assert_int_equal(krr_kvm_remembered(".t", "a b", &why), -ENOENT);
	krr_kvm_remember(".t", "a b", true, "it\nworks");
	assert_int_equal(krr_kvm_remembered(".t", "a b", &why), 1);
	assert_string_equal(why, "it\nworks");
	free(why);
	assert_int_equal(krr_kvm_remembered(".t", "a", &why), -ENOENT);
	assert_int_equal(krr_kvm_remembered(".t", "a b c", &why), -ENOENT);
	assert_null(why);
	krr_kvm_remember(".t", "a", false, "");
	assert_int_equal(krr_kvm_remembered(".t", "a", &why), 0);
	free(why);
	assert_int_equal(krr_kvm_remembered(".t", "a b", &why), -ENOENT);
}

static void machine_of_a_hostile_manifest(void **state)
{
	static const char *const bad[] = {
		"pc,accel=kvm", "pc,+a=b", "", "pc -drive file=/etc/passwd", "pc\n", "a=b",
	};
	struct krr_manifest man = { .smp = 1, .mem = KRR_DEFAULT_MEM };
	struct krr_machine m;
	size_t i;

	(void)state;
	quiet_begin();
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		man.machine = (char *)bad[i];
		man.cpu = "max";
		assert_int_equal(krr_machine_from_manifest(&m, &man), -EBADMSG);
		krr_machine_free(&m);
		man.machine = "pc";
		man.cpu = (char *)bad[i];
		assert_int_equal(krr_machine_from_manifest(&m, &man), -EBADMSG);
		krr_machine_free(&m);
	}
	quiet_end();
	man.cpu = "Nehalem-v1";
	assert_int_equal(krr_machine_from_manifest(&m, &man), 0);
	krr_machine_free(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes),
		cmocka_unit_test(versions),
		cmocka_unit_test(options),
		cmocka_unit_test(cpus),
		cmocka_unit_test(cpu_of_a_replay),
		cmocka_unit_test(devices),
		cmocka_unit_test(shares),
		cmocka_unit_test(argv),
		cmocka_unit_test(types),
		cmocka_unit_test(accelerators),
		cmocka_unit_test(timeouts),
		cmocka_unit_test(remembered),
		cmocka_unit_test(machine_of_a_hostile_manifest),
	};

	return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
