/* SPDX-License-Identifier: GPL-2.0-only */
/* What krrd in the guest listens to. */
#ifndef KRR_KRRD_PORT_H
#define KRR_KRRD_PORT_H

#include <stdbool.h>

#include "lib/proto.h"

struct port {
	int fd;			/* -1: there is none */
	bool up;		/* somebody is connected on the other side */
	unsigned int patience_ms;	/* with one who does not read; 0: no end of it */
	struct krr_framer in;
};

typedef void port_handler(void *ctx, struct port *port, uint32_t type, uint8_t *payload,
			  uint32_t len);

void ports_catch_signals(void);
int port_open(const char *path, const char *name);
bool port_gone(const struct port *port);
void port_read(struct port *port, port_handler *handle, void *ctx);
void port_hello(const struct port *port, const uint8_t *payload, uint32_t len, bool krr);
int port_send(const struct port *port, uint32_t type, const void *payload, size_t len);
int port_listen(const char *path, const char *group);
int port_accept(int listener, const char *group);
void port_refuse(int fd, int err, const char *why);
void port_close(struct port *port);
void port_reply(const struct port *port, int result, const char *text);

#endif /* KRR_KRRD_PORT_H */
