// SPDX-License-Identifier: GPL-2.0-only
/*
 * uprobe - probes in a file that user mode wrote through a mapping, as some linkers do
 *
 * The kernel reads the instruction under a probe, the one that it put there, the reference
 * counter of a probe and the build id of the file from page cache.
 */
#include <elf.h>
#include <linux/perf_event.h>
#include "test.h"

#define TRACING	"/sys/kernel/tracing/"
#define CODE	256		/* in the file */
#define COUNTER	PAGE

struct image {
	Elf64_Ehdr head;
	Elf64_Phdr note_head;
	Elf64_Nhdr note;
	char name[4];
	uint8_t id[20];
};

/* push %rbp; mov %rsp,%rbp; lea N(%rdi),%eax; pop %rbp; ret: the first one is probed */
static const uint8_t code[] = { 0x55, 0x48, 0x89, 0xe5, 0x8d, 0x87, 0, 0, 0, 0, 0x5d, 0xc3 };

static void write_image(uint8_t *page, long seed)
{
	struct image *m = (struct image *)page;

	memset(page, 0, PAGE);
	memcpy(m->head.e_ident, ELFMAG, SELFMAG);
	m->head.e_ident[EI_CLASS] = ELFCLASS64;
	m->head.e_type = ET_DYN;
	m->head.e_phoff = sizeof(m->head);
	m->head.e_phnum = 1;
	m->note_head.p_type = PT_NOTE;
	m->note_head.p_offset = offsetof(struct image, note);
	m->note_head.p_filesz = sizeof(*m) - offsetof(struct image, note);
	m->note.n_namesz = sizeof(m->name);
	m->note.n_descsz = sizeof(m->id);
	m->note.n_type = NT_GNU_BUILD_ID;
	memcpy(m->name, "GNU", sizeof(m->name));
	test_fill(m->id, sizeof(m->id), (unsigned int)seed);
	memcpy(page + CODE, code, sizeof(code));
	page[CODE + 6] = (uint8_t)(seed & 0x7f);
}

static int put_event(const char *text)
{
	int fd = open(TRACING "uprobe_events", O_WRONLY | O_APPEND | O_CLOEXEC), ok;

	if (fd < 0)
		return 0;
	ok = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	close(fd);
	return ok;
}

static int open_perf(void)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE, .size = sizeof(attr), .config = PERF_COUNT_SW_DUMMY,
		.mmap = 1, .mmap2 = 1, .build_id = 1,
	};

	return (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0);
}

/* Is there a record of a mapping with the build id that belongs to @seed? */
static int has_build_id(struct perf_event_mmap_page *ring, long seed)
{
	uint8_t want[20], *at = (uint8_t *)ring + PAGE;
	uint64_t head = __atomic_load_n(&ring->data_head, __ATOMIC_ACQUIRE);

	test_fill(want, sizeof(want), (unsigned int)seed);
	for (uint64_t i = 0; i + sizeof(want) <= head; i++)
		if (!memcmp(at + i, want, sizeof(want)))
			return 1;
	return 0;
}

static void probe(const char *path, const uint8_t *x, long seed)
{
	int (*fn)(long) = (int (*)(long))(uintptr_t)(x + CODE);
	char text[256];

	snprintf(text, sizeof(text), "p:krr_test %s:0x%x(0x%lx)\n", path, CODE, COUNTER);
	CHECK(put_event(text));
	CHECK(fn(seed) == seed + (seed & 0x7f));
	CHECK(test_put(TRACING "events/uprobes/krr_test/enable", "1"));
	CHECK(x[CODE] == 0xcc);
	for (int i = 0; i < 3; i++)
		CHECK(fn(seed) == seed + (seed & 0x7f));
	CHECK(test_put(TRACING "events/uprobes/krr_test/enable", "0"));
	CHECK(fn(seed) == seed + (seed & 0x7f));
	CHECK(put_event("-:krr_test\n"));
}

static void round_of(long seed, struct perf_event_mmap_page *ring)
{
	char path[128];
	int fd = test_file(path, 1);
	uint8_t *w, *x;

	CHECK(!ftruncate(fd, 2 * PAGE));
	w = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(w != MAP_FAILED);
	write_image(w, seed);
	memset(w + COUNTER, 0, PAGE);
	x = mmap(NULL, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
	CHECK(x != MAP_FAILED && has_build_id(ring, seed));
	/* the counter is found in a mapping that is private and writable */
	CHECK(mmap(w, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, fd, 0) == w);
	probe(path, x, seed);
	CHECK(!munmap(w, 2 * PAGE) && !munmap(x, PAGE) && !close(fd) && !unlink(path));
}

int main(int argc, char **argv)
{
	struct amount a = test_amount(argc, argv);
	struct perf_event_mmap_page *ring;
	int perf;

	if (access(TRACING "uprobe_events", W_OK))
		return test_skip("no uprobes");
	test_alone();
	while (test_more(&a)) {
		perf = open_perf();
		CHECK(perf >= 0);
		ring = mmap(NULL, 9 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, perf, 0);
		CHECK(ring != MAP_FAILED);
		round_of(a.rounds, ring);
		CHECK(!munmap(ring, 9 * PAGE) && !close(perf));
	}
	return test_ok(&a, "three calls each");
}
