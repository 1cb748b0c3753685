// SPDX-License-Identifier: GPL-2.0-only
/*
 * krr: records that BPF programs put into the log.
 *
 * They stand in the same stream as the inputs, so they are in order with them and
 * as safe.  A replayed kernel runs the same programs, which make the same records:
 * each one is compared, and any difference is a divergence.
 */
#include <linux/btf.h>
#include <linux/btf_ids.h>
#include <linux/init.h>
#include <linux/krr.h>

#include "krr.h"

#define MAX_RECORD	4096

/* Return: where the two part, or @n. */
static noinstr u32 same_until(const u8 *a, const u8 *b, u32 n)
{
	u32 i;

	for (i = 0; i < n && a[i] == b[i]; i++)
		;
	return i;
}

static noinstr void compare(const u8 *head, u32 head_len, const u8 *data, u32 len, u64 site)
{
	const struct krr_event *e = krr_take(KRR_EV_ANNOTATE, site);
	u32 n;

	if (krr_is_unhooked(KRR_EV_ANNOTATE))
		return;
	if (e->bytes_len != head_len + len)
		krr_diverge("an annotation of another length", KRR_EV_ANNOTATE, site,
			    e->bytes_len, head_len + len);
	if (same_until(head, e->bytes, head_len) < head_len)
		krr_diverge("an annotation of another subsystem", KRR_EV_ANNOTATE, site,
			    e->bytes[0], head[0]);
	n = same_until(data, e->bytes + head_len, len);
	if (n < len)
		krr_diverge("an annotation says something else", KRR_EV_ANNOTATE, site,
			    e->bytes[head_len + n], data[n]);
}

static noinstr u64 krr_c_annotate(unsigned long subsys, unsigned long data, unsigned long len,
				  unsigned long d, unsigned long site)
{
	u8 head[10];
	u32 n = krr_varint_put(head, subsys) - head;

	if (krr_recording())
		krr_put_bytes(KRR_EV_ANNOTATE, site, head, n, (void *)data, len);
	else
		compare(head, n, (void *)data, len, site);
	return 0;
}

__diag_push();
__diag_ignore_all("-Wmissing-prototypes", "kfuncs are called by BPF programs only");

/**
 * krr_recorded() - is what this CPU does being recorded (or replayed)?
 *
 * For BPF programs, before they take the trouble to make a record.
 */
noinline bool krr_recorded(void)
{
	return krr_on();
}

/**
 * krr_annotate() - put a record into the log
 * @subsys: whose it is
 * @data: the record
 * @data__sz: its length, 4096 bytes at most
 *
 * For BPF programs.  What they log has to follow from what the kernel does, as all
 * that they see does: a replay compares.
 *
 * Return: 1, 0 when this CPU is not being recorded, or -E2BIG.
 */
noinline int krr_annotate(u32 subsys, const void *data, u32 data__sz)
{
	if (data__sz > MAX_RECORD)
		return -E2BIG;
	if (!krr_on())
		return 0;
	krr_call(krr_c_annotate, subsys, data, data__sz, 0);
	return 1;
}

/**
 * krr_act() - start a recording, or end the one there is
 * @actions: KRR_ACT_START, KRR_ACT_STOP
 *
 * For BPF programs; done soon, by a worker, when a task may sleep.
 *
 * Return: 0, or -EINVAL.
 */
noinline int krr_act(u32 actions)
{
	if (!actions || actions & ~(KRR_ACT_START | KRR_ACT_STOP))
		return -EINVAL;
	krr_request(actions);
	return 0;
}

__diag_pop();

BTF_SET8_START(krr_kfuncs)
BTF_ID_FLAGS(func, krr_recorded)
BTF_ID_FLAGS(func, krr_annotate)
BTF_ID_FLAGS(func, krr_act)
BTF_SET8_END(krr_kfuncs)

static const struct btf_kfunc_id_set krr_kfunc_set = {
	.owner = THIS_MODULE,
	.set = &krr_kfuncs,
};

static int __init krr_kfuncs_init(void)
{
	return register_btf_kfunc_id_set(BPF_PROG_TYPE_TRACING, &krr_kfunc_set);
}
late_initcall(krr_kfuncs_init);
