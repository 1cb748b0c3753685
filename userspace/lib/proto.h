/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the host and krrd in the guest say to each other over the virtio-serial
 * ports "krr.0", for EXEC and its output, and "krr.1", for all else; krrctl in the
 * guest says the same through a socket.
 *
 * Frames of a fixed header and up to KRR_FRAME_MAX bytes.  Either side may be
 * restarted in the middle of a frame, so each header has a magic to look for
 * and a checksum; the host begins with HELLO and a number of its own and drops
 * all until the HELLO_OK with that number.  Neither side trusts the other.
 */
#ifndef KRR_LIB_PROTO_H
#define KRR_LIB_PROTO_H

#include <stddef.h>
#include <stdint.h>

#define KRR_PORT_NAME	"krr.0"
#define KRR_CONTROL_NAME "krr.1"
#define KRR_GUEST_SOCKET "/run/krrd.sock"	/* in the guest, for krrctl there */
#define KRR_GROUP	"krr"			/* whose members may use it */
#define KRR_FRAME_MAGIC	0x3152524bu	/* "KRR1" */
#define KRR_FRAME_MAX	65536u
#define KRR_HELLO_MS	30000u	/* krrd may be loading programs, on a busy host */

enum krr_port { KRR_PORT_EXEC, KRR_PORT_CONTROL, KRR_NR_PORTS };

enum krr_frame_type {
	/* host to guest */
	KRR_FR_HELLO = 1,	/* 8 bytes, any */
	KRR_FR_EXEC,		/* strings: name of a recording or "", then argv */
	KRR_FR_START,		/* string: name of a recording */
	KRR_FR_STOP,
	KRR_FR_STATUS,
	KRR_FR_KILL,		/* end what EXEC began */
	KRR_FR_POWEROFF,
	KRR_FR_MARK,		/* string */
	KRR_FR_ENABLE,		/* strings: options of krrctl enable */
	KRR_FR_DISABLE,
	KRR_FR_POLICY,		/* what is enabled, and what it counted: JSON */
	KRR_FR_SUBSYS,		/* what could be enabled: JSON */
	KRR_FR_KEEP,		/* string: ms, or 0 for all, and why */
	KRR_FR_ENDED,		/* a recording has, and nobody in the guest asked for that */

	/* guest to host */
	KRR_FR_HELLO_OK = 64,	/* the 8 bytes, then "key=value\n" lines: who it is */
	KRR_FR_STDOUT,
	KRR_FR_STDERR,
	KRR_FR_EXIT,		/* int32: exit status, 128 + signal; ends EXEC */
	KRR_FR_REPLY,		/* int32: 0 or -errno; then text */
};

struct krr_frame {
	uint32_t magic;
	uint32_t type;
	uint32_t len;		/* bytes that follow */
	uint32_t crc;		/* of the three words before */
};

/* Collects bytes until there is a whole frame. */
struct krr_framer {
	uint8_t buf[sizeof(struct krr_frame) + KRR_FRAME_MAX];
	size_t have, used;	/* bytes in @buf; of these, given away last time */
	uint64_t dropped;	/* bytes that belonged to no frame */
};

void krr_frame_header(struct krr_frame *f, uint32_t type, uint32_t len);
size_t krr_framer_room(struct krr_framer *fr, uint8_t **where);
int krr_framer_next(struct krr_framer *fr, uint32_t *type, uint8_t **payload, uint32_t *len);
int krr_split_strings(char *payload, uint32_t len, char **out, int max);

#endif /* KRR_LIB_PROTO_H */
