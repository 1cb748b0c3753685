/* SPDX-License-Identifier: GPL-2.0-only */
/* The host's end of the virtio-serial port to krrd in the guest. */
#ifndef KRR_VMM_LINK_H
#define KRR_VMM_LINK_H

#include <stdint.h>

#include "lib/proto.h"

struct krr_link;

int krr_link_connect(const char *path, unsigned int timeout_ms, struct krr_link **out);
int krr_link_open(const char *path, unsigned int timeout_ms, struct krr_link **out);
int krr_link_hello(struct krr_link *l, unsigned int timeout_ms);
const char *krr_link_identity(const struct krr_link *l);
const char *krr_link_refusal(const struct krr_link *l);
int krr_link_send(struct krr_link *l, uint32_t type, const void *payload, uint32_t len);
int krr_link_recv(struct krr_link *l, uint32_t *type, uint8_t **payload, uint32_t *len,
		  unsigned int timeout_ms);
int krr_link_ask(struct krr_link *l, uint32_t type, const void *payload, uint32_t n, char **reply,
		 unsigned int timeout_ms);
int krr_link_request(struct krr_link *l, uint32_t type, const char *text, char **reply,
		     unsigned int timeout_ms);
int krr_link_exec(struct krr_link *l, const char *record, char *const argv[]);
void krr_link_close(struct krr_link *l);

#endif /* KRR_VMM_LINK_H */
