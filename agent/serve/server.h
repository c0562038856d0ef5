/* The agent's state over HTTP/1.1: pages that are made when they are asked for,
 * on a unix socket and, where it is wanted, on a loopback port.
 *
 * Read-only: GET and HEAD, everything else is answered 405. One request a
 * connection, at most SERVER_CONNECTIONS of them on each socket, each with
 * SERVER_DEADLINE_NS from its begin to its end and SERVER_HEAD_BYTES for what it
 * asks: whoever dawdles only loses its own connection. On the port the Host header
 * must name this machine (serve/loopback.h).
 *
 * libmicrohttpd speaks HTTP; its descriptors are watched by env and all of it runs
 * on the agent's thread, inside wait() and server_tick(). */
#ifndef SERVE_SERVER_H
#define SERVE_SERVER_H

#include "base/buf.h"
#include "base/env.h"
#include "serve/loopback.h"

#define SERVER_CONNECTIONS 16
#define SERVER_DEADLINE_NS UINT64_C(10000000000)
#define SERVER_HEAD_BYTES 16384

/* Writes the page's content. The HTTP status (200, 503), or -errno. */
typedef int server_page_fn(void *arg, struct buf *out);

struct server_page {
	const char *path;
	const char *content_type;
	server_page_fn *write;
	const char *help; /* one line, for the list of pages at `/` */
};

struct server_options {
	const char *socket_path;	 /* of the unix socket, mode 0660 */
	const struct loopback *loopback; /* NULL: no port */
	const struct server_page *pages; /* must outlive the server */
	uint32_t page_count;
	void *arg; /* for the pages */
	/* What does not work is said, and the rest is served. */
	void (*log)(void *arg, int priority, const char *line);
	void *log_arg;
};

struct server; /* opaque: server_new() owns its heap */

/* Replaces a socket that an earlier agent left. -ENOMEM; a socket that cannot be
 * opened is no failure, see `log`: it is tried again. */
int server_new(struct server **ret_server, struct env *env,
	       const struct server_options *options);
void server_free(struct server *server);

/* The directory of the socket was replaced: listens in the new one. */
void server_follow(struct server *server);

/* Ends connections whose time is over. To be called at every turn. */
void server_tick(struct server *server, uint64_t now_ns);

#endif
