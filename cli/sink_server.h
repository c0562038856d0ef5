/* The server's side of one OTLP/gRPC connection over h2c: answers Export calls
 * and hands their messages on. Owns its socket. Clients are not trusted: sizes
 * and numbers are bounded. One thread. */
#ifndef CLI_SINK_SERVER_H
#define CLI_SINK_SERVER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

#define SINK_MESSAGE_MAX (64u << 20)
#define SINK_CONNECTION_MAX (256u << 20) /* of all messages arriving at once */
#define SINK_STREAMS_MAX 100

/* An ExportTraceServiceRequest has arrived. 0: it is answered OK. -EBADMSG: it
 * is refused with INVALID_ARGUMENT. */
typedef int sink_request_fn(void *arg, struct bytes request);

struct sink_connection;

/* Takes the socket, which must not block. -ENOMEM: it is closed. */
int sink_connection_new(struct sink_connection **ret_connection, int fd,
			sink_request_fn *request, void *arg);
void sink_connection_free(struct sink_connection *connection);

int sink_connection_fd(const struct sink_connection *connection);

/* Reads, answers, writes. -EPIPE, or what the socket said: free it. */
int sink_connection_serve(struct sink_connection *connection);

/* Whether it waits for the socket to take more. */
bool sink_connection_blocked(const struct sink_connection *connection);

#endif
