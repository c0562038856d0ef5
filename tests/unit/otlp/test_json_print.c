#include "otlp/json_print.h"

#include "opentelemetry/proto/trace/v1/trace.pb-c.h"
#include "otlp/pb.h"
#include "random_message.h"

#include <errno.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stdlib.h>

#include <cmocka.h>

#define TRACES_DATA (&opentelemetry__proto__trace__v1__traces_data__descriptor)
#define SPAN (&opentelemetry__proto__trace__v1__span__descriptor)
#define ANY_VALUE (&opentelemetry__proto__common__v1__any_value__descriptor)
#define KEY_VALUE (&opentelemetry__proto__common__v1__key_value__descriptor)
#define ARRAY_VALUE (&opentelemetry__proto__common__v1__array_value__descriptor)

static void assert_printed(const ProtobufCMessageDescriptor *type, const char *message,
			   size_t len, const char *expected)
{
	struct bytes bytes = {(const uint8_t *)message, len};
	struct buf out = BUF_INIT;

	assert_int_equal(otlp_json_print(&out, type, bytes), 0);
	assert_int_equal(buf_append_byte(&out, 0), 0);
	assert_string_equal((char *)out.at, expected);
	buf_fini(&out);
}

#define PRINTED(type, text, expected) assert_printed(type, text, sizeof(text) - 1, expected)

static void assert_refused(const ProtobufCMessageDescriptor *type, struct bytes message,
			   int error)
{
	struct buf out = BUF_INIT;

	assert_int_equal(buf_append_text(&out, "before"), 0);
	assert_int_equal(otlp_json_print(&out, type, message), error);
	assert_int_equal(out.len, 6);
	buf_fini(&out);
}

static void an_archive_has_the_empty_string_for_the_empty_value(void **state)
{
	static const char attributes[] =
		"{\"key\":\"k\",\"value\":{\"stringValue\":\"\"}}";
	static const char array[] = "{\"arrayValue\":{\"values\":[{\"stringValue\":\"\"},"
				    "{\"boolValue\":true}]}}";
	struct buf out = BUF_INIT;

	(void)state;
	assert_int_equal(otlp_json_print_filled(&out, KEY_VALUE,
						(struct bytes){(const uint8_t *)"\x0a\x01k", 3}),
			 0);
	assert_memory_equal(out.at, attributes, sizeof attributes - 1);
	buf_reset(&out);
	assert_int_equal(
		otlp_json_print_filled(&out, ANY_VALUE,
				       (struct bytes){(const uint8_t *)"\x2a\x06\x0a\x00\x0a\x02"
								      "\x10\x01",
						      8}),
		0);
	assert_memory_equal(out.at, array, sizeof array - 1);
	buf_fini(&out);
}

#define REFUSED(type, text)                                                             \
	assert_refused(type, (struct bytes){(const uint8_t *)(text), sizeof(text) - 1}, \
		       -EBADMSG)

static void rule_40_a_set_member_of_a_oneof_is_printed_even_with_its_default(void **state)
{
	(void)state;
	PRINTED(ANY_VALUE, "", "{}");
	PRINTED(ANY_VALUE, "\x0a\x00", "{\"stringValue\":\"\"}");
	PRINTED(ANY_VALUE, "\x10\x00", "{\"boolValue\":false}");
	PRINTED(ANY_VALUE, "\x18\x00", "{\"intValue\":\"0\"}");
	PRINTED(ANY_VALUE, "\x21\0\0\0\0\0\0\0\0", "{\"doubleValue\":0.0}");
	PRINTED(ANY_VALUE, "\x2a\x00", "{\"arrayValue\":{}}");
	PRINTED(ANY_VALUE, "\x32\x00", "{\"kvlistValue\":{}}");
	PRINTED(ANY_VALUE, "\x3a\x00", "{\"bytesValue\":\"\"}");
}

static void attributes_always_have_a_key_and_a_value(void **state)
{
	(void)state;
	PRINTED(KEY_VALUE, "", "{\"key\":\"\",\"value\":{}}");
	PRINTED(KEY_VALUE, "\x0a\x01k", "{\"key\":\"k\",\"value\":{}}");
	PRINTED(KEY_VALUE, "\x12\x02\x10\x01\x0a\x01k",
		"{\"key\":\"k\",\"value\":{\"boolValue\":true}}");
	PRINTED(KEY_VALUE, "\x0a\x01x\x0a\x01k\x12\x00\x1a\x01?",
		"{\"key\":\"k\",\"value\":{}}");
}

static void rule_36_ids_are_lower_case_hexadecimal_and_a_root_has_no_parent(void **state)
{
	(void)state;
	PRINTED(SPAN, "\x12\x02\xab\x0c", "{\"spanId\":\"ab0c\"}");
	PRINTED(SPAN, "\x0a\x02\xab\x0c\x22\x00", "{\"traceId\":\"ab0c\"}");
	PRINTED(SPAN, "\x22\x01\xff", "{\"parentSpanId\":\"ff\"}");
	PRINTED(ANY_VALUE, "\x3a\x01\xff", "{\"bytesValue\":\"/w==\"}");
}

