#include "otlp/encode.h"

#include "opentelemetry/proto/trace/v1/trace.pb-c.h"
#include "otlp/attributes.h"
#include "otlp/json_print.h"
#include "random_message.h"
#include "records.h"

#include <errno.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#define SPAN_TYPE (&opentelemetry__proto__trace__v1__span__descriptor)
#define S UINT64_C(0x0807060504030201)
#define NONE ((struct bytes){NULL, 0})

typedef Opentelemetry__Proto__Trace__V1__Span Span;
typedef Opentelemetry__Proto__Common__V1__KeyValue KeyValue;

static uint64_t plus_million(void *arg, uint64_t ticks)
{
	(void)arg;
	return ticks + 1000000;
}

static const struct otlp_clock test_clock = {plus_million, NULL};

static struct bytes value_of(const void *at, size_t len)
{
	return (struct bytes){at, len};
}

static void add_string(struct buf *records, const char *key, const char *value)
{
	records_attribute(records, S, bytes_of(key), WIRE_STRING, bytes_of(value));
}

static void start(struct buf *records)
{
	records_start(records, S, 0, 1, 0, 100, bytes_of("op"), NONE);
}

/* Every record is one that the agent would have let in. */
static void check_records(const struct buf *records)
{
	size_t at = 0;

	while (at < records->len) {
		int64_t step = record_check(records->at + at, records->len - at);

		assert_true(step > 0);
		at += (size_t)step;
	}
}

static Span *encode(struct buf *records, struct otlp_span_summary *summary)
{
	struct bytes chunk = buf_bytes(records);
	struct buf out = BUF_INIT;
	Span *span;

	check_records(records);
	assert_int_equal(otlp_encode_span(&out, &chunk, 1, &test_clock, NULL, summary), 0);
	span = opentelemetry__proto__trace__v1__span__unpack(NULL, out.len, out.at);
	assert_non_null(span);
	buf_fini(&out);
	buf_fini(records);
	return span;
}

static void release(Span *span)
{
	opentelemetry__proto__trace__v1__span__free_unpacked(span, NULL);
}

/* Prints the span that the records give; the text is the caller's. */
static char *encode_to_json(struct buf *records)
{
	struct buf out = BUF_INIT, text = BUF_INIT;
	struct bytes chunk = buf_bytes(records);
	struct otlp_span_summary summary;

	check_records(records);
	assert_int_equal(otlp_encode_span(&out, &chunk, 1, &test_clock, NULL, &summary), 0);
	assert_int_equal(otlp_json_print(&text, SPAN_TYPE, buf_bytes(&out)), 0);
	assert_int_equal(buf_append_byte(&text, 0), 0);
	buf_fini(&out);
	buf_fini(records);
	return (char *)text.at;
}

static void assert_key_value(const KeyValue *attribute, const char *key, const char *value)
{
	assert_string_equal(attribute->key, key);
	assert_string_equal(attribute->value->string_value, value);
}

