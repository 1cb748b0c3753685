// SPDX-License-Identifier: GPL-2.0-only
/* Messages, time, numbers, files. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>

#include "lib/util.h"

const char *krr_program = "krr";
bool krr_quiet;

static void say(const char *fmt, va_list ap)
{
	char text[4096];

	vsnprintf(text, sizeof(text), fmt, ap);
	fprintf(stderr, "%s: %s\n", krr_program, text);
}

/**
 * krr_err() - say what went wrong, on stderr
 * @fmt: what was expected, what was found, what to try; no newline
 */
void krr_err(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(fmt, ap);
	va_end(ap);
}

/**
 * krr_info() - say what is being done, on stderr, unless krr_quiet
 * @fmt: one line, no newline
 */
void krr_info(const char *fmt, ...)
{
	va_list ap;

	if (krr_quiet)
		return;
	va_start(ap, fmt);
	say(fmt, ap);
	va_end(ap);
}

/**
 * krr_strf() - a formatted string in memory of its own
 * @fmt: as of printf
 *
 * Return: never NULL; the program aborts when out of memory. Freed by free().
 */
char *krr_strf(const char *fmt, ...)
{
	va_list ap;
	char *s;

	va_start(ap, fmt);
	if (vasprintf(&s, fmt, ap) < 0)
		abort();
	va_end(ap);
	return s;
}

/** krr_hex() - bytes as hex digits, freed by free() */
char *krr_hex(const uint8_t *bytes, size_t len)
{
	static const char digits[] = "0123456789abcdef";
	char *s = malloc(2 * len + 1);
	size_t i;

	if (!s)
		abort();
	for (i = 0; i < 2 * len; i++)
		s[i] = digits[bytes[i / 2] >> (i & 1 ? 0 : 4) & 15];
	s[2 * len] = '\0';
	return s;
}

/**
 * krr_set_text() - put a copy of a text into the place of the one there is
 * @field: NULL, or for free()
 * @value: text, or NULL
 */
void krr_set_text(char **field, const char *value)
{
	char *copy = value ? krr_strf("%s", value) : NULL;

	free(*field);
	*field = copy;
}

/**
 * krr_exit_code() - exit status for a result
 * @err: 0 or -errno
 */
int krr_exit_code(int err)
{
	switch (err) {
	case 0:
		return KRR_EXIT_OK;
	case -EINVAL:
		return KRR_EXIT_USAGE;
	case -EBADMSG:
		return KRR_EXIT_DAMAGED;
	case -EILSEQ:
		return KRR_EXIT_DIVERGED;
	case -ETIMEDOUT:
		return KRR_EXIT_TIMEOUT;
	case -ENODEV:
	case -ENOENT:
	case -EEXIST:
	case -ENOSPC:
	case -EACCES:
	case -EBUSY:
	case -EOPNOTSUPP:
	case -ECANCELED:
	case -ELOOP:
		return KRR_EXIT_PRECONDITION;
	default:
		return KRR_EXIT_FAILED;
	}
}

/** krr_utc_now() - the time by a format of strftime(), 63 characters at most; freed by free() */
char *krr_utc_now(const char *format)
{
	time_t t = time(NULL);
	struct tm tm;
	char text[64];

	gmtime_r(&t, &tm);
	strftime(text, sizeof(text), format, &tm);
	return krr_strf("%s", text);
}

/** krr_now_ns() - monotonic time in nanoseconds */
uint64_t krr_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/** krr_sleep_ms() - sleep, at most until a signal */
void krr_sleep_ms(unsigned int ms)
{
	struct timespec t = { ms / 1000, (long)(ms % 1000) * 1000000 };

	nanosleep(&t, NULL);
}

/**
 * krr_parse_ms() - a time: a number with ms, s, m or h behind it; seconds if nothing is
 * @text: what somebody typed
 * @ms: result
 *
 * Return: 0, or -EINVAL.
 */
int krr_parse_ms(const char *text, uint64_t *ms)
{
	static const struct { const char *name; uint64_t ms; } units[] = {
		{ "ms", 1 }, { "s", 1000 }, { "", 1000 }, { "m", 60000 }, { "h", 3600000 },
	};
	char *end;
	uint64_t n;
	size_t i;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	errno = 0;
	n = strtoull(text, &end, 10);
	if (errno)
		return -EINVAL;
	for (i = 0; i < ARRAY_SIZE(units); i++) {
		if (strcmp(end, units[i].name))
			continue;
		if (n > UINT64_MAX / units[i].ms)
			return -EINVAL;
		*ms = n * units[i].ms;
		return 0;
	}
	return -EINVAL;
}

