#include "export/grpc_client.h"

#include <errno.h>
#include <nghttp2/nghttp2.h>
#include <stdio.h>

#include "base/grpc_frame.h"
#include "export/grpc_text.h"

#define HEADERS_FIXED 10

static struct grpc_call *call_by_stream(struct grpc_client *client, int32_t stream_id)
{
	for (size_t i = 0; i < EXPORT_STREAMS_LIMIT; i++)
		if (client->calls[i].active && client->calls[i].stream_id == stream_id)
			return &client->calls[i];
	return NULL;
}

/* The request's bytes may go away now: nothing of ours points at them. */
static void call_close(struct grpc_client *client, struct grpc_call *call)
{
	if (out_queue_disown(&client->out, call->stream_id) < 0) {
		/* The queue would point at freed bytes: give it up whole, and
		 * the connection with it. */
		out_queue_fini(&client->out);
		out_queue_init(&client->out);
		client->broken = true;
	}
	call->active = false;
	call->body = (struct bytes){NULL, 0};
	client->calls_n--;
}

static void call_finish(struct grpc_client *client, struct grpc_call *call,
			const struct grpc_result *result)
{
	void *tag = call->tag;

	call_close(client, call);
	client->done(client->arg, tag, result);
	grpc_reply_reset(&call->reply);
}

/* The peer has said all it will say about this call. An answer that comes
 * before the request was sent whole also ends the sending (rule 24). */
static void call_answered(struct grpc_client *client, struct grpc_call *call)
{
	struct grpc_result result;

	grpc_reply_end(&call->reply, &result);
	if (call->sent < call->body.len || call->reply.failed)
		(void)nghttp2_submit_rst_stream(
			client->session, NGHTTP2_FLAG_NONE, call->stream_id,
			call->reply.failed ? NGHTTP2_CANCEL : NGHTTP2_NO_ERROR);
	call_finish(client, call, &result);
}

/* --- what nghttp2 tells us ------------------------------------------------ */

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
		     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
		     void *arg)
{
	struct grpc_client *client = arg;
	struct grpc_call *call = call_by_stream(client, frame->hd.stream_id);

	(void)session;
	(void)flags;
	if (call && grpc_reply_header(&call->reply, (struct bytes){name, name_len},
				      (struct bytes){value, value_len}) < 0)
		call_answered(client, call);
	return 0;
}

static int on_chunk(nghttp2_session *session, uint8_t flags, int32_t stream_id,
		    const uint8_t *at, size_t len, void *arg)
{
	struct grpc_client *client = arg;
	struct grpc_call *call = call_by_stream(client, stream_id);

	(void)session;
	(void)flags;
	if (call && grpc_reply_bytes(&call->reply, at, len) < 0)
		call_answered(client, call);
	return 0;
}

/* Rule 24: calls the peer will not process, and those that have not begun
 * because of its limit on streams and now never will. */
static void goaway_fail(struct grpc_client *client, int32_t last_stream_id)
{
	const struct grpc_result result = {.status = GRPC_UNAVAILABLE,
					   .message = client->error};

	for (size_t i = 0; i < EXPORT_STREAMS_LIMIT; i++) {
		struct grpc_call *call = &client->calls[i];

		if (call->active &&
		    (call->stream_id > last_stream_id ||
		     !nghttp2_session_find_stream(client->session, call->stream_id)))
			call_finish(client, call, &result);
	}
}

static void goaway_say(struct grpc_client *client, const char *what,
		       const nghttp2_goaway *goaway)
{
	size_t len = goaway->opaque_data_len > 64 ? 64 : goaway->opaque_data_len;

	(void)snprintf(client->error, sizeof(client->error), "%s: %s%s%.*s", what,
		       nghttp2_http2_strerror(goaway->error_code), len ? " " : "", (int)len,
		       len ? (const char *)goaway->opaque_data : "");
}

