#include "archive/document_stream.h"

#include "archive/facts.h"
#include "archive/group.h"
#include "opentelemetry/proto/common/v1/common.pb-c.h"
#include "opentelemetry/proto/resource/v1/resource.pb-c.h"
#include "opentelemetry/proto/trace/v1/trace.pb-c.h"
#include "otlp/json_parse.h"

#include <errno.h>
#include <stdlib.h>

#define RESOURCE (&opentelemetry__proto__resource__v1__resource__descriptor)
#define SCOPE (&opentelemetry__proto__common__v1__instrumentation_scope__descriptor)
#define SPAN (&opentelemetry__proto__trace__v1__span__descriptor)

#define WINDOW_BYTES ((size_t)256 << 10)
#define VALUE_BYTES_MAX ((size_t)1 << 30)

/* The schema URLs stand behind what they belong to, so the file is read twice:
 * first for them alone. */
struct stream {
	struct env *env;
	int fd;
	uint8_t *window;
	size_t at, end;	 /* in the window */
	uint64_t offset; /* of the window's end in the file */

	bool emit;	 /* the second time */
	struct buf urls; /* each with a NUL behind it: scopes, then their resource */
	size_t *places;	 /* of them in `urls`, by ordinal */
	size_t place_count, place_cap;
	size_t next_place; /* the second time */

	struct buf value; /* the text at hand */
	struct buf resource, scope, span;
	struct finished_span finished;
	document_span_fn *each;
	void *arg;
	struct document_result result;
};

/* --- bytes -------------------------------------------------------------- */

