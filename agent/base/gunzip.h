/* gzip that comes in pieces. The caller says how much room there is, so that no
 * stream, however small, takes more memory than it is given. One owner, one
 * thread. */
#ifndef BASE_GUNZIP_H
#define BASE_GUNZIP_H

#include <sys/types.h>

#include "base/buf.h"

/* What one takes besides what it gives: zlib's window and tables. */
#define GUNZIP_BYTES (UINT64_C(48) << 10)

struct gunzip; /* opaque */

/* -ENOMEM. */
int gunzip_new(struct gunzip **ret_gunzip);
void gunzip_free(struct gunzip *gunzip);

/* Fills at most `len` bytes at `at` and takes what it used off the front of `in`.
 * How many it filled; fewer than `len` means that it wants more input.
 * -EBADMSG: not gzip, damaged, or something stands behind its end. -ENOMEM. */
ssize_t gunzip_step(struct gunzip *gunzip, struct bytes *in, uint8_t *at, size_t len);

/* Whether it ended where a gzip stream may end, its checksum found right. */
bool gunzip_whole(const struct gunzip *gunzip);

#endif