static void goaway_read(struct grpc_client *client, const nghttp2_goaway *goaway)
{
	client->going_away = true;
	goaway_say(client, "the peer closes", goaway);
	goaway_fail(client, goaway->last_stream_id);
}

/* What nghttp2 says to a peer whose HTTP/2 is wrong is all it says of it. */
static int on_frame_sent(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
	struct grpc_client *client = arg;

	(void)session;
	if (frame->hd.type == NGHTTP2_GOAWAY && frame->goaway.error_code != NGHTTP2_NO_ERROR)
		goaway_say(client, "closed for what the peer sent", &frame->goaway);
	return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
	struct grpc_client *client = arg;
	struct grpc_call *call;

	(void)session;
	switch (frame->hd.type) {
	case NGHTTP2_SETTINGS:
		client->settled = true;
		break;
	case NGHTTP2_GOAWAY:
		goaway_read(client, &frame->goaway);
		break;
	case NGHTTP2_HEADERS:
	case NGHTTP2_DATA:
		call = call_by_stream(client, frame->hd.stream_id);
		if (call && frame->hd.flags & NGHTTP2_FLAG_END_STREAM)
			call_answered(client, call);
		break;
	default:
		break;
	}
	return 0;
}

/* Reset by the peer, refused by its GOAWAY, or broken by what it sent. */
static int on_stream_close(nghttp2_session *session, int32_t stream_id, uint32_t error_code,
			   void *arg)
{
	struct grpc_client *client = arg;
	struct grpc_call *call = call_by_stream(client, stream_id);
	struct grpc_result result = {.status = grpc_status_of_reset(error_code)};
	char message[64];

	(void)session;
	if (!call)
		return 0;
	(void)snprintf(message, sizeof(message), "stream reset: %s",
		       nghttp2_http2_strerror(error_code));
	result.message = message;
	call_finish(client, call, &result);
	return 0;
}

/* A request that was queued when the peer said GOAWAY never left. */
static int on_not_sent(nghttp2_session *session, const nghttp2_frame *frame, int error,
		       void *arg)
{
	struct grpc_client *client = arg;
	struct grpc_call *call;
	struct grpc_result result = {.status = GRPC_UNAVAILABLE};

	(void)session;
	if (frame->hd.type != NGHTTP2_HEADERS)
		return 0;
	call = call_by_stream(client, frame->hd.stream_id);
	if (!call)
		return 0;
	result.message = nghttp2_strerror(error);
	call_finish(client, call, &result);
	return 0;
}

/* --- sending -------------------------------------------------------------- */

static ssize_t body_read(nghttp2_session *session, int32_t stream_id, uint8_t *at, size_t len,
			 uint32_t *flags, nghttp2_data_source *source, void *arg)
{
	struct grpc_client *client = arg;
	struct grpc_call *call = call_by_stream(client, stream_id);
	size_t left;

	(void)session;
	(void)at;
	(void)source;
	if (!call)
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	/* One slot stays free for what mem_send() returns after DATA frames. */
	if (client->out.n + 2 > OUT_SEGMENTS)
		return NGHTTP2_ERR_PAUSE;
	left = call->body.len - call->sent;
	*flags |= NGHTTP2_DATA_FLAG_NO_COPY;
	if (left <= len)
		*flags |= NGHTTP2_DATA_FLAG_EOF;
	return (ssize_t)(left < len ? left : len);
}

static int body_send(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *header,
		     size_t len, nghttp2_data_source *source, void *arg)
{
	struct grpc_client *client = arg;
	struct grpc_call *call = call_by_stream(client, frame->hd.stream_id);

	(void)session;
	(void)source;
	if (!call)
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	out_queue_frame(&client->out, header, 9, call->body.at + call->sent, len,
			call->stream_id);
	call->sent += len;
	return 0;
}

