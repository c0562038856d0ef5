/* What is left of records and of received spans: forms, counts, bytes. */
#include "redact/redact.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "opentelemetry/proto/trace/v1/trace.pb-c.h"
#include "records.h"
#include "redact/message.h"
#include "redact/records.h"

#define SECRET \
	"sk-"  \
	"ant-aB3dE6gH9jK2mN5pQ8rT"
#define MASK "[redacted:anthropic-key]"
#define SPAN 7

static struct redact_settings defaults(void)
{
	return (struct redact_settings){
		.enabled = true, .match_limit = 100000, .value_bytes_max = 1 << 26};
}

static struct redact make(const struct redact_settings *settings)
{
	struct redact_fault fault;
	struct redact redact;

	if (redact_init(&redact, settings, &fault) < 0)
		fail_msg("%s: %s", fault.key, fault.text);
	return redact;
}

static bool has(struct bytes bytes, const char *text)
{
	return memmem(bytes.at, bytes.len, text, strlen(text)) != NULL;
}

/* One slice with these records, as the log gets it. */
static struct bytes push(struct redact *redact, const struct buf *records)
{
	struct slice slice = {.record_count = 1, .records = buf_bytes(records)};

	assert_int_equal(redact_push(redact, &slice, 1), 0);
	for (size_t at = 0; at < slice.records.len;
	     at += record_padded(record_head(slice.records.at + at).length))
		assert_true(record_check(slice.records.at + at, slice.records.len - at) > 0);
	return slice.records;
}

static void a_slice_without_secrets_is_handed_on_as_it_is(void **state)
{
	struct redact_settings settings = defaults();
	struct redact redact = make(&settings);
	struct buf records = BUF_INIT;
	struct bytes out;

	(void)state;
	records_start(&records, SPAN, 0, 1, 1, 10, bytes_of("name"), bytes_of("a=b"));
	records_attribute(&records, SPAN, bytes_of("k"), WIRE_STRING, bytes_of("value"));
	records_end(&records, SPAN, 20);
	out = push(&redact, &records);
	assert_ptr_equal(out.at, records.at);
	assert_int_equal(out.len, records.len);
	buf_fini(&records);
	redact_fini(&redact);
}

/* Lengths, ids, times and what stands beside it are as before. */
static void only_the_secret_of_a_record_changes(void **state)
{
	struct redact_settings settings = defaults();
	struct redact redact = make(&settings);
	struct buf records = BUF_INIT;
	struct record_start start;
	struct record_attribute attribute;
	struct bytes out;
	const uint8_t *at;

	(void)state;
	records_start(&records, SPAN, 3, 2, 1, 10, bytes_of("ask " SECRET), bytes_of("a=b"));
	records_attribute(&records, SPAN, bytes_of("url"), WIRE_BYTES,
			  bytes_of("https://me:hunter2@host/"));
	records_end(&records, SPAN, 20);
	out = push(&redact, &records);
	start = record_get_start(out.at);
	assert_int_equal(start.fixed.ticks, 10);
	assert_int_equal(start.fixed.head.aux, 2);
	assert_int_equal(start.name.length, strlen("ask " MASK));
	assert_memory_equal(start.name.at, "ask " MASK, start.name.length);
	assert_memory_equal(start.tracestate.at, "a=b", 3);
	at = out.at + record_padded(start.fixed.head.length);
	attribute = record_get_attribute(at);
	assert_int_equal(attribute.entry.type, WIRE_BYTES);
	assert_memory_equal(attribute.entry.key, "url", 3);
	assert_memory_equal(attribute.entry.value, "https://me:[redacted:url-password]@host/",
			    attribute.entry.value_length);
	at += record_padded(record_head(at).length);
	assert_int_equal(record_head(at).type, WIRE_END);
	assert_int_equal(record_get_end(at).ticks, 20);
	buf_fini(&records);
	redact_fini(&redact);
}

