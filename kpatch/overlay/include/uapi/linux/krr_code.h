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
/* vector, error code, bitmap, words */
#define KRR_ENTRY_MAX	((KRR_NR_ENTRY_WORDS + 3) * KRR_VARINT_MAX)

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

/* Word of bit k of the bitmap: what changes often has a low bit. */
KRR_INLINE unsigned int krr_entry_order(unsigned int k)
{
	static const uint8_t order[KRR_NR_ENTRY_WORDS] = {
		16, 19, 18, 21, 15, 10, 14, 13, 12, 5, 4, 3, 2, 1, 0, 9, 8, 7, 11, 6, 17, 20, 22,
	};

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

/* One word: bits 0 and 1 say relative to what, 2 to 6 are the low bits, 7 "more". */
KRR_INLINE uint8_t *krr_entry_put_word(uint8_t *p, uint64_t v, uint64_t guess, const uint64_t *w,
				       uint64_t before)
{
	uint64_t best = krr_zigzag((int64_t)(v - guess)), z;
	unsigned int ref, by = 0;

	for (ref = 1; ref < 4; ref++) {
		z = krr_zigzag((int64_t)(v - krr_entry_base(ref, guess, w, before)));
		if (z < best) {
			best = z;
			by = ref;
		}
	}
	*p++ = (uint8_t)(by | (best & 31) << 2 | (best > 31) << 7);
	return best > 31 ? krr_varint_put(p, best >> 5) : p;
}

/**
 * krr_entry_put() - append the payload of KRR_EV_ENTRY
 * @p: room for KRR_ENTRY_MAX bytes
 * @w: words of this CPU's last entry; become @now
 * @now: words of this one
 * @vector: KRR_VEC_* or 0 to 255
 * @error: error code, if the vector has one
 *
 * Return: the byte after it.
 */
KRR_INLINE uint8_t *krr_entry_put(uint8_t *p, uint64_t *w, const uint64_t *now, uint32_t vector,
				  uint64_t error)
{
	uint8_t words[KRR_NR_ENTRY_WORDS * KRR_VARINT_MAX], *q = words, *from;
	uint64_t before = 0, guess;
	uint32_t changed = 0;
	unsigned int k, i;

	for (k = 0; k < KRR_NR_ENTRY_WORDS; k++) {
		i = krr_entry_order(k);
		guess = krr_entry_guess(w, i, vector);
		w[i] = guess;		/* as the reader has it now */
		if (now[i] == guess)
			continue;
		changed |= 1u << k;
		q = krr_entry_put_word(q, now[i], guess, w, before);
		w[i] = before = now[i];
	}
	p = krr_varint_put(p, vector);
	if (krr_has_error_code(vector))
		p = krr_varint_put(p, krr_zigzag((int64_t)error));
	p = krr_varint_put(p, changed);
	for (from = words; from < q; from++)
		*p++ = *from;
	return p;
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
 * krr_entry_get() - read the payload of KRR_EV_ENTRY
 * @p: its first byte
 * @end: the byte after it
 * @w: words of this CPU's last entry; become this one's
 * @vector: KRR_VEC_* or 0 to 255
 * @error: error code, 0 if the vector has none
 *
 * Return: 0; -1 when the bytes are none of an entry, with @w in between.
 */
KRR_INLINE int krr_entry_get(const uint8_t *p, const uint8_t *end, uint64_t *w, uint32_t *vector,
			     uint64_t *error)
{
	uint64_t before = 0, guess, v, changed;
	unsigned int k, i;

	if (krr_varint_get(&p, end, &v) || v > KRR_VEC_SYSCALL32)
		return -1;
	*vector = (uint32_t)v;
	v = 0;
	if (krr_has_error_code(*vector) && krr_varint_get(&p, end, &v))
		return -1;
	*error = (uint64_t)krr_unzigzag(v);
	if (krr_varint_get(&p, end, &changed) || changed >> KRR_NR_ENTRY_WORDS)
		return -1;
	for (k = 0; k < KRR_NR_ENTRY_WORDS; k++) {
		i = krr_entry_order(k);
		guess = krr_entry_guess(w, i, *vector);
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
