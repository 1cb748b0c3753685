// SPDX-License-Identifier: GPL-2.0-only
/*
 * aio - the old asynchronous IO, whose completion ring lies in user memory
 */
#include <linux/aio_abi.h>
#include "test.h"

#define N 4

int main(int argc, char **argv)
{
	static uint8_t buf[N][PAGE] __attribute__((aligned(4096)));
	struct amount a = test_amount(argc, argv);
	struct iocb cb[N], *list[N];
	struct io_event ev[N];
	aio_context_t ctx = 0;
	char path[128];
	int fd = test_file(path, 0);

	if (syscall(SYS_io_setup, 16, &ctx) < 0 && errno == ENOSYS)
		return test_skip("no aio");
	CHECK(ctx);
	while (test_more(&a)) {
		int write = a.rounds % 2;

		for (int i = 0; i < N; i++) {
			if (write)
				test_fill(buf[i], PAGE, (unsigned int)(a.rounds + i));
			else
				memset(buf[i], 0, PAGE);
			cb[i] = (struct iocb){
				.aio_lio_opcode = write ? IOCB_CMD_PWRITE : IOCB_CMD_PREAD,
				.aio_fildes = (uint32_t)fd, .aio_buf = (uintptr_t)buf[i],
				.aio_nbytes = PAGE, .aio_offset = (int64_t)(i * PAGE), .aio_data = (uint64_t)i,
			};
			list[i] = &cb[i];
		}
		CHECK(syscall(SYS_io_submit, ctx, N, list) == N);
		CHECK(syscall(SYS_io_getevents, ctx, N, N, ev, NULL) == N);
		for (int i = 0; i < N; i++) {
			CHECK(ev[i].res == (int64_t)PAGE);
			CHECK(write || test_same(buf[i], PAGE, (unsigned int)(a.rounds - 1 + i)));
		}
	}
	CHECK(!syscall(SYS_io_destroy, ctx));
	return test_ok(&a, "%ld requests", N * a.rounds);
}
