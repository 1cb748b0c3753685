// SPDX-License-Identifier: GPL-2.0-only
/*
 * krr: user accesses, the half in C.  uaccess_64.S has the theory.
 *
 * KRR_EV_UREAD and KRR_EV_UREAD4 hold what a read returned.  Writes are not
 * logged, only their faults; KRR_EV_UFAULT says at which position of the CPU it
 * belongs, so that it is not taken for a later access's.
 */
#include <linux/export.h>
#include <linux/futex.h>
#include <linux/uaccess.h>
#include <asm/cpufeature.h>
#include <asm/errno.h>
#include <asm/trapnr.h>

#include "krr.h"

DEFINE_PER_CPU(struct krr_ua, krr_ua);

/* --- recording ---------------------------------------------------------------- */

/* Return: @left. */
noinstr u64 krr_c_uread(void *dst, const void *src, unsigned long n, unsigned long left,
			unsigned long site)
{
	unsigned long done = n - left, part;
	u8 head[KRR_VARINT_MAX];
	u8 *p = dst;

	do {
		part = min_t(unsigned long, done, KRR_UREAD_MAX);
		krr_put_bytes(KRR_EV_UREAD, site, head, krr_uread_put_head(head, left) - head,
			      p, part);
		p += part;
		done -= part;
	} while (done);
	return left;
}

noinstr void krr_c_get(u64 ptr, u64 unused, u64 value, u32 size, u64 site)
{
	krr_put1(KRR_EV_UREAD4, site, value);
}

/* A read that failed: all of it is left, and there is no data. */
noinstr void krr_c_get_failed(u64 ptr, u64 unused, u64 value, u32 size, u64 site)
{
	u8 head[KRR_VARINT_MAX];

	krr_put_bytes(KRR_EV_UREAD, site, head, krr_uread_put_head(head, size) - head, NULL, 0);
}

noinstr void krr_c_uatomic(long ret, u32 seen, u64 b, u64 c, u64 site)
{
	krr_put2(KRR_EV_UATOMIC, site, krr_zigzag(ret), seen);
}

/* --- replay --------------------------------------------------------------------- */

struct fault {
	u32 label;
	u16 error;
	u64 cr2, cx;
};

/* The next event is a fault of this very access: take it. */
static noinstr bool take_fault(struct fault *f)
{
	const struct krr_event *e = krr_peek();
	struct krr_cpu *c = krr_this();
	const u8 *p, *end;
	u64 pos, v;

	if (e->kind != KRR_EV_UFAULT)
		return false;
	p = e->bytes;
	end = p + e->bytes_len;
	krr_varint_get(&p, end, &v);
	pos = c->pos_logged + v;
	if (pos != this_cpu_read(krr_pos)) {
		if (pos < this_cpu_read(krr_pos))
			krr_diverge("a fault's position was passed without it", KRR_EV_UFAULT, 0,
				    pos, this_cpu_read(krr_pos));
		return false;
	}
	krr_varint_get(&p, end, &v);
	f->label = v >> 16;
	f->error = v;
	krr_varint_get(&p, end, &f->cr2);
	krr_varint_get(&p, end, &f->cx);
	if (f->label >= krr_ua_sites_end - krr_ua_sites)
		krr_diverge("a fault at an unknown place", KRR_EV_UFAULT, 0, 0, f->label);
	c->pos_logged = pos;
	krr_take(KRR_EV_UFAULT, krr_ua_sites[f->label].site);
	return true;
}

static noinstr struct krr_ua *raise(const struct fault *f)
{
	struct krr_ua *ua = this_cpu_ptr(&krr_ua);

	ua->ip = krr_ua_sites[f->label].site;
	ua->error = f->error;
	ua->flags = krr_fault_flags();
	asm volatile("movq %0, %%cr2" : : "r" (f->cr2));
	return ua;
}

/*
 * The registers of a string copy of @n bytes that stopped with @cx: in the loop
 * of 8 bytes at sites of even number, in that of single bytes at odd ones.
 */
static noinstr void raise_copy(const struct fault *f, u64 dst, u64 src, u64 n, bool moves_src)
{
	struct krr_ua *ua = raise(f);
	u64 done = f->label & 1 ? n - f->cx : ((n >> 3) - f->cx) << 3;

	ua->ax = 0;
	ua->cx = f->cx;
	ua->di = dst + done;
	ua->si = moves_src ? src + done : src;
}

/* One event of a read of @n bytes, @done of which others had. Return: bytes that it had. */
static noinstr unsigned long take_uread(u8 *dst, unsigned long n, unsigned long done, u64 *left,
					unsigned long site)
{
	const struct krr_event *e = krr_take(KRR_EV_UREAD, site);
	const u8 *p = e->bytes, *end = p + e->bytes_len;

	if (krr_uread_get_head(&p, end, left))
		krr_diverge("a user read that can't be decoded", KRR_EV_UREAD, site, n,
			    e->bytes_len);
	/* only the last one may be of no bytes */
	if (*left > n || end - p > n - *left - done || (p == end && done != n - *left))
		krr_diverge("a user read of another length", KRR_EV_UREAD, site, n,
			    *left + done + (end - p));
	krr_copy(dst + done, p, end - p);
	return end - p;
}

/* Return: 1: raise what is in krr_ua; 0: done, krr_ua.left. */
noinstr u64 krr_c_uread_replay(u8 *dst, const void *src, unsigned long n, unsigned long d,
			       unsigned long site)
{
	struct krr_ua *ua = this_cpu_ptr(&krr_ua);
	unsigned long done = 0;
	struct fault f;
	u64 left;

	if (take_fault(&f)) {
		raise_copy(&f, (u64)dst, (u64)src, n, true);
		return 1;
	}
	if (krr_is_unhooked(KRR_EV_UREAD)) {
		ua->left = 0;
		return 0;
	}
	do
		done += take_uread(dst, n, done, &left, site);
	while (done < n - left);
	ua->left = left;
	return 0;
}

