/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Small things that every host program and the guest daemon need.
 *
 * Errors: functions return 0 or -errno.  Whoever knows the detail prints it,
 * once, with krr_err(); callers pass the number on.  Three numbers have a
 * meaning of their own in krr:
 *
 *	-EBADMSG	the recording is damaged
 *	-EILSEQ		replay diverged
 *	-ETIMEDOUT	something did not happen in time
 */
#ifndef KRR_LIB_UTIL_H
#define KRR_LIB_UTIL_H

#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/types.h>
#include <unistd.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

static inline void krr_cleanup_free(void *p) { free(*(void **)p); }
static inline void krr_cleanup_close(int *fd) { if (*fd >= 0) close(*fd); }
static inline void krr_cleanup_fclose(FILE **f) { if (*f) fclose(*f); }

#define __free_ptr	__attribute__((cleanup(krr_cleanup_free)))
#define __close_fd	__attribute__((cleanup(krr_cleanup_close)))
#define __close_file	__attribute__((cleanup(krr_cleanup_fclose)))

/* For files of a recording, that may come from elsewhere: follow no link, wait for no pipe. */
#define KRR_O_READ	(O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)

/* What a program exits with. */
enum krr_exit {
	KRR_EXIT_OK		= 0,
	KRR_EXIT_FAILED		= 1,
	KRR_EXIT_USAGE		= 2,
	KRR_EXIT_PRECONDITION	= 3,
	KRR_EXIT_DAMAGED	= 4,
	KRR_EXIT_DIVERGED	= 5,
	KRR_EXIT_TIMEOUT	= 6,
};

extern const char *krr_program;		/* prefix of messages, set by main() */
extern bool krr_quiet;			/* no krr_info() */

void krr_err(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void krr_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
char *krr_strf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* for krr_utc_now(): ISO 8601, and as it stands in names */
#define KRR_UTC_ISO	"%Y-%m-%dT%H:%M:%SZ"
#define KRR_UTC_NAME	"%Y%m%d-%H%M%S"

char *krr_utc_now(const char *format);
char *krr_printable(const char *field, size_t room);
char *krr_hex(const uint8_t *bytes, size_t len);
void krr_set_text(char **field, const char *value);

int krr_exit_code(int err);

uint64_t krr_now_ns(void);
void krr_sleep_ms(unsigned int ms);

int krr_parse_size(const char *text, uint64_t *bytes);
int krr_parse_ms(const char *text, uint64_t *ms);
int krr_parse_u64(const char *text, uint64_t *value);

int krr_mkdirs(const char *path, mode_t mode);
int krr_private_dir(const char *path);
int krr_remove_tree(int dirfd, const char *name);

int krr_write_full(int fd, const void *buf, size_t len);
int krr_send_full(int fd, const void *buf, size_t len);
ssize_t krr_read_full(int fd, void *buf, size_t len);
ssize_t krr_pread_full(int fd, void *buf, size_t len, off_t at);
uint64_t krr_meminfo(const char *field);
char *krr_read_file_at(int dirfd, const char *name, size_t limit);
void krr_print_tail(FILE *to, const char *path, unsigned int lines);

uint32_t krr_crc32(uint32_t crc, const void *buf, size_t len);
int krr_check_text(const char *s, size_t room);

#endif /* KRR_LIB_UTIL_H */
