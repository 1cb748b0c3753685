// SPDX-License-Identifier: GPL-2.0-only
/*
 * Runs a fuzz target where there is no libFuzzer.
 *
 *	fuzz-NAME		the seeds, mutations of them, and what was once found worth
 *				keeping, in tests/fuzz/corpus/NAME: the same every time
 *	fuzz-NAME --seeds DIR	write the seeds to files
 *	fuzz-NAME FILE...	these inputs
 */
#include <dirent.h>
#include <fcntl.h>
#include <sanitizer/common_interface_defs.h>
#include <signal.h>
#include <string.h>

#include "fuzz.h"
#include "lib/util.h"
#include "unit.h"

#define MAX_SEEDS 64
#define CORPUS "tests/fuzz/corpus"	/* from the top of the source */

struct bytes {
	uint8_t *p;
	size_t len;
};

static struct bytes seeds[MAX_SEEDS];
static unsigned int nr_seeds;
static struct bytes now;	/* what is tried at the moment */
static const char *name;

void fuzz_seed(const void *data, size_t len)
{
	struct bytes *s = &seeds[nr_seeds++];

	must(nr_seeds <= MAX_SEEDS && len <= FUZZ_MAX);
	s->p = malloc(len ? len : 1);
	must(s->p);
	memcpy(s->p, data, len);
	s->len = len;
}

static void keep_input(void)
{
	char path[300];
	int fd;

	if (!now.p)
		return;
	snprintf(path, sizeof(path), "%s.crash", name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd >= 0 && !krr_write_full(fd, now.p, now.len))
		dprintf(2, "# the input: %s %s\n", name, path);
}

static void on_abort(int sig)
{
	keep_input();
	signal(sig, SIG_DFL);
	raise(sig);
}

/* Of its very size on the heap, so that the sanitizer sees a read behind its end. */
static void try(const uint8_t *data, size_t len)
{
	now.p = malloc(len ? len : 1);
	must(now.p);
	memcpy(now.p, data, len);
	now.len = len;
	LLVMFuzzerTestOneInput(now.p, now.len);
	free(now.p);
	now.p = NULL;
}

static size_t below(struct dice *d, size_t n)
{
	return n ? roll(d) % n : 0;
}

static void overwrite(struct dice *d, struct bytes *b)
{
	static const uint64_t words[] = {
		0, 1, 4095, 4096, UINT16_MAX, INT32_MAX, UINT32_MAX, 1ull << 32, INT64_MAX,
		1ull << 63, UINT64_MAX - 4095, UINT64_MAX - 7, UINT64_MAX,
	};
	uint64_t v = roll(d) & 1 ? words[roll(d) % ARRAY_SIZE(words)] : roll(d) >> (roll(d) & 63);
	size_t n = (size_t)1 << roll(d) % 4;

	if (b->len >= n)
		memcpy(b->p + below(d, b->len - n + 1), &v, n);
}

static void cut(struct dice *d, struct bytes *b)
{
	size_t at = below(d, b->len), n = below(d, b->len - at) >> (roll(d) & 7);

	memmove(b->p + at, b->p + at + n, b->len - at - n);
	b->len -= n;
}

/* Put in bytes from somewhere else: of a seed, or of the same. */
static void paste(struct dice *d, struct bytes *b)
{
	const struct bytes *from = roll(d) & 1 ? &seeds[roll(d) % nr_seeds] : b;
	size_t source = below(d, from->len), at = below(d, b->len + 1);
	size_t n = below(d, from->len - source + 1) >> (roll(d) & 7);
	uint8_t *copy;

	if (b->len + n > FUZZ_MAX || !n)
		return;
	copy = malloc(n);
	must(copy);
	memcpy(copy, from->p + source, n);
	memmove(b->p + at + n, b->p + at, b->len - at);
	memcpy(b->p + at, copy, n);
	b->len += n;
	free(copy);
}

static void mutate(struct dice *d, struct bytes *b)
{
	switch (roll(d) % 8) {
	case 0:
	case 1:
	case 2:
		if (b->len)
			b->p[below(d, b->len)] ^= (uint8_t)(1u << (roll(d) & 7));
		break;
	case 3:
	case 4:
		overwrite(d, b);
		break;
	case 5:
		cut(d, b);
		break;
	case 6:
		paste(d, b);
		break;
	case 7:
		if (!(roll(d) & 7))
			b->len = below(d, b->len + 1);
		else if (b->len)
			b->p[below(d, b->len)] = (uint8_t)roll(d);
		break;
	}
}

static void try_mutations(void)
{
	static uint8_t buf[FUZZ_MAX];
	struct dice d = { 81 };
	struct bytes b = { .p = buf };
	unsigned int i, n;

	for (i = 0; i < fuzz_rounds; i++) {
		b.len = seeds[i % nr_seeds].len;
		memcpy(buf, seeds[i % nr_seeds].p, b.len);
		for (n = 1 + (unsigned int)(roll(&d) % 6); n; n--)
			mutate(&d, &b);
		try(buf, b.len);
	}
}

static void write_seeds(const char *dir)
{
	unsigned int i;

	for (i = 0; i < nr_seeds; i++) {
		__free_ptr char *path = krr_strf("%s/seed-%02u", dir, i);
		__close_fd int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

		must(fd >= 0 && !krr_write_full(fd, seeds[i].p, seeds[i].len));
	}
}

/* Return: bytes of it. */
static size_t try_file(int dirfd, const char *path)
{
	static uint8_t buf[FUZZ_MAX];
	__close_fd int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	must(fd >= 0);
	n = krr_read_full(fd, buf, sizeof(buf));
	must(n >= 0);
	try(buf, (size_t)n);
	return (size_t)n;
}

/* Not every target has one. Return: inputs of it. */
static unsigned int try_corpus(void)
{
	const char *base = strrchr(name, '/');
	const char *target = strstr(base ? base : name, "fuzz-");
	__close_fd int all = open(CORPUS, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	unsigned int n = 0;
	struct dirent *de;
	DIR *dir;
	int fd;

	if (all < 0)
		dprintf(2, "# " CORPUS " is expected here; go to the top of the source\n");
	must(all >= 0 && target);
	fd = openat(all, target + strlen("fuzz-"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	dir = fd < 0 ? NULL : fdopendir(fd);
	for (; dir && (de = readdir(dir)); n += *de->d_name != '.')
		if (*de->d_name != '.')
			try_file(fd, de->d_name);
	if (dir)
		closedir(dir);
	return n;
}

static void try_all(void)
{
	unsigned int i;

	dprintf(1, "1..3\n");
	for (i = 0; i < nr_seeds; i++)
		try(seeds[i].p, seeds[i].len);
	dprintf(1, "ok 1 - %u seeds\n", nr_seeds);
	try_mutations();
	dprintf(1, "ok 2 - %u mutations\n", fuzz_rounds);
	dprintf(1, "ok 3 - %u inputs kept\n", try_corpus());
}

int main(int argc, char **argv)
{
	unsigned int i;
	int arg;

	/* stdout is the target's, as stderr is */
	name = argv[0];
	signal(SIGABRT, on_abort);
	__sanitizer_set_death_callback(keep_input);
	fuzz_seeds();
	if (argc == 3 && !strcmp(argv[1], "--seeds")) {
		write_seeds(argv[2]);
	} else if (argc > 1) {
		for (arg = 1; arg < argc; arg++)
			dprintf(1, "%s: %zu bytes, nothing found\n", argv[arg],
				try_file(AT_FDCWD, argv[arg]));
	} else {
		try_all();
	}
	for (i = 0; i < nr_seeds; i++)
		free(seeds[i].p);
	return 0;
}
