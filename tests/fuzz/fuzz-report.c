// SPDX-License-Identifier: GPL-2.0-only
/*
 * What krrctl tells of a divergence: from the words of a guest that need not
 * make sense, and a log that is good.
 */
#include <fcntl.h>
#include <string.h>

#include "fuzz.h"
#include "krrctl/krrctl.h"
#include "lib/util.h"
#include "unit.h"

const unsigned int fuzz_rounds = 100;

static void make_log(void)
{
	struct krr_decoder before, after;
	struct dice dice = { 94 };
	struct krr_log_writer *w;
	uint8_t data[40], buf[4000];
	struct krr_event ev;
	size_t len = 0, at;
	int n;

	for (n = 0; n < 50; n++) {
		random_event(&dice, &ev, data, sizeof(data));
		len += (size_t)krr_encode(buf + len, sizeof(buf) - len, &ev);
	}
	krr_decoder_init(&before);
	after = before;
	for (at = 0; at < len; at += ev.size)
		must(krr_decode(&after, buf + at, len - at, &ev) > 0);
	must(!krr_log_create(fuzz_dir(), "log.krr", &w));
	must(!krr_log_append(w, &before, &after, buf, len) && !krr_log_finish(w, &after));
	krr_log_writer_free(w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct krr_hdr hdr;
	static struct replay_verdict v = { .verified = true };
	static struct krr_recording rec;
	struct krr_replay rp = { .rec = &rec, .ram = { .fd = -1, .hdr = &hdr } };

	if (!rec.name) {
		make_log();
		setenv("KRR_VMLINUX", "/nonexistent", 1);
		rec.name = krr_strf("name");
		rec.path = krr_strf("%s", fuzz_dir_path());
		rec.dirfd = fuzz_dir();
		stdout = stderr;
	}
	memset(&hdr, 0, sizeof(hdr));
	if (len > sizeof(hdr.diverged) + sizeof(v.verify))
		return 0;
	memcpy(&hdr.diverged, data, len < sizeof(hdr.diverged) ? len : sizeof(hdr.diverged));
	memset(hdr.message, data ? 0x7f : 0, sizeof(hdr.message));
	report_divergence(&rp, len & 1);
	v.state = KRR_REPLAY_DIVERGED;
	report_json(&rp, &v);
	v.state = KRR_REPLAY_ENDED;
	hdr.stop_reason = hdr.diverged.cpu;
	report_json(&rp, &v);
	return 0;
}

void fuzz_seeds(void)
{
	struct krr_diverged d = {
		.event = 30, .offset = 200, .want_kind = KRR_EV_TSC, .got_kind = KRR_EV_MARK,
		.site = 0xffffffff81000000ull, .value = { 1, 2 }, .pos = 5,
	};

	memset(d.what, 'w', sizeof(d.what));
	fuzz_seed(&d, sizeof(d));
	strcpy(d.what, "other\n\33[31m");
	d.event = 0;
	d.want_kind = 0xffff;
	fuzz_seed(&d, sizeof(d));
}
