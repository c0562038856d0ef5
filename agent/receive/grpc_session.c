#include "receive/grpc_session.h"

#include <errno.h>
#include <nghttp2/nghttp2.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "receive/grpc_timeout.h"

#define CONTENT_TYPE "application/grpc"
/* HTTP/2 counts so much for every header field, besides its bytes. */
#define FIELD_BYTES 32
#define STREAM_WINDOW_BYTES (1 << 20)
#define CONNECTION_WINDOW_BYTES (4 << 20)
/* nghttp2 is asked for no more while so much waits for the socket. */
#define OUT_BYTES_MAX ((size_t)64 << 10)
#define PING_STRIKES_MAX 2
/* Honest senders reset a stream when they give up; not one in two. */
#define RESETS_FREE 100

static struct grpc_stream *stream_of(nghttp2_session *session, int32_t id)
{
	return nghttp2_session_get_stream_user_data(session, id);
}

/* ---- streams --------------------------------------------------------------- */

static void stream_free(struct grpc_stream *stream)
{
	struct grpc_session *session = stream->session;

	if (!stream->answered) {
		session->stage->counters.cancelled++;
		stage_forget(session->stage, &stream->call);
	}
	list_unlink(&stream->link);
	session->stream_count--;
	session->quiet_since_ns = session->now_ns;
	body_fini(&stream->body);
	buf_fini(&stream->reply);
	buf_fini(&stream->trailers);
	free(stream);
}

static void refuse(struct grpc_stream *stream, enum answer_code code, const char *text)
{
	answer_fill(&stream->call.answer, code, false, "%s", text);
	grpc_stream_say(&stream->call);
}

static void refuse_body(struct grpc_stream *stream, int error)
{
	stage_refuse_body(stream->session->stage, error, &stream->call.answer);
	grpc_stream_say(&stream->call);
}

static void refuse_framing(struct grpc_stream *stream, const char *text)
{
	stream->session->stage->counters.refused_malformed++;
	refuse(stream, ANSWER_INTERNAL, text);
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
	struct grpc_session *grpc = arg;
	struct grpc_stream *stream;

	if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
		return 0;
	stream = calloc(1, sizeof *stream);
	if (!stream)
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	stream->session = grpc;
	stream->id = frame->hd.stream_id;
	stream->begun_ns = grpc->now_ns;
	stream->deadline_ns = UINT64_MAX;
	stream->encoding_known = stream->timeout_known = true;
	receive_call_init(&stream->call, grpc_stream_say);
	list_init(&stream->link);
	list_append(&grpc->streams, &stream->link);
	grpc->stream_count++;
	grpc->begun++;
	return nghttp2_session_set_stream_user_data(session, stream->id, stream);
}

/* ---- headers ---------------------------------------------------------------- */

static bool is(struct bytes value, const char *text)
{
	return bytes_equal(value, bytes_of(text));
}

/* application/grpc, with or without what protobuf is called, and parameters. */
static bool is_content_type(struct bytes value)
{
	size_t len = strlen(CONTENT_TYPE);

	if (value.len < len || strncasecmp((const char *)value.at, CONTENT_TYPE, len) != 0)
		return false;
	value = (struct bytes){value.at + len, value.len - len};
	if (value.len >= 6 && memcmp(value.at, "+proto", 6) == 0)
		value = (struct bytes){value.at + 6, value.len - 6};
	return value.len == 0 || value.at[0] == ';';
}

static void see_encoding(struct grpc_stream *stream, struct bytes value)
{
	stream->gzip = is(value, "gzip");
	stream->encoding_known = stream->gzip || is(value, "identity");
}

static void see_timeout(struct grpc_stream *stream, struct bytes value)
{
	uint64_t timeout_ns;

	stream->timeout_known = grpc_timeout_parse(value, &timeout_ns) == 0;
	if (stream->timeout_known)
		stream->deadline_ns = stream->begun_ns + timeout_ns;
}

