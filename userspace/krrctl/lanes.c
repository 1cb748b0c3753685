// SPDX-License-Identifier: GPL-2.0-only
/* Lanes of a timeline. */
#include <stdlib.h>
#include <string.h>

#include "krrctl/lanes.h"
#include "lib/util.h"

static struct lane *const *bucket_of(const struct lanes *lanes, uint32_t tid)
{
	return &lanes->bucket[tid % ARRAY_SIZE(lanes->bucket)];
}

/** lane_find() - the lane of a thread, NULL if it has none yet */
struct lane *lane_find(const struct lanes *lanes, uint32_t tid)
{
	struct lane *l = *bucket_of(lanes, tid);

	while (l && l->tid != tid)
		l = l->next;
	return l;
}

/**
 * lane_get() - the lane of a thread, a new one if there is none
 * @lanes: lanes
 * @pid: process; if a tid was used again, that of the newer thread
 * @tid: thread
 */
struct lane *lane_get(struct lanes *lanes, uint32_t pid, uint32_t tid)
{
	struct lane **bucket = (struct lane **)bucket_of(lanes, tid);
	struct lane *l = lane_find(lanes, tid);

	if (!l) {
		l = calloc(1, sizeof(*l));
		if (!l)
			abort();
		l->tid = tid;
		l->pid = pid;
		l->next = *bucket;
		*bucket = l;
	}
	if (l->pid != pid) {
		l->pid = pid;
		l->name[0] = '\0';
		l->done = 0;
	}
	return l;
}

/** lane_rename() - say how a lane is called; true if that is new */
bool lane_rename(struct lane *l, const char *name)
{
	if (!strncmp(l->name, name, sizeof(l->name) - 1))
		return false;
	strncpy(l->name, name, sizeof(l->name) - 1);
	return true;
}

static void push(struct lane *l, int64_t begin, int64_t end)
{
	if (l->done == LANE_DEPTH) {
		l->done--;
		memmove(l->done_begin, l->done_begin + 1, l->done * sizeof(int64_t));
		memmove(l->done_end, l->done_end + 1, l->done * sizeof(int64_t));
	}
	l->done_begin[l->done] = begin;
	l->done_end[l->done++] = end;
}

/**
 * lane_fit() - where a slice begins that shall cut no other one in two
 * @lane: its lane
 * @begin: where it seems to begin
 * @end: where it ends; slices come in this order
 *
 * Return: @begin, or the nearer border of the slice that it is in.
 */
int64_t lane_fit(struct lane *l, int64_t begin, int64_t end)
{
	int64_t b, e;

	for (; l->done; l->done--) {
		b = l->done_begin[l->done - 1];
		e = l->done_end[l->done - 1];
		if (begin >= e)
			break;
		if (begin > b && e - begin < begin - b) {
			begin = e;
			break;
		}
		if (begin > b)
			begin = b;
	}
	push(l, begin, end);
	return begin;
}

/** lanes_free() - free all of them */
void lanes_free(struct lanes *lanes)
{
	struct lane *l, *next;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(lanes->bucket); i++)
		for (l = lanes->bucket[i]; l; l = next) {
			next = l->next;
			free(l);
		}
}
