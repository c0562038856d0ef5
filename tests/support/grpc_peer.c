#include "grpc_peer.h"

#include <assert.h>
#include <nghttp2/nghttp2.h>
#include <stdlib.h>

struct grpc_peer_stream {
	struct grpc_peer_stream *next;
	int32_t id;
	struct buf body;
	struct grpc_peer_reply reply;
	size_t sent;
	bool answered;
};

static const struct grpc_peer_reply reply_ok = {
	.headers = {":status", "200", "content-type", "application/grpc"},
	.body = {(const uint8_t *)"\0\0\0\0\0", 5},
	.trailers = {"grpc-status", "0"},
};

static struct grpc_peer_stream *stream_by_id(struct grpc_peer *peer, int32_t id)
{
	struct grpc_peer_stream *stream = peer->streams;

	while (stream && stream->id != id)
		stream = stream->next;
	return stream;
}

static size_t pairs(nghttp2_nv *nv, const char *const *texts)
{
	size_t n = 0;

	for (; texts[0]; texts += 2)
		nv[n++] = (nghttp2_nv){.name = (uint8_t *)texts[0],
				       .value = (uint8_t *)texts[1],
				       .namelen = strlen(texts[0]),
				       .valuelen = strlen(texts[1])};
	return n;
}

static ssize_t body_read(nghttp2_session *session, int32_t id, uint8_t *at, size_t len,
			 uint32_t *flags, nghttp2_data_source *source, void *arg)
{
	struct grpc_peer_stream *stream = source->ptr;
	size_t n = stream->reply.body.len - stream->sent;
	nghttp2_nv nv[6];

	(void)arg;
	if (n > len)
		n = len;
	if (n)
		memcpy(at, stream->reply.body.at + stream->sent, n);
	stream->sent += n;
	if (stream->sent < stream->reply.body.len)
		return (ssize_t)n;
	if (!n && (stream->reply.open || stream->reply.has_reset))
		return NGHTTP2_ERR_DEFERRED;
	if (stream->reply.open)
		return (ssize_t)n;
	if (stream->reply.has_reset) {
		(void)nghttp2_submit_rst_stream(session, 0, id, (uint32_t)stream->reply.reset);
		return (ssize_t)n;
	}
	*flags |= NGHTTP2_DATA_FLAG_EOF;
	if (stream->reply.trailers[0]) {
		*flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
		(void)nghttp2_submit_trailer(session, id, nv,
					     pairs(nv, stream->reply.trailers));
	}
	return (ssize_t)n;
}

static void answer(struct grpc_peer *peer, struct grpc_peer_stream *stream)
{
	nghttp2_data_provider provider = {.source.ptr = stream, .read_callback = body_read};
	const struct grpc_peer_reply *reply = &stream->reply;
	nghttp2_nv nv[6];

	stream->answered = true;
	if (reply->silent)
		return;
	if (reply->has_reset && !reply->headers[0])
		(void)nghttp2_submit_rst_stream(peer->session, 0, stream->id,
						(uint32_t)reply->reset);
	else
		(void)nghttp2_submit_response(peer->session, stream->id, nv,
					      pairs(nv, reply->headers),
					      reply->trailers_only ? NULL : &provider);
	/* With a body it comes behind that. */
	if (reply->has_reset && reply->headers[0] && !reply->body.len)
		(void)nghttp2_submit_rst_stream(peer->session, 0, stream->id,
						(uint32_t)reply->reset);
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
	struct grpc_peer_stream *stream = calloc(1, sizeof(*stream));
	struct grpc_peer *peer = arg;

	(void)session;
	assert(stream);
	stream->id = frame->hd.stream_id;
	stream->reply = peer->begun < peer->replies_n ? peer->replies[peer->begun]
			: peer->forever		      ? peer->replies[peer->replies_n - 1]
						      : reply_ok;
	stream->next = peer->streams;
	peer->streams = stream;
	peer->begun++;
	peer->last_stream = stream->id;
	return 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
		     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
		     void *arg)
{
	struct grpc_peer *peer = arg;

	(void)session;
	(void)frame;
	(void)flags;
	(void)buf_printf(&peer->headers, "%.*s: %.*s\n", (int)name_len, (const char *)name,
			 (int)value_len, (const char *)value);
	return 0;
}