static void see_field(struct grpc_stream *stream, struct bytes name, struct bytes value)
{
	const struct receive_options *options = &stream->session->stage->options;

	if (is(name, ":method"))
		stream->post = is(value, "POST");
	else if (is(name, ":path"))
		stream->ours = is(value, GRPC_EXPORT_PATH);
	else if (is(name, "content-type"))
		stream->is_grpc = is_content_type(value);
	else if (is(name, "grpc-encoding"))
		see_encoding(stream, value);
	else if (is(name, "grpc-timeout"))
		see_timeout(stream, value);
	else if (is(name, RECEIVE_AGENT_HEADER))
		stream->looped |= is(value, options->agent_id);
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
		     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
		     void *arg)
{
	struct grpc_stream *stream = stream_of(session, frame->hd.stream_id);

	(void)flags;
	(void)arg;
	if (!stream)
		return 0;
	stream->header_bytes += name_len + value_len + FIELD_BYTES;
	if (!stream->judged && !stream->answered)
		see_field(stream, (struct bytes){name, name_len},
			  (struct bytes){value, value_len});
	return 0;
}

/* False: it was answered. */
static bool judge_headers(struct grpc_stream *stream)
{
	struct receive *stage = stream->session->stage;
	struct receive_counters *counters = &stage->counters;

	stream->judged = true;
	if (stream->header_bytes > stage->options.header_bytes_max) {
		counters->refused_headers++;
		refuse(stream, ANSWER_RESOURCE_EXHAUSTED,
		       "the headers are larger than receive.header_max");
	} else if (!stream->post || !stream->is_grpc) {
		counters->refused_unknown++;
		grpc_stream_say_http(stream, stream->post ? "415" : "405");
	} else if (!stream->ours) {
		counters->refused_unknown++;
		refuse(stream, ANSWER_UNIMPLEMENTED,
		       "this agent has traces' Export alone: " GRPC_EXPORT_PATH);
	} else if (!stream->encoding_known) {
		counters->refused_encoding++;
		refuse(stream, ANSWER_UNIMPLEMENTED,
		       "the message's encoding is neither identity nor gzip");
	} else if (!stream->timeout_known) {
		counters->refused_malformed++;
		refuse(stream, ANSWER_INTERNAL,
		       "grpc-timeout is not up to 8 digits and a unit");
	} else if (stream->looped) {
		stage_refuse_looped(stage, &stream->call.answer);
		grpc_stream_say(&stream->call);
	} else if (!stage_admits(stage, &stream->call.answer)) {
		grpc_stream_say(&stream->call);
	}
	return !stream->answered;
}

/* ---- the message ------------------------------------------------------------ */

static void begin_message(struct grpc_stream *stream)
{
	const struct receive_options *options = &stream->session->stage->options;
	const uint8_t *prefix = stream->prefix;
	bool compressed = prefix[0] & 1;
	int r;

	stream->message_left = grpc_frame_length(prefix);
	if (prefix[0] > 1 || (compressed && !stream->gzip)) {
		refuse_framing(stream, "a compressed message, and no grpc-encoding");
		return;
	}
	if (stream->message_left > options->request_bytes_max) {
		refuse_body(stream, -EMSGSIZE);
		return;
	}
	r = body_init(&stream->body, &stream->session->stage->memory, compressed,
		      options->request_bytes_max, options->ratio_max);
	if (r < 0)
		refuse_body(stream, r);
}

/* Takes what belongs to the prefix off the front. */
static void take_prefix(struct grpc_stream *stream, struct bytes *piece)
{
	while (piece->len && stream->prefix_len < GRPC_FRAME_BYTES) {
		stream->prefix[stream->prefix_len++] = *piece->at;
		piece->at++;
		piece->len--;
		if (stream->prefix_len == GRPC_FRAME_BYTES)
			begin_message(stream);
	}
}

static void take_piece(struct grpc_stream *stream, struct bytes piece)
{
	int r;

	take_prefix(stream, &piece);
	if (stream->answered || !piece.len)
		return;
	if (piece.len > stream->message_left) {
		refuse_framing(stream, "more than one message in a call that has one");
		return;
	}
	stream->message_left -= (uint32_t)piece.len;
	r = body_push(&stream->body, piece);
	if (r < 0)
		refuse_body(stream, r);
}

static int on_chunk(nghttp2_session *session, uint8_t flags, int32_t stream_id,
		    const uint8_t *at, size_t len, void *arg)
{
	struct grpc_session *grpc = arg;
	struct grpc_stream *stream = stream_of(session, stream_id);

	(void)flags;
	grpc->ping_strikes = 0;
	if (stream && !stream->answered)
		take_piece(stream, (struct bytes){at, len});
	return 0;
}

