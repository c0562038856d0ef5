#include "otlp/check.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "opentelemetry/proto/collector/trace/v1/trace_service.pb-c.h"
#include "otlp/json_print.h"
#include "otlp/pb.h"

#define SPAN (&opentelemetry__proto__trace__v1__span__descriptor)
#define RESOURCE (&opentelemetry__proto__resource__v1__resource__descriptor)
#define ANY_VALUE (&opentelemetry__proto__common__v1__any_value__descriptor)
#define KEY_VALUE (&opentelemetry__proto__common__v1__key_value__descriptor)

static struct otlp_faults check(const ProtobufCMessageDescriptor *type,
				const struct buf *message)
{
	struct otlp_faults faults;

	assert_int_equal(otlp_check(type, buf_bytes(message), &faults), 0);
	return faults;
}

/* Repairs it; what comes out has no faults, and is `expected`. */
static void assert_repaired(const ProtobufCMessageDescriptor *type, struct buf *message,
			    const struct buf *expected)
{
	struct buf out = BUF_INIT;
	struct otlp_faults faults;

	assert_int_equal(buf_append_text(&out, "before"), 0);
	assert_int_equal(otlp_repair(&out, type, buf_bytes(message)), 0);
	assert_int_equal(out.len, 6 + expected->len);
	assert_memory_equal(out.at + 6, expected->at, expected->len);
	faults = check(type, expected);
	assert_false(otlp_faults_any(&faults));
	buf_fini(&out);
}

static void what_is_sound_is_found_sound_and_fields_nobody_knows_stay(void **state)
{
	struct buf span = BUF_INIT;
	struct otlp_faults faults;

	(void)state;
	(void)pb_bytes(&span, 1, (struct bytes){(const uint8_t *)"0123456789abcdef", 16});
	(void)pb_bytes(&span, 5, bytes_of("na\xc3\xafve"));
	(void)pb_bytes(&span, 4, (struct bytes){(const uint8_t *)"\0\0\0\1\0\0\0\0", 8});
	(void)pb_varint(&span, 77, 1);
	(void)pb_bytes(&span, 78, (struct bytes){(const uint8_t *)"\xff\xfe", 2});
	(void)pb_varint(&span, 5, 3); /* a name that is a number is a field nobody knows */
	faults = check(SPAN, &span);
	assert_false(otlp_faults_any(&faults));
	assert_repaired(SPAN, &span, &span);
	buf_fini(&span);
}

static void text_that_is_not_utf8_is_repaired_wherever_it_stands(void **state)
{
	struct buf span = BUF_INIT, expected = BUF_INIT;
	struct pb_nested attribute, value;

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct buf *at = i ? &expected : &span;

		(void)pb_bytes(at, 5, bytes_of(i ? "a\xef\xbf\xbd" : "a\xff"));
		attribute = pb_open(at, 9, 10);
		(void)pb_bytes(at, 1, bytes_of(i ? "\xef\xbf\xbdk" : "\xc3k"));
		value = pb_open(at, 2, 10);
		(void)pb_bytes(at, 1, bytes_of(i ? "v\xef\xbf\xbd" : "v\xe2\x82"));
		(void)pb_close(at, value);
		(void)pb_close(at, attribute);
	}
	assert_int_equal(check(SPAN, &span).texts, 3);
	assert_repaired(SPAN, &span, &expected);
	buf_fini(&span);
	buf_fini(&expected);
}

static void rule_44_string_table_references_are_treated_as_absent(void **state)
{
	struct buf attribute = BUF_INIT, expected = BUF_INIT;
	struct pb_nested value;

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct buf *at = i ? &expected : &attribute;

		(void)pb_bytes(at, 1, bytes_of("key"));
		if (i == 0)
			(void)pb_varint(at, 3, 12); /* key_strindex */
		value = pb_open(at, 2, 10);
		if (i == 0)
			(void)pb_varint(at, 8, 7); /* string_value_strindex */
		(void)pb_close(at, value);
	}
	assert_int_equal(check(KEY_VALUE, &attribute).strings, 2);
	assert_repaired(KEY_VALUE, &attribute, &expected);
	buf_fini(&attribute);
	buf_fini(&expected);
}