static void a_span_is_what_its_records_say(void **state)
{
	struct buf records = BUF_INIT, entries = BUF_INIT;
	int64_t minus = -5;
	double half = 0.5;
	char *text;

	(void)state;
	records_start(&records, S, 0x1111111111111111, 3, 0x301, 100, bytes_of("first"),
		      bytes_of("a=b"));
	add_string(&records, "s", "v");
	records_attribute(&records, S, bytes_of("t"), WIRE_BOOL, value_of("\1", 1));
	records_attribute(&records, S, bytes_of("i"), WIRE_INT, value_of(&minus, 8));
	records_attribute(&records, S, bytes_of("d"), WIRE_DOUBLE, value_of(&half, 8));
	records_attribute(&records, S, bytes_of("b"), WIRE_BYTES, value_of("\xff\x00", 2));
	records_attribute(&records, S, bytes_of("e"), WIRE_EMPTY, NONE);
	records_entry(&entries, bytes_of("k"), WIRE_STRING, bytes_of("w"));
	records_event(&records, S, 120, bytes_of("happened"), buf_bytes(&entries), 2);
	records_link(&records, S, 0x2222222222222222, 1, bytes_of("x=y"), buf_bytes(&entries),
		     0);
	records_text(&records, WIRE_NAME, S, 0, bytes_of("second"));
	records_text(&records, WIRE_STATUS, S, 2, bytes_of("broken"));
	records_dropped(&records, S, 1, 2, 3);
	records_end(&records, S, 150);
	text = encode_to_json(&records);
	assert_string_equal(
		text, "{\"traceId\":\"01020304050607080102030405060708\","
		      "\"spanId\":\"0102030405060708\",\"traceState\":\"a=b\","
		      "\"parentSpanId\":\"1111111111111111\",\"name\":\"second\",\"kind\":3,"
		      "\"startTimeUnixNano\":\"1000100\",\"endTimeUnixNano\":\"1000150\","
		      "\"attributes\":[{\"key\":\"s\",\"value\":{\"stringValue\":\"v\"}},"
		      "{\"key\":\"t\",\"value\":{\"boolValue\":true}},"
		      "{\"key\":\"i\",\"value\":{\"intValue\":\"-5\"}},"
		      "{\"key\":\"d\",\"value\":{\"doubleValue\":0.5}},"
		      "{\"key\":\"b\",\"value\":{\"bytesValue\":\"/wA=\"}},"
		      "{\"key\":\"e\",\"value\":{}}],\"droppedAttributesCount\":1,"
		      "\"events\":[{\"timeUnixNano\":\"1000120\",\"name\":\"happened\","
		      "\"attributes\":[{\"key\":\"k\",\"value\":{\"stringValue\":\"w\"}}],"
		      "\"droppedAttributesCount\":2}],\"droppedEventsCount\":2,"
		      "\"links\":[{\"traceId\":\"22222222222222222222222222222222\","
		      "\"spanId\":\"2222222222222222\",\"traceState\":\"x=y\","
		      "\"attributes\":[{\"key\":\"k\",\"value\":{\"stringValue\":\"w\"}}],"
		      "\"flags\":1}],\"droppedLinksCount\":3,"
		      "\"status\":{\"message\":\"broken\",\"code\":2},\"flags\":769}");
	free(text);
	buf_fini(&entries);
}

static void arrays_and_maps_nest(void **state)
{
	struct buf records = BUF_INIT, inner = BUF_INIT, outer = BUF_INIT;
	uint64_t seven = 7;
	char *text;

	(void)state;
	records_entry(&inner, bytes_of("a"), WIRE_STRING, bytes_of("x"));
	records_entry(&inner, bytes_of(""), WIRE_EMPTY, NONE);
	records_entry(&inner, bytes_of("a"), WIRE_STRING, bytes_of("y"));
	records_entry(&outer, NONE, WIRE_MAP, buf_bytes(&inner));
	records_entry(&outer, NONE, WIRE_INT, value_of(&seven, 8));
	records_entry(&outer, NONE, WIRE_ARRAY, NONE);
	start(&records);
	records_attribute(&records, S, bytes_of("k"), WIRE_ARRAY, buf_bytes(&outer));
	text = encode_to_json(&records);
	assert_non_null(strstr(
		text, "\"value\":{\"arrayValue\":{\"values\":[{\"kvlistValue\":{\"values\":["
		      "{\"key\":\"a\",\"value\":{\"stringValue\":\"y\"}},"
		      "{\"key\":\"\",\"value\":{}}]}},{\"intValue\":\"7\"},"
		      "{\"arrayValue\":{}}]}}}]"));
	free(text);
	buf_fini(&inner);
	buf_fini(&outer);
}

static void rule_41_the_last_value_of_a_key_stands_at_the_place_of_the_first(void **state)
{
	struct otlp_span_summary summary;
	struct buf records = BUF_INIT;
	Span *span;

	(void)state;
	start(&records);
	add_string(&records, "a", "1");
	add_string(&records, "b", "2");
	add_string(&records, "a", "3");
	add_string(&records, "aa", "4");
	add_string(&records, "b", "5");
	span = encode(&records, &summary);
	assert_int_equal(span->n_attributes, 3);
	assert_key_value(span->attributes[0], "a", "3");
	assert_key_value(span->attributes[1], "b", "5");
	assert_key_value(span->attributes[2], "aa", "4");
	release(span);
}

