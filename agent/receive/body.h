/* A request's body as it comes in pieces, compressed or not, within the limits.
 * What it holds is counted as the stage's memory from the first byte on. */
#ifndef RECEIVE_BODY_H
#define RECEIVE_BODY_H

#include "base/buf.h"

/* Of all requests of the receiver together. */
struct body_memory {
	uint64_t bytes, bytes_max;
};

struct gunzip;

struct body {
	struct body_memory *memory;
	struct gunzip *gunzip; /* NULL: it comes as it is */
	struct buf bytes;
	size_t len_max;
	uint32_t ratio_max;
	uint64_t wire_bytes;
};

/* -ENOBUFS: the receiver's memory is used up. -ENOMEM. */
int body_init(struct body *body, struct body_memory *memory, bool gzip, uint64_t len_max,
	      uint32_t ratio_max);
/* Also of a zeroed one. */
void body_fini(struct body *body);

/* -EMSGSIZE: larger than it may be. -EXFULL: it would be, far out of proportion to
 * what came. -ENOBUFS: the receiver's memory is used up. -EBADMSG: not gzip.
 * -ENOMEM. */
int body_push(struct body *body, struct bytes piece);
/* It is whole. -EBADMSG: its gzip stream is not. */
int body_end(struct body *body);

#endif
