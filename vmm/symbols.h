/* SPDX-License-Identifier: GPL-2.0-only */
/* Names for addresses, from the symbol table of a vmlinux. */
#ifndef KRR_VMM_SYMBOLS_H
#define KRR_VMM_SYMBOLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct krr_symbols;

int krr_symbols_open(const char *vmlinux, const char *build_id, struct krr_symbols **out);
bool krr_symbols_match(const char *vmlinux, const char *build_id);
const char *krr_symbol(const struct krr_symbols *s, uint64_t addr, char *buf, size_t room);
void krr_symbols_free(struct krr_symbols *s);

#endif /* KRR_VMM_SYMBOLS_H */
