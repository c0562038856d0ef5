/* Re-emits the spans of one process of a trace file, as that process would have
 * made them: in order of time, with the original ids, times, kinds, attributes,
 * events and statuses, and the original resource instead of detection.
 *
 *	reemit FILE RESOURCE
 *
 * FILE is OTLP/JSON lines; RESOURCE counts the distinct resources in order of
 * appearance, from 0. Prints the number of spans. Exit status: 3 if there is no
 * such resource, 1 if a call was refused. */
#include <errno.h>
#include <jansson.h>
#include <spanring.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "otlp/bytes_text.h"

#define WAIT_MS 10000
#define FLUSH_MS 20000
#define NO_RESOURCE 3

/* Everything that the options of a call borrow lives as long as the program. */
struct replayed {
	json_t *json;
	uint32_t scope;
	uint64_t start_ns, end_ns;
	struct spanring_span span;
	bool open;
};

struct moment {
	uint64_t at_ns;
	bool is_end;
	size_t order;
	struct replayed *span;
};

struct replay {
	json_t *resource, *resource_spans;
	struct replayed *spans;
	size_t count;
};

static int failed;

static void expect_recorded(int result, const char *what)
{
	if (result >= 0)
		return;
	(void)fprintf(stderr, "reemit: %s: %s\n", what, strerror(-result));
	failed = 1;
}

static void *must_alloc(size_t count, size_t size)
{
	void *at = calloc(count ? count : 1, size);

	if (!at)
		exit(1);
	return at;
}

static json_t *member(const json_t *object, const char *key)
{
	return json_object_get(object, key);
}

static const char *text(const json_t *object, const char *key)
{
	return json_string_value(member(object, key)) ?: "";
}

/* 64-bit numbers are strings in OTLP/JSON; readers take both. */
static uint64_t number(const json_t *value)
{
	if (json_is_string(value))
		return strtoull(json_string_value(value), NULL, 10);
	return (uint64_t)json_integer_value(value);
}

static void unhex(const char *digits, uint8_t *ret_bytes, size_t size)
{
	struct buf bytes;

	buf_init(&bytes);
	memset(ret_bytes, 0, size);
	if (bytes_text_unhex(&bytes, (struct bytes){(const uint8_t *)digits, strlen(digits)}) ==
		    0 &&
	    bytes.len == size)
		memcpy(ret_bytes, bytes.at, size);
	buf_fini(&bytes);
}

/* ---- values ---------------------------------------------------------------- */

static struct spanring_attribute *attributes_of(json_t *list, size_t *ret_count);

static struct spanring_attribute bytes_value(const json_t *value)
{
	struct bytes encoded = {(const uint8_t *)json_string_value(value),
				json_string_length(value)};
	struct buf *bytes = must_alloc(1, sizeof *bytes);

	buf_init(bytes);
	(void)bytes_text_unbase64(bytes, encoded);
	return spanring_bytes("", bytes->at, bytes->len);
}

static struct spanring_attribute array_value(json_t *values)
{
	size_t count = json_array_size(values);
	struct spanring_attribute *elements = must_alloc(count, sizeof *elements);
	json_t *wrapped, *value;
	size_t i, one;

	json_array_foreach(values, i, value)
	{
		wrapped = json_pack("[{s:s,s:O}]", "key", "", "value", value);
		elements[i] = *attributes_of(wrapped, &one);
	}
	return spanring_values("", elements, count);
}

static double real(const json_t *value)
{
	return json_is_string(value) ? strtod(json_string_value(value), NULL)
				     : json_number_value(value);
}

static struct spanring_attribute attribute_value(const json_t *any)
{
	struct spanring_attribute *members, empty = {.key = "", .type = SPANRING_TYPE_EMPTY};
	json_t *value;
	size_t count;

	if ((value = member(any, "stringValue")))
		return spanring_string_n("", json_string_value(value),
					 json_string_length(value));
	if ((value = member(any, "boolValue")))
		return spanring_bool("", json_is_true(value));
	if ((value = member(any, "intValue")))
		return spanring_int("", (int64_t)number(value));
	if ((value = member(any, "doubleValue")))
		return spanring_double("", real(value));
	if ((value = member(any, "bytesValue")))
		return bytes_value(value);
	if ((value = member(any, "arrayValue")))
		return array_value(member(value, "values"));
	if ((value = member(any, "kvlistValue"))) {
		members = attributes_of(member(value, "values"), &count);
		return spanring_map("", members, count);
	}
	return empty;
}

static struct spanring_attribute *attributes_of(json_t *list, size_t *ret_count)
{
	struct spanring_attribute *attributes =
		must_alloc(json_array_size(list), sizeof *attributes);
	json_t *item;
	size_t i;