static void what_is_dropped_is_counted_on_its_span(void **state)
{
	struct redact_settings settings = defaults();
	struct buf records = BUF_INIT, entries = BUF_INIT;
	struct redact redact;
	struct bytes out;
	const uint8_t *at;

	(void)state;
	settings.action = REDACT_DROP;
	redact = make(&settings);
	records_entry(&entries, bytes_of("password"), WIRE_STRING, bytes_of("hunter2"));
	records_entry(&entries, bytes_of("kept"), WIRE_STRING, bytes_of("value"));
	records_attribute(&records, SPAN, bytes_of("k"), WIRE_STRING, bytes_of("a " SECRET));
	records_event(&records, SPAN, 5, bytes_of("event"), buf_bytes(&entries), 2);
	out = push(&redact, &records);
	assert_int_equal(record_head(out.at).type, WIRE_DROPPED);
	assert_int_equal(record_get_dropped(out.at).attributes, 1);
	assert_int_equal(record_span_id(out.at), record_span_id(records.at));
	at = out.at + record_padded(record_head(out.at).length);
	assert_int_equal(record_get_event(at).fixed.dropped_attributes, 3);
	assert_true(has(out, "kept") && !has(out, "hunter2"));
	assert_int_equal(redact.counters.dropped, 0); /* the log does not have it yet */
	redact_taken(&redact);
	assert_int_equal(redact.counters.dropped, 2);
	assert_int_equal(redact.counters.records, 1);
	buf_fini(&records);
	buf_fini(&entries);
	redact_fini(&redact);
}

static void what_is_offered_again_is_counted_once(void **state)
{
	struct redact_settings settings = defaults();
	struct redact redact = make(&settings);
	struct buf records = BUF_INIT;

	(void)state;
	records_attribute(&records, SPAN, bytes_of("k"), WIRE_STRING, bytes_of(SECRET));
	for (int i = 0; i < 3; i++)
		assert_true(has(push(&redact, &records), MASK));
	redact_taken(&redact);
	assert_int_equal(redact.counters.changed, 1);
	buf_fini(&records);
	redact_fini(&redact);
}

/* Only a newer client has such, and nobody could say what is in them. */
static void what_no_one_knows_in_records_is_cut_off(void **state)
{
	struct redact_settings settings = defaults();
	struct redact redact = make(&settings);
	struct buf records = BUF_INIT;
	struct wire_head unknown = record_make_head(60, 8 + 24, 1, 2);
	struct wire_head long_end =
		record_make_head(WIRE_END, sizeof(struct wire_end) + 24, 0, 0);
	struct wire_end end = {.head = long_end, .ticks = 9, .span_id = "abcdefg"};
	struct bytes out;

	(void)state;
	assert_int_equal(buf_append(&records, &unknown, sizeof unknown), 0);
	assert_int_equal(buf_append(&records, "abcdefghijklmnopqrstuvwx", 24), 0);
	assert_int_equal(buf_append(&records, &end, sizeof end), 0);
	assert_int_equal(buf_append(&records, "abcdefghijklmnopqrstuvwx", 24), 0);
	out = push(&redact, &records);
	assert_int_equal(out.len, sizeof unknown + sizeof end);
	assert_int_equal(record_head(out.at).type, 60);
	assert_int_equal(record_get_end(out.at + 8).ticks, 9);
	buf_fini(&records);
	redact_fini(&redact);
}

static void keys_with_different_secrets_stay_different(void **state)
{
	struct redact_settings settings = defaults();
	struct redact redact = make(&settings);
	struct buf records = BUF_INIT;
	struct record_attribute first, second;
	struct bytes out;

	(void)state;
	records_attribute(&records, SPAN, bytes_of(SECRET "1"), WIRE_STRING, bytes_of("a"));
	records_attribute(&records, SPAN, bytes_of(SECRET "2"), WIRE_STRING, bytes_of("b"));
	out = push(&redact, &records);
	first = record_get_attribute(out.at);
	second = record_get_attribute(out.at + record_padded(record_head(out.at).length));
	assert_false(has(out, "aB3dE6"));
	assert_int_equal(first.entry.key_length, second.entry.key_length);
	assert_memory_not_equal(first.entry.key, second.entry.key, first.entry.key_length);
	buf_fini(&records);
	redact_fini(&redact);
}

