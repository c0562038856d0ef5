/* OTLP/HTTP: `POST /v1/traces`, protobuf and JSON by Content-Type, spoken by
 * libmicrohttpd on the agent's thread. A NULL port does nothing. */
#ifndef RECEIVE_HTTP_PORT_H
#define RECEIVE_HTTP_PORT_H

#include "receive/stage.h"

/* Opens nothing yet: the first tick does. -ENOMEM. */
int http_port_new(struct http_port **ret_port, struct receive *stage);
void http_port_free(struct http_port *port);

/* Goes on with what was answered meanwhile. */
void http_port_flush(struct http_port *port);
int http_port_tick(struct http_port *port, uint64_t now_ns);
void http_port_stop(struct http_port *port);
bool http_port_busy(const struct http_port *port);
bool http_port_open(const struct http_port *port);

#endif