static void end_message(struct grpc_stream *stream)
{
	struct receive *stage = stream->session->stage;
	int r;

	if (stream->prefix_len < GRPC_FRAME_BYTES || stream->message_left) {
		refuse_framing(stream, "the call ended before its message was whole");
		return;
	}
	r = body_end(&stream->body);
	if (r < 0) {
		refuse_body(stream, r);
		return;
	}
	stream->whole = true;
	stage->counters.requests_grpc++;
	stage_take(stage, &stream->call, buf_bytes(&stream->body.bytes));
	body_fini(&stream->body);
}

/* ---- frames ----------------------------------------------------------------- */

static void leave(struct grpc_session *session, uint32_t error, const char *text)
{
	if (session->leaving)
		return;
	session->leaving = true;
	(void)nghttp2_submit_goaway(session->session, NGHTTP2_FLAG_NONE,
				    nghttp2_session_get_last_proc_stream_id(session->session),
				    error, (const uint8_t *)text,
				    strlen(text)); /* or the end of the socket says it */
}

static void end_abuse(struct grpc_session *session, uint64_t *counter, const char *text)
{
	if (session->broken)
		return;
	(*counter)++;
	session->broken = true;
	session->leaving = false;
	leave(session, NGHTTP2_ENHANCE_YOUR_CALM, text);
	(void)nghttp2_session_terminate_session(session->session, NGHTTP2_ENHANCE_YOUR_CALM);
}

/* One that comes too soon is a strike; whatever else is said clears them. */
static void see_ping(struct grpc_session *session)
{
	uint64_t since_ns = session->now_ns - session->ping_ns;
	bool early = session->ping_ns && since_ns < session->stage->options.ping_interval_ns;

	session->ping_ns = session->now_ns;
	if (!early || ++session->ping_strikes <= PING_STRIKES_MAX)
		return;
	end_abuse(session, &session->stage->counters.closed_pings, "too_many_pings");
}

static void see_reset(struct grpc_session *session)
{
	session->resets++;
	if (session->resets > RESETS_FREE && session->resets > session->begun / 2)
		end_abuse(session, &session->stage->counters.closed_resets, "too_many_resets");
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
	struct grpc_session *grpc = arg;
	struct grpc_stream *stream;

	if (frame->hd.type == NGHTTP2_PING && !(frame->hd.flags & NGHTTP2_FLAG_ACK))
		see_ping(grpc);
	if (frame->hd.type == NGHTTP2_RST_STREAM)
		see_reset(grpc);
	if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA)
		return 0;
	grpc->ping_strikes = 0;
	stream = stream_of(session, frame->hd.stream_id);
	if (!stream || stream->answered)
		return 0;
	if (frame->hd.type == NGHTTP2_HEADERS && !stream->judged && !judge_headers(stream))
		return 0;
	if (frame->hd.flags & NGHTTP2_FLAG_END_STREAM && !stream->whole)
		end_message(stream);
	return 0;
}

/* The answer is out while the sender still sends: it need not. */
static void see_answer_sent(nghttp2_session *session, int32_t stream_id)
{
	if (nghttp2_session_get_stream_remote_close(session, stream_id) == 0)
		(void)nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, stream_id,
						NGHTTP2_NO_ERROR);
}

static int on_sent(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
	struct grpc_session *grpc = arg;

	if (frame->hd.type == NGHTTP2_HEADERS)
		grpc->ping_strikes = 0;
	if (frame->hd.type == NGHTTP2_HEADERS && frame->hd.flags & NGHTTP2_FLAG_END_STREAM)
		see_answer_sent(session, frame->hd.stream_id);
	/* nghttp2's own: what came was no HTTP/2. */
	if (frame->hd.type == NGHTTP2_GOAWAY && !grpc->leaving && !grpc->broken) {
		grpc->broken = true;
		grpc->stage->counters.closed_protocol++;
	}
	return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t stream_id, uint32_t error_code,
			   void *arg)
{
	struct grpc_stream *stream = stream_of(session, stream_id);

	(void)error_code;
	(void)arg;
	if (stream)
		stream_free(stream);
	return 0;
}

/* ---- bytes ------------------------------------------------------------------- */

int grpc_session_recv(struct grpc_session *session, struct bytes bytes, uint64_t now_ns)
{
	ssize_t n;

	session->now_ns = now_ns;
	n = nghttp2_session_mem_recv(session->session, bytes.at, bytes.len);
	if (n < 0 && !session->broken)
		(void)nghttp2_session_terminate_session(session->session,
							NGHTTP2_PROTOCOL_ERROR);
	return n < 0 || session->broken ? -EPROTO : 0;
}

