// SPDX-License-Identifier: GPL-2.0-only
/* Reading .symtab and the build-id through libelf. */
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <inttypes.h>
#include <libelf.h>
#include <string.h>

#include "lib/util.h"
#include "vmm/symbols.h"

#define FAR (1u << 20)		/* no symbol is this long: the address is outside */
#define PERCPU_END (16u << 20)	/* per-cpu symbols are offsets into a CPU's area */

struct symbol {
	uint64_t addr, size;
	char *name;
};

struct krr_symbols {
	struct symbol *v;
	size_t n;
};

static int by_addr(const void *a, const void *b)
{
	const struct symbol *x = a, *y = b;

	if (x->addr != y->addr)
		return x->addr < y->addr ? -1 : 1;
	return x->size < y->size ? -1 : x->size > y->size;
}

static bool is_percpu(const GElf_Sym *sym)
{
	return sym->st_value < PERCPU_END && sym->st_shndx != SHN_ABS &&
	       GELF_ST_TYPE(sym->st_info) == STT_OBJECT;
}

static void take_symbols(struct krr_symbols *s, Elf *elf, Elf_Scn *scn, const GElf_Shdr *sh)
{
	Elf_Data *data = elf_getdata(scn, NULL);
	size_t i, n = sh->sh_entsize ? sh->sh_size / sh->sh_entsize : 0;
	const char *name;
	GElf_Sym sym;

	s->v = calloc(n ? n : 1, sizeof(*s->v));
	if (!s->v)
		abort();
	for (i = 0; i < n && gelf_getsym(data, (int)i, &sym); i++) {
		if (sym.st_shndx == SHN_UNDEF || GELF_ST_TYPE(sym.st_info) == STT_SECTION ||
		    !(sym.st_value >> 63 || is_percpu(&sym)))
			continue;
		name = elf_strptr(elf, sh->sh_link, sym.st_name);
		if (!name || !*name)
			continue;
		s->v[s->n].addr = sym.st_value;
		s->v[s->n].size = sym.st_size;
		s->v[s->n++].name = krr_strf("%s", name);
	}
	qsort(s->v, s->n, sizeof(*s->v), by_addr);
}

static char *read_build_id(Elf_Scn *scn)
{
	Elf_Data *data = elf_getdata(scn, NULL);
	size_t at = 0, next, name, desc, i;
	GElf_Nhdr note;
	char *id = NULL;

	while (data && !id && (next = gelf_getnote(data, at, &note, &name, &desc))) {
		const uint8_t *p = (uint8_t *)data->d_buf + desc;

		at = next;
		if (note.n_type != 3 || note.n_namesz != 4 ||
		    memcmp((char *)data->d_buf + name, "GNU", 4))
			continue;
		id = krr_strf("%*s", (int)(2 * note.n_descsz), "");
		for (i = 0; i < note.n_descsz; i++)
			sprintf(id + 2 * i, "%02x", p[i]);
	}
	return id;
}

static int read_elf(struct krr_symbols *s, int fd, char **id)
{
	Elf_Scn *scn = NULL;
	GElf_Shdr sh;
	Elf *elf;

	elf_version(EV_CURRENT);
	elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
	if (!elf || elf_kind(elf) != ELF_K_ELF) {
		elf_end(elf);
		return -EINVAL;
	}
	while ((scn = elf_nextscn(elf, scn))) {
		if (!gelf_getshdr(scn, &sh))
			continue;
		if (sh.sh_type == SHT_SYMTAB && !s->v)
			take_symbols(s, elf, scn, &sh);
		else if (sh.sh_type == SHT_NOTE && !*id)
			*id = read_build_id(scn);
	}
	elf_end(elf);
	return s->n ? 0 : -EINVAL;
}

/**
 * krr_symbols_open() - read the symbols of a kernel
 * @vmlinux: path
 * @build_id: the kernel that is meant, in hex; "" or NULL for any
 * @out: result, freed by krr_symbols_free()
 *
 * Return: 0, -ENOENT, -EINVAL, or -ESTALE for another kernel (said on stderr).
 */
int krr_symbols_open(const char *vmlinux, const char *build_id, struct krr_symbols **out)
{
	__close_fd int fd = open(vmlinux, O_RDONLY | O_CLOEXEC);
	struct krr_symbols *s;
	__free_ptr char *id = NULL;
	int err;

	if (fd < 0) {
		krr_err("no symbols: %s: %s (make kernel builds it; KRR_VMLINUX names another)",
			vmlinux, strerror(errno));
		return -ENOENT;
	}
	s = calloc(1, sizeof(*s));
	if (!s)
		abort();
	err = read_elf(s, fd, &id);
	if (err) {
		krr_err("no symbols: %s is not an ELF file with a symbol table", vmlinux);
	} else if (build_id && *build_id && (!id || strcmp(id, build_id))) {
		krr_err("no symbols: %s has build-id %s, recorded was %s: set KRR_VMLINUX to that "
			"kernel",
			vmlinux, id ? id : "none", build_id);
		err = -ESTALE;
	}
	if (err) {
		krr_symbols_free(s);
		return err;
	}
	*out = s;
	return 0;
}

/**
 * krr_symbol() - an address in words
 * @s: symbols, or NULL
 * @addr: address, or an offset into the per-cpu area
 * @buf: result: "name+0x12", or the bare number
 * @room: bytes of it
 *
 * Return: @buf.
 */
const char *krr_symbol(const struct krr_symbols *s, uint64_t addr, char *buf, size_t room)
{
	size_t low = 0, high = s ? s->n : 0, mid;

	while (low < high) {
		mid = (low + high) / 2;
		if (s->v[mid].addr <= addr)
			low = mid + 1;
		else
			high = mid;
	}
	if (!low || addr - s->v[low - 1].addr > FAR)
		snprintf(buf, room, "0x%" PRIx64, addr);
	else
		snprintf(buf, room, "%s+0x%" PRIx64, s->v[low - 1].name, addr - s->v[low - 1].addr);
	return buf;
}

/** krr_symbols_free() - free */
void krr_symbols_free(struct krr_symbols *s)
{
	size_t i;

	if (!s)
		return;
	for (i = 0; i < s->n; i++)
		free(s->v[i].name);
	free(s->v);
	free(s);
}

/** krr_symbols_match() - is @vmlinux there, and of this build? Says nothing. */
bool krr_symbols_match(const char *vmlinux, const char *build_id)
{
	__close_fd int fd = open(vmlinux, O_RDONLY | O_CLOEXEC);
	__free_ptr char *id = NULL;
	struct krr_symbols *s = calloc(1, sizeof(*s));
	bool match;

	if (!s)
		abort();
	match = fd >= 0 && !read_elf(s, fd, &id) && id && build_id && !strcmp(id, build_id);
	krr_symbols_free(s);
	return match;
}
