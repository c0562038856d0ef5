#include "receive/http_request.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/http_daemon.h"
#include "receive/http_json.h"

#define PATH "/v1/traces"
#define PROTOBUF "application/x-protobuf"
#define JSON "application/json"
/* So much, at least, of a refused one is read that its sender hears why. */
#define PASSED_OVER_BYTES (UINT64_C(1) << 20)

/* ---- headers ------------------------------------------------------------------ */

static const char *header(const struct http_request *request, const char *name)
{
	return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
}

/* The same media type, whatever parameters stand behind it. */
static bool is_type(const char *value, const char *type)
{
	size_t len = strlen(type);

	if (!value || strncasecmp(value, type, len) != 0)
		return false;
	return value[len] == '\0' || value[len] == ';' || value[len] == ' ';
}

static enum MHD_Result add_size(void *arg, enum MHD_ValueKind kind, const char *name,
				const char *value)
{
	uint64_t *bytes = arg;

	(void)kind;
	*bytes += strlen(name) + (value ? strlen(value) : 0) + 4; /* ": " and CRLF */
	return MHD_YES;
}

static uint64_t header_bytes(const struct http_request *request)
{
	uint64_t bytes = 0;

	(void)MHD_get_connection_values(request->connection, MHD_HEADER_KIND, add_size, &bytes);
	return bytes;
}

/* 0: it does not say. */
static uint64_t content_length(const struct http_request *request)
{
	const char *text = header(request, MHD_HTTP_HEADER_CONTENT_LENGTH);

	return text ? strtoull(text, NULL, 10) : 0;
}

static void refuse(struct http_request *request, uint64_t *counter, unsigned http,
		   enum answer_code code, const char *text)
{
	(*counter)++;
	answer_fill(&request->call.answer, code, false, "%s", text);
	request->call.answer.http = http;
	request->answered = true;
}

static void refuse_body(struct http_request *request, int error)
{
	stage_refuse_body(request->stage, error, &request->call.answer);
	request->answered = true;
}

/* What is asked for at all. */
static bool judge_line(struct http_request *request, const char *path, const char *method)
{
	struct receive_counters *counters = &request->stage->counters;

	if (header_bytes(request) > request->stage->options.header_bytes_max)
		refuse(request, &counters->refused_headers,
		       MHD_HTTP_REQUEST_HEADER_FIELDS_TOO_LARGE, ANSWER_RESOURCE_EXHAUSTED,
		       "the headers are larger than receive.header_max");
	else if (strcmp(path, PATH) != 0)
		refuse(request, &counters->refused_unknown, MHD_HTTP_NOT_FOUND,
		       ANSWER_UNIMPLEMENTED, "spans go to " PATH "; there is nothing else");
	else if (strcmp(method, MHD_HTTP_METHOD_POST) != 0)
		refuse(request, &counters->refused_unknown, MHD_HTTP_METHOD_NOT_ALLOWED,
		       ANSWER_UNIMPLEMENTED, "spans come by POST");
	else if (header(request, MHD_HTTP_HEADER_ORIGIN))
		/* No page of the web may write into somebody's archive. */
		refuse(request, &counters->refused_unknown, MHD_HTTP_FORBIDDEN,
		       ANSWER_FAILED_PRECONDITION, "browsers may not send spans here");
	return !request->answered;
}

/* In what form it comes, and is answered. */
static void read_form(struct http_request *request)
{
	const char *type = header(request, MHD_HTTP_HEADER_CONTENT_TYPE);
	const char *encoding = header(request, MHD_HTTP_HEADER_CONTENT_ENCODING);
	const char *expect = header(request, MHD_HTTP_HEADER_EXPECT);

	request->json = is_type(type, JSON);
	request->plain = !request->json && !is_type(type, PROTOBUF);
	request->gzip = encoding && strcasecmp(encoding, "gzip") == 0;
	request->expects = expect && strcasecmp(expect, "100-continue") == 0;
}

static bool judge_form(struct http_request *request)
{
	struct receive_counters *counters = &request->stage->counters;
	const char *encoding = header(request, MHD_HTTP_HEADER_CONTENT_ENCODING);

	if (request->plain)
		refuse(request, &counters->refused_unknown, MHD_HTTP_UNSUPPORTED_MEDIA_TYPE,
		       ANSWER_INVALID_ARGUMENT,
		       "the Content-Type must be " PROTOBUF " or " JSON);
	else if (encoding && *encoding && !request->gzip &&
		 strcasecmp(encoding, "identity") != 0)
		refuse(request, &counters->refused_encoding, MHD_HTTP_UNSUPPORTED_MEDIA_TYPE,
		       ANSWER_INVALID_ARGUMENT, "the Content-Encoding must be gzip or none");
	return !request->answered;
}

static void judge_rest(struct http_request *request)
{
	struct receive *stage = request->stage;
	const struct receive_options *options = &stage->options;
	const char *agent = header(request, RECEIVE_AGENT_HEADER);
	int r;

	if (agent && strcmp(agent, options->agent_id) == 0) {
		stage_refuse_looped(stage, &request->call.answer);
		request->answered = true;
	} else if (!stage_admits(stage, &request->call.answer)) {
		request->answered = true;
	} else if (content_length(request) > options->request_bytes_max) {
		refuse_body(request, -EMSGSIZE);
	} else {
		r = body_init(&request->body, &stage->memory, request->gzip,
			      options->request_bytes_max, options->ratio_max);
		if (r < 0)
			refuse_body(request, r);
	}
}

