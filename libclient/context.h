/* Contexts inside the library: what the header, the environment and the file
 * have in common. */
#ifndef LIBCLIENT_CONTEXT_H
#define LIBCLIENT_CONTEXT_H

#include "spanring.h"

#include <stddef.h>

/* Pure; any thread, signal handlers too. Fills a remote context from the two header values. A bad tracestate, or one
 * too long to be kept, is dropped by itself; NULL is none. -EBADMSG: not a
 * traceparent, *ret_context is untouched. */
int context_from_headers(const char *traceparent, size_t traceparent_length,
			 const char *tracestate, size_t tracestate_length,
			 struct spanring_context *ret_context);

/* The context this process was started in, for its first spans: TRACEPARENT,
 * else the file that SPANRING_CONTEXT_FILE names. -ENOENT: there is none, or it
 * is not to be used. Opens a file; to be called at init. */
int context_inherited(struct spanring_context *ret_context);

/* Pure. Whether both ids are other than zero. */
bool context_is_valid(const struct spanring_context *context);

#endif
