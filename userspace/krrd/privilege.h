/* SPDX-License-Identifier: GPL-2.0-only */
/* What krrd in the guest may do. */
#ifndef KRR_KRRD_PRIVILEGE_H
#define KRR_KRRD_PRIVILEGE_H

#include <sys/types.h>

#define KRR_USER	"krr"	/* that serves requests */

/* All zero, root, if there is no such user. */
struct identity {
	uid_t uid;
	gid_t gid;
};

struct identity privilege_identity(const char *user);
int privilege_drop(const struct identity *id);

#endif /* KRR_KRRD_PRIVILEGE_H */