static void http_request_say(struct receive_call *call)
{
	struct http_request *request = list_entry(call, struct http_request, call);

	request->answered = true;
	body_fini(&request->body);
	if (!request->suspended)
		return;
	request->suspended = false;
	*request->resumed = true;
	MHD_resume_connection(request->connection);
}

int http_request_new(struct http_request **ret_request, struct receive *stage,
		     struct MHD_Connection *connection, const char *path, const char *method,
		     bool *resumed)
{
	struct http_request *request = calloc(1, sizeof *request);

	if (!request)
		return -ENOMEM;
	request->stage = stage;
	request->connection = connection;
	request->resumed = resumed;
	list_init(&request->link);
	receive_call_init(&request->call, http_request_say);
	read_form(request);
	if (judge_line(request, path, method) && judge_form(request))
		judge_rest(request);
	*ret_request = request;
	return 0;
}

void http_request_free(struct http_request *request)
{
	if (!request->answered) {
		request->stage->counters.cancelled++;
		stage_forget(request->stage, &request->call);
	}
	list_unlink(&request->link);
	body_fini(&request->body);
	free(request);
}

/* ---- the body ------------------------------------------------------------------ */

bool http_request_push(struct http_request *request, struct bytes piece)
{
	int r;

	request->stage->counters.bytes += piece.len;
	/* What comes of a refused one is passed over: most senders read no answer
	 * before they have said everything. But not for ever. */
	if (request->answered) {
		request->passed_over += piece.len;
		return request->passed_over <=
		       request->stage->options.request_bytes_max + PASSED_OVER_BYTES;
	}
	r = body_push(&request->body, piece);
	if (r < 0) {
		refuse_body(request, r);
		body_fini(&request->body);
	}
	return true;
}

static void take_json(struct http_request *request)
{
	struct receive *stage = request->stage;
	struct bytes text = buf_bytes(&request->body.bytes);
	struct buf message = BUF_INIT;
	char why[ANSWER_TEXT_BYTES];
	int r;

	if (stage->memory.bytes + http_json_memory(text) > stage->memory.bytes_max)
		r = -ENOBUFS;
	else
		r = http_json_read(&message, text, why, sizeof why);
	if (r == 0)
		stage_take(stage, &request->call, buf_bytes(&message));
	else if (r == -EBADMSG)
		refuse(request, &stage->counters.refused_malformed, 0, ANSWER_INVALID_ARGUMENT,
		       why);
	else
		refuse_body(request, r);
	buf_fini(&message);
}

void http_request_end(struct http_request *request)
{
	struct receive *stage = request->stage;
	int r = request->answered ? 0 : body_end(&request->body);

	request->whole = true;
	if (r < 0)
		refuse_body(request, r);
	if (!request->answered) {
		stage->counters.requests_http++;
		if (request->json)
			take_json(request);
		else
			stage_take(stage, &request->call, buf_bytes(&request->body.bytes));
	}
	body_fini(&request->body);
	if (request->answered)
		return;
	request->suspended = true;
	MHD_suspend_connection(request->connection);
}

/* ---- the answer ----------------------------------------------------------------- */

static int write_answer(struct http_request *request, struct buf *content)
{
	struct answer *answer = &request->call.answer;
	bool json = request->json || request->plain;
	int r;

	if (answer->code == ANSWER_OK) {
		r = answer_response(content, answer, json,
				    request->stage->options.response_bytes_max);
		if (r != -EMSGSIZE)
			return r;
		answer_fill(answer, ANSWER_INTERNAL, false,
			    "the answer is larger than receive.response_max");
	}
	return answer_status(content, answer, json);
}

static void add_headers(const struct http_request *request, struct MHD_Response *response,
			unsigned status)
{
	char seconds[16];

	(void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE,
				      request->json || request->plain ? JSON : PROTOBUF);
	if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
		(void)MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW,
					      MHD_HTTP_METHOD_POST);
	if (status == MHD_HTTP_UNSUPPORTED_MEDIA_TYPE)
		(void)MHD_add_response_header(response, MHD_HTTP_HEADER_ACCEPT_ENCODING,
					      "gzip");
	if (request->call.answer.again) {
		(void)snprintf(seconds, sizeof seconds, "%u", ANSWER_RETRY_S);
		(void)MHD_add_response_header(response, MHD_HTTP_HEADER_RETRY_AFTER, seconds);
	}
}

enum MHD_Result http_request_answer(struct http_request *request)
{
	struct buf content = BUF_INIT;
	struct MHD_Response *response;
	enum MHD_Result done;
	unsigned status;

	if (write_answer(request, &content) < 0) {
		buf_fini(&content);
		return MHD_NO; /* closes the connection */
	}
	status = answer_http_status(&request->call.answer);
	response = http_daemon_response(&content);
	if (!response)
		return MHD_NO;
	add_headers(request, response, status);
	done = MHD_queue_response(request->connection, status, response);
	MHD_destroy_response(response);
	return done;
}