/* Also across the border between searching and hashing. */
static void many_attributes_keep_their_places_and_last_values(void **state)
{
	static const unsigned counts[] = {1, 7, 31, 32, 33, 63, 64, 65, 200, 3000};

	(void)state;
	for (size_t c = 0; c < sizeof(counts) / sizeof(counts[0]); c++) {
		struct otlp_span_summary summary;
		struct buf records = BUF_INIT;
		char key[32], value[32];
		Span *span;

		start(&records);
		for (unsigned i = 0; i < 2 * counts[c]; i++) {
			(void)snprintf(key, sizeof(key), "attribute.key.%u", i % counts[c]);
			(void)snprintf(value, sizeof(value), "%u", i);
			add_string(&records, key, value);
		}
		span = encode(&records, &summary);
		assert_int_equal(span->n_attributes, counts[c]);
		for (unsigned i = 0; i < counts[c]; i++) {
			(void)snprintf(key, sizeof(key), "attribute.key.%u", i);
			(void)snprintf(value, sizeof(value), "%u", i + counts[c]);
			assert_key_value(span->attributes[i], key, value);
		}
		release(span);
	}
}

static void attributes_without_a_key_are_dropped_and_counted(void **state)
{
	struct otlp_span_summary summary;
	struct buf records = BUF_INIT, entries = BUF_INIT;
	Span *span;

	(void)state;
	start(&records);
	add_string(&records, "", "lost");
	add_string(&records, "kept", "v");
	records_dropped(&records, S, UINT32_MAX - 1, 0, 0);
	records_dropped(&records, S, 1, 7, 0);
	records_entry(&entries, NONE, WIRE_EMPTY, NONE);
	records_event(&records, S, 1, bytes_of("e"), buf_bytes(&entries), 4);
	span = encode(&records, &summary);
	assert_int_equal(span->n_attributes, 1);
	assert_int_equal(span->dropped_attributes_count, UINT32_MAX);
	assert_int_equal(span->dropped_events_count, 7);
	assert_int_equal(span->events[0]->n_attributes, 0);
	assert_int_equal(span->events[0]->dropped_attributes_count, 5);
	release(span);
	buf_fini(&entries);
}

struct status_step {
	unsigned code;
	const char *message;
};

static void assert_status(const struct status_step *steps, unsigned n, enum otlp_status code,
			  const char *message)
{
	struct otlp_span_summary summary;
	struct buf records = BUF_INIT;
	struct bytes chunk;
	Span *span;

	start(&records);
	for (unsigned i = 0; i < n; i++)
		records_text(&records, WIRE_STATUS, S, steps[i].code,
			     bytes_of(steps[i].message));
	chunk = buf_bytes(&records);
	assert_int_equal(otlp_span_status(&chunk, 1), code);
	span = encode(&records, &summary);
	assert_int_equal(summary.status, code);
	if (code == OTLP_STATUS_UNSET) {
		assert_null(span->status);
	} else {
		assert_int_equal(span->status->code, code);
		assert_string_equal(span->status->message, message);
	}
	release(span);
}

static void rule_54_ok_is_final_unset_is_ignored_only_errors_have_a_description(void **state)
{
	const struct status_step error_then_ok[] = {
		{2, "no"}, {1, "yes"}, {2, "late"}, {0, ""}};
	const struct status_step errors[] = {{2, "one"}, {2, "two"}, {0, "three"}};
	const struct status_step unset[] = {{0, "nothing"}};

	(void)state;
	assert_status(NULL, 0, OTLP_STATUS_UNSET, "");
	assert_status(unset, 1, OTLP_STATUS_UNSET, "");
	assert_status(errors, 3, OTLP_STATUS_ERROR, "two");
	assert_status(error_then_ok, 1, OTLP_STATUS_ERROR, "no");
	assert_status(error_then_ok, 4, OTLP_STATUS_OK, "");
}

static void rule_42_an_end_before_the_start_is_clamped(void **state)
{
	struct otlp_span_summary summary;
	struct buf records = BUF_INIT;
	Span *span;

	(void)state;
	start(&records);
	records_end(&records, S, 99);
	records_end(&records, S, 500);
	span = encode(&records, &summary);
	assert_int_equal(span->start_time_unix_nano, 1000100);
	assert_int_equal(span->end_time_unix_nano, 1000100);
	assert_int_equal(summary.end_wall_ns, 1000100);
	assert_true(summary.end_clamped);
	release(span);
}

static void a_span_without_end_ends_at_its_start(void **state)
{
	struct otlp_span_summary summary;
	struct buf records = BUF_INIT;
	Span *span;

	(void)state;
	start(&records);
	span = encode(&records, &summary);
	assert_int_equal(span->end_time_unix_nano, 1000100);
	assert_false(summary.end_clamped);
	release(span);
}

