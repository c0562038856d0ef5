/* A sealed file read piece by piece, so that a run may be larger than memory.
 * Only the form the archive writes is understood, byte by byte; what an editor
 * made of it is for document_each(). */
#ifndef ARCHIVE_DOCUMENT_STREAM_H
#define ARCHIVE_DOCUMENT_STREAM_H

#include "archive/archive_dir.h"
#include "archive/document.h"

/* As document_each(). Holds one span and one buffer at a time.
 * -EBADMSG: not of our form; some spans may have been handed out. */
int document_stream(struct env *env, int fd, document_span_fn *each, void *arg,
		    struct document_result *ret_result);

#endif
