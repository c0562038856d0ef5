/* What leaves is compressed when that pays. A request of one packet stays one
 * packet however small it is made, and what does not get smaller costs time on
 * both sides for nothing: both go as they are. Whether it pays is measured on the
 * requests themselves. One owner, one thread. */
#ifndef EXPORT_SQUEEZE_H
#define EXPORT_SQUEEZE_H

#include <stdbool.h>

#include "base/compress.h"

/* Below it 5 to 7 us save a few hundred bytes of a packet that goes anyway. */
#define SQUEEZE_BYTES_MIN 1024
/* After requests that did not get smaller, so many at most go as they are before
 * the next is tried. */
#define SQUEEZE_SKIP_MAX 256

struct squeeze {
	enum compression wanted;
	enum compression how; /* of requests from now on */
	bool heard;	      /* the peer has answered */
	struct compressor compressor;
	unsigned skip;	    /* requests that are not tried */
	unsigned skip_next; /* after the next that does not pay */
};

void squeeze_init(struct squeeze *squeeze, enum compression how);
void squeeze_fini(struct squeeze *squeeze);

/* Puts the compressed form of a framed request into `wire`, framed as well. How
 * it was compressed; COMPRESSION_NONE: it goes as it is, `wire` means nothing. */
enum compression squeeze_run(struct squeeze *squeeze, struct bytes framed, struct buf *wire);

/* The peer answered, and says that it knows those of the bits 1 << enum compression;
 * 0: it says nothing. Not every peer refuses what it does not know: gRPC's C core
 * hands the bytes on as if they were not compressed, but lists what it knows; others
 * list nothing and refuse. So zstd waits for the first answer, and gzip goes before,
 * which all know or refuse. */
void squeeze_heard(struct squeeze *squeeze, unsigned known);

/* A peer does not understand `how`; `known` as above. From now on the best that both know is
 * used. */
void squeeze_refused(struct squeeze *squeeze, enum compression how, unsigned known);

#endif