static void wall_times_are_taken_as_they_are(void **state)
{
	struct otlp_span_summary summary;
	struct buf records = BUF_INIT;
	size_t at;
	Span *span;

	(void)state;
	start(&records);
	records_set_flags(&records, 0, WIRE_TIME_WALL);
	at = records.len;
	records_event(&records, S, 101, bytes_of("e"), NONE, 0);
	records_set_flags(&records, at, WIRE_TIME_WALL);
	at = records.len;
	records_end(&records, S, 200);
	records_set_flags(&records, at, WIRE_TIME_WALL);
	span = encode(&records, &summary);
	assert_int_equal(summary.start_wall_ns, 100);
	assert_int_equal(span->end_time_unix_nano, 200);
	assert_int_equal(span->events[0]->time_unix_nano, 101);
	release(span);
}

static void rule_41_invalid_utf8_becomes_the_replacement_character_everywhere(void **state)
{
	const char *bad = "a\xff"
			  "b\xe6\xbc"
			  "c\xed\xa0\x80";
	const char *good = "a\xef\xbf\xbd"
			   "b\xef\xbf\xbd"
			   "c\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd";
	struct otlp_span_summary summary;
	struct buf records = BUF_INIT, entries = BUF_INIT;
	Span *span;

	(void)state;
	records_start(&records, S, 0, 1, 0, 100, bytes_of(bad), bytes_of(bad));
	add_string(&records, bad, bad);
	records_entry(&entries, bytes_of(bad), WIRE_STRING, bytes_of(bad));
	records_attribute(&records, S, bytes_of("m"), WIRE_MAP, buf_bytes(&entries));
	records_event(&records, S, 1, bytes_of(bad), buf_bytes(&entries), 0);
	records_link(&records, S, 1, 0, bytes_of(bad), buf_bytes(&entries), 0);
	records_text(&records, WIRE_STATUS, S, 2, bytes_of(bad));
	span = encode(&records, &summary);
	assert_string_equal(span->name, good);
	assert_string_equal(span->trace_state, good);
	assert_key_value(span->attributes[0], good, good);
	assert_key_value(span->attributes[1]->value->kvlist_value->values[0], good, good);
	assert_string_equal(span->events[0]->name, good);
	assert_key_value(span->events[0]->attributes[0], good, good);
	assert_string_equal(span->links[0]->trace_state, good);
	assert_string_equal(span->status->message, good);
	release(span);
	buf_fini(&entries);
}

static void rule_41_keys_that_repairing_makes_the_same_are_one(void **state)
{
	static const char *const keys[] = {"a\xff", "b", "a\xef\xbf\xbd", "a\xfe"};
	static const char *const values[] = {"1", "2", "3", "4"};
	struct buf records = BUF_INIT, entries = BUF_INIT;
	struct otlp_span_summary summary;
	Opentelemetry__Proto__Common__V1__KeyValueList *map;
	char key[32];
	Span *span;

	(void)state;
	/* Before there are many keys and after. */
	for (int many = 0; many < 2; many++) {
		start(&records);
		for (int i = 0; i < 4; i++) {
			add_string(&records, keys[i], values[i]);
			records_entry(&entries, bytes_of(keys[i]), WIRE_STRING,
				      bytes_of(values[i]));
		}
		for (int i = 0; many && i < 100; i++) {
			(void)snprintf(key, sizeof key, "%d", i);
			add_string(&records, key, "");
		}
		add_string(&records, "a\xfd", "5");
		records_attribute(&records, S, bytes_of("m"), WIRE_MAP, buf_bytes(&entries));
		span = encode(&records, &summary);
		assert_int_equal(span->n_attributes, many ? 103 : 3);
		assert_key_value(span->attributes[0], "a\xef\xbf\xbd", "5");
		assert_key_value(span->attributes[1], "b", "2");
		map = span->attributes[span->n_attributes - 1]->value->kvlist_value;
		assert_int_equal(map->n_values, 2);
		assert_key_value(map->values[0], "a\xef\xbf\xbd", "4");
		release(span);
		buf_fini(&entries);
	}
}

