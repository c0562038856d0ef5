/* The client's side of one HTTP/2 connection that carries unary gRPC calls.
 * Protocol only: bytes in, bytes out; sockets, clocks and deadlines are the
 * caller's. Rules 17 to 25 of the protocol live here and in grpc_reply.
 *
 * One owner, one thread. `done` is called from within recv, output and
 * fail_all, once for each call that was accepted and not cancelled; it may
 * free the request's bytes, and must not call back into the client. */
#ifndef EXPORT_GRPC_CLIENT_H
#define EXPORT_GRPC_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/buf.h"
#include "export/grpc_reply.h"
#include "export/options.h"
#include "export/out_queue.h"
#include "export/transport.h"

struct nghttp2_session;

struct grpc_call {
	bool active;
	int32_t stream_id;
	void *tag;
	struct bytes body; /* framed; borrowed until the call is over */
	size_t sent;	   /* of `body`, handed to the queue */
	struct grpc_reply reply;
};

typedef void grpc_done_fn(void *arg, void *tag, const struct grpc_result *result);

struct grpc_client {
	struct nghttp2_session *session;
	const struct export_options *options;
	struct out_queue out;
	struct grpc_call calls[EXPORT_STREAMS_LIMIT];
	size_t calls_n;
	bool settled;	 /* the peer has sent its SETTINGS */
	bool going_away; /* no new calls on this connection */
	bool broken;	 /* memory ran out: the connection cannot go on */
	char path[192];
	char error[128]; /* why it ended, "" while it has not */
	grpc_done_fn *done;
	void *arg;
};

/* -ENOMEM. `options` must outlive the client. */
int grpc_client_init(struct grpc_client *client, const struct export_options *options,
		     grpc_done_fn *done, void *arg);
/* Calls in flight are forgotten; use grpc_client_fail_all() first. */
void grpc_client_fini(struct grpc_client *client);

/* Begins a call.
 * -EAGAIN: the connection takes no more calls. -ENOBUFS: as many as allowed
 * are in flight. -ENOMEM. */
int grpc_client_call(struct grpc_client *client, void *tag,
		     const struct transport_request *request);

/* Forgets a call, without `done`. Its bytes may be freed afterwards. */
void grpc_client_cancel(struct grpc_client *client, void *tag);

/* Asks the peer for a sign of life. */
void grpc_client_ping(struct grpc_client *client);

/* -EPROTO: the connection is over (`error` says why). */
int grpc_client_recv(struct grpc_client *client, const uint8_t *at, size_t len);

/* Fills vectors with what is to be sent next, 0 when there is nothing.
 * -EPROTO: the connection is over. */
int grpc_client_output(struct grpc_client *client, struct iovec *iov, int max);
void grpc_client_sent(struct grpc_client *client, size_t len);

/* The peer and we have nothing more to say to each other. */
bool grpc_client_over(struct grpc_client *client);

/* Ends every call in flight, for a connection that was lost. */
void grpc_client_fail_all(struct grpc_client *client, enum grpc_status status,
			  const char *message);

#endif
