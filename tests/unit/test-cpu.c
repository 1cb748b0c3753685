// SPDX-License-Identifier: GPL-2.0-only
/* CPU models, with a QEMU that is a shell script: what the guest sees, what a replay gets. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/util.h"
#include "vmm/cpu.h"
#include "unit.h"

/*
 * Knows the models Foo and max.  Foo has a feature of each class, one that this host's KVM
 * lacks, and those that are asked for; TCG lacks avx512f and, of what the kernel uses, adx.
 */
static const char fake[] =
	"#!/bin/sh\n"
	"input=$(cat)\n"
	"case $* in *'-accel kvm'*) more=,\\\"adx\\\":true,\\\"avx512f\\\":true ;; esac\n"
	"all='\"fsgsbase\":true,\"xsave\":true,\"aes\":true,\"pku\":true,\"svm\":true,\"odd\":true'\n"
	"echo '{\"QMP\":{}}'\n"
	"echo '{\"return\":{}}'\n"
	"echo \"$input\" | grep -o '\"name\":\"[^\"]*\"' | while read -r name; do\n"
	"	case $name in\n"
	"	*max*)	props=$all$more ;;\n"
	"	*Foo*|*host*) props='\"fsgsbase\":true,\"aes\":true,\"svm\":true,\"odd\":true,\"rdpid\":true'\n"
	"		props=$props,\\\"level\\\":13,\\\"smap\\\":false\n"
	"		for f in adx avx512f xsave pku; do\n"
	"			case $input in *\\\"$f\\\":true*) props=$props,\\\"$f\\\":true ;; esac\n"
	"		done ;;\n"
	"	*)	echo '{\"error\":{\"desc\":\"no such model\"}}'; continue ;;\n"
	"	esac\n"
	"	echo \"{\\\"return\\\":{\\\"model\\\":{\\\"name\\\":\\\"base\\\",\\\"props\\\":{$props}}}}\"\n"
	"done\n";

static char *qemu;

static int setup(void **state)
{
	if (scratch_setup(state))
		return -1;
	close(scratch_file("qemu", fake, strlen(fake)));
	qemu = krr_strf("%s/qemu", scratch);
	return chmod(qemu, 0700);
}

static int teardown(void **state)
{
	free(qemu);
	return scratch_teardown(state);
}

struct outcome {
	char *cpu, *features, *replay;
};

static int resolve(const char *accel, const char *word, struct outcome *o)
{
	memset(o, 0, sizeof(*o));
	o->cpu = krr_strf("Nehalem-v1");
	if (strcmp(word, o->cpu))
		assert_int_equal(krr_cpu_add(&o->cpu, word), 0);
	return krr_cpu_resolve(qemu, "pc", accel, &o->cpu, &o->features, &o->replay);
}

static void forget(struct outcome *o)
{
	free(o->cpu);
	free(o->features);
	free(o->replay);
}

static void default_model(void **state)
{
	struct outcome o;

	(void)state;
	assert_int_equal(resolve("tcg", "Nehalem-v1", &o), 0);
	assert_string_equal(o.cpu, "Nehalem-v1");
	assert_null(o.features);
	assert_null(o.replay);
	forget(&o);
}

/* rdpid is not there, odd is not known, svm is not recorded */
static void model(void **state)
{
	static const char *const accels[] = { "tcg", "kvm" };
	struct outcome o;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(accels); i++) {
		assert_int_equal(resolve(accels[i], "Foo", &o), 0);
		assert_string_equal(o.cpu, "Foo,-odd,-rdpid,-svm");
		assert_string_equal(o.features, "aes fsgsbase");
		assert_string_equal(o.replay, "Nehalem-v1,+aes,+fsgsbase");
		forget(&o);
	}
}

/* What only user mode uses is shown, and left out of the replay. */
static void only_kvm_has_it(void **state)
{
	struct outcome o;
	char *cpu = krr_strf("Foo,+avx512f");

	(void)state;
	memset(&o, 0, sizeof(o));
	assert_int_equal(krr_cpu_resolve(qemu, "pc", "kvm", &cpu, &o.features, &o.replay), 0);
	assert_string_equal(cpu, "Foo,+avx512f,-odd,-rdpid,-svm");
	assert_string_equal(o.features, "aes avx512f fsgsbase");
	assert_string_equal(o.replay, "Nehalem-v1,+aes,+fsgsbase");
	o.cpu = cpu;
	forget(&o);
	assert_int_equal(resolve("kvm", "host", &o), 0);
	assert_string_equal(o.cpu, "host,-odd,-rdpid,-svm");
	forget(&o);
}

/* The kernel would execute it in the replay, too. */
static void no_replay_has_it(void **state)
{
	struct outcome o;

	(void)state;
	assert_int_equal(resolve("kvm", "Foo,+adx", &o), -EOPNOTSUPP);
	forget(&o);
}

static void refused(void **state)
{
	struct outcome o;

	(void)state;
	assert_int_equal(resolve("tcg", "Bar", &o), -EOPNOTSUPP);
	forget(&o);
	assert_int_equal(resolve("tcg", "host", &o), -EINVAL);
	forget(&o);
	assert_int_equal(resolve("tcg", "Foo,+adx", &o), -EOPNOTSUPP);
	forget(&o);
	assert_int_equal(resolve("tcg", "Foo,+movdiri", &o), -EOPNOTSUPP);
	forget(&o);
}

static void no_qemu(void **state)
{
	struct outcome o;
	char *saved = qemu;

	(void)state;
	qemu = krr_strf("%s/nothing", scratch);
	assert_int_equal(resolve("tcg", "Foo", &o), -EOPNOTSUPP);
	forget(&o);
	free(qemu);
	qemu = saved;
}

static int quiet(void **state)
{
	(void)state;
	quiet_begin();
	return 0;
}

static int loud(void **state)
{
	(void)state;
	quiet_end();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(default_model),
		cmocka_unit_test(model),
		cmocka_unit_test(only_kvm_has_it),
		cmocka_unit_test_setup_teardown(no_replay_has_it, quiet, loud),
		cmocka_unit_test_setup_teardown(refused, quiet, loud),
		cmocka_unit_test_setup_teardown(no_qemu, quiet, loud),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