/* Write as many bytes as @bytes has, again and again. */
static noinstr void poke_all(u8 *dst, const u8 bytes[64], unsigned long n)
{
	unsigned long part;

	for (; n; dst += part, n -= part) {
		part = min_t(unsigned long, n, 64);
		krr_poke(dst, bytes, part);
	}
}

/*
 * What is in user pages is of no consequence, so it may as well be a pattern: then a read
 * that no hook sees does not get what it got in recording.
 */
static noinstr void poke(void *dst, const void *src, unsigned long n)
{
	static const u8 poison[64] __aligned(64) = { [0 ... 63] = KRR_POISON };

	if (krr_hdr->host_flags & KRR_HOST_POISON)
		poke_all(dst, poison, n);
	else
		krr_poke(dst, src, n);
}

noinstr u64 krr_c_uwrite_replay(void *dst, const void *src, unsigned long n, unsigned long d,
				unsigned long site)
{
	struct fault f;

	if (take_fault(&f)) {
		raise_copy(&f, (u64)dst, (u64)src, n, true);
		return 1;
	}
	poke(dst, src, n);
	return 0;
}

noinstr u64 krr_c_uclear_replay(void *dst, const void *src, unsigned long n, unsigned long d,
				unsigned long site)
{
	static const u8 zero[64] __aligned(64);
	struct fault f;

	if (take_fault(&f)) {
		raise_copy(&f, (u64)dst, (u64)src, n, false);
		return 1;
	}
	poke_all(dst, zero, n);
	return 0;
}

noinstr u64 krr_c_get_replay(u64 ptr, u64 unused, u64 value, u32 size, u64 site)
{
	struct krr_ua *ua = this_cpu_ptr(&krr_ua);
	struct fault f;

	if (take_fault(&f)) {
		raise(&f)->ax = ptr;
		return 1;
	}
	if (krr_peek()->kind == KRR_EV_UREAD) {
		krr_take(KRR_EV_UREAD, site);
		ua->value = 0;
		ua->left = -EFAULT;
		return 0;
	}
	ua->value = krr_take(KRR_EV_UREAD4, site)->arg[0];
	ua->left = 0;
	return 0;
}

noinstr u64 krr_c_put_replay(u64 value, u64 ptr, u64 unused, u32 size, u64 site)
{
	struct fault f;

	if (take_fault(&f)) {
		raise(&f)->ax = value;
		return 1;
	}
	poke((void *)ptr, &value, size);
	this_cpu_ptr(&krr_ua)->ax = value;
	return 0;
}

noinstr u64 krr_c_uatomic_replay(u64 old, u64 seen, u64 new, u32 size, u64 site)
{
	struct krr_ua *ua = this_cpu_ptr(&krr_ua);
	const struct krr_event *e;
	struct fault f;

	if (take_fault(&f)) {
		raise(&f)->ax = old;
		return 1;
	}
	e = krr_take(KRR_EV_UATOMIC, site);
	ua->left = krr_unzigzag(e->arg[0]);
	ua->value = e->arg[1];
	return 0;
}

/**
 * krr_skip_fault() - a fault of replay's own write to a user page
 * @regs: its frame
 *
 * Return: true if the fault is dealt with: the write is given up, since what is
 * in user pages is of no consequence to the kernel.
 */
noinstr bool krr_skip_fault(struct pt_regs *regs, unsigned long address)
{
	if (!krr_replaying() || regs->ip < (u64)krr_poke_site || regs->ip >= (u64)krr_poke_end)
		return false;
	regs->ip = (u64)krr_poke_end;
	return true;
}

/* --- in the domain ----------------------------------------------------------- */

unsigned long krr_clear_user3(void *dst, const void *unused, unsigned long n);

/**
 * krr_clear_user() - __clear_user() while recording or replaying
 *
 * Return: bytes not cleared.
 */
unsigned long krr_clear_user(void *dst, unsigned long n)
{
	return krr_clear_user3(dst, NULL, n);
}
EXPORT_SYMBOL(krr_clear_user);

static int futex_new(int op, u32 old, u32 arg, u32 *new)
{
	switch (op) {
	case FUTEX_OP_SET:
		*new = arg;
		return 0;
	case FUTEX_OP_ADD:
		*new = old + arg;
		return 0;
	case FUTEX_OP_OR:
		*new = old | arg;
		return 0;
	case FUTEX_OP_ANDN:
		*new = old & ~arg;
		return 0;
	case FUTEX_OP_XOR:
		*new = old ^ arg;
		return 0;
	}
	return -ENOSYS;
}

/**
 * krr_futex_op() - arch_futex_atomic_op_inuser() while recording or replaying
 *
 * One read-modify-write primitive serves all operations.
 *
 * Return: 0, -EFAULT or -ENOSYS.
 */
int krr_futex_op(int op, int oparg, int *oval, u32 *uaddr)
{
	u32 old, new, seen;
	int err;

	if (!access_ok((u32 __user *)uaddr, sizeof(u32)))
		return -EFAULT;
	do {
		if (__get_user(old, (u32 __user *)uaddr))
			return -EFAULT;
		err = futex_new(op, old, oparg, &new);
		if (!err)
			err = krr_cmpxchg_user4(uaddr, old, new, &seen);
		if (err)
			return err;
	} while (seen != old);
	*oval = old;
	return 0;
}
