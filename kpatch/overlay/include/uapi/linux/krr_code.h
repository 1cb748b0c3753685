/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * krr - encoding and decoding of numbers and of KRR_EV_ENTRY, for both ends.
 *
 * The guest kernel includes this where nothing may be instrumented and no
 * function of the kernel be called, the host where the bytes are not trusted: so
 * all of it is inline, and every reader knows its end.
 */
#ifndef _UAPI_LINUX_KRR_CODE_H
#define _UAPI_LINUX_KRR_CODE_H

#ifdef __KERNEL__
#include <uapi/linux/krr.h>
#else
#include <stdint.h>
#include <linux/krr.h>
#endif

#define KRR_INLINE	static inline __attribute__((always_inline, unused))

#define KRR_VARINT_MAX	10
/* vector, slot, error code, bitmap, words */
#define KRR_ENTRY_MAX	((KRR_NR_ENTRY_WORDS + 3) * KRR_VARINT_MAX + 1)

KRR_INLINE uint64_t krr_zigzag(int64_t v)
{
	return ((uint64_t)v << 1) ^ (uint64_t)(v >> 63);
}

KRR_INLINE int64_t krr_unzigzag(uint64_t v)
{
	return (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
}

/**
 * krr_varint_put() - append a LEB128 varint
 * @p: room for KRR_VARINT_MAX bytes
 * @v: value
 *
 * Return: the byte after it.
 */
KRR_INLINE uint8_t *krr_varint_put(uint8_t *p, uint64_t v)
{
	while (v >= 0x80) {
		*p++ = (uint8_t)(v | 0x80);
		v >>= 7;
	}
	*p++ = (uint8_t)v;
	return p;
}

/**
 * krr_varint_get() - read a LEB128 varint
 * @p: cursor, moved behind it
 * @end: first byte that may not be read
 * @v: its value
 *
 * Return: 0; -1 when it is cut off or has more than 64 bits, with @p anywhere
 * up to @end.
 */
KRR_INLINE int krr_varint_get(const uint8_t **p, const uint8_t *end, uint64_t *v)
{
	unsigned int shift;
	uint8_t b;

	*v = 0;
	for (shift = 0; shift < 64 && *p < end; shift += 7) {
		b = *(*p)++;
		if (shift == 63 && b > 1)
			return -1;
		*v |= (uint64_t)(b & 0x7f) << shift;
		if (!(b & 0x80))
			return 0;
	}
	return -1;
}

/*
 * KRR_EV_UREAD: the bytes of a read that were not copied, then bytes that were.  A read of
 * more than KRR_UREAD_MAX bytes is several events, and each of them says that number.
 */
#define KRR_UREAD_MAX	(KRR_MAX_BYTES / 2)

KRR_INLINE uint8_t *krr_uread_put_head(uint8_t *p, uint64_t left)
{
	return krr_varint_put(p, left);
}

/* Return: 0 with @p behind the number, or -1 if there is none. */
KRR_INLINE int krr_uread_get_head(const uint8_t **p, const uint8_t *end, uint64_t *left)
{
	return krr_varint_get(p, end, left);
}

/* Does the CPU push an error code for this vector? */
KRR_INLINE int krr_has_error_code(uint32_t vector)
{
	return vector < 32 && (0x00227d00u >> vector & 1);	/* 8, 10 to 14, 17, 21 */
}

/* Words of an entry: see KRR_EV_ENTRY. */
enum {
	KRR_W_R11 = 6, KRR_W_RAX = 10, KRR_W_RCX = 11, KRR_W_ORIG_RAX = 15,
	KRR_W_RIP = 16, KRR_W_EFLAGS = 18, KRR_W_RSP = 19,
};

/* X(bit of the bitmap, word): what changes often has a low bit. */
#define KRR_ENTRY_OFTEN(X)						       \
	X(0, 16) X(1, 19) X(2, 18) X(4, 15) X(5, 10) X(6, 14) X(7, 13) X(8, 12)\
	X(9, 5) X(10, 4)
#define KRR_ENTRY_SELDOM(X)						       \
	X(3, 21) X(11, 3) X(12, 2) X(13, 1) X(14, 0) X(15, 9) X(16, 8) X(17, 7)\
	X(18, 11) X(19, 6) X(20, 17) X(21, 20) X(22, 22)

/* Word of bit k of the bitmap. */
KRR_INLINE unsigned int krr_entry_order(unsigned int k)
{
#define X(k, i)	[k] = i,
	static const uint8_t order[KRR_NR_ENTRY_WORDS] = { KRR_ENTRY_OFTEN(X) KRR_ENTRY_SELDOM(X) };
#undef X

	return order[k];
}

/*
 * What word @i most probably is.  @w: words before it in krr_entry_order() are
 * this entry's, the others the last one's.
 */
KRR_INLINE uint64_t krr_entry_guess(const uint64_t *w, unsigned int i, uint32_t vector)
{
	if (vector == KRR_VEC_SYSCALL) {
		if (i == KRR_W_RCX)
			return w[KRR_W_RIP];
		if (i == KRR_W_R11)
			return w[KRR_W_EFLAGS];
		if (i == KRR_W_RAX)
			return (uint64_t)-38;	/* -ENOSYS */
	} else if (i == KRR_W_ORIG_RAX && vector < KRR_VEC_SYSCALL) {
		return (uint64_t)-1;
	}
	return w[i];
}

/* The four values that a word can be given relative to. */
KRR_INLINE uint64_t krr_entry_base(unsigned int ref, uint64_t guess, const uint64_t *w,
				   uint64_t before)
{
	return ref == 0 ? guess : ref == 1 ? 0 : ref == 2 ? w[KRR_W_RSP] : before;
}

/*
 * One word: bits 0 and 1 say relative to what, 2 to 6 are the low bits, 7 "more".  Each
 * entry makes this choice for most of its words, so the bases are compared in straight code.
 */
KRR_INLINE uint8_t *krr_entry_put_word(uint8_t *p, uint64_t v, uint64_t guess, const uint64_t *w,
				       uint64_t before)
{
	uint64_t best = krr_zigzag((int64_t)(v - guess)), z;
	unsigned int by = 0;

#define TRY(ref)							       \
	z = krr_zigzag((int64_t)(v - krr_entry_base(ref, guess, w, before)));  \
	by = z < best ? ref : by;					       \
	best = z < best ? z : best;
	if (best > 31) {
		TRY(1)
		TRY(2)
		TRY(3)
	}
#undef TRY
	*p++ = (uint8_t)(by | (best & 31) << 2 | (best > 31) << 7);
	return best > 31 ? krr_varint_put(p, best >> 5) : p;
}

/* There are more words than registers: read them again, rather than keep them all. */
#define KRR_RELOAD()	__asm__ volatile("" : : : "memory")

/* Which words are not as guessed, for constant @call and @gate; see below. */
KRR_INLINE uint32_t krr_entry_changed(const uint64_t *w, const uint64_t *regs, uint64_t cr2,
				      uint64_t segs, int call, int gate)
{
	uint32_t changed = 0;
	uint64_t any = 0;

#define GUESS(i)							       \
	((i) == KRR_W_RCX && call ? regs[KRR_W_RIP] :			       \
	 (i) == KRR_W_R11 && call ? regs[KRR_W_EFLAGS] :		       \
	 (i) == KRR_W_RAX && call ? (uint64_t)-38 :			       \
	 (i) == KRR_W_ORIG_RAX && gate ? (uint64_t)-1 : w[i])
#define VALUE(i)							       \
	((i) == KRR_ENTRY_CR2 ? cr2 : (i) == KRR_ENTRY_SEGS ? segs : regs[i])
#define COMPARE(k, i)	changed |= (uint32_t)(VALUE(i) != GUESS(i)) << (k);
#define ANY(k, i)	any |= VALUE(i) ^ GUESS(i);
	KRR_RELOAD();
	KRR_ENTRY_OFTEN(COMPARE)
	KRR_ENTRY_SELDOM(ANY)
	if (any) {
		KRR_RELOAD();
		KRR_ENTRY_SELDOM(COMPARE)
	}
#undef ANY
#undef COMPARE
#undef VALUE
#undef GUESS
	return changed;
}

/**
 * krr_entry_put_regs() - append the payload of KRR_EV_ENTRY
 * @p: room for KRR_ENTRY_MAX bytes
 * @w: words of the last entry with this slot; become this one's
 * @slot: of this entry
 * @regs: the first KRR_NR_PT_REGS words of this one
 * @cr2: word KRR_ENTRY_CR2
 * @segs: word KRR_ENTRY_SEGS
 * @vector: KRR_VEC_* or 0 to 255
 * @error: error code, if the vector has one
 *
 * Each system call comes here, so all words are compared first, nearly without a
 * branch, and only those that differ are looked at again.
 *
 * Return: the byte after it.
 */
KRR_INLINE uint8_t *krr_entry_put_regs(uint8_t *p, uint64_t *w, uint8_t slot,
				       const uint64_t *regs, uint64_t cr2, uint64_t segs,
				       uint32_t vector, uint64_t error)
{
	const uint64_t rest[] = { cr2, segs };
	uint64_t v, before = 0;
	uint32_t changed;
	unsigned int k, i;

	if (vector == KRR_VEC_SYSCALL)
		changed = krr_entry_changed(w, regs, cr2, segs, 1, 0);
	else
		changed = krr_entry_changed(w, regs, cr2, segs, 0, vector < KRR_VEC_SYSCALL);
	p = krr_varint_put(p, vector ^ KRR_VEC_SYSCALL);
	*p++ = slot;
	if (krr_has_error_code(vector))
		p = krr_varint_put(p, krr_zigzag((int64_t)error));
	p = krr_varint_put(p, changed);
	/* from here on w[i] is krr_entry_guess(), whose words before i are this entry's */
	if (vector == KRR_VEC_SYSCALL) {
		w[KRR_W_RCX] = regs[KRR_W_RIP];
		w[KRR_W_R11] = regs[KRR_W_EFLAGS];
		w[KRR_W_RAX] = (uint64_t)-38;
	} else if (vector < KRR_VEC_SYSCALL) {
		w[KRR_W_ORIG_RAX] = (uint64_t)-1;
	}
	for (; changed; changed &= changed - 1) {
		k = (unsigned int)__builtin_ctz(changed);
		i = krr_entry_order(k);
		v = *(i < KRR_NR_PT_REGS ? &regs[i] : &rest[i - KRR_NR_PT_REGS]);
		p = krr_entry_put_word(p, v, w[i], w, before);
		w[i] = before = v;
	}
	return p;
}

/* krr_entry_put() - krr_entry_put_regs() with all KRR_NR_ENTRY_WORDS words in @now */
KRR_INLINE uint8_t *krr_entry_put(uint8_t *p, uint64_t *w, uint8_t slot, const uint64_t *now,
				  uint32_t vector, uint64_t error)
{
	return krr_entry_put_regs(p, w, slot, now, now[KRR_ENTRY_CR2], now[KRR_ENTRY_SEGS],
				  vector, error);
}

KRR_INLINE int krr_entry_get_word(const uint8_t **p, const uint8_t *end, uint64_t *v,
				  uint64_t guess, const uint64_t *w, uint64_t before)
{
	uint64_t rest = 0;
	uint8_t b;

	if (*p == end)
		return -1;
	b = *(*p)++;
	if (b & 0x80 && (krr_varint_get(p, end, &rest) || rest >> 59))
		return -1;
	*v = krr_entry_base(b & 3, guess, w, before) +
		(uint64_t)krr_unzigzag(rest << 5 | (b >> 2 & 31));
	return 0;
}

/**
 * krr_entry_get_head() - read the beginning of the payload of KRR_EV_ENTRY
 * @p: its first byte; moved behind what was read
 * @end: the byte after the payload
 * @vector: KRR_VEC_* or 0 to 255
 * @slot: says which words krr_entry_get() needs
 *
 * Return: 0; -1 when the bytes are none of an entry.
 */
KRR_INLINE int krr_entry_get_head(const uint8_t **p, const uint8_t *end, uint32_t *vector,
				  uint8_t *slot)
{
	uint64_t v;

	if (krr_varint_get(p, end, &v) || *p == end)
		return -1;
	v ^= KRR_VEC_SYSCALL;
	if (v > KRR_VEC_SYSCALL32)
		return -1;
	*vector = (uint32_t)v;
	*slot = *(*p)++;
	return 0;
}

/**
 * krr_entry_get() - read the rest of the payload of KRR_EV_ENTRY
 * @p: where krr_entry_get_head() has come to
 * @end: the byte after the payload
 * @w: words of the last entry with its slot; become this one's
 * @vector: of this entry
 * @error: error code, 0 if the vector has none
 *
 * Return: 0; -1 when the bytes are none of an entry, with @w in between.
 */
KRR_INLINE int krr_entry_get(const uint8_t *p, const uint8_t *end, uint64_t *w, uint32_t vector,
			     uint64_t *error)
{
	uint64_t before = 0, guess, v = 0, changed;
	unsigned int k, i;

	if (krr_has_error_code(vector) && krr_varint_get(&p, end, &v))
		return -1;
	*error = (uint64_t)krr_unzigzag(v);
	if (krr_varint_get(&p, end, &changed) || changed >> KRR_NR_ENTRY_WORDS)
		return -1;
	for (k = 0; k < KRR_NR_ENTRY_WORDS; k++) {
		i = krr_entry_order(k);
		guess = krr_entry_guess(w, i, vector);
		w[i] = guess;
		if (!(changed >> k & 1))
			continue;
		if (krr_entry_get_word(&p, end, &w[i], guess, w, before))
			return -1;
		before = w[i];
	}
	return p == end ? 0 : -1;
}

#endif /* _UAPI_LINUX_KRR_CODE_H */