static void a_parent_of_zeros_is_none(void **state)
{
	static const uint8_t zeros[8];
	struct buf span = BUF_INIT, expected = BUF_INIT;

	(void)state;
	(void)pb_bytes(&expected, 5, bytes_of("root"));
	(void)pb_bytes(&span, 4, (struct bytes){zeros, sizeof zeros});
	(void)pb_bytes(&span, 5, bytes_of("root"));
	assert_int_equal(check(SPAN, &span).parents, 1);
	assert_repaired(SPAN, &span, &expected);
	buf_fini(&span);
	buf_fini(&expected);
}

static void put_attribute(struct buf *at, const char *key)
{
	struct pb_nested attribute = pb_open(at, 1, 20), value;

	(void)pb_bytes(at, 1, bytes_of(key));
	value = pb_open(at, 2, 2);
	(void)pb_varint(at, 3, 4);
	(void)pb_close(at, value);
	(void)pb_close(at, attribute);
}

static void nobody_says_himself_whose_process_he_is(void **state)
{
	struct buf resource = BUF_INIT, expected = BUF_INIT;

	(void)state;
	put_attribute(&resource, "spanring.uid");
	put_attribute(&resource, "spanring.uida");
	(void)pb_varint(&resource, 2, 5);
	put_attribute(&resource, "spanring.pid");
	put_attribute(&expected, "spanring.uida");
	(void)pb_varint(&expected, 2, 5);
	(void)pb_varint(&expected, 2, 7);
	assert_int_equal(check(RESOURCE, &resource).owned, 2);
	assert_repaired(RESOURCE, &resource, &expected);
	buf_fini(&resource);
	buf_fini(&expected);
}

/* AnyValue in ArrayValue in AnyValue ..., `levels` messages altogether. */
static void put_nested(struct buf *at, unsigned levels)
{
	struct pb_nested nested;

	if (levels <= 1) {
		(void)pb_varint(at, 2, 1);
		return;
	}
	nested = pb_open(at, levels % 2 ? 1 : 5, 200);
	put_nested(at, levels - 1);
	(void)pb_close(at, nested);
}

static void put_named(struct buf *at, const char *key, uint64_t value)
{
	struct pb_nested attribute = pb_open(at, 9, 20), any;

	(void)pb_bytes(at, 1, bytes_of(key));
	any = pb_open(at, 2, 4);
	(void)pb_varint(at, 3, value);
	(void)pb_close(at, any);
	(void)pb_close(at, attribute);
}

static void rule_41_a_key_stands_once_with_its_last_value(void **state)
{
	struct buf span = BUF_INIT, expected = BUF_INIT;

	(void)state;
	put_named(&span, "a", 1);
	put_named(&span, "b", 2);
	put_named(&span, "a", 3);
	(void)pb_bytes(&span, 5, bytes_of("name"));
	put_named(&span, "a", 4);
	put_named(&expected, "a", 4);
	put_named(&expected, "b", 2);
	(void)pb_bytes(&expected, 5, bytes_of("name"));
	assert_int_equal(check(SPAN, &span).keys, 2);
	assert_repaired(SPAN, &span, &expected);
	buf_fini(&span);
	buf_fini(&expected);
}

static void rule_41_keys_that_repairing_makes_the_same_are_one(void **state)
{
	struct buf span = BUF_INIT, expected = BUF_INIT;
	struct otlp_faults faults;

	(void)state;
	(void)pb_bytes(&span, 5, bytes_of("name"));
	(void)pb_bytes(&expected, 5, bytes_of("name"));
	put_named(&span, "a\xff", 1);
	put_named(&span, "b", 2);
	put_named(&span, "a\xfe", 3);
	put_named(&span, "a\xef\xbf\xbd", 4);
	put_named(&span, "a\xfd", 5);
	put_named(&expected, "a\xef\xbf\xbd", 5);
	put_named(&expected, "b", 2);
	faults = check(SPAN, &span);
	assert_int_equal(faults.texts, 3);
	assert_int_equal(faults.keys, 3);
	assert_repaired(SPAN, &span, &expected);
	buf_fini(&span);
	buf_fini(&expected);
}

