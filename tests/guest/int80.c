// SPDX-License-Identifier: GPL-2.0-only
/*
 * int80 - the 32-bit system call gate, entered from 64-bit code
 */
#include "test.h"

/* i386 numbers */
#define I386_WRITE	4
#define I386_GETPID	20
#define I386_UNAME	122

static long int80(long nr, long b, long c, long d)
{
	long ret;

	asm volatile("int $0x80" : "=a"(ret) : "a"(nr), "b"(b), "c"(c), "d"(d)
		     : "memory", "r8", "r9", "r10", "r11");
	return ret;
}

int main(int argc, char **argv)
{
	struct amount a = test_amount(argc, argv);
	int p[2];
	char *low, got[8];

	/* pointers have to fit in 32 bits */
	low = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	CHECK(low != MAP_FAILED && !pipe(p));
	if ((int)int80(I386_GETPID, 0, 0, 0) != getpid())
		return test_skip("no 32-bit system calls");
	while (test_more(&a)) {
		CHECK((int)int80(I386_GETPID, 0, 0, 0) == getpid());
		memcpy(low, "through", 8);
		CHECK(int80(I386_WRITE, p[1], (long)low, 8) == 8);
		CHECK(read(p[0], got, 8) == 8 && !memcmp(got, low, 8));
		CHECK(!(int)int80(I386_UNAME, (long)low, 0, 0) && !strcmp(low, "Linux"));
		CHECK((int)int80(I386_WRITE, p[1], 16, 8) == -EFAULT);
	}
	return test_ok(&a, "%s", "32-bit gate");
}
