/* SPDX-License-Identifier: GPL-2.0-only */
/* The files of a recording as a whole: sparse copies, checksums. */
#ifndef KRR_LIB_IMAGE_H
#define KRR_LIB_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KRR_BLOCK	4096u
#define KRR_SUM_TEXT	17	/* 16 hex digits, and the end */

/* What became of a copy. */
struct krr_copy {
	uint64_t bytes;			/* really copied */
	char sum[KRR_SUM_TEXT];		/* empty when the file system shares the blocks */
};

uint64_t krr_block_hash(const uint8_t *block, uint64_t number);
bool krr_block_zero(const uint8_t *block);
int krr_copy_sparse(int from, int to, struct krr_copy *copy);
int krr_sum_fd(int fd, char sum[KRR_SUM_TEXT]);

#endif /* KRR_LIB_IMAGE_H */
