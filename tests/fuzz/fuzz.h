/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the fuzz targets share.  A target is fuzz-NAME.c: LLVMFuzzerTestOneInput()
 * takes the bytes, fuzz_seeds() makes good ones with the encoders.  It is linked
 * with libFuzzer for `make fuzz`, and with driver.c for `make unit`.
 *
 * A target must not depend on anything but its bytes, and checks with must()
 * what has to hold for all of them.
 */
#ifndef KRR_FUZZ_H
#define KRR_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FUZZ_MAX (64u << 10)	/* bytes of an input */

/* What a target defines. */
extern const unsigned int fuzz_rounds;	/* inputs that `make unit` tries */
void fuzz_seeds(void);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* For fuzz_seeds(): one seed. */
void fuzz_seed(const void *data, size_t len);

/* The input as numbers; zeros after its end. */
struct input {
	const uint8_t *p, *end;
};

uint64_t take(struct input *in, unsigned int bytes);
const uint8_t *take_bytes(struct input *in, size_t *len);

/* The same when seeds are made: what take() would read. */
struct output {
	uint8_t buf[FUZZ_MAX];
	size_t n;
};

void give(struct output *out, uint64_t v, unsigned int bytes);
void give_bytes(struct output *out, const void *data, size_t len);
void seed_from(struct output *out);
void seed_frame(struct output *out, uint32_t type, const void *payload, uint32_t len);

/*
 * A file that an input is made into.  The first byte of the input says whether the
 * rest is the file itself; the file, but its checksums are made right; or a recipe.
 */
enum fuzz_way { FUZZ_AS_IS, FUZZ_CHECKSUMS, FUZZ_RECIPE, FUZZ_WAYS };

struct made {
	uint8_t *bytes;
	size_t len, room;
	void (*fix)(void);		/* of @bytes */
	void (*cook)(struct input *in);	/* fills @bytes */
};

bool make_file(struct made *f, const uint8_t *data, size_t len);
void seed_made(struct made *f, struct output *out);

/* A directory of its own, removed at the end, and files in it. */
int fuzz_dir(void);
const char *fuzz_dir_path(void);
void fuzz_file(const char *name, const void *data, size_t len);

/*
 * krr_socket_connect() is not that of vmm/socket.c: who connects next will read
 * these bytes and then the end.  Return: to be closed when the client is done.
 */
int fuzz_peer(const void *data, size_t len);

void fuzz_failed(const char *what, const char *file, int line) __attribute__((noreturn));

#define must(cond)	((cond) ? (void)0 : fuzz_failed(#cond, __FILE__, __LINE__))

#endif /* KRR_FUZZ_H */
