/* SPDX-License-Identifier: GPL-2.0-only */
/* The processes that krrd in the guest consists of. */
#ifndef KRR_KRRD_PARTS_H
#define KRR_KRRD_PARTS_H

int control_part(void);
int exec_part(const char *path);
void part_stay_with_parent(void);

#endif /* KRR_KRRD_PARTS_H */
