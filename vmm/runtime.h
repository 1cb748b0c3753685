/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The runtime directory: one directory a VM, of this user only.
 *
 * It may be below /tmp, where anybody can put something under its name first.  So it is
 * opened once, without following a link, and its owner and mode are checked on the open
 * descriptor; everything in it is reached from there.  A directory that fails the check
 * is treated as absent.  Nothing here removes a directory tree: a VM's directory loses
 * the files that krr itself makes, by name, and goes if it is empty then.
 */
#ifndef KRR_VMM_RUNTIME_H
#define KRR_VMM_RUNTIME_H

#include <jansson.h>

char *krr_runtime_dir(void);
int krr_runtime_open(void);
int krr_runtime_make(void);
int krr_runtime_open_vm(const char *name);
json_t *krr_runtime_json(const char *name, const char *file);
void krr_runtime_remove_vm(const char *name);
int krr_runtime_list(char ***names);

#endif /* KRR_VMM_RUNTIME_H */