/* ---- what came finished ------------------------------------------------------- */

struct sent {
	Opentelemetry__Proto__Trace__V1__Span span;
	Opentelemetry__Proto__Common__V1__KeyValue pairs[3], *pair_list[3];
	Opentelemetry__Proto__Common__V1__AnyValue values[3];
	uint8_t packed[1024];
	struct finished_span finished;
};

static void make_sent(struct sent *sent, const char *name)
{
	static const char *const keys[3] = {"text", "password", "number"};

	opentelemetry__proto__trace__v1__span__init(&sent->span);
	sent->span.name = (char *)name;
	for (int i = 0; i < 3; i++) {
		opentelemetry__proto__common__v1__key_value__init(&sent->pairs[i]);
		opentelemetry__proto__common__v1__any_value__init(&sent->values[i]);
		sent->pairs[i].key = (char *)keys[i];
		sent->pairs[i].value = &sent->values[i];
		sent->pair_list[i] = &sent->pairs[i];
	}
	sent->values[0].value_case =
		OPENTELEMETRY__PROTO__COMMON__V1__ANY_VALUE__VALUE_STRING_VALUE;
	sent->values[0].string_value = (char *)"plain";
	sent->values[1] = sent->values[0];
	sent->values[1].string_value = (char *)"";
	sent->values[2].value_case =
		OPENTELEMETRY__PROTO__COMMON__V1__ANY_VALUE__VALUE_INT_VALUE;
	sent->values[2].int_value = 5;
	sent->span.attributes = sent->pair_list;
	sent->span.n_attributes = 3;
}

static void pack(struct sent *sent)
{
	sent->finished = (struct finished_span){.span.at = sent->packed};
	sent->finished.span.len =
		opentelemetry__proto__trace__v1__span__pack(&sent->span, sent->packed);
}

static Opentelemetry__Proto__Trace__V1__Span *redacted(struct redact *redact, struct sent *sent)
{
	Opentelemetry__Proto__Trace__V1__Span *span;

	pack(sent);
	assert_int_equal(redact_span(redact, &sent->finished), 0);
	span = opentelemetry__proto__trace__v1__span__unpack(NULL, sent->finished.span.len,
							     sent->finished.span.at);
	assert_non_null(span);
	return span;
}

static void done_with(Opentelemetry__Proto__Trace__V1__Span *span)
{
	opentelemetry__proto__trace__v1__span__free_unpacked(span, NULL);
}

static void a_received_span_without_secrets_keeps_its_bytes(void **state)
{
	struct redact_settings settings = defaults();
	struct redact redact = make(&settings);
	struct sent sent;

	(void)state;
	make_sent(&sent, "name");
	done_with(redacted(&redact, &sent));
	assert_ptr_equal(sent.finished.span.at, sent.packed);
	redact_taken(&redact);
	assert_int_equal(redact.counters.received, 1);
	assert_int_equal(redact.counters.changed + redact.counters.dropped, 0);
	redact_fini(&redact);
}

static void a_received_span_loses_its_secrets_alone(void **state)
{
	struct redact_settings settings = defaults();
	struct redact redact = make(&settings);
	Opentelemetry__Proto__Trace__V1__Span *span;
	struct sent sent;

	(void)state;
	make_sent(&sent, "ask " SECRET);
	sent.values[1].string_value = (char *)"hunter2";
	span = redacted(&redact, &sent);
	assert_string_equal(span->name, "ask " MASK);
	assert_int_equal(span->n_attributes, 3);
	assert_string_equal(span->attributes[0]->value->string_value, "plain");
	assert_string_equal(span->attributes[1]->value->string_value, "[redacted:secret-keys]");
	assert_int_equal(span->attributes[2]->value->int_value, 5);
	done_with(span);
	redact_fini(&redact);
}

