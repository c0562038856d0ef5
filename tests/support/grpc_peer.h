/* A scripted gRPC server in memory: HTTP/2 by nghttp2's server side, without
 * sockets. Bytes of the client go in, bytes for it come out, and each request
 * is answered as the script says - also in ways no honest server would. */
#ifndef SUPPORT_GRPC_PEER_H
#define SUPPORT_GRPC_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct nghttp2_session;

#define GRPC_PEER_REPLIES 16

/* Headers are pairs "name", "value", ..., NULL; ":status" first. */
struct grpc_peer_reply {
	const char *headers[12];
	struct bytes body;	  /* DATA, raw */
	const char *trailers[12]; /* none: no trailers */
	bool trailers_only;	  /* END_STREAM on the headers */
	bool early;		  /* at the request's headers, not at its end */
	bool silent;		  /* no answer */
	bool open;		  /* no END_STREAM */
	int reset; /* RST_STREAM with this after `body`; 0 is an error code too */
	bool has_reset;
};

struct grpc_peer_stream;

struct grpc_peer {
	struct nghttp2_session *session;
	struct grpc_peer_reply replies[GRPC_PEER_REPLIES];
	size_t replies_n; /* later requests are answered with an OK */
	bool forever;	  /* ... or as the last of these */
	/* Sees each whole request and may change its answer; may be NULL. */
	void (*request)(void *arg, struct bytes body, struct grpc_peer_reply *reply);
	void *request_arg;

	size_t begun;	     /* requests */
	size_t ended;	     /* with END_STREAM */
	struct buf headers;  /* of all requests, "name: value\n" */
	struct buf body;     /* of the last request that ended */
	size_t resets;	     /* RST_STREAM received */
	uint32_t last_reset; /* its error code */
	size_t pings;
	int32_t last_stream;

	struct grpc_peer_stream *streams;
};

/* `window` 0: HTTP/2's default of 65,535. */
void grpc_peer_init(struct grpc_peer *peer, uint32_t window, uint32_t streams_max);
void grpc_peer_fini(struct grpc_peer *peer);

/* The next scripted reply, to be filled in. */
struct grpc_peer_reply *grpc_peer_expect(struct grpc_peer *peer);

/* 0, or a negative nghttp2 error. */
int grpc_peer_recv(struct grpc_peer *peer, const uint8_t *at, size_t len);
/* Appends what the client is to be sent. */
void grpc_peer_send(struct grpc_peer *peer, struct buf *out);

#endif
