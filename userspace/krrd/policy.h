/* SPDX-License-Identifier: GPL-2.0-only */
/* What is annotated and looked for: krrctl enable, disable, status, subsys. */
#ifndef KRR_KRRD_POLICY_H
#define KRR_KRRD_POLICY_H

#define KRR_POLICY_WORDS 256	/* of krrctl enable */
#define KRR_POLICY_FILES "/etc/krr/*.conf"

int policy_enable(char **words, char **text);
int policy_adopt(char **text);
int policy_enable_files(const char *pattern, char **text);
void policy_disable(void);
void policy_stopped(void);
char *policy_status(void);
char *policy_subsys(void);

#endif /* KRR_KRRD_POLICY_H */
