// SPDX-License-Identifier: GPL-2.0-only
/* Offsets in the RAM file and guest physical addresses, in one piece and in two. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "lib/util.h"
#include "unit.h"
#include "vmm/machine.h"
#include "vmm/ram.h"

#define MIB		(1ull << 20)
#define GIB		(1ull << 30)
#define RAM_BYTES	(16 * MIB)
#define LOW		(8 * MIB)
#define HDR_AT		(1 * MIB)

static struct krr_ram ram;

static int open_ram(void **state)
{
	__free_ptr char *path = NULL;
	int fd;

	if (scratch_setup(state))
		return -1;
	path = krr_strf("%s/ram", scratch);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, RAM_BYTES), 0);
	close(fd);
	assert_int_equal(krr_ram_open(path, true, &ram), 0);
	return 0;
}

static int close_ram(void **state)
{
	krr_ram_close(&ram);
	return scratch_teardown(state);
}

static void one_piece(void **state)
{
	(void)state;
	assert_true(krr_ram_gpa(&ram, RAM_BYTES - 1) == RAM_BYTES - 1);
	assert_true(krr_ram_end(&ram) == RAM_BYTES);
	assert_ptr_equal(krr_ram_at(&ram, 0, RAM_BYTES), ram.map);
	assert_ptr_equal(krr_ram_at(&ram, RAM_BYTES - 1, 1), ram.map + RAM_BYTES - 1);
	assert_null(krr_ram_at(&ram, RAM_BYTES - 1, 2));
	assert_null(krr_ram_at(&ram, KRR_HIGH_RAM, 1));
	/* more than there is */
	krr_ram_split(&ram, 3 * GIB);
	assert_true(krr_ram_end(&ram) == RAM_BYTES);
}

static void two_pieces(void **state)
{
	(void)state;
	krr_ram_split(&ram, LOW);
	assert_true(krr_ram_gpa(&ram, LOW - 1) == LOW - 1);
	assert_true(krr_ram_gpa(&ram, LOW) == 4 * GIB);
	assert_true(krr_ram_gpa(&ram, LOW + 12345) == 4 * GIB + 12345);
	assert_true(krr_ram_end(&ram) == 4 * GIB + RAM_BYTES - LOW);
	assert_ptr_equal(krr_ram_at(&ram, LOW - 8, 8), ram.map + LOW - 8);
	assert_ptr_equal(krr_ram_at(&ram, 4 * GIB, RAM_BYTES - LOW), ram.map + LOW);
	/* nothing crosses from one piece to the other, or is in the hole */
	assert_null(krr_ram_at(&ram, LOW - 8, 16));
	assert_null(krr_ram_at(&ram, LOW, 1));
	assert_null(krr_ram_at(&ram, 4 * GIB - 1, 1));
	assert_null(krr_ram_at(&ram, 4 * GIB, RAM_BYTES - LOW + 1));
	assert_null(krr_ram_at(&ram, 4 * GIB + RAM_BYTES - LOW, 1));
	assert_null(krr_ram_at(&ram, UINT64_MAX, 2));
	assert_null(krr_ram_at(&ram, 8, UINT64_MAX));
}

/* A header is where its own gpa says, in either piece. */
static void headers(void **state)
{
	struct krr_hdr *h = (struct krr_hdr *)(ram.map + LOW + HDR_AT);

	(void)state;
	krr_ram_split(&ram, LOW);
	make_header(ram.map, LOW + HDR_AT, KRR_MIN_RING);
	assert_int_equal(krr_ram_find(&ram), -ENOENT);
	h->gpa = 4 * GIB + HDR_AT;
	assert_int_equal(krr_ram_find(&ram), 0);
	assert_true(ram.hdr_at == LOW + HDR_AT);
	assert_ptr_equal(ram.ring, ram.map + LOW + HDR_AT + KRR_HDR_BYTES);
	memset(h, 0, sizeof(*h));
	/* a ring that would leave the lower piece */
	make_header(ram.map, LOW - KRR_MIN_RING, KRR_MIN_RING);
	quiet_begin();
	assert_int_equal(krr_ram_use(&ram, LOW - KRR_MIN_RING), -EPROTO);
	quiet_end();
	krr_ram_split(&ram, RAM_BYTES);
	assert_int_equal(krr_ram_use(&ram, LOW - KRR_MIN_RING), 0);
}

static void low_ram(void **state)
{
	(void)state;
	assert_true(krr_machine_low_ram("pc-i440fx-7.2", GIB) == GIB);
	assert_true(krr_machine_low_ram("pc-i440fx-7.2", 3 * GIB) == 3 * GIB);
	assert_true(krr_machine_low_ram("pc-i440fx-7.2", 64 * GIB) == 3 * GIB);
	assert_true(krr_machine_low_ram("pc-q35-7.2", 2 * GIB) == 2 * GIB);
	assert_true(krr_machine_low_ram("pc-q35-7.2", 3 * GIB) == 2 * GIB);
	assert_true(krr_machine_low_ram("", 64 * GIB) == 3 * GIB);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(one_piece, open_ram, close_ram),
		cmocka_unit_test_setup_teardown(two_pieces, open_ram, close_ram),
		cmocka_unit_test_setup_teardown(headers, open_ram, close_ram),
		cmocka_unit_test(low_ram),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