/* Lets nghttp2 serialise until it has nothing more or the queue is full. */
static int pump(struct grpc_client *client)
{
	const uint8_t *at;
	ssize_t n;

	while (!out_queue_full(&client->out) && !client->broken) {
		n = nghttp2_session_mem_send(client->session, &at);
		if (n == 0)
			return 0;
		if (n < 0) {
			(void)snprintf(client->error, sizeof(client->error), "HTTP/2: %s",
				       nghttp2_strerror((int)n));
			return -EPROTO;
		}
		if (out_queue_copy(&client->out, at, (size_t)n) < 0)
			client->broken = true;
	}
	if (!client->broken)
		return 0;
	(void)snprintf(client->error, sizeof(client->error), "no memory for the connection");
	return -EPROTO;
}

int grpc_client_output(struct grpc_client *client, struct iovec *iov, int max)
{
	int r = pump(client);

	return r < 0 ? r : out_queue_vectors(&client->out, iov, max);
}

void grpc_client_sent(struct grpc_client *client, size_t len)
{
	out_queue_sent(&client->out, len);
}

int grpc_client_recv(struct grpc_client *client, const uint8_t *at, size_t len)
{
	ssize_t n = nghttp2_session_mem_recv(client->session, at, len);

	if (n < 0) {
		(void)snprintf(client->error, sizeof(client->error), "HTTP/2: %s",
			       nghttp2_strerror((int)n));
		return -EPROTO;
	}
	return client->broken ? -EPROTO : 0;
}

bool grpc_client_over(struct grpc_client *client)
{
	return client->broken ||
	       (!client->out.n && !nghttp2_session_want_read(client->session) &&
		!nghttp2_session_want_write(client->session));
}

/* --- calls ---------------------------------------------------------------- */

static nghttp2_nv header(const char *name, const char *value, uint8_t flags)
{
	return (nghttp2_nv){.name = (uint8_t *)name,
			    .value = (uint8_t *)value,
			    .namelen = strlen(name),
			    .valuelen = strlen(value),
			    .flags = flags};
}

/* Rule 17's order. Custom metadata may be credentials: it stays out of the
 * compression table. */
static size_t headers_fill(const struct grpc_client *client, nghttp2_nv *nv,
			   const char *timeout, enum compression compression)
{
	const struct export_options *options = client->options;
	size_t n = 0;

	nv[n++] = header(":method", "POST", 0);
	nv[n++] = header(":scheme", export_options_secure(options) ? "https" : "http", 0);
	nv[n++] = header(":path", client->path, 0);
	nv[n++] = header(":authority", options->endpoint.authority, 0);
	if (*timeout)
		nv[n++] = header("grpc-timeout", timeout, 0);
	nv[n++] = header("te", "trailers", 0);
	nv[n++] = header("content-type", "application/grpc", 0);
	if (compression != COMPRESSION_NONE)
		nv[n++] = header("grpc-encoding", compression_name(compression), 0);
	nv[n++] = header("grpc-accept-encoding", "identity,gzip", 0);
	nv[n++] = header("user-agent", options->user_agent, 0);
	for (size_t i = 0; i < options->headers_n; i++)
		nv[n++] = header(options->headers[i].name, options->headers[i].value,
				 NGHTTP2_NV_FLAG_NO_INDEX);
	return n;
}

static struct grpc_call *call_free(struct grpc_client *client)
{
	for (size_t i = 0; i < client->options->streams_max; i++)
		if (!client->calls[i].active)
			return &client->calls[i];
	return NULL;
}

