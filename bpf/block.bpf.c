// SPDX-License-Identifier: GPL-2.0-only
/* Requests to disks. */
#include "krr.bpf.h"
#include "start.bpf.h"

#define OP_MASK		0xff	/* of struct request's cmd_flags */
#define NO_SECTOR	((sector_t)-1)	/* a command to the device, as for its serial number */

/* Indexed by blk_status_t, as the kernel's own table. */
static __always_inline int status_errno(u8 status)
{
	switch (status) {
	case 0: return 0;
	case 1: return -95;	/* EOPNOTSUPP */
	case 2: return -110;	/* ETIMEDOUT */
	case 3: return -28;	/* ENOSPC */
	case 4: return -67;	/* ENOLINK */
	case 5: return -121;	/* EREMOTEIO */
	case 6: return -52;	/* EBADE */
	case 7: return -61;	/* ENODATA */
	case 8: return -84;	/* EILSEQ */
	case 9: return -12;	/* ENOMEM */
	case 11: return -78;	/* EREMCHG */
	case 12: return -11;	/* EAGAIN */
	case 13: return -16;	/* EBUSY */
	default: return -5;	/* EIO */
	}
}

static __always_inline void put_request(struct krr_block *rec, const struct request *rq)
{
	const struct gendisk *disk = rq->q->disk;
	u32 op = rq->cmd_flags & OP_MASK;

	if (disk)
		rec->dev = disk->major << 20 | disk->first_minor;
	rec->op = op <= KRR_OP_DISCARD ? op : KRR_OP_OTHER;
	if (rec->op != KRR_OP_FLUSH && rq->__sector != NO_SECTOR)
		rec->sector = rq->__sector;
}

SEC("tp_btf/block_rq_issue")
int BPF_PROG(block_issue, struct request *rq)
{
	struct krr_block *rec;

	krr_started(0, rq, 0);
	rec = krr_begin();
	if (!rec)
		return 0;
	rec->event = KRR_BLOCK_ISSUE;
	put_request(rec, rq);
	rec->bytes = rq->__data_len;
	return krr_emit(KRR_SUBSYS_BLOCK, rec);
}

SEC("tp_btf/block_rq_complete")
int BPF_PROG(block_complete, struct request *rq, u8 status, unsigned int bytes)
{
	struct krr_block *rec = krr_begin();
	struct krr_start start;

	if (!rec)
		return 0;
	if (!krr_ended(0, rq, &start) && !bytes) {	/* a flush after what ended before */
		krr_drop(rec);
		return 0;
	}
	rec->event = KRR_BLOCK_COMPLETE;
	put_request(rec, rq);
	rec->bytes = bytes;
	rec->status = status_errno(status);
	rec->latency = start.ns;
	return krr_emit(KRR_SUBSYS_BLOCK, rec);
}

char LICENSE[] SEC("license") = "GPL";
