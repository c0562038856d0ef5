/* The server's side of one HTTP/2 connection that carries unary gRPC calls.
 * Protocol only: bytes in, bytes out; sockets are the port's, and what becomes of a
 * request is the stage's. Rules 17 to 26 of the protocol, as a server has to keep
 * them.
 *
 * A call is refused as soon as its headers or the front of its body say so, and the
 * stream is then reset with NO_ERROR: the sender need not go on. Header fields are
 * looked at as they come and never kept. PINGs are answered; who sends them more
 * often than every receive.ping_interval without saying anything else is told
 * ENHANCE_YOUR_CALM, and so is who opens streams only to reset them. */
#ifndef RECEIVE_GRPC_SESSION_H
#define RECEIVE_GRPC_SESSION_H

#include "base/grpc_frame.h"
#include "receive/stage.h"

struct nghttp2_session;

struct grpc_stream {
	struct list link; /* session->streams */
	struct receive_call call;
	struct grpc_session *session;
	int32_t id;
	uint64_t begun_ns;
	uint64_t deadline_ns; /* the sender's; UINT64_MAX: none */

	/* Of the headers. */
	size_t header_bytes;
	bool post, ours, is_grpc, gzip, encoding_known, timeout_known, looped;

	/* Of the body: the prefix of its message, then that. */
	uint8_t prefix[GRPC_FRAME_BYTES];
	uint8_t prefix_len;
	uint32_t message_left;
	struct body body;

	bool judged;   /* its headers are whole */
	bool whole;    /* its message was taken */
	bool answered; /* the rest of what it sends is passed over */
	struct buf reply;
	size_t reply_at;
	struct buf trailers; /* what the answer's header fields point into */
};

struct grpc_session {
	struct receive *stage;
	struct nghttp2_session *session;
	struct list streams;
	uint32_t stream_count;
	struct buf out;
	size_t out_at;
	uint64_t now_ns;
	uint64_t quiet_since_ns; /* since when no stream is open */
	uint64_t ping_ns;
	unsigned ping_strikes;
	uint32_t begun, resets; /* streams, ever; those that the sender reset */
	bool leaving;		/* GOAWAY was said */
	bool broken;
};

/* -ENOMEM. */
int grpc_session_init(struct grpc_session *session, struct receive *stage, uint64_t now_ns);
void grpc_session_fini(struct grpc_session *session);

/* -EPROTO: the connection is over, once what is to be said is sent. */
int grpc_session_recv(struct grpc_session *session, struct bytes bytes, uint64_t now_ns);

/* What is to be sent next; grpc_session_sent() takes it off. -EPROTO. */
int grpc_session_output(struct grpc_session *session, struct bytes *ret_bytes);
void grpc_session_sent(struct grpc_session *session, size_t len);

/* Deadlines of its streams. */
void grpc_session_tick(struct grpc_session *session, uint64_t now_ns);
/* No new streams; those that are open are answered. */
void grpc_session_leave(struct grpc_session *session);
/* Nothing more is to be said either way. */
bool grpc_session_over(const struct grpc_session *session);

/* grpc_answer.c: says stream->call.answer. */
void grpc_stream_say(struct receive_call *call);
/* Refuses the call with an HTTP status of its own: it is no gRPC. */
void grpc_stream_say_http(struct grpc_stream *stream, const char *status);

#endif
