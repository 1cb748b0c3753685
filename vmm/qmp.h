/* SPDX-License-Identifier: GPL-2.0-only */
/* A client of QEMU's machine protocol (QMP), one call at a time. */
#ifndef KRR_VMM_QMP_H
#define KRR_VMM_QMP_H

#include <jansson.h>

struct krr_qmp;

int krr_qmp_connect(const char *path, unsigned int timeout_ms, struct krr_qmp **out);
int krr_qmp_call(struct krr_qmp *q, const char *command, json_t *args, json_t **result);
int krr_qmp_send_fd(struct krr_qmp *q, const char *name, int fd);
int krr_qmp_hmp(struct krr_qmp *q, const char *line, char **text);
char *krr_qmp_status(struct krr_qmp *q);
void krr_qmp_close(struct krr_qmp *q);

#endif /* KRR_VMM_QMP_H */