int grpc_session_output(struct grpc_session *session, struct bytes *ret_bytes)
{
	const uint8_t *at;
	ssize_t n;

	while (session->out.len - session->out_at < OUT_BYTES_MAX) {
		n = nghttp2_session_mem_send(session->session, &at);
		if (n == 0)
			break;
		if (n < 0 || buf_append(&session->out, at, (size_t)n) < 0)
			return -EPROTO;
	}
	*ret_bytes = (struct bytes){session->out.at + session->out_at,
				    session->out.len - session->out_at};
	return 0;
}

void grpc_session_sent(struct grpc_session *session, size_t len)
{
	session->out_at += len;
	if (session->out_at == session->out.len) {
		buf_reset(&session->out);
		session->out_at = 0;
	}
}

static void stream_tick(struct grpc_stream *stream, uint64_t now_ns)
{
	struct receive *stage = stream->session->stage;

	if (stream->answered)
		return;
	if (!stream->whole && now_ns - stream->begun_ns >= stage->options.request_timeout_ns) {
		stage->counters.refused_late++;
		refuse(stream, ANSWER_DEADLINE_EXCEEDED,
		       "the request took longer than receive.request_timeout");
	} else if (now_ns >= stream->deadline_ns) {
		stage->counters.refused_late++;
		stage_forget(stage, &stream->call);
		refuse(stream, ANSWER_DEADLINE_EXCEEDED, "grpc-timeout has passed");
	}
}

void grpc_session_tick(struct grpc_session *session, uint64_t now_ns)
{
	struct list *node, *next;

	session->now_ns = now_ns;
	for (node = session->streams.next; node != &session->streams; node = next) {
		next = node->next;
		stream_tick(list_entry(node, struct grpc_stream, link), now_ns);
	}
	if (session->stream_count || session->leaving ||
	    now_ns - session->quiet_since_ns < session->stage->options.idle_timeout_ns)
		return;
	session->stage->counters.closed_idle++;
	grpc_session_leave(session);
}

void grpc_session_leave(struct grpc_session *session)
{
	leave(session, NGHTTP2_NO_ERROR, "");
}

bool grpc_session_over(const struct grpc_session *session)
{
	bool says_nothing = session->out.len == session->out_at &&
			    !nghttp2_session_want_write(session->session);

	if (session->broken || (session->leaving && !session->stream_count))
		return says_nothing;
	return says_nothing && !nghttp2_session_want_read(session->session);
}

/* ---- life --------------------------------------------------------------------- */

static int session_open(struct grpc_session *grpc)
{
	nghttp2_session_callbacks *callbacks;
	int r;

	if (nghttp2_session_callbacks_new(&callbacks))
		return -ENOMEM;
	nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
	nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_chunk);
	nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
	nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_sent);
	nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
	r = nghttp2_session_server_new(&grpc->session, callbacks, grpc);
	nghttp2_session_callbacks_del(callbacks);
	return r ? -ENOMEM : 0;
}

int grpc_session_init(struct grpc_session *session, struct receive *stage, uint64_t now_ns)
{
	const nghttp2_settings_entry settings[] = {
		{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, stage->options.streams_max},
		{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, STREAM_WINDOW_BYTES},
		{NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE,
		 (uint32_t)stage->options.header_bytes_max},
	};

	*session = (struct grpc_session){
		.stage = stage, .now_ns = now_ns, .quiet_since_ns = now_ns};
	list_init(&session->streams);
	if (session_open(session) < 0)
		return -ENOMEM;
	if (nghttp2_submit_settings(session->session, NGHTTP2_FLAG_NONE, settings, 3) ||
	    nghttp2_session_set_local_window_size(session->session, NGHTTP2_FLAG_NONE, 0,
						  CONNECTION_WINDOW_BYTES)) {
		nghttp2_session_del(session->session);
		return -ENOMEM;
	}
	return 0;
}

void grpc_session_fini(struct grpc_session *session)
{
	struct list *node;

	nghttp2_session_del(session->session);
	while ((node = list_first(&session->streams)))
		stream_free(list_entry(node, struct grpc_stream, link));
	buf_fini(&session->out);
}
