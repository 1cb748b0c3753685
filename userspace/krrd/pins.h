/* SPDX-License-Identifier: GPL-2.0-only */
/* The objects of a policy in bpffs, where they outlive krrd. */
#ifndef KRR_KRRD_PINS_H
#define KRR_KRRD_PINS_H

#include <sys/types.h>

#define KRR_PINS	"/sys/fs/bpf/krr"

int pins_enter(const char *dir, uid_t uid, gid_t gid);
int pins_begin(char **set);
int pins_add(const char *set, const char *subsys);
int pins_put(const char *set, const char *subsys, const char *kind, const char *name, int fd);
int pins_get(const char *set, const char *subsys, const char *kind, const char *name);
int pins_each(const char *set, const char *subsys, const char *kind,
	      int (*take)(void *ctx, const char *name), void *ctx);
int pins_activate(const char *set);
char *pins_active(void);
void pins_drop(const char *set);
void pins_clean(void);

#endif /* KRR_KRRD_PINS_H */