int grpc_client_call(struct grpc_client *client, void *tag,
		     const struct transport_request *request)
{
	nghttp2_nv nv[HEADERS_FIXED + EXPORT_HEADERS_MAX];
	nghttp2_data_provider provider = {.read_callback = body_read};
	struct grpc_call *call = call_free(client);
	char timeout[GRPC_TIMEOUT_TEXT_MAX] = "";
	size_t n;
	int32_t id;

	if (client->going_away || client->broken)
		return -EAGAIN;
	if (!call)
		return -ENOBUFS;
	if (request->timeout_ns)
		grpc_text_timeout(timeout, request->timeout_ns);
	n = headers_fill(client, nv, timeout, request->compression);
	id = nghttp2_submit_request(client->session, NULL, nv, n, &provider, NULL);
	if (id == NGHTTP2_ERR_NOMEM)
		return -ENOMEM;
	if (id < 0) {
		/* Stream ids are used up: the next connection has new ones. */
		client->going_away = true;
		return -EAGAIN;
	}
	call->active = true;
	call->stream_id = id;
	call->tag = tag;
	call->body = request->framed;
	call->sent = 0;
	client->calls_n++;
	return 0;
}

void grpc_client_cancel(struct grpc_client *client, void *tag)
{
	for (size_t i = 0; i < EXPORT_STREAMS_LIMIT; i++) {
		struct grpc_call *call = &client->calls[i];

		if (!call->active || call->tag != tag)
			continue;
		(void)nghttp2_submit_rst_stream(client->session, NGHTTP2_FLAG_NONE,
						call->stream_id, NGHTTP2_CANCEL);
		call_close(client, call);
		grpc_reply_reset(&call->reply);
	}
}

void grpc_client_ping(struct grpc_client *client)
{
	/* Without memory for a PING the wait for its answer ends the connection. */
	(void)nghttp2_submit_ping(client->session, NGHTTP2_FLAG_NONE, NULL);
}

void grpc_client_fail_all(struct grpc_client *client, enum grpc_status status,
			  const char *message)
{
	const struct grpc_result result = {.status = status, .message = message};

	for (size_t i = 0; i < EXPORT_STREAMS_LIMIT; i++)
		if (client->calls[i].active)
			call_finish(client, &client->calls[i], &result);
}

/* --- life ----------------------------------------------------------------- */

static void callbacks_set(nghttp2_session_callbacks *callbacks)
{
	nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_chunk);
	nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
	nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_sent);
	nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
	nghttp2_session_callbacks_set_on_frame_not_send_callback(callbacks, on_not_sent);
	nghttp2_session_callbacks_set_send_data_callback(callbacks, body_send);
}

static int session_new(struct grpc_client *client)
{
	static const nghttp2_settings_entry settings[] = {
		{NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
		{NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, GRPC_REPLY_HEADERS_MAX},
	};
	nghttp2_session_callbacks *callbacks;
	int r;

	if (nghttp2_session_callbacks_new(&callbacks))
		return -ENOMEM;
	callbacks_set(callbacks);
	r = nghttp2_session_client_new(&client->session, callbacks, client);
	nghttp2_session_callbacks_del(callbacks);
	if (r)
		return -ENOMEM;
	r = nghttp2_submit_settings(client->session, NGHTTP2_FLAG_NONE, settings, 2);
	if (r) {
		nghttp2_session_del(client->session);
		return -ENOMEM;
	}
	return 0;
}

int grpc_client_init(struct grpc_client *client, const struct export_options *options,
		     grpc_done_fn *done, void *arg)
{
	int r;

	*client = (struct grpc_client){.options = options, .done = done, .arg = arg};
	r = session_new(client);
	if (r < 0)
		return r;
	out_queue_init(&client->out);
	(void)snprintf(client->path, sizeof(client->path), "%s" GRPC_EXPORT_PATH,
		       options->endpoint.path);
	for (size_t i = 0; i < EXPORT_STREAMS_LIMIT; i++)
		grpc_reply_init(&client->calls[i].reply, options->response_bytes_max);
	return 0;
}

void grpc_client_fini(struct grpc_client *client)
{
	nghttp2_session_del(client->session);
	out_queue_fini(&client->out);
	for (size_t i = 0; i < EXPORT_STREAMS_LIMIT; i++)
		grpc_reply_fini(&client->calls[i].reply);
	*client = (struct grpc_client){0};
}