/**
 * krr_parse_u64() - a number in decimal, or in hex after 0x
 * @text: the whole of it must be a number
 * @value: result
 *
 * Return: 0 or -EINVAL.
 */
int krr_parse_u64(const char *text, uint64_t *value)
{
	char *end;

	if (!isdigit((unsigned char)text[0]))
		return -EINVAL;
	errno = 0;
	*value = strtoull(text, &end, 0);
	return errno || *end ? -EINVAL : 0;
}

/**
 * krr_parse_size() - a number of bytes with an optional K, M or G
 * @text: e.g. "512M"
 * @bytes: result
 *
 * Return: 0, -EINVAL, or -ERANGE when it does not fit.
 */
int krr_parse_size(const char *text, uint64_t *bytes)
{
	unsigned int shift = 0;
	uint64_t n;
	char *end;

	if (!isdigit((unsigned char)text[0]))
		return -EINVAL;
	errno = 0;
	n = strtoull(text, &end, 0);
	if (errno)
		return -ERANGE;
	switch (toupper((unsigned char)*end)) {
	case 'G':
		shift = 30;
		break;
	case 'M':
		shift = 20;
		break;
	case 'K':
		shift = 10;
		break;
	}
	if (shift)
		end++;
	if (*end)
		return -EINVAL;
	if (n > UINT64_MAX >> shift)
		return -ERANGE;
	*bytes = n << shift;
	return 0;
}

/**
 * krr_mkdirs() - make a directory and its parents
 * @path: what to make; directories that exist are left alone
 * @mode: of each that is made
 */
int krr_mkdirs(const char *path, mode_t mode)
{
	__free_ptr char *s = krr_strf("%s", path);
	char *p;

	for (p = s + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		if (mkdir(s, mode) < 0 && errno != EEXIST)
			return -errno;
		*p = '/';
	}
	return mkdir(s, mode) < 0 && errno != EEXIST ? -errno : 0;
}

/**
 * krr_private_dir() - make a directory that is only ours
 * @path: made with mode 0700; one that exists must be a real directory of ours
 */
int krr_private_dir(const char *path)
{
	struct stat st;
	int err;

	err = krr_mkdirs(path, 0700);
	if (!err && lstat(path, &st) < 0)
		err = -errno;
	if (err) {
		krr_err("cannot make the directory %s: %s", path, strerror(-err));
		return err;
	}
	if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid()) {
		krr_err("%s must be a directory owned by user %u; it is not: remove it, or set "
			"another",
			path, geteuid());
		return -EACCES;
	}
	return 0;
}

/**
 * krr_remove_tree() - remove a file, or a directory with what is in it
 * @dirfd: where
 * @name: what; symlinks are removed, not followed
 */
int krr_remove_tree(int dirfd, const char *name)
{
	struct dirent *de;
	int fd, err = 0;
	DIR *dir;

	fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return unlinkat(dirfd, name, 0) < 0 ? -errno : 0;
	dir = fdopendir(fd);
	if (!dir) {
		err = -errno;
		close(fd);
		return err;
	}
	while (!err && (de = readdir(dir)))
		if (strcmp(de->d_name, ".") && strcmp(de->d_name, ".."))
			err = krr_remove_tree(fd, de->d_name);
	closedir(dir);
	if (!err && unlinkat(dirfd, name, AT_REMOVEDIR) < 0)
		err = -errno;
	return err;
}

static ssize_t put_some(int fd, const void *buf, size_t len, bool is_socket)
{
	return is_socket ? send(fd, buf, len, MSG_NOSIGNAL) : write(fd, buf, len);
}

