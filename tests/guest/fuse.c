// SPDX-License-Identifier: GPL-2.0-only
/*
 * fuse - a file system in user mode: one directory with one file, whose size and content
 * are new each time
 *
 * The kernel copies the daemon's answers by its own mapping of the daemon's buffer.
 */
#include <dirent.h>
#include <linux/fuse.h>
#include <pthread.h>
#include <sys/uio.h>
#include "test.h"

#define FILE_ID	2
#define NAME	"file"
#define MAX	(2 * PAGE)

static int dev;
static volatile unsigned int seed;

static unsigned int size_of(unsigned int s)
{
	return 1 + s * 977 % MAX;
}

static void answer(uint64_t unique, int err, const void *body, size_t len)
{
	struct fuse_out_header h = { .len = (uint32_t)(sizeof(h) + len), .error = -err, .unique = unique };
	struct iovec v[] = { { &h, sizeof(h) }, { (void *)(uintptr_t)body, len } };

	/* who asked may be gone */
	CHECK(writev(dev, v, 2) == (ssize_t)h.len || errno == ENOENT);
}

static struct fuse_attr attr(uint64_t id)
{
	return (struct fuse_attr){
		.ino = id, .nlink = 1, .blksize = PAGE, .size = id == FILE_ID ? size_of(seed) : 0,
		.mode = id == FILE_ID ? S_IFREG | 0444 : S_IFDIR | 0555,
	};
}

static void answer_lookup(const struct fuse_in_header *in)
{
	struct fuse_entry_out out = { .nodeid = FILE_ID, .generation = 1, .attr = attr(FILE_ID) };

	if (strcmp((const char *)(in + 1), NAME))
		answer(in->unique, ENOENT, NULL, 0);
	else
		answer(in->unique, 0, &out, sizeof(out));
}

static void answer_read(const struct fuse_in_header *in)
{
	const struct fuse_read_in *r = (const void *)(in + 1);
	static uint8_t data[MAX];
	unsigned int size = size_of(seed), n = r->offset < size ? size - (unsigned int)r->offset : 0;

	test_fill(data, size, seed);
	answer(in->unique, 0, data + r->offset, n < r->size ? n : r->size);
}

static void answer_readdir(const struct fuse_in_header *in)
{
	const struct fuse_read_in *r = (const void *)(in + 1);
	uint64_t buf[8] = { 0 };
	struct fuse_dirent *d = (void *)buf;

	d->ino = FILE_ID;
	d->off = 1;
	d->namelen = sizeof(NAME) - 1;
	d->type = DT_REG;
	memcpy(d->name, NAME, d->namelen);
	answer(in->unique, 0, buf, r->offset ? 0 : FUSE_DIRENT_SIZE(d));
}

static void serve(const struct fuse_in_header *in)
{
	struct fuse_init_out init = { .major = 7, .minor = 31, .max_write = PAGE };
	struct fuse_attr_out a = { .attr = attr(in->nodeid) };
	struct fuse_open_out open = { .fh = seed };

	switch (in->opcode) {
	case FUSE_INIT:
		return answer(in->unique, 0, &init, sizeof(init));
	case FUSE_GETATTR:
		return answer(in->unique, 0, &a, sizeof(a));
	case FUSE_LOOKUP:
		return answer_lookup(in);
	case FUSE_OPEN:
	case FUSE_OPENDIR:
		return answer(in->unique, 0, &open, sizeof(open));
	case FUSE_READ:
		return answer_read(in);
	case FUSE_READDIR:
		return answer_readdir(in);
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
	case FUSE_INTERRUPT:
		return;
	case FUSE_RELEASE:
	case FUSE_RELEASEDIR:
	case FUSE_FLUSH:
		return answer(in->unique, 0, NULL, 0);
	default:
		return answer(in->unique, ENOSYS, NULL, 0);
	}
}

static void *serve_all(void *arg)
{
	static uint64_t buf[FUSE_MIN_READ_BUFFER / 4];

	for (;;) {
		ssize_t n = read(dev, buf, sizeof(buf));

		if (n < 0 && errno == ENODEV)
			return arg;		/* unmounted */
		CHECK(n >= (ssize_t)sizeof(struct fuse_in_header));
		serve((const void *)buf);
	}
}

static void look(const char *dir)
{
	static uint8_t got[MAX];
	char path[128];
	DIR *d = opendir(dir);
	struct dirent *e = d ? readdir(d) : NULL;
	struct stat st;
	int fd;

	CHECK(e && !strcmp(e->d_name, NAME) && e->d_ino == FILE_ID && !readdir(d));
	closedir(d);
	snprintf(path, sizeof(path), "%s/%s", dir, NAME);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	CHECK(fd >= 0 && !fstat(fd, &st) && st.st_size == size_of(seed));
	CHECK(read(fd, got, sizeof(got)) == st.st_size);
	CHECK(test_same(got, (size_t)st.st_size, seed));
	close(fd);
	CHECK(access(test_in(dir, "nothing"), F_OK) && errno == ENOENT);
}

int main(int argc, char **argv)
{
	struct amount a = test_amount(argc, argv);
	char dir[64], options[96];
	pthread_t t;

	dev = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	if (dev < 0)
		return test_skip("no fuse");
	snprintf(dir, sizeof(dir), "/tmp/fuse-%d", getpid());
	snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0", dev);
	CHECK(!mkdir(dir, 0700) && !mount("krr", dir, "fuse", 0, options));
	CHECK(!pthread_create(&t, NULL, serve_all, NULL));
	while (test_more(&a)) {
		seed = (unsigned int)a.rounds;
		look(dir);
	}
	CHECK(!umount(dir) && !rmdir(dir));
	pthread_join(t, NULL);
	return test_ok(&a, "the last file had %u bytes", size_of(seed));
}