/* To readers it is a field nobody knows. Found by the fuzzer. */
static void an_attribute_of_another_wire_type_is_left_alone(void **state)
{
	struct redact_settings settings = defaults();
	struct redact redact = make(&settings);
	Opentelemetry__Proto__Trace__V1__Span *span;
	struct sent sent;

	(void)state;
	make_sent(&sent, SECRET);
	pack(&sent);
	memcpy(sent.packed + sent.finished.span.len, "\x48\x05", 2);
	sent.finished.span.len += 2;
	assert_int_equal(redact_span(&redact, &sent.finished), 0);
	assert_memory_equal(sent.finished.span.at + sent.finished.span.len - 2, "\x48\x05", 2);
	span = opentelemetry__proto__trace__v1__span__unpack(NULL, sent.finished.span.len - 2,
							     sent.finished.span.at);
	assert_non_null(span);
	assert_string_equal(span->name, MASK);
	done_with(span);
	redact_fini(&redact);
}

static void what_is_dropped_of_a_received_span_is_counted_there(void **state)
{
	struct redact_settings settings = defaults();
	Opentelemetry__Proto__Trace__V1__Span *span;
	struct redact redact;
	struct sent sent;

	(void)state;
	settings.allow_keys = (char *)"text";
	redact = make(&settings);
	make_sent(&sent, "name");
	sent.span.dropped_attributes_count = 40;
	span = redacted(&redact, &sent);
	assert_int_equal(span->n_attributes, 1);
	assert_int_equal(span->dropped_attributes_count, 42);
	done_with(span);
	redact_fini(&redact);
}

/* A ring has 8 bytes where protobuf has a varint. */
static void hashes_are_the_same_from_rings_and_from_senders(void **state)
{
	struct redact_settings settings = defaults();
	char path[] = "/tmp/redact-key-XXXXXX";
	Opentelemetry__Proto__Trace__V1__Span *span;
	int fd = mkstemp(path);
	struct buf records = BUF_INIT;
	struct redact redact;
	struct sent sent;
	int64_t number = -77;

	(void)state;
	assert_true(fd >= 0 && write(fd, "0123456789abcdef", 16) == 16);
	settings.hash_key_file = path;
	settings.rules[0] = (struct redact_rule_settings){.name = (char *)"own",
							  .keys = (char *)"number",
							  .action = REDACT_HASH,
							  .everywhere = true};
	settings.rule_count = 1;
	redact = make(&settings);
	make_sent(&sent, "name");
	sent.values[2].int_value = number;
	span = redacted(&redact, &sent);
	records_attribute(&records, SPAN, bytes_of("number"), WIRE_INT,
			  (struct bytes){(const uint8_t *)&number, sizeof number});
	assert_true(has(push(&redact, &records), span->attributes[2]->value->string_value));
	done_with(span);
	buf_fini(&records);
	redact_fini(&redact);
	(void)close(fd);
	(void)unlink(path);
}

/* A card's number is one as an integer, too. */
static void numbers_are_looked_at_as_their_digits(void **state)
{
	struct redact_settings settings = defaults();
	Opentelemetry__Proto__Trace__V1__Span *span;
	struct redact redact;
	struct sent sent;

	(void)state;
	settings.enable = (char *)"card-number";
	redact = make(&settings);
	make_sent(&sent, "name");
	sent.values[2].int_value = 4111111111111111;
	span = redacted(&redact, &sent);
	assert_string_equal(span->attributes[2]->value->string_value, "[redacted:card-number]");
	done_with(span);
	redact_fini(&redact);
}

