// SPDX-License-Identifier: GPL-2.0-only
/*
 * Policies in files: /etc/krr/NAME.conf has options of krrctl enable, as many on a
 * line as one likes.
 */
#include <errno.h>
#include <glob.h>
#include <string.h>

#include "krrd/policy.h"
#include "lib/util.h"
#include "lib/words.h"

#define FILE_MAX_BYTES	65536u

/* Return: words that there are now, or -errno with @why set. @content is what they point into. */
static int add_file(const char *path, char **words, int n, char **content, char **why)
{
	int more;

	*content = krr_read_file_at(AT_FDCWD, path, FILE_MAX_BYTES);
	if (!*content) {
		*why = krr_strf("%s: %s", path, strerror(errno));
		return -EIO;
	}
	more = krr_split_words(*content, words + n, KRR_POLICY_WORDS - n);
	if (more >= 0)
		return n + more;
	*why = krr_strf("%s: %s", path, more == -E2BIG ? "too many words" :
			"a quote without an end");
	return more;
}

static int enable(const glob_t *files, char **content, char **text)
{
	char *words[KRR_POLICY_WORDS + 1] = { NULL };
	size_t i;
	int n = 0;

	for (i = 0; i < files->gl_pathc; i++) {
		n = add_file(files->gl_pathv[i], words, n, &content[i], text);
		if (n < 0)
			return n;
	}
	return policy_enable(words, text);
}

/**
 * policy_enable_files() - policy_enable() with what stands in files
 * @pattern: of their names; they count in alphabetical order
 * @text: as there
 *
 * Return: as there; -ENOENT when there is no such file.
 */
int policy_enable_files(const char *pattern, char **text)
{
	glob_t files = { 0 };
	char **content;
	size_t i;
	int err;

	*text = NULL;
	if (glob(pattern, 0, NULL, &files) || !files.gl_pathc) {
		*text = krr_strf("--subsys LIST is needed, or a policy in %s", pattern);
		return -ENOENT;
	}
	content = calloc(files.gl_pathc, sizeof(*content));
	if (!content)
		abort();
	err = enable(&files, content, text);
	for (i = 0; i < files.gl_pathc; i++)
		free(content[i]);
	free(content);
	globfree(&files);
	return err;
}
