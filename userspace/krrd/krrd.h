/* SPDX-License-Identifier: GPL-2.0-only */
/* The two roles of krrd; each build has one of them. */
#ifndef KRR_KRRD_H
#define KRR_KRRD_H

extern const char krrd_role[];		/* "--guest" or "--host" */
extern const char krrd_usage[];

int krrd_serve(int argc, char **argv);

#endif /* KRR_KRRD_H */
