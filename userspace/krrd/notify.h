/* SPDX-License-Identifier: GPL-2.0-only */
/* Telling systemd. */
#ifndef KRR_KRRD_NOTIFY_H
#define KRR_KRRD_NOTIFY_H

void notify_ready(const char *status);

#endif /* KRR_KRRD_NOTIFY_H */
