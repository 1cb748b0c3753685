// SPDX-License-Identifier: GPL-2.0-only
/* manifest.json from somewhere else, up to the machine that it asks for. */
#include <errno.h>
#include <string.h>

#include "fuzz.h"
#include "lib/manifest.h"
#include "lib/util.h"
#include "unit.h"
#include "vmm/machine.h"

const unsigned int fuzz_rounds = 1500;

/* What is good is written and read again without a change. */
static void check_again(const struct krr_manifest *m)
{
	__free_ptr char *text = krr_manifest_json(m), *again = NULL;
	struct krr_manifest m2;

	must(text && !krr_manifest_save(fuzz_dir(), m));
	must(!krr_manifest_load(fuzz_dir(), &m2));
	again = krr_manifest_json(&m2);
	must(again && !strcmp(text, again));
	free(again);
	krr_manifest_free(&m2);
	krr_manifest_copy(&m2, m);
	again = krr_manifest_json(&m2);
	must(again && !strcmp(text, again));
	krr_manifest_free(&m2);
}

/* Nothing that a terminal would obey. */
static void check_text(const char *s)
{
	for (; s && *s; s++) {
		must((uint8_t)*s >= ' ' || *s == '\n' || *s == '\t');
		must(*s != 0x7f && !(*s == '\xc2' && (uint8_t)s[1] < 0xa0));
	}
}

static void check_machine(const struct krr_manifest *m)
{
	struct krr_machine machine;

	if (!krr_machine_from_manifest(&machine, m))
		must(!strpbrk(machine.machine, ", \n") && !strpbrk(machine.cpu, " =\n"));
	krr_machine_free(&machine);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct krr_manifest m;
	int err;

	fuzz_file("manifest.json", data, len);
	err = krr_manifest_load(fuzz_dir(), &m);
	must(err <= 0 && err != -ENOENT);
	if (!err) {
		must(m.smp && m.smp <= KRR_MAX_CPUS && m.hdr_gpa < m.mem && m.mem <= KRR_MAX_MEM);
		must(m.name && m.build_id && m.machine && m.cpu && m.qemu_version);
		check_text(m.name);
		check_text(m.message);
		check_text(m.cmdline);
		check_text(m.why);
		check_again(&m);
		check_machine(&m);
	}
	krr_manifest_free(&m);
	return 0;
}

static void seed(const struct krr_manifest *m)
{
	__free_ptr char *text = krr_manifest_json(m);

	must(text);
	fuzz_seed(text, strlen(text));
}

void fuzz_seeds(void)
{
	struct krr_manifest m = { 0 };

	make_manifest(&m, "seed");
	seed(&m);
	m.stop_reason = krr_strf("panic");
	m.message = krr_strf("Fatal\33[2J \xc2\x9b \xc3\xbc\ttwo");
	m.ram_path = krr_strf("/nowhere/ram");
	m.count[KRR_KIND_ID(KRR_EV_TSC)] = 17;
	m.bytes[KRR_KIND_ID(KRR_EV_TSC)] = 70;
	m.count[KRR_NR_KINDS - 1] = 1;
	m.hdr_gpa = 1 << 20;
	m.complete = m.net = true;
	strcpy(m.sum[KRR_FILE_LOG], "0123456789abcdef");
	seed(&m);
	m.why = krr_strf("rule \33x \xc2\x9b");
	m.epochs = 5;
	m.flight = true;
	seed(&m);
	krr_manifest_free(&m);
	fuzz_seed("{}", 2);
	fuzz_seed("[1]", 3);
}
