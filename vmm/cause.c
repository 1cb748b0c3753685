// SPDX-License-Identifier: GPL-2.0-only
#include <string.h>

#include "lib/cause.h"
#include "lib/format.h"
#include "lib/store.h"
#include "lib/util.h"
#include "vmm/cause.h"

#define CONSOLE_LIMIT	(64u << 20)

/**
 * krr_name_cause() - put the cause of a panic in front of its message
 * @rec: manifest filled in and not yet sealed; its console.log is whole
 *
 * The message stays as it is if the console says no more.
 */
void krr_name_cause(struct krr_recording *rec)
{
	struct krr_manifest *m = &rec->m;
	__free_ptr char *console = NULL, *cause = NULL;

	if (!m->stop_reason || strcmp(m->stop_reason, krr_stop_name(KRR_STOP_PANIC)) || !m->message)
		return;
	console = krr_read_file_at(rec->dirfd, krr_file_name(KRR_FILE_CONSOLE), CONSOLE_LIMIT);
	if (console)
		cause = krr_panic_cause(console, m->message);
	if (cause)
		krr_set_text(&m->message, cause);
}