	json_array_foreach(list, i, item)
	{
		attributes[i] = attribute_value(member(item, "value"));
		attributes[i].key = text(item, "key");
		attributes[i].key_length = json_string_length(member(item, "key"));
	}
	*ret_count = json_array_size(list);
	return attributes;
}

/* ---- reading the file -------------------------------------------------------- */

/* The lines' resourceSpans of the chosen resource, in one list. */
static void load(struct replay *replay, const char *path, size_t wanted)
{
	json_t *seen = json_array(), *line, *entry, *known;
	FILE *file = fopen(path, "re");
	size_t i, k;

	replay->resource_spans = json_array();
	while (file &&
	       (line = json_loadf(file, JSON_DISABLE_EOF_CHECK | JSON_ALLOW_NUL, NULL))) {
		json_array_foreach(member(line, "resourceSpans"), i, entry)
		{
			json_array_foreach(
				seen, k,
				known) if (json_equal(known, member(entry, "resource"))) break;
			if (k == json_array_size(seen))
				(void)json_array_append(seen, member(entry, "resource"));
			if (k == wanted)
				(void)json_array_append(replay->resource_spans, entry);
		}
	}
	if (file)
		(void)fclose(file);
	replay->resource = json_array_get(seen, wanted);
}

static uint32_t scope_of(const json_t *scope_spans)
{
	const json_t *scope = member(scope_spans, "scope");
	struct spanring_attribute *attributes;
	size_t count;
	int r;

	if (!*text(scope, "name"))
		return 0;
	attributes = attributes_of(member(scope, "attributes"), &count);
	r = spanring_scope_new_with(
		text(scope, "name"), *text(scope, "version") ? text(scope, "version") : NULL,
		*text(scope_spans, "schemaUrl") ? text(scope_spans, "schemaUrl") : NULL,
		attributes, count);
	expect_recorded(r, "scope");
	return r > 0 ? (uint32_t)r : 0;
}

static void add_spans(struct replay *replay, json_t *scope_spans)
{
	json_t *spans = member(scope_spans, "spans"), *span;
	uint32_t scope = scope_of(scope_spans);
	size_t i;

	replay->spans = realloc(replay->spans, (replay->count + json_array_size(spans)) *
						       sizeof *replay->spans);
	if (!replay->spans)
		exit(1);
	json_array_foreach(spans, i, span) replay->spans[replay->count++] = (struct replayed){
		.json = span,
		.scope = scope,
		.start_ns = number(member(span, "startTimeUnixNano")),
		.end_ns = number(member(span, "endTimeUnixNano")),
	};
}

static void collect(struct replay *replay)
{
	json_t *entry, *scope_spans;
	size_t i, k;

	json_array_foreach(replay->resource_spans, i, entry)
		json_array_foreach(member(entry, "scopeSpans"), k, scope_spans)
			add_spans(replay, scope_spans);
}

/* ---- making the spans again ---------------------------------------------------- */

static int by_time(const void *left, const void *right)
{
	const struct moment *a = left, *b = right;

	if (a->at_ns != b->at_ns)
		return a->at_ns < b->at_ns ? -1 : 1;
	if (a->is_end != b->is_end)
		return a->is_end ? 1 : -1;
	return a->order < b->order ? -1 : 1;
}

static struct replayed *find_open(struct replay *replay, const char *span_id)
{
	for (size_t i = 0; i < replay->count; i++)
		if (replay->spans[i].open &&
		    strcmp(text(replay->spans[i].json, "spanId"), span_id) == 0)
			return &replay->spans[i];
	return NULL;
}

static struct spanring_context context_of(const json_t *ids, const char *span_id,
					  const char *tracestate)
{
	struct spanring_context context = {.trace_flags = 1};

	unhex(text(ids, "traceId"), context.trace_id, 16);
	unhex(span_id, context.span_id, 8);
	context.is_remote = number(member(ids, "flags")) & 0x200;
	context.tracestate_length = (uint16_t)strnlen(tracestate, SPANRING_TRACESTATE_MAX);
	memcpy(context.tracestate, tracestate, context.tracestate_length);
	return context;
}

static struct spanring_link *links_of(json_t *list, size_t *ret_count)
{
	struct spanring_link *links = must_alloc(json_array_size(list), sizeof *links);
	struct spanring_context *context;
	json_t *item;
	size_t i;

	json_array_foreach(list, i, item)
	{
		context = must_alloc(1, sizeof *context);
		*context = context_of(item, text(item, "spanId"), text(item, "traceState"));
		links[i].context = context;
		links[i].attributes =
			attributes_of(member(item, "attributes"), &links[i].attribute_count);
	}
	*ret_count = json_array_size(list);
	return links;
}

