// SPDX-License-Identifier: GPL-2.0-only
/*
 * bigcopy - reads of user memory that are longer than one event holds: values of a BPF map
 */
#include <linux/bpf.h>
#include "test.h"

static const unsigned int sizes[] = { 512 * 1024 - 8, 512 * 1024 + 8, 768 * 1024, 1280 * 1024 };

#define MAX (1280 * 1024)

static long bpf(int cmd, union bpf_attr *attr)
{
	return syscall(SYS_bpf, cmd, attr, sizeof(*attr));
}

static int make_map(unsigned int size)
{
	union bpf_attr attr = { .map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = size,
				.max_entries = 1 };

	return (int)bpf(BPF_MAP_CREATE, &attr);
}

static void element(int cmd, int map, void *value)
{
	uint32_t key = 0;
	union bpf_attr attr = { .map_fd = (uint32_t)map, .key = (uintptr_t)&key,
				.value = (uintptr_t)value };

	CHECK(!bpf(cmd, &attr));
}

static void there_and_back(unsigned int size, uint8_t *in, uint8_t *out)
{
	int map = make_map(size);

	CHECK(map >= 0);
	element(BPF_MAP_UPDATE_ELEM, map, in);
	memset(out, 0, size);
	element(BPF_MAP_LOOKUP_ELEM, map, out);
	CHECK(!memcmp(in, out, size));
	close(map);
}

int main(int argc, char **argv)
{
	struct amount a = test_amount(argc, argv);
	uint8_t *in = malloc(MAX), *out = malloc(MAX);
	int map = make_map(8);

	if (map < 0 && errno == ENOSYS)
		return test_skip("no bpf");
	CHECK(in && out);
	while (test_more(&a)) {
		for (unsigned int i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
			memset(in, 0xff, MAX);	/* no byte of it ends a varint */
			there_and_back(sizes[i], in, out);
			test_fill(in, MAX, (unsigned int)a.rounds + i);
			there_and_back(sizes[i], in, out);
		}
	}
	return test_ok(&a, "up to %u bytes", MAX);
}
