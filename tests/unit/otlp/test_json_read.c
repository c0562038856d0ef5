#include "otlp/json_read.h"

#include "opentelemetry/proto/trace/v1/trace.pb-c.h"
#include "otlp/json_print.h"

#include <errno.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>

#include <cmocka.h>

#define TRACES_DATA (&opentelemetry__proto__trace__v1__traces_data__descriptor)
#define SPAN (&opentelemetry__proto__trace__v1__span__descriptor)
#define ANY_VALUE (&opentelemetry__proto__common__v1__any_value__descriptor)

static int read_text(struct buf *out, const ProtobufCMessageDescriptor *type, const char *text,
		     struct otlp_json_error *error)
{
	json_t *value = json_loads(text, JSON_ALLOW_NUL | JSON_DECODE_ANY, NULL);
	int r;

	assert_non_null(value);
	r = otlp_json_read(out, type, value, error);
	json_decref(value);
	return r;
}

/* Reads, prints again, compares. */
static void assert_read(const ProtobufCMessageDescriptor *type, const char *text,
			const char *expected)
{
	struct buf message = BUF_INIT, out = BUF_INIT;

	assert_int_equal(read_text(&message, type, text, NULL), 0);
	assert_int_equal(otlp_json_print(&out, type, buf_bytes(&message)), 0);
	assert_int_equal(buf_append_byte(&out, 0), 0);
	assert_string_equal((char *)out.at, expected);
	buf_fini(&message);
	buf_fini(&out);
}

static void assert_wrong(const ProtobufCMessageDescriptor *type, const char *text, int expected,
			 const char *path)
{
	struct otlp_json_error error = {.reason = NULL};
	struct buf out = BUF_INIT;

	assert_int_equal(buf_append_text(&out, "before"), 0);
	assert_int_equal(read_text(&out, type, text, &error), expected);
	assert_int_equal(out.len, 6);
	assert_string_equal(error.path, path);
	assert_non_null(error.reason);
	assert_int_equal(read_text(&out, type, text, NULL), expected);
	buf_fini(&out);
}

static void rule_39_64_bit_integers_are_read_as_numbers_or_strings(void **state)
{
	(void)state;
	assert_read(ANY_VALUE, "{\"intValue\":5}", "{\"intValue\":\"5\"}");
	assert_read(ANY_VALUE, "{\"intValue\":\"-5\"}", "{\"intValue\":\"-5\"}");
	assert_read(ANY_VALUE, "{\"intValue\":1e3}", "{\"intValue\":\"1000\"}");
	assert_read(ANY_VALUE, "{\"intValue\":\"-9223372036854775808\"}",
		    "{\"intValue\":\"-9223372036854775808\"}");
	assert_read(SPAN, "{\"startTimeUnixNano\":\"18446744073709551615\"}",
		    "{\"startTimeUnixNano\":\"18446744073709551615\"}");
	assert_read(SPAN, "{\"flags\":\"257\",\"droppedLinksCount\":4294967295}",
		    "{\"droppedLinksCount\":4294967295,\"flags\":257}");
}

static void integers_that_are_none_or_do_not_fit_are_refused(void **state)
{
	(void)state;
	assert_wrong(ANY_VALUE, "{\"intValue\":\"\"}", -EBADMSG, "intValue");
	assert_wrong(ANY_VALUE, "{\"intValue\":\"-\"}", -EBADMSG, "intValue");
	assert_wrong(ANY_VALUE, "{\"intValue\":\" 1\"}", -EBADMSG, "intValue");
	assert_wrong(ANY_VALUE, "{\"intValue\":\"0x1\"}", -EBADMSG, "intValue");
	assert_wrong(ANY_VALUE, "{\"intValue\":1.5}", -EBADMSG, "intValue");
	assert_wrong(ANY_VALUE, "{\"intValue\":true}", -EBADMSG, "intValue");
	assert_wrong(ANY_VALUE, "{\"intValue\":\"9223372036854775808\"}", -EBADMSG, "intValue");
	assert_wrong(ANY_VALUE, "{\"intValue\":\"-9223372036854775809\"}", -EBADMSG,
		     "intValue");
	assert_wrong(ANY_VALUE, "{\"intValue\":1e300}", -EBADMSG, "intValue");
	assert_wrong(SPAN, "{\"startTimeUnixNano\":-1}", -EBADMSG, "startTimeUnixNano");
	assert_wrong(SPAN, "{\"startTimeUnixNano\":\"18446744073709551616\"}", -EBADMSG,
		     "startTimeUnixNano");
	assert_wrong(SPAN, "{\"flags\":4294967296}", -EBADMSG, "flags");
	assert_wrong(SPAN, "{\"kind\":2147483648}", -EBADMSG, "kind");
}

static void rule_37_enum_names_are_not_understood(void **state)
{
	(void)state;
	assert_read(SPAN, "{\"kind\":3}", "{\"kind\":3}");
	assert_wrong(SPAN, "{\"kind\":\"SPAN_KIND_CLIENT\"}", -EBADMSG, "kind");
	assert_wrong(SPAN, "{\"kind\":\"3\"}", -EBADMSG, "kind");
}