static void a_hundred_thousand_keys_are_told_apart(void **state)
{
	struct buf span = BUF_INIT, out = BUF_INIT;
	char key[32];

	(void)state;
	(void)pb_bytes(&span, 5, bytes_of("name"));
	for (int i = 0; i < 100000; i++) {
		(void)snprintf(key, sizeof key, "key %d", i % 60000);
		put_named(&span, key, (uint64_t)i);
	}
	assert_int_equal(check(SPAN, &span).keys, 40000);
	assert_int_equal(otlp_repair(&out, SPAN, buf_bytes(&span)), 0);
	assert_int_equal(check(SPAN, &out).keys, 0);
	buf_fini(&span);
	buf_fini(&out);
}

static void rule_42_a_span_has_a_name(void **state)
{
	struct buf span = BUF_INIT, expected = BUF_INIT;

	(void)state;
	put_named(&span, "a", 1);
	put_named(&expected, "a", 1);
	(void)pb_bytes(&expected, 5, bytes_of("unnamed"));
	assert_int_equal(check(SPAN, &span).names, 1);
	assert_repaired(SPAN, &span, &expected);
	buf_fini(&span);
	buf_fini(&expected);
}

static void values_deeper_than_readers_go_are_emptied(void **state)
{
	struct buf fits = BUF_INIT, deep = BUF_INIT, out = BUF_INIT, text = BUF_INIT;

	(void)state;
	put_nested(&fits, OTLP_DEPTH_MAX);
	put_nested(&deep, OTLP_DEPTH_MAX + 2);
	assert_int_equal(check(ANY_VALUE, &fits).deep, 0);
	assert_int_equal(check(ANY_VALUE, &deep).deep, 1);
	assert_int_equal(otlp_json_print(&text, ANY_VALUE, buf_bytes(&deep)), -ELOOP);
	assert_int_equal(otlp_repair(&out, ANY_VALUE, buf_bytes(&deep)), 0);
	assert_int_equal(otlp_json_print(&text, ANY_VALUE, buf_bytes(&out)), 0);
	buf_fini(&fits);
	buf_fini(&deep);
	buf_fini(&out);
	buf_fini(&text);
}

static void what_is_no_protobuf_is_refused_at_any_depth(void **state)
{
	struct buf span = BUF_INIT, out = BUF_INIT;
	struct otlp_faults faults;

	(void)state;
	(void)pb_bytes(&span, 9, (struct bytes){(const uint8_t *)"\x0a\xff\xff", 3});
	assert_int_equal(otlp_check(SPAN, buf_bytes(&span), &faults), -EBADMSG);
	assert_int_equal(otlp_repair(&out, SPAN, buf_bytes(&span)), -EBADMSG);
	assert_int_equal(out.len, 0);
	buf_fini(&span);
	buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_sound_is_found_sound_and_fields_nobody_knows_stay),
		cmocka_unit_test(text_that_is_not_utf8_is_repaired_wherever_it_stands),
		cmocka_unit_test(rule_44_string_table_references_are_treated_as_absent),
		cmocka_unit_test(a_parent_of_zeros_is_none),
		cmocka_unit_test(nobody_says_himself_whose_process_he_is),
		cmocka_unit_test(rule_41_a_key_stands_once_with_its_last_value),
		cmocka_unit_test(rule_41_keys_that_repairing_makes_the_same_are_one),
		cmocka_unit_test(a_hundred_thousand_keys_are_told_apart),
		cmocka_unit_test(rule_42_a_span_has_a_name),
		cmocka_unit_test(values_deeper_than_readers_go_are_emptied),
		cmocka_unit_test(what_is_no_protobuf_is_refused_at_any_depth),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