/* As deep as a record may be, which is deeper than parsers read. */
static void containers_too_deep_for_parsers_become_empty_values(void **state)
{
	static const enum wire_value_type types[] = {WIRE_ARRAY, WIRE_MAP};

	(void)state;
	for (int t = 0; t < 2; t++) {
		struct buf value = BUF_INIT, records = BUF_INIT;
		struct otlp_span_summary summary;
		Opentelemetry__Proto__Common__V1__AnyValue *any;
		int depth = 0;
		Span *span;

		for (int i = 1; i < WIRE_DEPTH_MAX; i++) {
			struct buf outer = BUF_INIT;

			records_entry(&outer, bytes_of(t ? "k" : ""), types[t],
				      buf_bytes(&value));
			buf_fini(&value);
			value = outer;
		}
		start(&records);
		records_attribute(&records, S, bytes_of("deep"), types[t], buf_bytes(&value));
		span = encode(&records, &summary);
		assert_int_equal(summary.emptied_values, 1);
		for (any = span->attributes[0]->value; any->value_case; depth++)
			any = t ? any->kvlist_value->values[0]->value
				: any->array_value->values[0];
		assert_int_equal(depth, t ? ATTRIBUTES_LEVELS / 3 : ATTRIBUTES_LEVELS / 2);
		release(span);
		buf_fini(&value);
	}
}

static void a_span_may_be_cut_into_chunks_between_any_two_records(void **state)
{
	struct buf records = BUF_INIT, whole = BUF_INIT;
	struct otlp_span_summary summary;
	struct bytes one;

	(void)state;
	start(&records);
	add_string(&records, "a", "1");
	records_event(&records, S, 1, bytes_of("e"), NONE, 0);
	records_link(&records, S, 1, 0, NONE, NONE, 0);
	records_end(&records, S, 150);
	one = buf_bytes(&records);
	assert_int_equal(otlp_encode_span(&whole, &one, 1, &test_clock, NULL, &summary), 0);
	for (size_t cut = 0; cut <= records.len;) {
		struct bytes chunks[3] = {
			{records.at, cut}, {NULL, 0}, {records.at + cut, records.len - cut}};
		struct buf out = BUF_INIT;

		assert_int_equal(otlp_encode_span(&out, chunks, 3, &test_clock, NULL, &summary),
				 0);
		assert_true(bytes_equal(buf_bytes(&whole), buf_bytes(&out)));
		buf_fini(&out);
		if (cut == records.len)
			break;
		cut += record_padded(record_head(records.at + cut).length);
	}
	buf_fini(&whole);
	buf_fini(&records);
}

static uint64_t over_limits;

/* The module's records are the first chunk, the agent's the second. */
static Span *encode_limited(struct buf *module, struct buf *agent,
			    const struct otlp_limits *limits)
{
	struct bytes chunks[] = {buf_bytes(module), buf_bytes(agent)};
	struct otlp_span_summary summary;
	struct buf out = BUF_INIT;
	Span *span;

	assert_int_equal(otlp_encode_span(&out, chunks, 2, &test_clock, limits, &summary), 0);
	over_limits = summary.over_limits;
	span = opentelemetry__proto__trace__v1__span__unpack(NULL, out.len, out.at);
	assert_non_null(span);
	buf_fini(&out);
	return span;
}

static void rule_52_the_first_of_each_are_kept_and_the_others_counted(void **state)
{
	const struct otlp_limits limits = {
		.attributes = 2, .events = 1, .links = 0, .chunks = 1};
	struct buf module = BUF_INIT, agent = BUF_INIT;
	Span *span;

	(void)state;
	start(&module);
	add_string(&module, "a", "1");
	add_string(&module, "b", "2");
	add_string(&module, "c", "3");
	add_string(&module, "a", "4"); /* known: it is replaced, not dropped */
	add_string(&module, "c", "5");
	records_event(&module, S, 1, bytes_of("first"), NONE, 0);
	records_event(&module, S, 2, bytes_of("second"), NONE, 0);
	records_link(&module, S, 9, 0, NONE, NONE, 0);
	records_dropped(&module, S, 10, 0, 0);
	add_string(&agent, "spanring.end.reason", "killed");
	records_event(&agent, S, 3, bytes_of("ours"), NONE, 0);
	span = encode_limited(&module, &agent, &limits);
	assert_int_equal(span->n_attributes, 3);
	assert_key_value(span->attributes[0], "a", "4");
	assert_key_value(span->attributes[1], "b", "2");
	assert_key_value(span->attributes[2], "spanring.end.reason", "killed");
	assert_int_equal(span->dropped_attributes_count, 12);
	assert_int_equal(span->n_events, 2);
	assert_string_equal(span->events[0]->name, "first");
	assert_string_equal(span->events[1]->name, "ours");
	assert_int_equal(span->dropped_events_count, 1);
	assert_int_equal(span->n_links, 0);
	assert_int_equal(span->dropped_links_count, 1);
	assert_int_equal(over_limits, 4);
	release(span);
	span = encode_limited(&module, &agent, NULL);
	assert_int_equal(span->n_attributes, 4);
	assert_int_equal(span->n_events, 3);
	assert_int_equal(over_limits, 0);
	release(span);
	buf_fini(&module);
	buf_fini(&agent);
}

