/* SPDX-License-Identifier: GPL-2.0-only */
/* The two roles of krrd. */
#ifndef KRR_KRRD_H
#define KRR_KRRD_H

int krrd_guest(int argc, char **argv);
int krrd_host(int argc, char **argv);

#endif /* KRR_KRRD_H */
