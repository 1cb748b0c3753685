// SPDX-License-Identifier: GPL-2.0-only
/* Options, sizes, and QEMU's command lines for recording and for replay. */
#include <errno.h>
#include <string.h>

#include "lib/util.h"
#include "unit.h"
#include "vmm/options.h"

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
	assert_int_equal(krr_machine_option(&m, 1, ""), -ENOSYS);
	m.smp = KRR_MAX_CPUS + 1;
	assert_int_equal(krr_machine_check(&m), -EOPNOTSUPP);
	m.smp = 1;
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
	assert_true(has(&argv, ",enforce=on"));
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
	struct krr_machine m, again;
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

	man.smp = 1;
	krr_machine_to_manifest(&m, &man);
	assert_int_equal(krr_machine_from_manifest(&again, &man), 0);
	assert_true(again.balloon);
	assert_string_equal(again.share, "c");
	for (i = 0; i < KRR_MORE_DISKS; i++)
		assert_true(again.more_disks[i].bytes == 512u << i);
	krr_machine_free(&again);
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

/* The words that describe what the guest sees must be equal. */
static void same_devices(const struct krr_argv *a, const struct krr_argv *b)
{
	unsigned int i, j = 0;

	for (i = 0; i < a->n; i++) {
		if (strcmp(a->v[i], "-device") && strcmp(a->v[i], "-cpu") &&
		    strcmp(a->v[i], "-machine") && strcmp(a->v[i], "-smp") && strcmp(a->v[i], "-m"))
			continue;
		while (j < b->n && strcmp(a->v[i], b->v[j]))
			j++;
		assert_true(j + 1 < b->n);
		assert_string_equal(a->v[i + 1], b->v[j + 1]);
		j += 2;
	}
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
	same_devices(&record, &replay);
	assert_true(has(&record, "/disk.img"));
	assert_true(has(&record, "snapshot=on"));
	assert_true(has(&record, "file=/more.img"));
	assert_true(has(&record, "drive=disk1,serial=disk1"));
	assert_false(has(&record, "disk2"));
	assert_true(has(&record, "virtio-balloon-pci"));
	assert_true(has(&record, "mount_tag=tag"));
	assert_true(has(&record, "path=/shared"));
	assert_true(has(&record, "krr=64M console=ttyS0"));
	assert_false(has(&replay, "/disk.img"));
	assert_false(has(&replay, "/more.img"));
	assert_false(has(&replay, "/shared"));
	assert_true(has(&replay, "synth"));
	assert_true(has(&replay, "null-co"));
	assert_true(has(&replay, "node-name=disk1,size=2097152"));
	assert_true(has(&replay, "rng-egd"));
	assert_false(has(&replay, "/kernel"));
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
	man.share = "tag,path=/etc";
	quiet_begin();
	assert_int_equal(krr_machine_from_manifest(&m, &man), -EBADMSG);
	quiet_end();
	krr_machine_free(&m);
	man.share = NULL;
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
		cmocka_unit_test(machine_of_a_hostile_manifest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