static void rule_52_many_keys_are_told_apart_at_the_limit(void **state)
{
	const struct otlp_limits limits = {.attributes = 500, .chunks = 1};
	struct buf module = BUF_INIT, agent = BUF_INIT;
	char key[16];
	Span *span;

	(void)state;
	start(&module);
	for (int round = 0; round < 2; round++)
		for (int i = 0; i < 600; i++) {
			snprintf(key, sizeof key, "key%d", i);
			add_string(&module, key, round ? "new" : "old");
		}
	add_string(&agent, "key599", "ours");
	span = encode_limited(&module, &agent, &limits);
	assert_int_equal(span->n_attributes, 501);
	for (size_t i = 0; i < 500; i++)
		assert_string_equal(span->attributes[i]->value->string_value, "new");
	assert_key_value(span->attributes[500], "key599", "ours");
	assert_int_equal(span->dropped_attributes_count, 200);
	release(span);
	buf_fini(&module);
	buf_fini(&agent);
}

static void without_a_start_nothing_is_written(void **state)
{
	struct otlp_span_summary summary = {.start_wall_ns = 77};
	struct buf records = BUF_INIT, out = BUF_INIT;
	struct bytes chunk;

	(void)state;
	assert_int_equal(buf_append_text(&out, "before"), 0);
	assert_int_equal(otlp_encode_span(&out, NULL, 0, &test_clock, NULL, &summary),
			 -EBADMSG);
	records_end(&records, S, 1);
	chunk = buf_bytes(&records);
	assert_int_equal(otlp_encode_span(&out, &chunk, 1, &test_clock, NULL, &summary),
			 -EBADMSG);
	assert_int_equal(out.len, 6);
	assert_int_equal(summary.start_wall_ns, 77);
	buf_fini(&records);
	buf_fini(&out);
}

static bool all_records_pass(const uint8_t *at, size_t len)
{
	while (len) {
		int64_t step = record_check(at, len);

		if (step < 0 || (size_t)step > len)
			return false;
		at += step;
		len -= (size_t)step;
	}
	return true;
}

/* Whatever the check lets in can be encoded into something that parses; the
 * sanitizer build watches that nothing is read beyond the records. */
static void damaged_records_that_pass_the_check_give_a_span(void **state)
{
	struct buf records = BUF_INIT, entries = BUF_INIT;
	unsigned passed = 0;
	uint64_t seed = 3;

	(void)state;
	start(&records);
	add_string(&records, "key", "value");
	records_entry(&entries, bytes_of("k"), WIRE_STRING, bytes_of("w"));
	records_attribute(&records, S, bytes_of("m"), WIRE_MAP, buf_bytes(&entries));
	records_event(&records, S, 1, bytes_of("e"), buf_bytes(&entries), 0);
	records_link(&records, S, 1, 0, bytes_of("t"), buf_bytes(&entries), 0);
	records_text(&records, WIRE_STATUS, S, 2, bytes_of("broken"));
	records_end(&records, S, 150);
	for (int i = 0; i < 20000; i++) {
		struct otlp_span_summary summary;
		struct buf out = BUF_INIT;
		uint8_t *copy = malloc(records.len);
		struct bytes chunk = {copy, records.len};

		memcpy(copy, records.at, records.len);
		for (uint64_t n = 1 + random_next(&seed) % 3; n; n--)
			copy[random_next(&seed) % records.len] = (uint8_t)random_next(&seed);
		if (all_records_pass(copy, records.len) &&
		    otlp_encode_span(&out, &chunk, 1, &test_clock, NULL, &summary) == 0) {
			Span *span = opentelemetry__proto__trace__v1__span__unpack(
				NULL, out.len, out.at);

			assert_non_null(span);
			release(span);
			passed++;
		}
		buf_fini(&out);
		free(copy);
	}
	assert_true(passed > 1000);
	buf_fini(&records);
	buf_fini(&entries);
}

