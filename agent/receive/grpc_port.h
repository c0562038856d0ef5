/* The sockets of OTLP/gRPC: listens, accepts, and carries bytes between connections
 * and their sessions. A NULL port does nothing. */
#ifndef RECEIVE_GRPC_PORT_H
#define RECEIVE_GRPC_PORT_H

#include "receive/stage.h"

/* Opens nothing yet: the first tick does. -ENOMEM. */
int grpc_port_new(struct grpc_port **ret_port, struct receive *stage);
void grpc_port_free(struct grpc_port *port);

/* Sends what was answered outside of a connection's own turn. */
void grpc_port_flush(struct grpc_port *port);
int grpc_port_tick(struct grpc_port *port, uint64_t now_ns);
void grpc_port_stop(struct grpc_port *port);
/* Whether something is not answered, or not sent. */
bool grpc_port_busy(const struct grpc_port *port);
/* Whether it listens wherever it should. */
bool grpc_port_open(const struct grpc_port *port);

#endif
