/* SPDX-License-Identifier: GPL-2.0-only */
/* /dev/krr */
#ifndef KRR_KRRD_CONTROL_H
#define KRR_KRRD_CONTROL_H

void control_open(void);
char *control_text(void);
int control(const char *verb, const char *arg);
char *control_error(const char *verb, int err);
int control_there(void);

#endif /* KRR_KRRD_CONTROL_H */