/* Half of the spans get their attributes with the start, half one by one. */
static bool at_once(const struct replayed *replayed)
{
	return replayed->start_ns / 1000 % 2;
}

static void start(struct replay *replay, struct replayed *replayed)
{
	struct spanring_start_options options = SPANRING_START_OPTIONS_INIT;
	const char *parent_id = text(replayed->json, "parentSpanId");
	struct replayed *parent = find_open(replay, parent_id);
	struct spanring_context remote;
	uint8_t trace_id[16], span_id[8];

	unhex(text(replayed->json, "traceId"), trace_id, 16);
	unhex(text(replayed->json, "spanId"), span_id, 8);
	remote = context_of(replayed->json, parent_id, text(replayed->json, "traceState"));
	options.kind = (enum spanring_kind)number(member(replayed->json, "kind"));
	options.scope = replayed->scope;
	options.span_id = span_id;
	options.time_unix_ns = replayed->start_ns;
	options.links = links_of(member(replayed->json, "links"), &options.link_count);
	if (at_once(replayed))
		options.attributes = attributes_of(member(replayed->json, "attributes"),
						   &options.attribute_count);
	if (!*parent_id) {
		options.root = true;
		options.trace_id = trace_id;
	} else if (parent && !remote.is_remote && !remote.tracestate_length) {
		options.parent = &parent->span;
	} else {
		options.remote_parent = &remote;
	}
	expect_recorded(spanring_start(&replayed->span, text(replayed->json, "name"), &options),
			"start");
	replayed->open = true;
}

static void add_event(struct replayed *replayed, const json_t *event)
{
	struct spanring_attribute *attributes;
	size_t count;

	attributes = attributes_of(member(event, "attributes"), &count);
	expect_recorded(spanring_add_event_at(&replayed->span, text(event, "name"),
					      number(member(event, "timeUnixNano")), attributes,
					      count),
			"event");
}

static void end(struct replayed *replayed)
{
	const json_t *status = member(replayed->json, "status");
	const char *message = json_string_value(member(status, "message"));
	struct spanring_attribute *attributes;
	json_t *event;
	size_t count, i;

	attributes = attributes_of(member(replayed->json, "attributes"), &count);
	for (i = 0; !at_once(replayed) && i < count; i++)
		expect_recorded(spanring_set_attribute(&replayed->span, &attributes[i]),
				attributes[i].key);
	json_array_foreach(member(replayed->json, "events"), i, event)
		add_event(replayed, event);
	if (number(member(status, "code")))
		expect_recorded(spanring_set_status(
					&replayed->span,
					(enum spanring_status)number(member(status, "code")),
					message),
				"status");
	expect_recorded(spanring_end_at(&replayed->span, replayed->end_ns), "end");
	replayed->open = false;
}

static void play(struct replay *replay)
{
	struct moment *moments = must_alloc(replay->count * 2, sizeof *moments);

	for (size_t i = 0; i < replay->count; i++) {
		struct replayed *span = &replay->spans[i];

		/* Spans are listed as they ended, children before parents. */
		moments[2 * i] =
			(struct moment){span->start_ns, false, replay->count - i, span};
		moments[2 * i + 1] = (struct moment){span->end_ns, true, i, span};
	}
	qsort(moments, replay->count * 2, sizeof *moments, by_time);
	for (size_t i = 0; i < replay->count * 2; i++) {
		if (moments[i].is_end)
			end(moments[i].span);
		else
			start(replay, moments[i].span);
	}
	free(moments);
}

static int begin_tracing(const struct replay *replay)
{
	struct spanring_options options = SPANRING_OPTIONS_INIT;
	json_t *first = json_array_get(replay->resource_spans, 0);
	const char *schema_url = text(first, "schemaUrl");

	options.resource =
		attributes_of(member(replay->resource, "attributes"), &options.resource_count);
	options.resource_schema_url = *schema_url ? schema_url : NULL;
	options.directory = getenv("SPANRING_DIR");
	options.wait_ms = WAIT_MS;
	options.flags = SPANRING_RESOURCE_WHOLE | SPANRING_IGNORE_ENVIRONMENT;
	return spanring_init(&options);
}

int main(int argc, char **argv)
{
	struct replay replay = {0};

	if (argc != 3) {
		(void)fprintf(stderr, "usage: reemit FILE RESOURCE\n");
		return 2;
	}
	load(&replay, argv[1], strtoul(argv[2], NULL, 10));
	if (!replay.resource)
		return NO_RESOURCE;
	expect_recorded(begin_tracing(&replay), "init");
	collect(&replay);
	play(&replay);
	expect_recorded(spanring_flush(FLUSH_MS), "flush");
	printf("%zu\n", replay.count);
	return failed;
}
