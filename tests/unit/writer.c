// SPDX-License-Identifier: GPL-2.0-only
/*
 * A process that writes to RAM as QEMU does: this program again, started as QEMU is, with the
 * library preloaded.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/image.h"
#include "lib/util.h"
#include "vmm/uffd.h"
#include "writer.h"

struct krr_ram ram;
struct krr_writes writes = { .uffd = -1, .pagemap = -1, .clear_refs = -1 };
pid_t writer;

static char *path;
static int to_writer, from_writer;

struct order {
	enum writer_how how;
	uint32_t page;
	uint8_t value;
};

int be_writer(const char *file)
{
	int fd = open(file, O_RDWR | O_CLOEXEC), bytes[2];
	uint8_t *map = mmap(NULL, WRITER_PAGES * KRR_BLOCK, PROT_READ | PROT_WRITE, MAP_SHARED,
			    fd, 0);
	volatile uint8_t *at;
	struct order o;
	uint8_t old;

	if (map == MAP_FAILED || pipe(bytes) < 0 || write(1, "+", 1) != 1)
		return 1;
	while (read(0, &o, sizeof(o)) == sizeof(o)) {
		at = map + o.page * (size_t)KRR_BLOCK + 77;
		old = *at;
		if (o.how == BY_STORE)
			*at = o.value;
		else if (o.how == BY_KERNEL && (write(bytes[1], &o.value, 1) != 1 ||
						read(bytes[0], (void *)at, 1) != 1))
			return 1;
		if (write(1, &old, 1) != 1)
			return 1;
	}
	return 0;
}

static void wait_for_it(void)
{
	char byte;

	assert_int_equal(read(from_writer, &byte, 1), 1);
}

void make_it(enum writer_how how, uint32_t page, uint8_t value)
{
	struct order o = { .how = how, .page = page, .value = value };

	assert_int_equal(write(to_writer, &o, sizeof(o)), sizeof(o));
	wait_for_it();
}

static void start_writer(int *socket)
{
	int in[2], out[2], theirs;

	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	*socket = krr_uffd_pair(&theirs);
	writer = fork();
	assert_true(writer >= 0);
	if (!writer) {
		dup2(in[0], 0);
		dup2(out[1], 1);
		setenv("ASAN_OPTIONS", "verify_asan_link_order=0", 1);
		krr_uffd_preload(theirs);
		execl("/proc/self/exe", "writer", path, NULL);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	if (theirs >= 0)
		close(theirs);
	to_writer = in[1];
	from_writer = out[0];
	wait_for_it();
}

/* --- setup -------------------------------------------------------------------------- */

static int begin(const char *way)
{
	int socket, fd;

	if (scratch_setup(NULL))
		return -1;
	path = krr_strf("/dev/shm/krr-unit-%d.ram", (int)getpid());
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, WRITER_PAGES * KRR_BLOCK), 0);
	close(fd);
	assert_int_equal(krr_ram_open(path, true, &ram), 0);
	make_header(ram.map, WRITER_HDR * KRR_BLOCK, KRR_MIN_RING);
	assert_int_equal(krr_ram_find(&ram), 0);
	setenv("KRR_WRITES", way, 1);
	start_writer(&socket);
	assert_int_equal(krr_writes_open(&writes, writer, krr_uffd_take(socket), &ram), 0);
	if (socket >= 0)
		close(socket);
	return 0;
}

int writer_end(void **state)
{
	krr_writes_close(&writes);
	close(to_writer);
	close(from_writer);
	waitpid(writer, NULL, 0);
	krr_ram_close(&ram);
	unlink(path);
	free(path);
	unsetenv("KRR_WRITES");
	unsetenv("KRR_WRITES_CHECK");
	return scratch_teardown(state);
}

int writer_scan(void **state)
{
	(void)state;
	return begin("scan");
}

int writer_soft(void **state)
{
	(void)state;
	return begin("soft");
}

int writer_hash(void **state)
{
	(void)state;
	return begin("hash");
}

/*
 * Does this host offer what was asked for?  What it offers is used.  To cmocka a test that
 * is skipped has failed, so one that this host cannot run returns.
 */
bool offered(enum krr_writes_way way)
{
	if (krr_writes_best(krr_uffd_there()) != way) {
		print_message("# this host does not offer \"%s\"\n", krr_writes_name(way));
		return false;
	}
	assert_int_equal(writes.way, way);
	return true;
}

/* The same for any way but to hash. */
bool one_offered(void)
{
	enum krr_writes_way best = krr_writes_best(krr_uffd_there());

	return offered(best == KRR_WRITES_HASH ? KRR_WRITES_SCAN : best);
}
