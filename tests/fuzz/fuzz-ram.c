// SPDX-License-Identifier: GPL-2.0-only
/*
 * The header that a guest wrote: the input is written over a good one.  What
 * krr_ram_use() lets pass lies in RAM, whatever it says.
 */
#include <fcntl.h>
#include <string.h>

#include "fuzz.h"
#include "lib/util.h"
#include "unit.h"
#include "vmm/ram.h"

const unsigned int fuzz_rounds = 3000;

#define RAM_BYTES	(KRR_MIN_RING + (1u << 20))
#define HDR_AT		(256u << 10)

static struct krr_ram ram = { .fd = -1 };

static void open_ram(void)
{
	__close_fd int fd = openat(fuzz_dir(), "ram", O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	must(fd >= 0 && !ftruncate(fd, RAM_BYTES));
	must(!krr_ram_open_at(fuzz_dir(), "ram", true, &ram));
}

static void check_text(const char *field, size_t room)
{
	__free_ptr char *s = krr_printable(field, room);
	size_t i, n = strlen(s);

	must(n <= room);
	for (i = 0; i < n; i++)
		must(s[i] >= ' ' && s[i] <= '~');
}

static void check_ring(uint64_t at)
{
	uint8_t word[8] = { 1, 2, 3, 4, 5, 6, 7, 8 }, back[8];

	must(ram.ring_bytes >= KRR_MIN_RING && ram.hdr_at % 4096 == 0);
	must(ram.ring >= ram.map && ram.ring + ram.ring_bytes <= ram.map + ram.size);
	/* also around its end */
	krr_ring_write(&ram, at, word, sizeof(word));
	krr_ring_read(&ram, at, back, sizeof(back));
	must(!memcmp(word, back, sizeof(word)));
	krr_ring_write(&ram, ram.ring_bytes - 3, word, sizeof(word));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct input in = { data, data + len };
	uint64_t at = take(&in, 8), ring_at = take(&in, 8);
	struct krr_hdr *h;
	size_t n;

	if (!ram.map)
		open_ram();
	h = (struct krr_hdr *)(ram.map + HDR_AT);
	memset(h, 0, KRR_HDR_BYTES);
	make_header(ram.map, HDR_AT, KRR_MIN_RING);
	n = (size_t)(in.end - in.p);
	if (!n || n > sizeof(*h))
		return 0;
	memcpy(h, in.p, n);
	ram.hdr = NULL;
	krr_ram_split(&ram, ring_at & 1 ? RAM_BYTES : ring_at & ~4095ull);
	if (!krr_ram_use(&ram, at) || !krr_ram_find(&ram))
		check_ring(ring_at);
	check_text(h->message, sizeof(h->message));
	check_text(h->name, sizeof(h->name));
	return 0;
}

void fuzz_seeds(void)
{
	static struct output out;
	static uint8_t image[HDR_AT + KRR_HDR_BYTES] __attribute__((aligned(64)));
	struct krr_hdr *h = (struct krr_hdr *)(image + HDR_AT);

	make_header(image, HDR_AT, KRR_MIN_RING);
	strcpy(h->message, "said\n\n");
	memset(h->name, 'x', sizeof(h->name));
	give(&out, HDR_AT, 8);
	give(&out, 77, 8);
	memcpy(out.buf + out.n, h, sizeof(*h));
	out.n += sizeof(*h);
	seed_from(&out);
	h->gpa = UINT64_MAX - 4095;
	give(&out, h->gpa, 8);
	give(&out, KRR_MIN_RING - 1, 8);
	memcpy(out.buf + out.n, h, offsetof(struct krr_hdr, nr_cpus));
	out.n += offsetof(struct krr_hdr, nr_cpus);
	seed_from(&out);
}
