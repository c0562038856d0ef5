#include "export/grpc_reply.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/gunzip.h"
#include "export/grpc_text.h"
#include "otlp/bytes_text.h"

#define UNPACK_BYTES 4096
#define BODY_BYTES_KEPT 65536 /* a large answer is rare */

void grpc_reply_init(struct grpc_reply *reply, size_t bytes_max)
{
	*reply = (struct grpc_reply){.bytes_max = bytes_max};
}

void grpc_reply_fini(struct grpc_reply *reply)
{
	buf_fini(&reply->details);
	buf_fini(&reply->body);
}

void grpc_reply_reset(struct grpc_reply *reply)
{
	struct grpc_reply fresh = {
		.bytes_max = reply->bytes_max, .details = reply->details, .body = reply->body};

	*reply = fresh;
	buf_reset(&reply->details);
	buf_keep(&reply->body, BODY_BYTES_KEPT);
}

static int fail(struct grpc_reply *reply, enum grpc_status status, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static int fail(struct grpc_reply *reply, enum grpc_status status, const char *format, ...)
{
	va_list args;

	if (reply->failed)
		return -EPROTO;
	va_start(args, format);
	(void)vsnprintf(reply->message, sizeof(reply->message), format, args);
	va_end(args);
	reply->failed = true;
	reply->failure = status;
	return -EPROTO;
}

static bool name_is(struct bytes name, const char *text)
{
	return bytes_equal(name, bytes_of(text));
}

static void copy_text(char *ret, size_t len, struct bytes value)
{
	size_t n = value.len < len - 1 ? value.len : len - 1;

	memcpy(ret, value.at, n);
	ret[n] = '\0';
}

/* A new `:status` begins the headers anew: what came before was an
 * informational answer (1xx). */
static void http_status_read(struct grpc_reply *reply, struct bytes value)
{
	char text[8];

	copy_text(text, sizeof(text), value);
	reply->http_status = 0;
	for (const char *c = text; *c >= '0' && *c <= '9'; c++)
		reply->http_status = reply->http_status * 10 + (*c - '0');
}

static void content_type_read(struct grpc_reply *reply, struct bytes value)
{
	static const char type[] = "application/grpc";
	size_t len = sizeof(type) - 1;

	reply->is_grpc = value.len >= len && memcmp(value.at, type, len) == 0 &&
			 (value.len == len || value.at[len] == '+' || value.at[len] == ';');
}

static void status_read(struct grpc_reply *reply, struct bytes value)
{
	char text[16];

	copy_text(text, sizeof(text), value);
	reply->has_status = true;
	reply->status = grpc_status_parse(text);
}

static void message_read(struct grpc_reply *reply, struct bytes value)
{
	char text[3 * GRPC_MESSAGE_MAX];

	copy_text(text, sizeof(text), value);
	grpc_text_unescape(reply->message, sizeof(reply->message), text);
}

static void details_read(struct grpc_reply *reply, struct bytes value)
{
	buf_reset(&reply->details);
	/* Details that do not decode are as good as none. */
	if (bytes_text_unbase64(&reply->details, value) < 0)
		buf_reset(&reply->details);
}

/* "identity, gzip": what the peer understands. */
static void accept_encoding_read(struct grpc_reply *reply, struct bytes value)
{
	for (size_t i = 0; i < value.len;) {
		size_t begin = i;

		while (i < value.len && value.at[i] != ',' && value.at[i] != ' ')
			i++;
		reply->compressions_known |=
			1u << compression_parse((struct bytes){value.at + begin, i - begin});
		while (i < value.len && (value.at[i] == ',' || value.at[i] == ' '))
			i++;
	}
}

int grpc_reply_header(struct grpc_reply *reply, struct bytes name, struct bytes value)
{
	reply->header_bytes += name.len + value.len;
	if (reply->header_bytes > GRPC_REPLY_HEADERS_MAX)
		return fail(reply, GRPC_RESOURCE_EXHAUSTED,
			    "the answer's headers are larger than %d bytes",
			    GRPC_REPLY_HEADERS_MAX);
	if (name_is(name, ":status"))
		http_status_read(reply, value);
	else if (name_is(name, "content-type"))
		content_type_read(reply, value);
	else if (name_is(name, "grpc-status"))
		status_read(reply, value);
	else if (name_is(name, "grpc-message"))
		message_read(reply, value);
	else if (name_is(name, "grpc-status-details-bin"))
		details_read(reply, value);
	else if (name_is(name, "grpc-encoding"))
		reply->compression = compression_parse(value);
	else if (name_is(name, "grpc-accept-encoding"))
		accept_encoding_read(reply, value);
	return 0;
}

/* Rule 19: one compressed flag, which needs a grpc-encoding that we offered, and a
 * big-endian length. */
static int framing_read(struct grpc_reply *reply)
{
	const uint8_t *f = reply->framing;

	reply->message_len = grpc_frame_length(f);
	if (f[0] > 1 || (f[0] && reply->compression != COMPRESSION_GZIP))
		return fail(reply, GRPC_INTERNAL,
			    "the answer is compressed in a way that was not offered");
	if (reply->messages_n)
		return fail(reply, GRPC_INTERNAL, "more than one message in the answer");
	if (reply->message_len > reply->bytes_max)
		return fail(reply, GRPC_RESOURCE_EXHAUSTED,
			    "the answer has %zu bytes, more than the limit of %zu",
			    reply->message_len, reply->bytes_max);
	return 0;
}

static size_t take_framing(struct grpc_reply *reply, const uint8_t *at, size_t len)
{
	size_t n = sizeof(reply->framing) - reply->framing_n;

	if (n > len)
		n = len;
	memcpy(reply->framing + reply->framing_n, at, n);
	reply->framing_n += n;
	return n;
}

/* Memory follows what has arrived, not what the length promises. */
static int take_body(struct grpc_reply *reply, const uint8_t *at, size_t len, size_t *ret_taken)
{
	size_t n = reply->message_len - reply->body.len;

	if (n > len)
		n = len;
	if (buf_append(&reply->body, at, n) < 0)
		return fail(reply, GRPC_RESOURCE_EXHAUSTED, "no memory for the answer");
	*ret_taken = n;
	return 0;
}

static int too_large(struct grpc_reply *reply)
{
	return fail(reply, GRPC_RESOURCE_EXHAUSTED,
		    "the answer has more than the limit of %zu bytes", reply->bytes_max);
}

/* Rule 10: the limit is that of the message, however small it came. */
static int unpack(struct grpc_reply *reply, struct gunzip *gunzip, struct buf *message)
{
	struct bytes left = buf_bytes(&reply->body);
	ssize_t n;

	do {
		if (buf_reserve(message, UNPACK_BYTES) < 0)
			return fail(reply, GRPC_RESOURCE_EXHAUSTED, "no memory for the answer");
		n = gunzip_step(gunzip, &left, message->at + message->len, UNPACK_BYTES);
		if (n == -ENOMEM)
			return fail(reply, GRPC_RESOURCE_EXHAUSTED, "no memory for the answer");
		if (n < 0)
			return fail(reply, GRPC_INTERNAL, "the answer is not gzip");
		message->len += (size_t)n;
		if (message->len > reply->bytes_max)
			return too_large(reply);
	} while (n == UNPACK_BYTES);
	if (!gunzip_whole(gunzip))
		return fail(reply, GRPC_INTERNAL, "the answer ends inside its gzip stream");
	return 0;
}

/* The bytes of a message are there. */
static int message_end(struct grpc_reply *reply)
{
	struct buf message = BUF_INIT;
	struct gunzip *gunzip;
	int r;

	reply->messages_n = 1;
	reply->framing_n = 0;
	if (!reply->framing[0])
		return 0;
	if (gunzip_new(&gunzip) < 0)
		return fail(reply, GRPC_RESOURCE_EXHAUSTED, "no memory for the answer");
	r = unpack(reply, gunzip, &message);
	gunzip_free(gunzip);
	buf_fini(&reply->body);
	reply->body = message;
	return r;
}

int grpc_reply_bytes(struct grpc_reply *reply, const uint8_t *at, size_t len)
{
	size_t n = 0;
	int r = 0;

	if (reply->failed)
		return -EPROTO;
	if (!reply->is_grpc)
		return 0; /* some proxy's error page: the status says enough */
	while (len || (reply->framing_n == GRPC_FRAME_BYTES &&
		       reply->body.len == reply->message_len)) {
		if (reply->framing_n < GRPC_FRAME_BYTES) {
			n = take_framing(reply, at, len);
			if (reply->framing_n == GRPC_FRAME_BYTES)
				r = framing_read(reply);
		} else if (reply->body.len == reply->message_len) {
			r = message_end(reply);
			n = 0;
		} else {
			r = take_body(reply, at, len, &n);
		}
		if (r < 0)
			return r;
		at += n;
		len -= n;
	}
	return 0;
}

static enum grpc_status verdict(struct grpc_reply *reply)
{
	if (reply->failed)
		return reply->failure;
	if (!reply->has_status) {
		(void)snprintf(reply->message, sizeof(reply->message),
			       "HTTP status %d without a gRPC status: not an OTLP/gRPC server?",
			       reply->http_status);
		return grpc_status_of_http(reply->http_status);
	}
	/* An OK without a message has nothing to say beyond "accepted". */
	if (reply->status == GRPC_OK && reply->framing_n) {
		(void)fail(reply, GRPC_INTERNAL, "the answer ends inside its message");
		return reply->failure;
	}
	return reply->status;
}

void grpc_reply_end(struct grpc_reply *reply, struct grpc_result *ret_result)
{
	struct grpc_result result = {.status = verdict(reply),
				     .message = reply->message,
				     .compressions_known = reply->compressions_known};

	if (result.status == GRPC_OK)
		result.response = buf_bytes(&reply->body);
	else if (!reply->failed && reply->details.len)
		result.has_retry_info = grpc_text_retry_delay(buf_bytes(&reply->details),
							      &result.retry_delay_ns);
	*ret_result = result;
}
