/* One question to an agent over its unix socket: GET, and the answer's content. */
#ifndef CLI_AGENT_HTTP_H
#define CLI_AGENT_HTTP_H

#include "base/buf.h"

#define AGENT_ANSWER_BYTES_MAX (256u << 20)

/* A connection to the agent of the ring directory. -ENOENT, -ECONNREFUSED: no agent
 * serves `dir`. -ENAMETOOLONG: more than a unix socket's name takes. */
int agent_connect(const char *dir);

/* Appends the content of `path` ("/status") and gives the HTTP status. Waits a few
 * seconds at most. -EBADMSG: no HTTP, or cut off. -ENOMEM, -EAGAIN (not in time),
 * and those of agent_connect(). */
int agent_get(const char *dir, const char *path, struct buf *out, int *ret_status);

#endif
