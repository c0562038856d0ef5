/* OTLP/gRPC as a transport: one connection, and what its answers mean. */
#ifndef EXPORT_GRPC_TRANSPORT_H
#define EXPORT_GRPC_TRANSPORT_H

#include "export/connection.h"
#include "export/transport.h"

struct grpc_transport {
	struct transport transport;
	struct connection connection;
};

/* `options` must outlive it. Connects only when wanted. */
void grpc_transport_init(struct grpc_transport *grpc, struct env *env,
			 const struct export_options *options,
			 const struct transport_news *news, void *arg);

#endif
