#include "sink_server.h"

#include <errno.h>
#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "export/grpc_status.h"

#define EXPORT_PATH "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
#define FRAMING 5
#define READ_BYTES (256u << 10)
#define READS_MAX 16
#define WRITE_BYTES (64u << 10)
#define STREAM_WINDOW (8 << 20)
#define CONNECTION_WINDOW (64 << 20)
#define BODY_KEEP (1u << 20)

struct sink_stream {
	struct sink_stream *next; /* of the connection's, or of the unused ones */
	struct sink_stream **prev;
	struct buf body;
	bool grpc, path_known, encoded, answered;
	uint8_t reply_sent;
};

struct sink_connection {
	int fd;
	nghttp2_session *session;
	sink_request_fn *request;
	void *arg;
	struct sink_stream *streams;
	struct sink_stream *unused; /* a few, with their memory */
	unsigned unused_n;
	size_t held; /* bytes of all bodies */
	struct buf out;
	bool blocked;
};

/* One reader at a time, because there is one thread. */
static uint8_t read_buffer[READ_BYTES];

/* --- streams -------------------------------------------------------------- */

static struct sink_stream *stream_new(struct sink_connection *connection)
{
	struct sink_stream *stream = connection->unused;

	if (stream) {
		connection->unused = stream->next;
		connection->unused_n--;
	} else {
		stream = calloc(1, sizeof(*stream));
		if (!stream)
			return NULL;
	}
	stream->next = connection->streams;
	stream->prev = &connection->streams;
	if (stream->next)
		stream->next->prev = &stream->next;
	connection->streams = stream;
	return stream;
}

static void stream_free(struct sink_connection *connection, struct sink_stream *stream)
{
	*stream->prev = stream->next;
	if (stream->next)
		stream->next->prev = stream->prev;
	connection->held -= stream->body.len;
	if (connection->unused_n < 8 && stream->body.cap <= BODY_KEEP) {
		struct buf body = stream->body;

		buf_reset(&body);
		*stream = (struct sink_stream){.body = body, .next = connection->unused};
		connection->unused = stream;
		connection->unused_n++;
		return;
	}
	buf_fini(&stream->body);
	free(stream);
}

/* --- answering ------------------------------------------------------------ */

#define HEADER(header_name, header_value)                                             \
	(nghttp2_nv)                                                                  \
	{                                                                             \
		.name = (uint8_t *)(header_name), .value = (uint8_t *)(header_value), \
		.namelen = strlen(header_name), .valuelen = strlen(header_value)      \
	}

/* An empty ExportTraceServiceResponse: everything was taken. */
static ssize_t reply_read(nghttp2_session *session, int32_t stream_id, uint8_t *at, size_t len,
			  uint32_t *flags, nghttp2_data_source *source, void *arg)
{
	nghttp2_nv trailer = HEADER("grpc-status", "0");
	struct sink_stream *stream = source->ptr;
	size_t n = FRAMING - stream->reply_sent;

	(void)arg;
	if (n > len)
		n = len;
	memset(at, 0, n);
	stream->reply_sent = (uint8_t)(stream->reply_sent + n);
	if (stream->reply_sent < FRAMING)
		return (ssize_t)n;
	*flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
	if (nghttp2_submit_trailer(session, stream_id, &trailer, 1) != 0)
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	return (ssize_t)n;
}

static int answer_ok(struct sink_connection *connection, int32_t id, struct sink_stream *stream)
{
	nghttp2_nv nv[] = {HEADER(":status", "200"),
			   HEADER("content-type", "application/grpc")};
	nghttp2_data_provider provider = {.source.ptr = stream, .read_callback = reply_read};

	stream->answered = true;
	return nghttp2_submit_response(connection->session, id, nv, 2, &provider);
}

/* Trailers only. */
static int answer_status(struct sink_connection *connection, int32_t id,
			 struct sink_stream *stream, enum grpc_status status,
			 const char *message)
{
	char code[4];
	nghttp2_nv nv[] = {
		HEADER(":status", "200"),
		HEADER("content-type", "application/grpc"),
		HEADER("grpc-status", ""),
		HEADER("grpc-message", message),
		HEADER("grpc-accept-encoding", "identity"),
	};

	(void)snprintf(code, sizeof(code), "%d", (int)status);
	nv[2].value = (uint8_t *)code;
	nv[2].valuelen = strlen(code);
	stream->answered = true;
	return nghttp2_submit_response(connection->session, id, nv, 5, NULL);
}