static int put_all(int fd, const char *p, size_t len, bool is_socket)
{
	ssize_t n;

	while (len) {
		n = put_some(fd, p, len, is_socket);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

/** krr_write_full() - write all of it, or return -errno */
int krr_write_full(int fd, const void *buf, size_t len)
{
	return put_all(fd, buf, len, false);
}

/** krr_send_full() - the same for a socket: -EPIPE, and no signal, when the other side hung up */
int krr_send_full(int fd, const void *buf, size_t len)
{
	return put_all(fd, buf, len, true);
}

static ssize_t read_all(int fd, void *buf, size_t len, off_t at, bool seek)
{
	size_t got = 0;
	ssize_t n;

	while (got < len) {
		n = seek ? pread(fd, (char *)buf + got, len - got, at + (off_t)got) :
			   read(fd, (char *)buf + got, len - got);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			break;
		got += (size_t)n;
	}
	return (ssize_t)got;
}

/** krr_read_full() - read until @len bytes or the end; bytes read or -errno */
ssize_t krr_read_full(int fd, void *buf, size_t len)
{
	return read_all(fd, buf, len, 0, false);
}

/** krr_pread_full() - the same at an offset */
ssize_t krr_pread_full(int fd, void *buf, size_t len, off_t at)
{
	return read_all(fd, buf, len, at, true);
}

/**
 * krr_read_file_at() - a small text file as a string
 * @dirfd: where
 * @name: which; symlinks are not followed
 * @limit: a longer file is refused
 *
 * Return: the text, freed by free(), or NULL with errno set.
 */
char *krr_read_file_at(int dirfd, const char *name, size_t limit)
{
	__close_fd int fd = openat(dirfd, name, KRR_O_READ);
	ssize_t n;
	char *s;

	if (fd < 0)
		return NULL;
	s = malloc(limit + 2);
	if (!s)
		abort();
	n = krr_read_full(fd, s, limit + 1);
	if (n < 0 || (size_t)n > limit) {
		errno = n < 0 ? (int)-n : EFBIG;
		free(s);
		return NULL;
	}
	s[n] = '\0';
	return s;
}

/** krr_print_tail() - the last lines of a text file, indented */
void krr_print_tail(FILE *to, const char *path, unsigned int lines)
{
	__close_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	char buf[8192], *p, *line, *save = NULL;
	unsigned int n = 0;
	struct stat st;
	ssize_t len;

	if (fd < 0 || fstat(fd, &st) < 0)
		return;
	len = krr_pread_full(fd, buf, sizeof(buf) - 1,
			     st.st_size > (off_t)sizeof(buf) - 1 ?
			     st.st_size - (off_t)sizeof(buf) + 1 : 0);
	if (len <= 0)
		return;
	buf[len] = '\0';
	for (p = buf + len; p > buf; p--)
		if (p[-1] == '\n' && ++n > lines)
			break;
	for (line = strtok_r(p, "\r\n", &save); line; line = strtok_r(NULL, "\r\n", &save))
		fprintf(to, "    %s\n", line);
}

/**
 * krr_crc32() - CRC-32 as of IEEE 802.3
 * @crc: 0, or the result for what stands before
 * @buf: bytes
 * @len: how many
 */
uint32_t krr_crc32(uint32_t crc, const void *buf, size_t len)
{
	const uint8_t *p = buf;
	int bit;

	crc = ~crc;
	while (len--) {
		crc ^= *p++;
		for (bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
	}
	return ~crc;
}

/**
 * krr_check_text() - is this an ended string of printable ASCII?
 * @s: untrusted bytes
 * @room: how many there are
 *
 * Return: its length, or -EBADMSG.
 */
int krr_check_text(const char *s, size_t room)
{
	size_t i;

	for (i = 0; i < room && s[i]; i++)
		if (!isprint((unsigned char)s[i]) && s[i] != '\n' && s[i] != '\t')
			return -EBADMSG;
	return i < room ? (int)i : -EBADMSG;
}

/**
 * krr_printable() - copy of a text that somebody else wrote
 * @field: untrusted
 * @room: bytes of it
 *
 * Return: printable, ended, without newlines at its end; freed by free().
 */
char *krr_printable(const char *field, size_t room)
{
	char *s = krr_strf("%.*s", (int)room, field);
	size_t n = strlen(s);
	char *p;

	while (n && (s[n - 1] == '\n' || s[n - 1] == ' '))
		s[--n] = '\0';
	for (p = s; *p; p++)
		if (!isprint((unsigned char)*p))
			*p = *p == '\n' ? ' ' : '?';
	return s;
}

/**
 * krr_meminfo() - a number of /proc/meminfo
 * @field: with its colon, as "MemAvailable:"
 *
 * Return: bytes, 0 where the host does not say.
 */
uint64_t krr_meminfo(const char *field)
{
	__free_ptr char *text = krr_read_file_at(AT_FDCWD, "/proc/meminfo", 65536);
	const char *line = text ? strstr(text, field) : NULL;
	unsigned long long kib = 0;

	if (line)
		sscanf(line + strlen(field), "%llu kB", &kib);
	return kib * 1024;
}
