// SPDX-License-Identifier: GPL-2.0-only
/* Sealing, and what a recorder that was killed has left. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "lib/util.h"
#include "vmm/ahead.h"
#include "vmm/cause.h"
#include "vmm/flight.h"
#include "vmm/machine.h"
#include "vmm/salvage.h"
#include "vmm/vm.h"

static uint64_t cycles_us(const struct krr_manifest *m, uint64_t cycles)
{
	return m->tsc_khz ? cycles * 1000 / m->tsc_khz : 0;
}

/* What the guest counted since the recording, or the flight recorder, was started. */
static void set_counters(struct krr_manifest *m, const struct krr_hdr *h)
{
	m->throttled = h->throttled;
	m->handovers = h->lock_handovers;
	m->windows = h->windows;
	m->lock_wait_us = cycles_us(m, h->lock_wait_tsc);
	m->lock_hold_us = cycles_us(m, h->lock_hold_tsc * KRR_SAMPLE_EVERY);
	m->lock_hold_max_us = cycles_us(m, h->lock_hold_max);
}

/**
 * krr_seal() - fill in what is known at the end, write the end of the log, seal
 * @rec: incomplete recording
 * @dr: has drained it
 * @h: header of its guest, or NULL if that is gone
 */
int krr_seal(struct krr_recording *rec, struct krr_drain *dr, const struct krr_hdr *h)
{
	struct krr_manifest *m = &rec->m;
	uint32_t reason = dr->d.stopped ? dr->d.stop_reason : KRR_STOP_NONE;
	int err;

	if (h && !reason)
		reason = krr_load(&h->stop_reason);
	err = krr_log_finish(dr->log, &dr->d);
	if (err) {
		krr_err("cannot write the end of %s/log.krr: %s", rec->path, strerror(-err));
		return err;
	}
	krr_manifest_set_counts(m, &dr->d);
	m->log_bytes = krr_log_written(dr->log);
	krr_set_text(&m->stop_reason, dr->damaged ? "damaged" : krr_stop_name(reason));
	if (h) {
		__free_ptr char *message = krr_printable(h->message, sizeof(h->message));

		krr_set_text(&m->message, message);
		krr_name_cause(rec);
		set_counters(m, h);
	}
	krr_set_text(&m->ram_path, NULL);
	return krr_recording_seal(rec);
}

/* Take what the dead recorder left in the ring, if the RAM file is still there. */
static void drain_rest(struct krr_recording *rec, struct krr_drain *dr, struct krr_ram *ram)
{
	if (!rec->m.ram_path || krr_ram_open(rec->m.ram_path, true, ram))
		return;
	krr_ram_split(ram, krr_machine_low_ram(rec->m.machine, rec->m.mem));
	if (krr_ram_use(ram, rec->m.hdr_gpa) || ram->hdr->generation < rec->m.generation) {
		krr_ram_close(ram);
		return;
	}
	dr->ram = ram;
	krr_drain_step(dr, true);
}

static int salvage(struct krr_recording *rec)
{
	struct krr_ram ram = { .fd = -1 };
	struct krr_drain dr = { 0 };
	struct krr_decoder d;
	int err;

	unlinkat(rec->dirfd, KRR_AHEAD_FILE, 0);
	/* nobody knows whether all of it is there */
	if (!rec->m.complete)
		unlinkat(rec->dirfd, "end.ram", 0);
	krr_decoder_init(&d);
	err = krr_log_resume(rec->dirfd, "log.krr", false, &d, &dr.log);
	if (err)
		return err;
	err = krr_drain_init(&dr, NULL, dr.log, rec->m.ring_base);
	if (!err) {
		dr.d = d;
		drain_rest(rec, &dr, &ram);
		err = krr_seal(rec, &dr, ram.hdr);
	}
	if (!err)
		krr_info("recording \"%s\" had been cut off; sealed with %" PRIu64 " events",
			 rec->name, rec->m.events);
	krr_drain_free(&dr);
	krr_log_writer_free(dr.log);
	krr_ram_close(&ram);
	return err;
}

/* VM-flight was its name. */
static char *flight_name(const struct krr_recording *rec)
{
	__free_ptr char *when = krr_utc_now(KRR_UTC_NAME);
	size_t len = strlen(rec->name), tail = strlen("-flight");

	if (len > tail && !strcmp(rec->name + len - tail, "-flight"))
		len -= tail;
	return krr_strf("%.*s-cut-%s", (int)(len < 60 ? len : 60), rec->name, when);
}

/* The ring of epochs becomes a recording of its own, and goes. */
static int salvage_flight(struct krr_recording *rec)
{
	struct krr_keeping k = {
		.why = krr_strf("the recorder died"),
	};
	__free_ptr char *stem = NULL;
	struct krr_ram ram = { .fd = -1 };
	struct krr_drain dr = { 0 };
	struct krr_decoder d;
	int err;

	err = krr_flight_last(rec->dirfd, &d, &dr.log);
	if (!err)
		err = krr_drain_init(&dr, NULL, dr.log, rec->m.ring_base);
	if (!err) {
		dr.d = d;
		drain_rest(rec, &dr, &ram);
		k.stop_reason = krr_strf("%s", krr_stop_name(dr.d.stopped ? dr.d.stop_reason :
							     KRR_STOP_NONE));
		err = krr_flight_all(rec->dirfd, &k);
	}
	krr_drain_free(&dr);
	krr_log_writer_free(dr.log);
	if (!err && ram.hdr)
		k.message = krr_printable(ram.hdr->message, sizeof(ram.hdr->message));
	krr_ram_close(&ram);
	if (!err) {
		stem = flight_name(rec);
		k.name = krr_recording_free_name(stem);
		err = krr_flight_keep(rec->dirfd, &rec->m, &k);
	}
	if (!err)
		krr_info("flight recorder \"%s\" had been cut off; kept as \"%s\"", rec->name, k.name);
	krr_keeping_free(&k);
	return err;
}

static void salvage_one(const char *name)
{
	struct krr_recording rec;
	int err;

	err = krr_recording_adopt(name, &rec);
	if (err) {
		krr_recording_close(&rec);
		return;
	}
	err = krr_manifest_load(rec.dirfd, &rec.m);
	if (err == -ENOENT) {
		krr_info("recording \"%s\" had been cut off before its snapshot was complete; "
			 "removed",
			 name);
		krr_recording_discard(&rec);
		return;
	}
	if (!err && rec.m.flight) {
		err = salvage_flight(&rec);
		if (!err || err == -ENODATA) {
			krr_recording_discard(&rec);
			return;
		}
	} else if (!err) {
		err = salvage(&rec);
	}
	if (err)
		krr_info("incomplete recording \"%s\" cannot be sealed; krrctl rm %s removes it",
			 name, name);
	krr_recording_close(&rec);
}

/**
 * krr_salvage() - seal recordings whose recorder died, then clear up its VMs
 *
 * To be called before anything looks at the store.
 */
void krr_salvage(void)
{
	char **names, **p;

	if (krr_store_list(&names, true) >= 0) {
		for (p = names; *p; p++)
			salvage_one(*p);
		krr_store_list_free(names);
	}
	krr_vm_sweep();
}
