// SPDX-License-Identifier: GPL-2.0-only
/* What the unit tests share. */
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/manifest.h"
#include "lib/util.h"
#include "unit.h"

char *scratch;
static int saved_stderr = -1;

uint64_t roll(struct dice *d)
{
	uint64_t z = d->state += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

/* A number of any length in bits. */
static uint64_t some_number(struct dice *d)
{
	return roll(d) >> (roll(d) & 63);
}

void random_event(struct dice *d, struct krr_event *ev, uint8_t *data, uint32_t max)
{
	static const uint8_t kinds[] = {
		KRR_EV_TSC, KRR_EV_TSC, KRR_EV_RANDOM, KRR_EV_UATOMIC, KRR_EV_IODATA,
		KRR_EV_VBUF, KRR_EV_ACQUIRE, KRR_EV_IRQ, KRR_EV_MARK, KRR_EV_YIELD,
		KRR_EV_EPOCH, KRR_EV_KEEP,
	};
	uint32_t i;

	memset(ev, 0, sizeof(*ev));
	ev->kind = kinds[roll(d) % ARRAY_SIZE(kinds)];
	ev->fp = (uint8_t)roll(d);
	ev->arg[0] = some_number(d);
	ev->arg[1] = some_number(d);
	if (ev->kind == KRR_EV_ACQUIRE)
		ev->arg[0] = (roll(d) % KRR_MAX_CPUS) << 4 | roll(d) % 4;
	if (ev->kind == KRR_EV_IRQ)
		ev->arg[0] &= 255;
	if ((ev->kind & KRR_SHAPE_MASK) != KRR_SHAPE_B)
		return;
	ev->len = (uint32_t)(roll(d) % (max + 1));
	for (i = 0; i < ev->len; i++)
		data[i] = (uint8_t)roll(d);
	if (ev->kind == KRR_EV_KEEP) {
		ev->len += !ev->len;
		data[0] = (uint8_t)roll(d) & 0x7f;
	}
	ev->data = data;
}

int scratch_setup(void **state)
{
	const char *tmp = getenv("TMPDIR");
	__free_ptr char *store = NULL, *run = NULL;

	(void)state;
	scratch = krr_strf("%s/krr-unit-XXXXXX", tmp ? tmp : "/tmp");
	if (!mkdtemp(scratch))
		return -1;
	store = krr_strf("%s/store", scratch);
	run = krr_strf("%s/run", scratch);
	setenv("KRR_STORE", store, 1);
	setenv("XDG_RUNTIME_DIR", run, 1);
	return 0;
}

int scratch_teardown(void **state)
{
	(void)state;
	krr_remove_tree(AT_FDCWD, scratch);
	free(scratch);
	scratch = NULL;
	return 0;
}

int scratch_file(const char *name, const void *data, size_t len)
{
	__free_ptr char *path = krr_strf("%s/%s", scratch, name);
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(krr_write_full(fd, data, len), 0);
	return fd;
}

void make_header(uint8_t *image, uint64_t at, uint64_t ring_bytes)
{
	struct krr_hdr *h = (struct krr_hdr *)(image + at);

	h->version = KRR_FORMAT_VERSION;
	h->hdr_bytes = sizeof(*h);
	h->gpa = at;
	h->ring_off = KRR_HDR_BYTES;
	h->ring_bytes = ring_bytes;
	memcpy(h->magic, KRR_MAGIC, KRR_MAGIC_LEN);
}

void make_manifest(struct krr_manifest *m, const char *name)
{
	m->name = krr_strf("%s", name);
	m->created = krr_strf("2020-01-01T00:00:00Z");
	m->build_id = krr_strf("00ff");
	m->release = krr_strf("6.1.0");
	m->kversion = krr_strf("#1 \"quoted\" \\ text");
	m->qemu_version = krr_strf("7.2.0");
	m->machine = krr_strf("pc");
	m->cpu = krr_strf("model");
	m->accel = krr_strf("tcg");
	m->smp = 2;
	m->mem = 512ull << 20;
}

static void *peer_run(void *arg)
{
	struct peer *p = arg;
	int fd = accept4(p->listener, NULL, NULL, SOCK_CLOEXEC);

	if (fd >= 0) {
		p->talk(fd);
		close(fd);
	}
	return NULL;
}

void peer_begin(struct peer *p, void (*talk)(int fd))
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };

	signal(SIGPIPE, SIG_IGN);
	p->talk = talk;
	p->path = krr_strf("%s/peer", scratch);
	assert_true(strlen(p->path) < sizeof(sa.sun_path));
	strcpy(sa.sun_path, p->path);
	unlink(p->path);
	p->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(p->listener >= 0);
	assert_int_equal(bind(p->listener, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(listen(p->listener, 1), 0);
	assert_int_equal(pthread_create(&p->thread, NULL, peer_run, p), 0);
}

void peer_end(struct peer *p)
{
	pthread_join(p->thread, NULL);
	close(p->listener);
	free(p->path);
}

void quiet_begin(void)
{
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	saved_stderr = dup(2);
	dup2(null, 2);
	close(null);
}

void quiet_end(void)
{
	dup2(saved_stderr, 2);
	close(saved_stderr);
}