static void resources_and_scopes_have_their_attributes_and_urls(void **state)
{
	Opentelemetry__Proto__Resource__V1__Resource *resource;
	Opentelemetry__Proto__Common__V1__InstrumentationScope *scope;
	struct buf records = BUF_INIT, entries = BUF_INIT, out = BUF_INIT;
	struct otlp_owner nobody = {0};
	struct bytes url;

	(void)state;
	records_entry(&entries, bytes_of("service.name"), WIRE_STRING, bytes_of("a"));
	records_entry(&entries, bytes_of("service.name"), WIRE_STRING, bytes_of("b"));
	records_entry(&entries, NONE, WIRE_STRING, bytes_of("b"));
	records_resource(&records, bytes_of("http://r"), buf_bytes(&entries), 1);
	check_records(&records);
	assert_int_equal(otlp_encode_resource(&out, records.at, &nobody, &url), 0);
	assert_true(bytes_equal(url, bytes_of("http://r")));
	resource = opentelemetry__proto__resource__v1__resource__unpack(NULL, out.len, out.at);
	assert_int_equal(resource->n_attributes, 1);
	assert_key_value(resource->attributes[0], "service.name", "b");
	assert_int_equal(resource->dropped_attributes_count, 2);
	opentelemetry__proto__resource__v1__resource__free_unpacked(resource, NULL);

	buf_reset(&records);
	buf_reset(&out);
	records_scope(&records, 1, bytes_of("lib"), bytes_of("1.2"), bytes_of("bad\xff"),
		      buf_bytes(&entries), 0);
	check_records(&records);
	assert_int_equal(otlp_encode_scope(&out, records.at, &url), 0);
	assert_int_equal(url.len, 0);
	scope = opentelemetry__proto__common__v1__instrumentation_scope__unpack(NULL, out.len,
										out.at);
	assert_string_equal(scope->name, "lib");
	assert_string_equal(scope->version, "1.2");
	assert_int_equal(scope->n_attributes, 1);
	assert_int_equal(scope->dropped_attributes_count, 1);
	opentelemetry__proto__common__v1__instrumentation_scope__free_unpacked(scope, NULL);

	buf_reset(&out);
	assert_int_equal(otlp_encode_resource(&out, NULL, &nobody, &url), 0);
	assert_int_equal(otlp_encode_scope(&out, NULL, &url), 0);
	assert_int_equal(out.len, 0);
	assert_int_equal(url.len, 0);
	buf_fini(&records);
	buf_fini(&entries);
	buf_fini(&out);
}

