/* SPDX-License-Identifier: GPL-2.0-only */
/* Connecting to the sockets that QEMU makes. */
#ifndef KRR_VMM_SOCKET_H
#define KRR_VMM_SOCKET_H

#include <stdint.h>

int krr_socket_connect(const char *path, uint64_t deadline);

#endif /* KRR_VMM_SOCKET_H */
