// SPDX-License-Identifier: GPL-2.0-only
/* The verbs of krrctl in a guest. */
#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "krrctl/verbs.h"
#include "lib/util.h"
#include "vmm/link.h"

#define START_MS	3000u	/* for krrd to come up, right after the boot */

const char verbs_note[] = "krrd in this guest does it, which is asked at " KRR_GUEST_SOCKET ".\n";

const struct verb verbs[] = {
	VERBS_OF_KRRD,
	{ NULL,		NULL,		NULL, NULL },
};

int verbs_use_vm(const char *name)
{
	krr_err("--vm %s: this is a guest, and can reach its own krrd only", name);
	return -EINVAL;
}

/**
 * verbs_open_link() - to krrd in this guest
 * @link: result
 *
 * Return: 0 or -errno (said on stderr).
 */
int verbs_open_link(struct krr_link **link)
{
	int err = krr_link_connect(KRR_GUEST_SOCKET, START_MS, link);
	const char *why;

	if (!err)
		err = krr_link_hello(*link, KRR_HELLO_MS);
	why = *link ? krr_link_refusal(*link) : "";
	if (*why)
		krr_err("%s", why);
	else if (err == -EACCES)
		krr_err("krrd does not talk to you: be root, or in the group " KRR_GROUP);
	else if (err)
		krr_err("krrd does not answer at " KRR_GUEST_SOCKET ": %s; is it running?",
			strerror(-err));
	return err;
}

/* The recorder, and what it keeps, is on the host. */
void verbs_explain(void) { }
void verbs_before_save(void) { }
int verbs_after_save(void) { return 0; }
void verbs_print_flight(void) { }

void verbs_add_flight(json_t *status)
{
	(void)status;
}