static void a_resource_has_its_owner_from_the_agent_alone(void **state)
{
	Opentelemetry__Proto__Resource__V1__Resource *resource;
	struct buf records = BUF_INIT, entries = BUF_INIT, out = BUF_INIT;
	struct otlp_owner owner = {
		.uid_known = true, .pid_known = true, .uid = UINT32_MAX, .pid = 77};
	struct bytes url;

	(void)state;
	records_entry(&entries, bytes_of("spanring.uid"), WIRE_STRING, bytes_of("0"));
	records_entry(&entries, bytes_of("spanring.pids"), WIRE_STRING, bytes_of("his"));
	records_entry(&entries, bytes_of("spanring.pid"), WIRE_STRING, bytes_of("1"));
	records_resource(&records, NONE, buf_bytes(&entries), 0);
	assert_int_equal(otlp_encode_resource(&out, records.at, &owner, &url), 0);
	resource = opentelemetry__proto__resource__v1__resource__unpack(NULL, out.len, out.at);
	assert_int_equal(resource->n_attributes, 3);
	assert_key_value(resource->attributes[0], "spanring.pids", "his");
	assert_string_equal(resource->attributes[1]->key, "spanring.uid");
	assert_int_equal(resource->attributes[1]->value->int_value, UINT32_MAX);
	assert_string_equal(resource->attributes[2]->key, "spanring.pid");
	assert_int_equal(resource->attributes[2]->value->int_value, 77);
	assert_int_equal(resource->dropped_attributes_count, 2);
	opentelemetry__proto__resource__v1__resource__free_unpacked(resource, NULL);

	/* Nobody knows, and the process is not asked. */
	owner.uid_known = owner.pid_known = false;
	buf_reset(&out);
	assert_int_equal(otlp_encode_resource(&out, records.at, &owner, &url), 0);
	resource = opentelemetry__proto__resource__v1__resource__unpack(NULL, out.len, out.at);
	assert_int_equal(resource->n_attributes, 1);
	assert_int_equal(resource->dropped_attributes_count, 2);
	opentelemetry__proto__resource__v1__resource__free_unpacked(resource, NULL);

	/* It said nothing of itself, and is known all the same. */
	owner.uid_known = true;
	buf_reset(&out);
	assert_int_equal(otlp_encode_resource(&out, NULL, &owner, &url), 0);
	resource = opentelemetry__proto__resource__v1__resource__unpack(NULL, out.len, out.at);
	assert_int_equal(resource->n_attributes, 1);
	assert_int_equal(url.len, 0);
	opentelemetry__proto__resource__v1__resource__free_unpacked(resource, NULL);
	buf_fini(&records);
	buf_fini(&entries);
	buf_fini(&out);
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static void eight_attribute_records(struct buf *records)
{
	start(records);
	for (uint64_t i = 0; i < 8; i++) {
		char key[32], value[32];

		(void)snprintf(key, sizeof(key), "attribute.key.%02u", (unsigned)i);
		(void)snprintf(value, sizeof(value), "a value, 24 characters%02u", (unsigned)i);
		if (i % 4 == 3)
			records_attribute(records, S, bytes_of(key), WIRE_INT, value_of(&i, 8));
		else
			add_string(records, key, value);
	}
	records_end(records, S, 150);
}

/* Prints what a span costs; asserts nothing about it, machines differ. */
static void a_span_of_eight_attributes_is_timed(void **state)
{
	struct buf records = BUF_INIT, out = BUF_INIT, text = BUF_INIT;
	struct otlp_span_summary summary;
	uint64_t best = UINT64_MAX, best_print = UINT64_MAX;
	struct bytes chunk, span;

	(void)state;
	eight_attribute_records(&records);
	chunk = buf_bytes(&records);
	for (int round = 0; round < 20; round++) {
		uint64_t begin = now_ns(), took;

		buf_reset(&out);
		for (int i = 0; i < 512; i++)
			(void)otlp_encode_span(&out, &chunk, 1, &test_clock, NULL, &summary);
		took = now_ns() - begin;
		best = took < best ? took : best;
	}
	span = (struct bytes){out.at, out.len / 512};
	for (int round = 0; round < 20; round++) {
		uint64_t begin = now_ns(), took;

		buf_reset(&text);
		for (int i = 0; i < 512; i++)
			assert_int_equal(otlp_json_print(&text, SPAN_TYPE, span), 0);
		took = now_ns() - begin;
		best_print = took < best_print ? took : best_print;
	}
	print_message("encode %llu ns, print %llu ns a span of %zu bytes\n",
		      (unsigned long long)best / 512, (unsigned long long)best_print / 512,
		      span.len);
	buf_fini(&records);
	buf_fini(&out);
	buf_fini(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_span_is_what_its_records_say),
		cmocka_unit_test(arrays_and_maps_nest),
		cmocka_unit_test(
			rule_41_the_last_value_of_a_key_stands_at_the_place_of_the_first),
		cmocka_unit_test(many_attributes_keep_their_places_and_last_values),
		cmocka_unit_test(attributes_without_a_key_are_dropped_and_counted),
		cmocka_unit_test(
			rule_54_ok_is_final_unset_is_ignored_only_errors_have_a_description),
		cmocka_unit_test(rule_42_an_end_before_the_start_is_clamped),
		cmocka_unit_test(a_span_without_end_ends_at_its_start),
		cmocka_unit_test(wall_times_are_taken_as_they_are),
		cmocka_unit_test(
			rule_41_invalid_utf8_becomes_the_replacement_character_everywhere),
		cmocka_unit_test(rule_41_keys_that_repairing_makes_the_same_are_one),
		cmocka_unit_test(containers_too_deep_for_parsers_become_empty_values),
		cmocka_unit_test(a_span_may_be_cut_into_chunks_between_any_two_records),
		cmocka_unit_test(rule_52_the_first_of_each_are_kept_and_the_others_counted),
		cmocka_unit_test(rule_52_many_keys_are_told_apart_at_the_limit),
		cmocka_unit_test(without_a_start_nothing_is_written),
		cmocka_unit_test(damaged_records_that_pass_the_check_give_a_span),
		cmocka_unit_test(resources_and_scopes_have_their_attributes_and_urls),
		cmocka_unit_test(a_resource_has_its_owner_from_the_agent_alone),
		cmocka_unit_test(a_span_of_eight_attributes_is_timed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