static void rule_38_keys_are_lower_camel_case_and_unknown_ones_ignored(void **state)
{
	(void)state;
	assert_read(SPAN, "{\"trace_id\":\"ab\",\"name\":\"n\",\"extra\":{\"a\":[1]}}",
		    "{\"name\":\"n\"}");
}

static void rule_36_ids_are_read_in_either_case(void **state)
{
	(void)state;
	assert_read(SPAN, "{\"traceId\":\"ABCdef\",\"parentSpanId\":\"\"}",
		    "{\"traceId\":\"abcdef\"}");
	assert_wrong(SPAN, "{\"traceId\":\"W46AAAAAAAAAAAAAAAAAAA==\"}", -EBADMSG, "traceId");
	assert_wrong(SPAN, "{\"traceId\":7}", -EBADMSG, "traceId");
	assert_wrong(ANY_VALUE, "{\"bytesValue\":\"A\"}", -EBADMSG, "bytesValue");
}

static void doubles_are_numbers_or_the_strings_of_proto3(void **state)
{
	(void)state;
	assert_read(ANY_VALUE, "{\"doubleValue\":1}", "{\"doubleValue\":1.0}");
	assert_read(ANY_VALUE, "{\"doubleValue\":\"1.5\"}", "{\"doubleValue\":1.5}");
	assert_read(ANY_VALUE, "{\"doubleValue\":-0.0}", "{\"doubleValue\":-0.0}");
	assert_read(ANY_VALUE, "{\"doubleValue\":\"NaN\"}", "{\"doubleValue\":\"NaN\"}");
	assert_read(ANY_VALUE, "{\"doubleValue\":\"-Infinity\"}",
		    "{\"doubleValue\":\"-Infinity\"}");
	assert_wrong(ANY_VALUE, "{\"doubleValue\":\"nan\"}", -EBADMSG, "doubleValue");
	assert_wrong(ANY_VALUE, "{\"doubleValue\":\"\"}", -EBADMSG, "doubleValue");
	assert_wrong(ANY_VALUE, "{\"doubleValue\":\"1e999\"}", -EBADMSG, "doubleValue");
	assert_wrong(ANY_VALUE, "{\"doubleValue\":\"0x1p3\"}", -EBADMSG, "doubleValue");
	assert_wrong(ANY_VALUE, "{\"doubleValue\":null,\"boolValue\":1}", -EBADMSG,
		     "boolValue");
}

static void null_is_absent_and_a_value_has_one_kind(void **state)
{
	(void)state;
	assert_read(ANY_VALUE, "{\"stringValue\":null,\"boolValue\":false}",
		    "{\"boolValue\":false}");
	assert_read(SPAN, "{\"name\":null,\"attributes\":null}", "{}");
	assert_wrong(ANY_VALUE, "{\"stringValue\":\"\",\"boolValue\":false}", -EBADMSG,
		     "boolValue");
}

static void the_path_says_where_it_is_wrong(void **state)
{
	(void)state;
	assert_wrong(TRACES_DATA, "[]", -EBADMSG, "");
	assert_wrong(TRACES_DATA, "{\"resourceSpans\":{}}", -EBADMSG, "resourceSpans");
	assert_wrong(TRACES_DATA,
		     "{\"resourceSpans\":[{},{\"scopeSpans\":[{\"spans\":[{},{},"
		     "{\"attributes\":[{\"key\":\"k\",\"value\":7}]}]}]}]}",
		     -EBADMSG, "resourceSpans[1].scopeSpans[0].spans[2].attributes[0].value");
	assert_wrong(SPAN, "{\"attributes\":{\"a\":1}}", -EBADMSG, "attributes");
	assert_wrong(SPAN, "{\"events\":[null]}", -EBADMSG, "events[0]");
}

static void too_deep_a_nesting_is_refused_with_its_path_cut(void **state)
{
	struct buf text = BUF_INIT, out = BUF_INIT;
	struct otlp_json_error error;

	(void)state;
	for (int i = 0; i < OTLP_DEPTH_MAX / 2 + 1; i++)
		assert_int_equal(buf_append_text(&text, "{\"arrayValue\":{\"values\":["), 0);
	for (int i = 0; i < OTLP_DEPTH_MAX / 2 + 1; i++)
		assert_int_equal(buf_append_text(&text, "]}}"), 0);
	assert_int_equal(buf_append_byte(&text, 0), 0);
	assert_int_equal(read_text(&out, ANY_VALUE, (char *)text.at, &error), -ELOOP);
	assert_int_equal(strlen(error.path), sizeof(error.path) - 1);
	assert_int_equal(out.len, 0);
	buf_fini(&text);
	buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rule_39_64_bit_integers_are_read_as_numbers_or_strings),
		cmocka_unit_test(integers_that_are_none_or_do_not_fit_are_refused),
		cmocka_unit_test(rule_37_enum_names_are_not_understood),
		cmocka_unit_test(rule_38_keys_are_lower_camel_case_and_unknown_ones_ignored),
		cmocka_unit_test(rule_36_ids_are_read_in_either_case),
		cmocka_unit_test(doubles_are_numbers_or_the_strings_of_proto3),
		cmocka_unit_test(null_is_absent_and_a_value_has_one_kind),
		cmocka_unit_test(the_path_says_where_it_is_wrong),
		cmocka_unit_test(too_deep_a_nesting_is_refused_with_its_path_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
