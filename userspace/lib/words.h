/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef KRR_LIB_WORDS_H
#define KRR_LIB_WORDS_H

int krr_split_words(char *text, char **words, int room);

#endif /* KRR_LIB_WORDS_H */