static int on_chunk(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *at,
		    size_t len, void *arg)
{
	struct grpc_peer_stream *stream = stream_by_id(arg, id);

	(void)session;
	(void)flags;
	(void)buf_append(&stream->body, at, len);
	return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
	struct grpc_peer *peer = arg;
	struct grpc_peer_stream *stream = stream_by_id(peer, frame->hd.stream_id);
	bool end = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;

	(void)session;
	if (frame->hd.type == NGHTTP2_PING && !(frame->hd.flags & NGHTTP2_FLAG_ACK))
		peer->pings++;
	if (frame->hd.type == NGHTTP2_RST_STREAM) {
		peer->resets++;
		peer->last_reset = frame->rst_stream.error_code;
	}
	if (!stream || (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA))
		return 0;
	if (end) {
		peer->ended++;
		buf_reset(&peer->body);
		(void)buf_append(&peer->body, stream->body.at, stream->body.len);
		if (peer->request)
			peer->request(peer->request_arg, buf_bytes(&stream->body),
				      &stream->reply);
	}
	if ((end || stream->reply.early) && !stream->answered)
		answer(peer, stream);
	return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t error, void *arg)
{
	struct grpc_peer *peer = arg;

	(void)session;
	(void)error;
	for (struct grpc_peer_stream **at = &peer->streams; *at; at = &(*at)->next) {
		struct grpc_peer_stream *stream = *at;

		if (stream->id != id)
			continue;
		*at = stream->next;
		buf_fini(&stream->body);
		free(stream);
		break;
	}
	return 0;
}

void grpc_peer_init(struct grpc_peer *peer, uint32_t window, uint32_t streams_max)
{
	nghttp2_settings_entry settings[] = {
		{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, streams_max},
		{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, window},
	};
	nghttp2_session_callbacks *callbacks;
	nghttp2_option *option;

	*peer = (struct grpc_peer){.headers = BUF_INIT, .body = BUF_INIT};
	assert(nghttp2_session_callbacks_new(&callbacks) == 0);
	assert(nghttp2_option_new(&option) == 0);
	/* It must be able to misbehave. */
	nghttp2_option_set_no_http_messaging(option, 1);
	nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
	nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_chunk);
	nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
	nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
	assert(nghttp2_session_server_new2(&peer->session, callbacks, peer, option) == 0);
	nghttp2_option_del(option);
	nghttp2_session_callbacks_del(callbacks);
	assert(nghttp2_submit_settings(peer->session, 0, settings, window ? 2 : 1) == 0);
}

void grpc_peer_fini(struct grpc_peer *peer)
{
	nghttp2_session_del(peer->session);
	while (peer->streams) {
		struct grpc_peer_stream *stream = peer->streams;

		peer->streams = stream->next;
		buf_fini(&stream->body);
		free(stream);
	}
	buf_fini(&peer->headers);
	buf_fini(&peer->body);
}

struct grpc_peer_reply *grpc_peer_expect(struct grpc_peer *peer)
{
	assert(peer->replies_n < GRPC_PEER_REPLIES);
	return &peer->replies[peer->replies_n++];
}

int grpc_peer_recv(struct grpc_peer *peer, const uint8_t *at, size_t len)
{
	ssize_t n = nghttp2_session_mem_recv(peer->session, at, len);

	return n < 0 ? (int)n : 0;
}

void grpc_peer_send(struct grpc_peer *peer, struct buf *out)
{
	const uint8_t *at;
	ssize_t n;

	while ((n = nghttp2_session_mem_send(peer->session, &at)) > 0)
		(void)buf_append(out, at, (size_t)n);
}
