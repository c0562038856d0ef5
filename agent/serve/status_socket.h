/* The agent's state, served on `<ring dir>/agent.sock`: whoever may connect
 * gets one JSON object and the end of the stream. Mode 0660; no attribute
 * values are in it. The agent's thread alone calls this. */
#ifndef SERVE_STATUS_SOCKET_H
#define SERVE_STATUS_SOCKET_H

#include "wire/abi.h"

#include "base/buf.h"
#include "base/env.h"

#define STATUS_SOCKET_NAME WIRE_SOCKET_NAME

struct status_socket; /* opaque */

/* Fills `out` with the JSON. 0 or -errno. */
typedef int status_json_fn(void *arg, struct buf *out);

/* Replaces a socket that an earlier agent left. -ENAMETOOLONG, -EACCES, ... */
int status_socket_new(struct status_socket **ret_socket, struct env *env, const char *dir,
		      status_json_fn *json, void *arg);
void status_socket_free(struct status_socket *socket);

#endif