static void a_sink_is_redacted_more_than_the_log_and_nobody_else(void **state)
{
	struct redact_settings settings = defaults();
	struct redact redact = make(&settings);
	struct redact_sink strict, plain;
	struct bytes unknown;
	struct sent sent;

	(void)state;
	assert_int_equal(redact_sink_init(&redact, &strict, "email", &unknown), 0);
	assert_int_equal(redact_sink_init(&redact, &plain, "", &unknown), 0);
	assert_int_equal(redact_sink_init(&redact, &plain, "nothing", &unknown), -ENOENT);
	make_sent(&sent, "to ada@example.com");
	pack(&sent);
	assert_int_equal(redact_span(&redact, &sent.finished), 0);
	assert_true(has(sent.finished.span, "ada@example.com"));
	assert_int_equal(redact_for_sink(&redact, &plain, &sent.finished), 0);
	assert_true(has(sent.finished.span, "ada@example.com"));
	assert_int_equal(redact_for_sink(&redact, &strict, &sent.finished), 0);
	assert_true(has(sent.finished.span, "to [redacted:email]"));
	assert_false(has(sent.finished.span, "ada"));
	redact_sink_fini(&strict);
	redact_sink_fini(&plain);
	redact_fini(&redact);
}

static void a_resource_with_a_secret_is_redacted_with_every_span(void **state)
{
	struct redact_settings settings = defaults();
	struct redact redact = make(&settings);
	static const uint8_t secret[] = "\x0a\x22\x0a\x01"
					"k\x12\x1d\x0a\x1b" SECRET;
	static const uint8_t clean[] = "\x0a\x07\x0a\x01k\x12\x02\x0a\x00";
	struct sent sent;

	(void)state;
	make_sent(&sent, "name");
	for (int i = 0; i < 3; i++) {
		pack(&sent);
		sent.finished.resource = (struct bytes){secret, sizeof secret - 1};
		assert_int_equal(redact_span(&redact, &sent.finished), 0);
		assert_true(has(sent.finished.resource, MASK));
		pack(&sent);
		sent.finished.resource = (struct bytes){clean, sizeof clean - 1};
		assert_int_equal(redact_span(&redact, &sent.finished), 0);
		assert_ptr_equal(sent.finished.resource.at, clean);
	}
	redact_fini(&redact);
}

static void switched_off_it_changes_nothing(void **state)
{
	struct redact_settings settings = {.enabled = false};
	struct redact redact = make(&settings);
	struct buf records = BUF_INIT;

	(void)state;
	records_attribute(&records, SPAN, bytes_of("password"), WIRE_STRING, bytes_of(SECRET));
	assert_ptr_equal(push(&redact, &records).at, records.at);
	redact_taken(&redact);
	assert_int_equal(redact.counters.enabled, 0);
	assert_int_equal(redact.counters.records, 1);
	buf_fini(&records);
	redact_fini(&redact);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_slice_without_secrets_is_handed_on_as_it_is),
		cmocka_unit_test(only_the_secret_of_a_record_changes),
		cmocka_unit_test(what_is_dropped_is_counted_on_its_span),
		cmocka_unit_test(what_is_offered_again_is_counted_once),
		cmocka_unit_test(what_no_one_knows_in_records_is_cut_off),
		cmocka_unit_test(keys_with_different_secrets_stay_different),
		cmocka_unit_test(a_received_span_without_secrets_keeps_its_bytes),
		cmocka_unit_test(a_received_span_loses_its_secrets_alone),
		cmocka_unit_test(an_attribute_of_another_wire_type_is_left_alone),
		cmocka_unit_test(what_is_dropped_of_a_received_span_is_counted_there),
		cmocka_unit_test(hashes_are_the_same_from_rings_and_from_senders),
		cmocka_unit_test(numbers_are_looked_at_as_their_digits),
		cmocka_unit_test(a_sink_is_redacted_more_than_the_log_and_nobody_else),
		cmocka_unit_test(a_resource_with_a_secret_is_redacted_with_every_span),
		cmocka_unit_test(switched_off_it_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
