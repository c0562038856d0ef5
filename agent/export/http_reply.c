#include "export/http_reply.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <strings.h>

#include "export/answer.h"
#include "google/rpc/status.pb-c.h"
#include "opentelemetry/proto/collector/trace/v1/trace_service.pb-c.h"
#include "otlp/json_read.h"

#define response_type \
	(&opentelemetry__proto__collector__trace__v1__export_trace_service_response__descriptor)

#define NS_PER_S UINT64_C(1000000000)
/* Nobody is left alone for longer because a header says so. */
#define RETRY_AFTER_S_MAX 86400
/* Of a body that is looked into; what it becomes takes many times its size. */
#define BODY_BYTES_MAX (64u << 10)

enum { BAD_REQUEST = 400, TOO_LARGE = 413, UNKNOWN_FORM = 415 };

static bool succeeded(long status)
{
	return status >= 200 && status < 300;
}

/* Rule 29: these and no others. */
static bool may_be_sent_again(long status)
{
	return status == 429 || status == 502 || status == 503 || status == 504;
}

/* What is in it may be taken in parts: its content was refused, or its size. */
static bool parts_may_be_taken(long status)
{
	return status == BAD_REQUEST || status == TOO_LARGE;
}

/* --- bodies ---------------------------------------------------------------------- */

static bool has_type(const struct http_reply *reply, const char *type)
{
	size_t len = strlen(type);
	const char *is = reply->content_type;

	return is && strncasecmp(is, type, len) == 0 && (!is[len] || strchr("; \t", is[len]));
}

static json_t *parse(struct bytes body)
{
	return json_loadb((const char *)body.at, body.len,
			  JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, NULL);
}

/* -EPROTO and other errors: it is not what a server answers. */
static int read_json(struct answer *ret_answer, struct bytes body)
{
	struct buf message = BUF_INIT;
	json_t *value = parse(body);
	int r = -EPROTO;

	if (json_is_object(value))
		r = otlp_json_read(&message, response_type, value, NULL);
	if (r >= 0)
		r = answer_read(ret_answer, buf_bytes(&message));
	json_decref(value);
	buf_fini(&message);
	return r;
}

static void take_text(char *message, const char *text)
{
	(void)snprintf(message, HTTP_REPLY_MESSAGE_MAX, "%s", text);
}

/* The words of the google.rpc.Status an error should come with. */
static void error_words(const struct http_reply *reply, char *message)
{
	if (has_type(reply, "application/x-protobuf")) {
		Google__Rpc__Status *status =
			google__rpc__status__unpack(NULL, reply->body.len, reply->body.at);

		if (status)
			take_text(message, status->message);
		google__rpc__status__free_unpacked(status, NULL);
	} else if (has_type(reply, "application/json")) {
		json_t *status = parse(reply->body);
		const char *text = json_string_value(json_object_get(status, "message"));

		take_text(message, text ? text : "");
		json_decref(status);
	} else if (has_type(reply, "text/plain")) {
		(void)snprintf(message, HTTP_REPLY_MESSAGE_MAX, "%.*s",
			       (int)(reply->body.len < HTTP_REPLY_MESSAGE_MAX
					     ? reply->body.len
					     : HTTP_REPLY_MESSAGE_MAX - 1),
			       (const char *)reply->body.at);
	}
}

/* --- the verdict ------------------------------------------------------------------ */

/* A 2xx is HTTP's word for "taken". What else a body says, and in which form, is not
 * everywhere what the specification wants; nothing is sent again for that. */
static void judge_success(const struct http_reply *reply, char *message,
			  struct transport_answer *answer)
{
	struct answer said = {0};
	int r = -EPROTO;

	answer->verdict = TRANSPORT_ACCEPTED;
	if (!reply->body.len)
		return;
	if (reply->body.len > BODY_BYTES_MAX)
		r = -E2BIG;
	else if (has_type(reply, "application/json"))
		r = read_json(&said, reply->body);
	else if (has_type(reply, "application/x-protobuf"))
		r = answer_read(&said, reply->body);
	if (r < 0) {
		(void)snprintf(message, HTTP_REPLY_MESSAGE_MAX,
			       "the answer (%.80s) is no ExportTraceServiceResponse; is this "
			       "an OTLP server?",
			       reply->content_type ? reply->content_type : "of no type");
		return;
	}
	answer->rejected = said.rejected;
	take_text(message, said.message);
}

static void judge_failure(const struct http_reply *reply, char *message,
			  struct transport_answer *answer)
{
	int64_t after_s = reply->retry_after_s;

	if (reply->body.len <= BODY_BYTES_MAX)
		error_words(reply, message);
	if (!may_be_sent_again(reply->status)) {
		answer->verdict = TRANSPORT_REFUSED;
		answer->content_refused = parts_may_be_taken(reply->status);
		answer->form_refused = reply->status == UNKNOWN_FORM;
		return;
	}
	answer->verdict = TRANSPORT_RETRY;
	if (after_s > RETRY_AFTER_S_MAX)
		after_s = RETRY_AFTER_S_MAX;
	if (after_s > 0)
		answer->delay_ns = (uint64_t)after_s * NS_PER_S;
}

void http_reply_judge(const struct http_reply *reply, struct http_words *words,
		      struct transport_answer *ret_answer)
{
	struct transport_answer answer = {.status = words->status, .message = words->message};

	words->message[0] = '\0';
	(void)snprintf(words->status, sizeof(words->status), "HTTP %ld", reply->status);
	if (reply->status && !succeeded(reply->status)) {
		judge_failure(reply, words->message, &answer);
	} else if (reply->too_large) {
		answer.verdict = TRANSPORT_REFUSED;
		take_text(words->message, "the answer is larger than export.response_max");
	} else if (!reply->status || reply->cut) {
		answer.verdict = TRANSPORT_RETRY;
		answer.status = "UNAVAILABLE";
		take_text(words->message, reply->trouble);
	} else {
		judge_success(reply, words->message, &answer);
	}
	*ret_answer = answer;
}