static int answer_not_grpc(struct sink_connection *connection, int32_t id,
			   struct sink_stream *stream)
{
	nghttp2_nv nv[] = {HEADER(":status", "415")};

	stream->answered = true;
	return nghttp2_submit_response(connection->session, id, nv, 1, NULL);
}

/* The message of a complete request, without its framing. */
static bool message_whole(const struct buf *body)
{
	size_t len;

	if (body->len < FRAMING)
		return false;
	len = (size_t)body->at[1] << 24 | (size_t)body->at[2] << 16 | (size_t)body->at[3] << 8 |
	      body->at[4];
	return body->len - FRAMING == len;
}

static int answer(struct sink_connection *connection, int32_t id, struct sink_stream *stream)
{
	struct bytes message;

	if (!stream->grpc)
		return answer_not_grpc(connection, id, stream);
	if (!stream->path_known)
		return answer_status(connection, id, stream, GRPC_UNIMPLEMENTED,
				     "only " EXPORT_PATH " is served here");
	if (stream->encoded || (stream->body.len && stream->body.at[0]))
		return answer_status(connection, id, stream, GRPC_UNIMPLEMENTED,
				     "compression is not supported: set it to none");
	if (!message_whole(&stream->body))
		return answer_status(connection, id, stream, GRPC_INTERNAL,
				     "the request is not one whole gRPC message");
	message = (struct bytes){stream->body.at + FRAMING, stream->body.len - FRAMING};
	if (connection->request(connection->arg, message) < 0)
		return answer_status(connection, id, stream, GRPC_INVALID_ARGUMENT,
				     "not an ExportTraceServiceRequest");
	return answer_ok(connection, id, stream);
}

/* --- what nghttp2 tells us ------------------------------------------------ */

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
	struct sink_stream *stream;

	if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
		return 0;
	stream = stream_new(arg);
	if (!stream)
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	return nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, stream);
}

static bool starts_with(struct bytes value, const char *text)
{
	size_t len = strlen(text);

	return value.len >= len && memcmp(value.at, text, len) == 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame,
		     const uint8_t *name_at, size_t name_len, const uint8_t *value_at,
		     size_t value_len, uint8_t flags, void *arg)
{
	struct sink_stream *stream =
		nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
	struct bytes name = {name_at, name_len}, value = {value_at, value_len};

	(void)flags;
	(void)arg;
	if (!stream)
		return 0;
	if (bytes_equal(name, bytes_of(":path")))
		stream->path_known = bytes_equal(value, bytes_of(EXPORT_PATH));
	else if (bytes_equal(name, bytes_of("content-type")))
		stream->grpc = starts_with(value, "application/grpc");
	else if (bytes_equal(name, bytes_of("grpc-encoding")))
		stream->encoded = !bytes_equal(value, bytes_of("identity"));
	return 0;
}

static int on_chunk(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *at,
		    size_t len, void *arg)
{
	struct sink_connection *connection = arg;
	struct sink_stream *stream = nghttp2_session_get_stream_user_data(session, id);
	bool fits;

	(void)flags;
	if (!stream || stream->answered)
		return 0;
	fits = stream->body.len + len <= SINK_MESSAGE_MAX + FRAMING &&
	       connection->held + len <= SINK_CONNECTION_MAX;
	if (!fits || buf_append(&stream->body, at, len) < 0) {
		if (answer_status(connection, id, stream, GRPC_RESOURCE_EXHAUSTED,
				  "the request is too large"))
			return NGHTTP2_ERR_CALLBACK_FAILURE;
		return 0;
	}
	connection->held += len;
	return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
	struct sink_stream *stream;

	if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA)
		return 0;
	if (!(frame->hd.flags & NGHTTP2_FLAG_END_STREAM))
		return 0;
	stream = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
	if (!stream || stream->answered)
		return 0;
	return answer(arg, frame->hd.stream_id, stream) ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
}

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t error, void *arg)
{
	struct sink_stream *stream = nghttp2_session_get_stream_user_data(session, id);

	(void)error;
	if (stream)
		stream_free(arg, stream);
	return 0;
}

