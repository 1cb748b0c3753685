/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The store: a directory of recordings.
 *
 *	NAME/			a sealed recording
 *	NAME.incomplete/	one that is being made, or whose maker died
 *		lock		held with flock() by the maker
 *
 * with manifest.json, log.krr, start.state, start.ram, end.ram, console.log.
 * Nothing in it is followed when it is a symlink.
 */
#ifndef KRR_LIB_STORE_H
#define KRR_LIB_STORE_H

#include "lib/manifest.h"

#define KRR_INCOMPLETE	".incomplete"
#define KRR_NAME_MAX	100

struct krr_recording {
	char *name;
	char *path;	/* of its directory, for messages */
	int dirfd;
	int lockfd;	/* -1 once it is sealed */
	struct krr_manifest m;
};

bool krr_name_ok(const char *name);
char *krr_store_path(void);
int krr_store_open(void);
int krr_store_list(char ***names, bool incomplete);
void krr_store_list_free(char **names);

int krr_recording_create(const char *name, struct krr_recording *rec);
int krr_recording_adopt(const char *name, struct krr_recording *rec);
int krr_recording_seal(struct krr_recording *rec);
int krr_recording_open(const char *name, struct krr_recording *rec);
int krr_recording_check(const struct krr_recording *rec, enum krr_file f);
int krr_recording_check_sum(const struct krr_recording *rec, enum krr_file f, const char *sum);
int krr_recording_exists(const char *name);
char *krr_recording_free_name(const char *stem);
int krr_recording_remove(const char *name);
void krr_recording_discard(struct krr_recording *rec);
void krr_recording_close(struct krr_recording *rec);
uint64_t krr_recording_disk_bytes(const struct krr_recording *rec);

#endif /* KRR_LIB_STORE_H */
