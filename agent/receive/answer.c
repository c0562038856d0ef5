#include "receive/answer.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "google/rpc/status.pb-c.h"
#include "opentelemetry/proto/collector/trace/v1/trace_service.pb-c.h"
#include "otlp/json_print.h"
#include "otlp/pb.h"
#include "otlp/utf8.h"

#define RETRY_INFO_URL "type.googleapis.com/google.rpc.RetryInfo"

/* Field numbers. */
enum { RESPONSE_PARTIAL = 1, PARTIAL_REJECTED = 1, PARTIAL_MESSAGE = 2 };
enum { STATUS_CODE = 1, STATUS_MESSAGE = 2, STATUS_DETAILS = 3 };
enum { ANY_TYPE_URL = 1, ANY_VALUE = 2, RETRY_INFO_DELAY = 1, DURATION_SECONDS = 1 };

void answer_fill(struct answer *answer, enum answer_code code, bool again, const char *format,
		 ...)
{
	va_list args;

	*answer = (struct answer){.code = code, .again = again};
	va_start(args, format);
	(void)vsnprintf(answer->text, sizeof answer->text, format, args);
	va_end(args);
}

unsigned answer_http_status(const struct answer *answer)
{
	if (answer->http)
		return answer->http;
	switch (answer->code) {
	case ANSWER_OK:
		return 200;
	case ANSWER_INVALID_ARGUMENT:
	case ANSWER_FAILED_PRECONDITION:
		return 400;
	case ANSWER_DEADLINE_EXCEEDED:
		return 408;
	case ANSWER_RESOURCE_EXHAUSTED:
		return answer->again ? 429 : 413;
	case ANSWER_UNIMPLEMENTED:
		return 404;
	case ANSWER_UNAVAILABLE:
		return 503;
	case ANSWER_INTERNAL:
		break;
	}
	return 500;
}

/* Not in the middle of a character. */
static struct bytes text_cut(const char *text, size_t len_max)
{
	struct bytes cut = bytes_of(text);

	if (cut.len > len_max)
		cut.len = len_max;
	cut.len = utf8_valid_len(cut);
	return cut;
}

static void put_response(struct buf *out, const struct answer *answer, size_t text_max)
{
	struct bytes text = text_cut(answer->text, text_max);
	struct pb_nested partial;

	/* Nothing refused and nothing to say is full success: the field is absent. */
	if (!answer->rejected && !text.len)
		return;
	partial = pb_open(out, RESPONSE_PARTIAL, text.len + 16);
	if (answer->rejected)
		(void)pb_varint(out, PARTIAL_REJECTED, answer->rejected);
	if (text.len)
		(void)pb_bytes(out, PARTIAL_MESSAGE, text);
	(void)pb_close(out, partial); /* callers ask buf_failed() */
}

static int to_json(struct buf *out, const ProtobufCMessageDescriptor *type, struct buf *message)
{
	int r = buf_failed(message) ? -ENOMEM : otlp_json_print(out, type, buf_bytes(message));

	buf_fini(message);
	return r;
}

/* One form of it with so much of its text. Its length, or -errno. */
static ssize_t try_response(struct buf *out, const struct answer *answer, bool json,
			    size_t text_max)
{
	struct buf message = BUF_INIT;
	size_t before = out->len;
	int r = 0;

	if (json) {
		put_response(&message, answer, text_max);
		r = to_json(
			out,
			&opentelemetry__proto__collector__trace__v1__export_trace_service_response__descriptor,
			&message);
	} else {
		put_response(out, answer, text_max);
	}
	if (buf_failed(out))
		r = -ENOMEM;
	return r < 0 ? r : (ssize_t)(out->len - before);
}

int answer_response(struct buf *out, const struct answer *answer, bool json, uint64_t bytes_max)
{
	size_t before = out->len, text_max = strlen(answer->text), over;
	ssize_t len;

	for (;;) {
		len = try_response(out, answer, json, text_max);
		if (len < 0 || (uint64_t)len <= bytes_max)
			return len < 0 ? (int)len : 0;
		out->len = before;
		if (text_max == 0)
			return -EMSGSIZE;
		over = (size_t)((uint64_t)len - bytes_max);
		text_max = over < text_max ? text_max - over : 0;
	}
}

static void put_retry_info(struct buf *out)
{
	struct pb_nested any = pb_open(out, STATUS_DETAILS, 64), value, delay;

	(void)pb_bytes(out, ANY_TYPE_URL, bytes_of(RETRY_INFO_URL));
	value = pb_open(out, ANY_VALUE, 4);
	delay = pb_open(out, RETRY_INFO_DELAY, 2);
	(void)pb_varint(out, DURATION_SECONDS, ANSWER_RETRY_S);
	(void)pb_close(out, delay);
	(void)pb_close(out, value);
	(void)pb_close(out, any); /* answer_status() asks buf_failed() */
}

int answer_status(struct buf *out, const struct answer *answer, bool json)
{
	struct buf message = BUF_INIT, *at = json ? &message : out;
	struct bytes text = text_cut(answer->text, SIZE_MAX);

	(void)pb_varint(at, STATUS_CODE, (uint64_t)answer->code);
	if (text.len)
		(void)pb_bytes(at, STATUS_MESSAGE, text);
	/* The JSON form of Any is another; HTTP says it by Retry-After anyway. */
	if (answer->again && !json)
		put_retry_info(at);
	if (json)
		return to_json(out, &google__rpc__status__descriptor, &message);
	return buf_failed(out) ? -ENOMEM : 0;
}

int answer_percent(struct buf *out, const char *text)
{
	for (; *text; text++) {
		if (*text < ' ' || *text > '~' || *text == '%')
			(void)buf_printf(out, "%%%02X", (unsigned char)*text);
		else
			(void)buf_append_byte(out, (uint8_t)*text);
	}
	return buf_failed(out) ? -ENOMEM : 0;
}
