/* What goes back on a stream: headers, message and trailers, or trailers alone. */
#include <nghttp2/nghttp2.h>
#include <stdio.h>

#include "otlp/bytes_text.h"
#include "receive/grpc_session.h"

#define ACCEPTED_ENCODINGS "identity,gzip"

static nghttp2_nv field(const char *name, const void *value, size_t len)
{
	return (nghttp2_nv){.name = (uint8_t *)name,
			    .value = (uint8_t *)value,
			    .namelen = strlen(name),
			    .valuelen = len,
			    .flags = NGHTTP2_NV_FLAG_NONE};
}

static nghttp2_nv text_field(const char *name, const char *value)
{
	return field(name, value, strlen(value));
}

/* The stream cannot be told: memory ran out, or nghttp2 knows that it has gone. */
static void give_up(struct grpc_stream *stream)
{
	(void)nghttp2_submit_rst_stream(stream->session->session, NGHTTP2_FLAG_NONE, stream->id,
					NGHTTP2_INTERNAL_ERROR);
}

/* Where a value of the trailers stands: their memory may move while it grows. */
struct part {
	size_t at, len;
};

struct status_parts {
	struct part code, message, details;
};

static struct part part_end(const struct buf *trailers, size_t begin)
{
	return (struct part){begin, trailers->len - begin};
}

static int write_status(struct grpc_stream *stream, struct status_parts *ret_parts)
{
	const struct answer *answer = &stream->call.answer;
	struct buf *trailers = &stream->trailers, status = BUF_INIT;
	size_t begin = 0;

	buf_reset(trailers);
	(void)buf_printf(trailers, "%d", (int)answer->code);
	ret_parts->code = part_end(trailers, begin);
	begin = trailers->len;
	if (answer->code != ANSWER_OK)
		(void)answer_percent(trailers, answer->text);
	ret_parts->message = part_end(trailers, begin);
	begin = trailers->len;
	if (answer->again && answer_status(&status, answer, false) == 0)
		(void)bytes_text_base64(trailers, buf_bytes(&status));
	buf_fini(&status);
	ret_parts->details = part_end(trailers, begin);
	return buf_failed(trailers) ? -1 : 0;
}

static size_t put_status(const struct grpc_stream *stream, const struct status_parts *parts,
			 nghttp2_nv *nv)
{
	const uint8_t *at = stream->trailers.at;
	size_t n = 0;

	nv[n++] = field("grpc-status", at + parts->code.at, parts->code.len);
	if (parts->message.len)
		nv[n++] = field("grpc-message", at + parts->message.at, parts->message.len);
	if (parts->details.len)
		nv[n++] = field("grpc-status-details-bin", at + parts->details.at,
				parts->details.len);
	return n;
}

/* Trailers alone: the answer has no message. */
static void say_status(struct grpc_stream *stream)
{
	struct status_parts parts;
	nghttp2_nv nv[8];
	size_t n = 0;

	if (write_status(stream, &parts) < 0) {
		give_up(stream);
		return;
	}
	nv[n++] = text_field(":status", "200");
	nv[n++] = text_field("content-type", "application/grpc");
	nv[n++] = text_field("grpc-accept-encoding", ACCEPTED_ENCODINGS);
	n += put_status(stream, &parts, nv + n);
	if (nghttp2_submit_response(stream->session->session, stream->id, nv, n, NULL) != 0)
		give_up(stream);
}

static ssize_t read_reply(nghttp2_session *session, int32_t stream_id, uint8_t *at, size_t len,
			  uint32_t *flags, nghttp2_data_source *source, void *arg)
{
	struct grpc_stream *stream = source->ptr;
	size_t left = stream->reply.len - stream->reply_at;
	struct status_parts parts;
	nghttp2_nv nv[4];

	(void)arg;
	if (len > left)
		len = left;
	if (len)
		memcpy(at, stream->reply.at + stream->reply_at, len);
	stream->reply_at += len;
	if (stream->reply_at < stream->reply.len)
		return (ssize_t)len;
	*flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
	if (write_status(stream, &parts) < 0 ||
	    nghttp2_submit_trailer(session, stream_id, nv, put_status(stream, &parts, nv)) != 0)
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	return (ssize_t)len;
}

/* The message and its prefix. -EMSGSIZE: larger than answers may be. */
static int write_reply(struct grpc_stream *stream)
{
	struct buf *reply = &stream->reply;
	int r;

	(void)buf_append(reply, "\0\0\0\0\0", GRPC_FRAME_BYTES);
	r = answer_response(reply, &stream->call.answer, false,
			    stream->session->stage->options.response_bytes_max);
	if (r < 0)
		return r;
	grpc_frame_put(reply->at, reply->len - GRPC_FRAME_BYTES, false);
	return 0;
}

static void say_reply(struct grpc_stream *stream)
{
	nghttp2_data_provider provider = {.source.ptr = stream, .read_callback = read_reply};
	const nghttp2_nv nv[] = {
		text_field(":status", "200"),
		text_field("content-type", "application/grpc"),
		text_field("grpc-accept-encoding", ACCEPTED_ENCODINGS),
	};

	if (nghttp2_submit_response(stream->session->session, stream->id, nv,
				    sizeof nv / sizeof nv[0], &provider) != 0)
		give_up(stream);
}

void grpc_stream_say(struct receive_call *call)
{
	struct grpc_stream *stream = list_entry(call, struct grpc_stream, call);

	stream->answered = true;
	body_fini(&stream->body);
	if (call->answer.code == ANSWER_OK && write_reply(stream) < 0)
		answer_fill(&call->answer, ANSWER_RESOURCE_EXHAUSTED, false,
			    "the answer is larger than receive.response_max");
	if (call->answer.code == ANSWER_OK)
		say_reply(stream);
	else
		say_status(stream);
}

void grpc_stream_say_http(struct grpc_stream *stream, const char *status)
{
	const nghttp2_nv nv[] = {
		text_field(":status", status),
		text_field("allow", "POST"),
	};

	stream->answered = true;
	if (nghttp2_submit_response(stream->session->session, stream->id, nv,
				    sizeof nv / sizeof nv[0], NULL) != 0)
		give_up(stream);
}
