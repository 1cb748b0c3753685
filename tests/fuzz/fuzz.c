// SPDX-License-Identifier: GPL-2.0-only
/* What the fuzz targets share. */
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>

#include "fuzz.h"
#include "lib/proto.h"
#include "lib/util.h"
#include "vmm/socket.h"

static char dir_path[256];
static int dir_fd = -1, client_fd = -1;

/*
 * What the code under test says is of no interest, and there is much of it.  The
 * sanitizers write to the file descriptor.
 */
static void __attribute__((constructor)) setup(void)
{
	FILE *null = fopen("/dev/null", "w");

	if (null)
		stderr = null;
	signal(SIGPIPE, SIG_IGN);
}

static void remove_dir(void)
{
	krr_remove_tree(AT_FDCWD, dir_path);
	close(dir_fd);
}

void fuzz_failed(const char *what, const char *file, int line)
{
	dprintf(2, "%s:%d: this has to hold, and does not: %s\n", file, line, what);
	if (dir_fd >= 0)
		remove_dir();
	abort();
}

/* libFuzzer takes its seeds from files, which driver.c writes. */
void __attribute__((weak)) fuzz_seed(const void *data, size_t len)
{
	(void)data;
	(void)len;
}

uint64_t take(struct input *in, unsigned int bytes)
{
	uint64_t v = 0;
	unsigned int i;

	for (i = 0; i < bytes && in->p < in->end; i++)
		v |= (uint64_t)*in->p++ << (8 * i);
	return v;
}

/* A length of 16 bits, then so many bytes, if there are so many. */
const uint8_t *take_bytes(struct input *in, size_t *len)
{
	const uint8_t *p;

	*len = take(in, 2);
	if (*len > (size_t)(in->end - in->p))
		*len = (size_t)(in->end - in->p);
	p = in->p;
	in->p += *len;
	return p;
}

void give(struct output *out, uint64_t v, unsigned int bytes)
{
	unsigned int i;

	must(out->n + bytes <= sizeof(out->buf));
	for (i = 0; i < bytes; i++)
		out->buf[out->n++] = (uint8_t)(v >> (8 * i));
}

void give_bytes(struct output *out, const void *data, size_t len)
{
	give(out, len, 2);
	must(out->n + len <= sizeof(out->buf));
	memcpy(out->buf + out->n, data, len);
	out->n += len;
}

void seed_from(struct output *out)
{
	fuzz_seed(out->buf, out->n);
	out->n = 0;
}

/* Return: false if there is no room for it. */
bool make_file(struct made *f, const uint8_t *data, size_t len)
{
	struct input in = { data, data + len };
	enum fuzz_way way = (enum fuzz_way)(take(&in, 1) % FUZZ_WAYS);

	if (way == FUZZ_RECIPE) {
		f->cook(&in);
		return true;
	}
	f->len = (size_t)(in.end - in.p);
	if (f->len > f->room)
		return false;
	memcpy(f->bytes, in.p, f->len);
	if (way == FUZZ_CHECKSUMS)
		f->fix();
	return true;
}

/* A recipe, its first byte included, is a seed, and so is what it makes. */
void seed_made(struct made *f, struct output *out)
{
	unsigned int way;

	must(make_file(f, out->buf, out->n));
	seed_from(out);
	for (way = FUZZ_AS_IS; way <= FUZZ_CHECKSUMS; way++) {
		give(out, way, 1);
		must(f->len < sizeof(out->buf));
		memcpy(out->buf + out->n, f->bytes, f->len);
		out->n += f->len;
		seed_from(out);
	}
}

/* In memory where possible: the code under test calls fsync(). */
int fuzz_dir(void)
{
	const char *tmp = getenv("TMPDIR");

	if (dir_fd >= 0)
		return dir_fd;
	if (!access("/dev/shm", W_OK))
		tmp = "/dev/shm";
	snprintf(dir_path, sizeof(dir_path), "%s/krr-fuzz-XXXXXX", tmp ? tmp : "/tmp");
	must(mkdtemp(dir_path));
	dir_fd = open(dir_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	must(dir_fd >= 0);
	atexit(remove_dir);
	return dir_fd;
}

const char *fuzz_dir_path(void)
{
	fuzz_dir();
	return dir_path;
}

void fuzz_file(const char *name, const void *data, size_t len)
{
	int fd = openat(fuzz_dir(), name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	must(fd >= 0 && !krr_write_full(fd, data, len));
	close(fd);
}

int fuzz_peer(const void *data, size_t len)
{
	int pair[2];

	must(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
	must(!krr_write_full(pair[0], data, len));
	shutdown(pair[0], SHUT_WR);
	client_fd = pair[1];
	return pair[0];
}

int krr_socket_connect(const char *path, uint64_t deadline)
{
	int fd = client_fd;

	(void)path;
	(void)deadline;
	client_fd = -1;
	return fd;
}

/* A frame of lib/proto.h. */
void seed_frame(struct output *out, uint32_t type, const void *payload, uint32_t len)
{
	struct krr_frame f;

	krr_frame_header(&f, type, len);
	memcpy(out->buf + out->n, &f, sizeof(f));
	memcpy(out->buf + out->n + sizeof(f), payload, len);
	out->n += sizeof(f) + len;
}