static void rules_37_and_39_enums_are_integers_and_64_bits_are_strings(void **state)
{
	(void)state;
	PRINTED(SPAN, "\x30\x02\x39\x01\0\0\0\0\0\0\0\x50\x07\x85\x01\x01\x01\0\0",
		"{\"kind\":2,\"startTimeUnixNano\":\"1\",\"droppedAttributesCount\":7,"
		"\"flags\":257}");
	PRINTED(SPAN, "\x30\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "{\"kind\":-1}");
}

static void unknown_fields_and_kinds_are_skipped(void **state)
{
	(void)state;
	PRINTED(SPAN, "\xa2\x06\x03xyz\x2a\x01n", "{\"name\":\"n\"}");
	PRINTED(SPAN, "\x2a\x01n\x28\x05", "{\"name\":\"n\"}");
	/* The string tables of profiles: rule 44 has them absent. */
	PRINTED(ANY_VALUE, "\x40\x05", "{}");
}

static void malformed_messages_leave_the_text_as_it_was(void **state)
{
	(void)state;
	REFUSED(SPAN, "\x2a\x05n");
	REFUSED(SPAN, "\x2a\x01n\x00");
	REFUSED(SPAN, "\x4a\x03\x0a\x01k\x12"); /* an attribute cut off */
	REFUSED(SPAN, "\x4a\x03\x0a\x02k");
	REFUSED(KEY_VALUE, "\x12\x00\x0a\x01k\x0a");
	REFUSED(KEY_VALUE, "\x0a\x01k\x12\x02\x0a\x05");
	REFUSED(ANY_VALUE, "\x0a\x01x\x0a\x01y\x0a");
	/* Out of order first, broken only behind that. */
	REFUSED(SPAN, "\x30\x01\x2a\x01n\x2a");
}

/* `depth` messages: AnyValue and ArrayValue in turns, innermost empty. */
static void nest(struct buf *out, unsigned depth)
{
	while (--depth) {
		struct buf outer = BUF_INIT;

		/* Made from the inside: the innermost's kind does not matter. */
		(void)pb_bytes(&outer, depth % 2 ? 5 : 1, buf_bytes(out));
		buf_fini(out);
		*out = outer;
	}
}

static void messages_deeper_than_parsers_read_are_refused(void **state)
{
	struct buf deep = BUF_INIT, text = BUF_INIT;

	(void)state;
	nest(&deep, OTLP_DEPTH_MAX);
	assert_int_equal(otlp_json_print(&text, ANY_VALUE, buf_bytes(&deep)), 0);
	buf_fini(&deep);
	nest(&deep, OTLP_DEPTH_MAX + 1);
	assert_refused(ANY_VALUE, buf_bytes(&deep), -ELOOP);
	buf_fini(&deep);
	buf_fini(&text);
}

/* Each level says its content twice over, out of order: were every level
 * printed again for that, this would not end in a lifetime. */
static void disorder_at_every_level_costs_no_more_than_once_again(void **state)
{
	struct buf deep = BUF_INIT, text = BUF_INIT;

	(void)state;
	for (int i = 0; i < 49; i++) {
		struct buf array = BUF_INIT, any = BUF_INIT;

		(void)pb_bytes(&array, 1, buf_bytes(&deep));
		(void)pb_bytes(&any, 5, buf_bytes(&array));
		(void)pb_varint(&any, 2, 1);
		(void)pb_bytes(&any, 5, buf_bytes(&array));
		buf_fini(&deep);
		buf_fini(&array);
		deep = any;
		if (deep.len > 1 << 20)
			break;
	}
	assert_int_equal(otlp_json_print(&text, ANY_VALUE, buf_bytes(&deep)), 0);
	assert_memory_equal(text.at, "{\"arrayValue\":{\"values\":[{\"arr", 30);
	buf_fini(&deep);
	buf_fini(&text);
}

/* Random damage to real messages: refused or printed, never read beyond; the
 * sanitizer build is the judge. */
static void damaged_messages_are_printed_or_refused(void **state)
{
	struct buf message = BUF_INIT;
	unsigned printed = 0;
	uint64_t seed = 9;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		struct buf out = BUF_INIT;
		uint8_t *copy;

		if (i % 100 == 0) {
			buf_reset(&message);
			while (message.len == 0)
				random_message(&message, TRACES_DATA, &seed, 2, 6);
		}
		copy = malloc(message.len);
		memcpy(copy, message.at, message.len);
		copy[random_next(&seed) % message.len] = (uint8_t)random_next(&seed);
		printed += otlp_json_print(&out, TRACES_DATA,
					   (struct bytes){copy, message.len}) == 0;
		free(copy);
		buf_fini(&out);
	}
	assert_in_range(printed, 100, 19900);
	buf_fini(&message);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_archive_has_the_empty_string_for_the_empty_value),
		cmocka_unit_test(
			rule_40_a_set_member_of_a_oneof_is_printed_even_with_its_default),
		cmocka_unit_test(attributes_always_have_a_key_and_a_value),
		cmocka_unit_test(
			rule_36_ids_are_lower_case_hexadecimal_and_a_root_has_no_parent),
		cmocka_unit_test(rules_37_and_39_enums_are_integers_and_64_bits_are_strings),
		cmocka_unit_test(unknown_fields_and_kinds_are_skipped),
		cmocka_unit_test(malformed_messages_leave_the_text_as_it_was),
		cmocka_unit_test(messages_deeper_than_parsers_read_are_refused),
		cmocka_unit_test(disorder_at_every_level_costs_no_more_than_once_again),
		cmocka_unit_test(damaged_messages_are_printed_or_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
