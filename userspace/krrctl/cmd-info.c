// SPDX-License-Identifier: GPL-2.0-only
/* krrctl info */
#include <getopt.h>
#include <inttypes.h>
#include <string.h>

#include "krrctl/krrctl.h"
#include "lib/util.h"

static const char usage[] =
	"usage: krrctl info [--json] RECORDING\n"
	"\n"
	"Tells what a recording is: kernel, machine, how it ended, events by kind.\n";

static const struct option options[] = {
	{ "json", no_argument, NULL, 'j' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

static void print_kinds(const struct krr_manifest *m)
{
	double all = m->raw_bytes ? (double)m->raw_bytes : 1;
	unsigned int i;

	printf("events by kind\n");
	for (i = 0; i < KRR_NR_KINDS; i++)
		if (m->count[i])
			printf("  %-9s %10" PRIu64 " %12" PRIu64 " bytes %5.1f%%  %s\n",
			       krr_kind_name(i), m->count[i], m->bytes[i],
			       100.0 * (double)m->bytes[i] / all, krr_kind_description(i));
}

static void print_lock(const struct krr_manifest *m)
{
	uint64_t taken = m->count[KRR_KIND_ID(KRR_EV_ACQUIRE)];

	printf("lock       taken %" PRIu64 " times, %" PRIu64 " of them after another CPU; waited for "
	       "%.3f s in all\n", taken, m->handovers, (double)m->lock_wait_us / 1e6);
	printf("           held for %.1f us in the mean, %" PRIu64 " us at most, by a sample of one in "
	       "%d\n", taken ? (double)m->lock_hold_us / (double)taken : 0, m->lock_hold_max_us,
	       KRR_SAMPLE_EVERY);
	printf("windows    %" PRIu64 " for interrupts\n", m->windows);
	printf("ring       %" PRIu64 " waits for room\n", m->throttled);
}

static void print_text(const struct krr_recording *rec)
{
	const struct krr_manifest *m = &rec->m;
	__free_ptr char *raw = human_bytes(m->raw_bytes), *log = human_bytes(m->log_bytes);
	__free_ptr char *disk = human_bytes(krr_recording_disk_bytes(rec));

	printf("name       %s\n", rec->name);
	printf("directory  %s, %s\n", rec->path, disk);
	printf("created    %s\n", m->created);
	printf("kernel     %s %s\n", m->release, m->kversion);
	printf("build-id   %s\n", m->build_id);
	printf("machine    %s, %s, %" PRIu64 " CPUs, %" PRIu64 " MiB%s%s%s%s%s\n", m->machine,
	       m->cpu, m->smp, m->mem >> 20, m->disk_bytes ? ", disk" : "",
	       m->more_disks[0] ? ", more disks" : "", m->net ? ", network" : "",
	       m->balloon ? ", balloon" : "", m->share ? ", 9p" : "");
	if (m->cpu_features)
		printf("CPU has    %s\n", m->cpu_features);
	if (m->cpu_replay)
		printf("replay on  %s\n", m->cpu_replay);
	printf("recorded   QEMU %s, %s\n", m->qemu_version, m->accel);
	printf("ended by   %s%s\n", m->stop_reason ? m->stop_reason : "none",
	       m->complete ? "" : ", cut off: no memory image of the end");
	report_kept(m);
	if (m->message && *m->message)
		printf("message    %s\n", m->message);
	if (m->why)
		printf("took       %.3f s\n", (double)m->duration_ms / 1000);
	else
		printf("took       %.3f s, pauses %" PRIu64 " ms at the start, %" PRIu64
		       " ms at the end\n", (double)m->duration_ms / 1000, m->start_pause_ms,
		       m->end_pause_ms);
	if (m->ahead_pages)
		printf("ahead      %" PRIu64 " pages of memory were copied before the end\n",
		       m->ahead_pages);
	if (m->changes)
		printf("changes    found by %s\n", m->changes);
	if (!m->why)
		print_lock(m);
	printf("log        %" PRIu64 " events, %s, compressed %s\n", m->events, raw, log);
	print_kinds(m);
}

int cmd_info(int argc, char **argv)
{
	struct krr_recording rec;
	bool json = false;
	int opt, err;

	while ((opt = getopt_long(argc, argv, "h", options, NULL)) >= 0) {
		if (opt == 'h')
			return usage_help(usage);
		if (opt != 'j')
			return usage_error(usage);
		json = true;
	}
	if (optind + 1 != argc)
		return usage_error(usage);
	err = krr_recording_open(argv[optind], &rec);
	if (!err && json) {
		__free_ptr char *text = krr_manifest_json(&rec.m);

		puts(text);
	} else if (!err) {
		print_text(&rec);
	}
	krr_recording_close(&rec);
	return krr_exit_code(err);
}