/* The next byte without taking it; -ENODATA at the end. */
static int peek(struct stream *s)
{
	ssize_t n;

	while (s->at == s->end) {
		n = s->env->ops->pread(s->env, s->fd, s->window, WINDOW_BYTES,
				       (off_t)s->offset);
		if (n == -EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? (int)n : -ENODATA;
		s->at = 0;
		s->end = (size_t)n;
		s->offset += (uint64_t)n;
	}
	return s->window[s->at];
}

static int expect(struct stream *s, const char *literal)
{
	for (; *literal; literal++, s->at++) {
		int c = peek(s);

		if (c != (uint8_t)*literal)
			return c < 0 && c != -ENODATA ? c : -EBADMSG;
	}
	return 0;
}

/* 1: `c` is next and was taken; 0: it is not. */
static int take(struct stream *s, char c)
{
	int next = peek(s);

	if (next < 0)
		return next == -ENODATA ? -EBADMSG : next;
	s->at += next == (uint8_t)c;
	return next == (uint8_t)c;
}

/* Copies an object or a string into `value`: up to where its braces are closed,
 * leaving alone what stands in strings. */
static int take_value(struct stream *s)
{
	bool in_string = false, escaped = false;
	unsigned depth = 0;

	buf_reset(&s->value);
	do {
		int c = peek(s);

		if (c < 0)
			return c == -ENODATA ? -EBADMSG : c;
		s->at++;
		if (s->value.len > VALUE_BYTES_MAX)
			return -EBADMSG;
		if (buf_append_byte(&s->value, (uint8_t)c) < 0)
			return -ENOMEM;
		if (escaped)
			escaped = false;
		else if (c == '"')
			in_string = !in_string;
		else if (in_string)
			escaped = c == '\\';
		else if (c == '{')
			depth++;
		else if (c == '}' && depth-- == 0)
			return -EBADMSG;
	} while (depth > 0 || in_string);
	return 0;
}

static int load_value(struct stream *s, json_t **ret_value)
{
	json_error_t error;

	return otlp_json_parse(ret_value, buf_bytes(&s->value),
			       JSON_ALLOW_NUL | JSON_DECODE_ANY, &error);
}

/* Takes a message; the first time it is only passed over. */
static int take_message(struct stream *s, const ProtobufCMessageDescriptor *type,
			struct buf *out)
{
	json_t *value;
	int r;

	r = take_value(s);
	if (r < 0 || !s->emit)
		return r;
	r = load_value(s, &value);
	if (r < 0)
		return r;
	r = document_message(out, type, value);
	json_decref(value);
	return r > 0 ? 0 : r < 0 ? r : -EBADMSG;
}

/* --- schema URLs -------------------------------------------------------- */

/* Places are counted in the order in which their owners begin, both times. */
static int reserve_url(struct stream *s, size_t *ret_place)
{
	*ret_place = s->next_place++;
	if (s->emit)
		return 0;
	if (s->place_count == s->place_cap) {
		size_t cap = s->place_cap ? s->place_cap * 2 : 16;
		size_t *at = reallocarray(s->places, cap, sizeof(*at));

		if (!at)
			return -ENOMEM;
		s->places = at;
		s->place_cap = cap;
	}
	s->place_count++;
	return 0;
}

static int note_url(struct stream *s, size_t place, const char *url)
{
	s->places[place] = s->urls.len;
	return buf_append(&s->urls, url, strlen(url) + 1);
}

/* `,"schemaUrl":"..."` or nothing, then `}`. */
static int take_url(struct stream *s, size_t place)
{
	const char *url = "";
	json_t *value = NULL;
	int r;

	r = take(s, ',');
	if (r > 0) {
		r = expect(s, "\"schemaUrl\":");
		if (r >= 0)
			r = take_value(s);
		if (r >= 0)
			r = load_value(s, &value);
		if (r >= 0 && json_is_string(value))
			url = json_string_value(value);
	}
	if (r >= 0 && !s->emit)
		r = note_url(s, place, url);
	json_decref(value);
	return r < 0 ? r : expect(s, "}");
}

static struct bytes url_at(const struct stream *s, size_t place)
{
	return bytes_of((const char *)s->urls.at + s->places[place]);
}

/* --- structure ---------------------------------------------------------- */

static int stream_span(struct stream *s)
{
	struct span_facts facts;
	int r;

	r = take_message(s, SPAN, &s->span);
	if (r < 0 || !s->emit)
		return r;
	if (span_facts_read(&facts, buf_bytes(&s->span)) < 0)
		return -EBADMSG;
	memcpy(s->finished.trace_id, facts.trace_id, 16);
	s->finished.span = buf_bytes(&s->span);
	s->result.spans++;
	return s->each(s->arg, &s->finished);
}

/* The items of an array, one at least, and what closes it. */
static int stream_items(struct stream *s, int (*item)(struct stream *s), const char *close)
{
	int r;

	do {
		r = item(s);
		if (r >= 0)
			r = take(s, ',');
	} while (r > 0);
	return r < 0 ? r : expect(s, close);
}

static int stream_scope(struct stream *s)
{
	size_t url;
	int r;

	r = reserve_url(s, &url);
	if (r >= 0)
		r = expect(s, "{\"scope\":");
	if (r >= 0)
		r = take_message(s, SCOPE, &s->scope);
	if (r >= 0)
		r = expect(s, ",\"spans\":[");
	if (r < 0)
		return r;
	if (s->emit) {
		s->finished.scope = buf_bytes(&s->scope);
		s->finished.scope_schema_url = url_at(s, url);
	}
	r = stream_items(s, stream_span, "]");
	return r < 0 ? r : take_url(s, url);
}

static int stream_resource(struct stream *s)
{
	size_t url;
	int r;

	r = reserve_url(s, &url);
	if (r >= 0)
		r = expect(s, "{\"resource\":");
	if (r >= 0)
		r = take_message(s, RESOURCE, &s->resource);
	if (r >= 0)
		r = expect(s, ",\"scopeSpans\":[");
	if (r < 0)
		return r;
	if (s->emit) {
		s->finished.resource = buf_bytes(&s->resource);
		s->finished.resource_schema_url = url_at(s, url);
	}
	r = stream_items(s, stream_scope, "]");
	return r < 0 ? r : take_url(s, url);
}

static int stream_file(struct stream *s, bool emit)
{
	int r;

	s->emit = emit;
	s->at = s->end = 0;
	s->offset = 0;
	s->next_place = 0;
	r = expect(s, GROUP_OPEN);
	if (r < 0)
		return r;
	r = stream_items(s, stream_resource, GROUP_CLOSE);
	if (r < 0)
		return r;
	r = peek(s);
	return r == -ENODATA ? 0 : r < 0 ? r : -EBADMSG;
}

int document_stream(struct env *env, int fd, document_span_fn *each, void *arg,
		    struct document_result *ret_result)
{
	struct stream s = {.env = env, .fd = fd, .each = each, .arg = arg};
	int r;

	s.window = malloc(WINDOW_BYTES);
	r = s.window ? stream_file(&s, false) : -ENOMEM;
	if (r >= 0)
		r = stream_file(&s, true);
	if (r >= 0)
		*ret_result = s.result;
	free(s.window);
	free(s.places);
	buf_fini(&s.urls);
	buf_fini(&s.value);
	buf_fini(&s.resource);
	buf_fini(&s.scope);
	buf_fini(&s.span);
	return r;
}