/* --- serving -------------------------------------------------------------- */

static int read_in(struct sink_connection *connection)
{
	ssize_t n;

	for (int i = 0; i < READS_MAX; i++) {
		n = recv(connection->fd, read_buffer, sizeof(read_buffer), 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		if (n == 0)
			return -EPIPE;
		if (nghttp2_session_mem_recv(connection->session, read_buffer, (size_t)n) < 0)
			return -EPROTO;
		if ((size_t)n < sizeof(read_buffer))
			return 0;
	}
	return 0;
}

/* Collects what nghttp2 wants to say into one write. */
static int fill_out(struct sink_connection *connection)
{
	const uint8_t *at;
	ssize_t n;

	while (connection->out.len < WRITE_BYTES) {
		n = nghttp2_session_mem_send(connection->session, &at);
		if (n <= 0)
			return n ? -EPROTO : 0;
		if (buf_append(&connection->out, at, (size_t)n) < 0)
			return -ENOMEM;
	}
	return 0;
}

static int write_out(struct sink_connection *connection)
{
	ssize_t n;
	int r;

	for (;;) {
		r = fill_out(connection);
		if (r < 0)
			return r;
		if (!connection->out.len)
			break;
		n = send(connection->fd, connection->out.at, connection->out.len, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0)
			return -errno;
		buf_consume(&connection->out, (size_t)n);
	}
	connection->blocked = connection->out.len > 0;
	return 0;
}

int sink_connection_serve(struct sink_connection *connection)
{
	int r = read_in(connection), w = write_out(connection);

	if (r < 0 || w < 0)
		return r < 0 ? r : w;
	if (!connection->blocked && !nghttp2_session_want_read(connection->session) &&
	    !nghttp2_session_want_write(connection->session))
		return -EPIPE;
	return 0;
}

bool sink_connection_blocked(const struct sink_connection *connection)
{
	return connection->blocked;
}

int sink_connection_fd(const struct sink_connection *connection)
{
	return connection->fd;
}

/* --- life ----------------------------------------------------------------- */

static int session_new(struct sink_connection *connection)
{
	static const nghttp2_settings_entry settings[] = {
		{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, SINK_STREAMS_MAX},
		{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, STREAM_WINDOW},
	};
	nghttp2_session_callbacks *callbacks;
	int r;

	if (nghttp2_session_callbacks_new(&callbacks))
		return -ENOMEM;
	nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
	nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_chunk);
	nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
	nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
	r = nghttp2_session_server_new(&connection->session, callbacks, connection);
	nghttp2_session_callbacks_del(callbacks);
	if (r)
		return -ENOMEM;
	if (nghttp2_submit_settings(connection->session, NGHTTP2_FLAG_NONE, settings, 2) ||
	    nghttp2_session_set_local_window_size(connection->session, NGHTTP2_FLAG_NONE, 0,
						  CONNECTION_WINDOW))
		return -ENOMEM;
	return 0;
}

int sink_connection_new(struct sink_connection **ret_connection, int fd,
			sink_request_fn *request, void *arg)
{
	struct sink_connection *connection = calloc(1, sizeof(*connection));

	if (!connection) {
		close(fd);
		return -ENOMEM;
	}
	connection->fd = fd;
	connection->request = request;
	connection->arg = arg;
	if (session_new(connection) < 0 || write_out(connection) < 0) {
		sink_connection_free(connection);
		return -ENOMEM;
	}
	*ret_connection = connection;
	return 0;
}

void sink_connection_free(struct sink_connection *connection)
{
	struct sink_stream *stream;

	nghttp2_session_del(connection->session);
	while (connection->streams)
		stream_free(connection, connection->streams);
	while ((stream = connection->unused) != NULL) {
		connection->unused = stream->next;
		buf_fini(&stream->body);
		free(stream);
	}
	buf_fini(&connection->out);
	close(connection->fd);
	free(connection);
}
