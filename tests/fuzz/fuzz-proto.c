// SPDX-License-Identifier: GPL-2.0-only
/*
 * Frames, as the host gets them from a guest and the guest from a host.  The
 * first byte says whether checksums of headers are made right.
 */
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>

#include "fuzz.h"
#include "lib/proto.h"
#include "lib/util.h"
#include "vmm/link.h"

const unsigned int fuzz_rounds = 2000;

#define NONCE 0x1122334455667788ull

/* Instead of libc's: HELLO has a number that seeds can know. */
ssize_t getrandom(void *buf, size_t len, unsigned int flags)
{
	uint64_t nonce = NONCE;

	(void)flags;
	must(len == sizeof(nonce));
	memcpy(buf, &nonce, len);
	return (ssize_t)len;
}

static void fix_checksums(uint8_t *p, size_t len)
{
	struct krr_frame f;

	while (len >= sizeof(f)) {
		memcpy(&f, p, sizeof(f));
		if (f.magic == KRR_FRAME_MAGIC) {
			f.crc = krr_crc32(0, &f, offsetof(struct krr_frame, crc));
			memcpy(p, &f, sizeof(f));
		}
		p++;
		len--;
	}
}

/* As krrd does with EXEC: NULL-ended words inside of the payload. */
static void check_strings(uint8_t *payload, uint32_t len)
{
	char *words[7], *p = (char *)payload;
	int i, n = krr_split_strings(p, len, words, 7);

	must(n < 7);
	if (n < 0)
		return;
	must(n && words[0] == p && !words[n]);
	for (i = 0; i < n; i++)
		must(words[i] >= p && words[i] + strlen(words[i]) < p + len);
}

/* In pieces of @step bytes, as a port gives them. */
static void guest_reads(const uint8_t *p, size_t len, size_t step)
{
	struct krr_framer *fr = calloc(1, sizeof(*fr));
	size_t room, taken = 0, total = len, n;
	uint8_t *where, *payload;
	uint32_t type, size;

	must(fr);
	while (len) {
		room = krr_framer_room(fr, &where);
		must(room);
		n = len < step ? len : step;
		n = n < room ? n : room;
		memcpy(where, p, n);
		fr->have += n;
		p += n;
		len -= n;
		while (krr_framer_next(fr, &type, &payload, &size)) {
			must(size <= KRR_FRAME_MAX && payload + size <= fr->buf + sizeof(fr->buf));
			taken += sizeof(struct krr_frame) + size;
			check_strings(payload, size);
		}
		must(fr->dropped + taken + fr->have == total - len);
	}
	free(fr);
}

/* The guest's bytes stand in the socket before anything is asked. */
static void host_reads(const uint8_t *p, size_t len)
{
	uint32_t type, size;
	uint8_t *payload;
	struct krr_link *l;
	__free_ptr char *lock_at = krr_strf("%s/port", fuzz_dir_path());
	char *reply = NULL;
	int fd, err;

	fd = fuzz_peer(p, len);
	must(!krr_link_open(lock_at, 1000, &l));
	err = krr_link_hello(l, 1000);
	must(err == 0 || err == -EPIPE);
	must(strlen(krr_link_identity(l)) <= KRR_FRAME_MAX);
	err = krr_link_request(l, KRR_FR_STATUS, NULL, &reply, 1000);
	must(err <= 0 && err != -ETIMEDOUT);
	free(reply);
	do {
		err = krr_link_recv(l, &type, &payload, &size, 1000);
		must(err || size <= KRR_FRAME_MAX);
	} while (!err);
	must(err == -EPIPE);
	krr_link_close(l);
	close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct input in = { data, data + len };
	uint64_t how = take(&in, 1), step = take(&in, 2);
	size_t n = (size_t)(in.end - in.p);
	uint8_t *copy = malloc(n ? n : 1);

	must(copy);
	memcpy(copy, in.p, n);
	if (how & 1)
		fix_checksums(copy, n);
	guest_reads(copy, n, step ? step : 1);
	host_reads(copy, n);
	free(copy);
	return 0;
}

static void begin(struct output *out, unsigned int step)
{
	give(out, 1, 1);
	give(out, step, 2);
}

void fuzz_seeds(void)
{
	static const char hello[] = "\x88\x77\x66\x55\x44\x33\x22\x11" "release=6\ncpus=2\n";
	static const char reply[] = "\xfb\xff\xff\xff" "it said so", words[] = "rec\0ls\0-l";
	static struct output out;

	begin(&out, 7);
	seed_frame(&out, KRR_FR_HELLO_OK, hello, sizeof(hello) - 1);
	seed_frame(&out, KRR_FR_REPLY, "\0\0\0", 4);
	seed_frame(&out, KRR_FR_STDOUT, "output", 6);
	seed_frame(&out, KRR_FR_EXIT, "\x7f\0\0", 4);
	seed_from(&out);
	begin(&out, 4096);
	give(&out, 0x5252524b4b5252ull, 7);
	seed_frame(&out, KRR_FR_HELLO_OK, hello, 9);
	seed_frame(&out, KRR_FR_REPLY, reply, sizeof(reply) - 1);
	seed_from(&out);
	begin(&out, 1);
	seed_frame(&out, KRR_FR_EXEC, words, sizeof(words));
	seed_frame(&out, KRR_FR_MARK, "", 0);
	seed_from(&out);
}
