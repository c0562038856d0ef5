/* Compression of whole messages: gzip by libdeflate, which takes half of zlib's
 * time, and zstd. Each message is on its own, so that nothing of one is needed to
 * read another. One owner, one thread; what a method needs is allocated when it
 * is first used. */
#ifndef BASE_COMPRESS_H
#define BASE_COMPRESS_H

#include <sys/types.h>

#include "base/buf.h"

enum compression {
	COMPRESSION_NONE,
	COMPRESSION_GZIP,
	COMPRESSION_ZSTD,
	COMPRESSIONS,
};

/* "identity", "gzip", "zstd": as HTTP and gRPC call them. */
const char *compression_name(enum compression how);
/* The inverse; COMPRESSIONS: none of these. */
enum compression compression_parse(struct bytes name);

struct libdeflate_compressor;
struct ZSTD_CCtx_s;

/* {0} is one that has allocated nothing. */
struct compressor {
	struct libdeflate_compressor *gzip;
	struct ZSTD_CCtx_s *zstd;
};

void compressor_fini(struct compressor *compressor);

/* Bytes written to `at`; 0: it does not fit into `len`, and what is there now
 * means nothing. -ENOMEM. */
ssize_t compressor_run(struct compressor *compressor, enum compression how, struct bytes in,
		       uint8_t *at, size_t len);

#endif
