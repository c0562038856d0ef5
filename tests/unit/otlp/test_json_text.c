#include "otlp/json_text.h"

#include "random_message.h"

#include <jansson.h>
#include <math.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void assert_string(struct bytes text, const char *expected)
{
	struct buf out = BUF_INIT;

	json_text_string(&out, text);
	assert_int_equal(out.len, strlen(expected));
	assert_memory_equal(out.at, expected, out.len);
	buf_fini(&out);
}

static void rule_a6_line_breaks_and_controls_are_escaped(void **state)
{
	(void)state;
	assert_string((struct bytes){NULL, 0}, "\"\"");
	assert_string(bytes_of("a\"b\\c/d"), "\"a\\\"b\\\\c/d\"");
	assert_string(bytes_of("\n\r\t\x01\x1f\x7f"), "\"\\n\\r\\t\\u0001\\u001f\x7f\"");
	assert_string((struct bytes){(const uint8_t *)"\0", 1}, "\"\\u0000\"");
	assert_string(bytes_of("\xc2\x84\xc2\x85\xc2\x86"), "\"\xc2\x84\\u0085\xc2\x86\"");
	assert_string(bytes_of("\xe2\x80\xa7\xe2\x80\xa8\xe2\x80\xa9\xe2\x80\xaa"),
		      "\"\xe2\x80\xa7\\u2028\\u2029\xe2\x80\xaa\"");
}

static void rule_a7_invalid_utf8_becomes_u_fffd(void **state)
{
	(void)state;
	assert_string(bytes_of("a\xff"
			       "b\xe2\x80"),
		      "\"a\xef\xbf\xbd"
		      "b\xef\xbf\xbd\"");
	assert_string(bytes_of("\xf0\x9f\x92\xa5\x80"), "\"\xf0\x9f\x92\xa5\xef\xbf\xbd\"");
}

/* Longer than the pieces the printer works in, a character at each border. */
static void long_strings_with_escapes_at_every_place_read_back(void **state)
{
	static const char *const marks[] = {"\n", "\"", "\xe2\x80\xa8", "\xf0\x9f\x92\xa5",
					    "\x01"};
	uint8_t text[9000];

	(void)state;
	for (size_t at = 4080; at < 4110; at++) {
		for (size_t m = 0; m < 5; m++) {
			struct buf out = BUF_INIT;
			json_t *value;

			memset(text, 'x', sizeof(text));
			memcpy(text + at, marks[m], strlen(marks[m]));
			memcpy(text + 8995, "\\", 1);
			json_text_string(&out, (struct bytes){text, sizeof(text)});
			value = json_loadb((char *)out.at, out.len, JSON_DECODE_ANY, NULL);
			assert_non_null(value);
			assert_int_equal(json_string_length(value), sizeof(text));
			assert_memory_equal(json_string_value(value), text, sizeof(text));
			json_decref(value);
			buf_fini(&out);
		}
	}
}

static void assert_double(double value, const char *expected)
{
	struct buf out = BUF_INIT;

	json_text_double(&out, value);
	assert_int_equal(buf_append_byte(&out, 0), 0);
	assert_string_equal((char *)out.at, expected);
	buf_fini(&out);
}

static void rule_40_doubles_are_the_shortest_that_read_back(void **state)
{
	(void)state;
	assert_double(0.0, "0.0");
	assert_double(-0.0, "-0.0");
	assert_double(1.0, "1.0");
	assert_double(-1.5, "-1.5");
	assert_double(0.1, "0.1");
	assert_double(0.1 + 0.2, "0.30000000000000004");
	assert_double(100.0, "100.0");
	assert_double(123456.789, "123456.789");
	assert_double(9007199254740991.0, "9007199254740991.0");
	assert_double(9007199254740992.0, "9007199254740992.0");
	assert_double(1e22, "1e+22");
	assert_double(1e-5, "0.00001");
	assert_double(1e-7, "1e-07");
	assert_double(5e-324, "5e-324");
	assert_double(1.7976931348623157e308, "1.7976931348623157e+308");
	assert_double(NAN, "\"NaN\"");
	assert_double(-NAN, "\"NaN\"");
	assert_double(INFINITY, "\"Infinity\"");
	assert_double(-INFINITY, "\"-Infinity\"");
}

static double random_double(uint64_t *seed, int i)
{
	uint64_t bits = random_next(seed);
	double value;

	if (i % 2)
		return (double)(int64_t)(bits >> (bits % 60)) / (i % 3 ? 1000.0 : 1e6);
	memcpy(&value, &bits, sizeof(value));
	return value;
}

static void random_doubles_read_back_exactly(void **state)
{
	uint64_t seed = 11;

	(void)state;
	for (int i = 0; i < 100000; i++) {
		double value = random_double(&seed, i), back;
		struct buf out = BUF_INIT;

		if (!isfinite(value))
			continue;
		json_text_double(&out, value);
		(void)buf_append_byte(&out, 0);
		back = strtod((char *)out.at, NULL);
		assert_memory_equal(&value, &back, sizeof(value));
		buf_fini(&out);
	}
}

static void integers_reach_their_limits(void **state)
{
	struct buf out = BUF_INIT;

	(void)state;
	json_text_int(&out, INT64_MIN, true);
	json_text_int(&out, INT64_MAX, false);
	json_text_uint(&out, UINT64_MAX, true);
	json_text_uint(&out, 0, false);
	assert_true(bytes_equal(buf_bytes(&out),
				bytes_of("\"-9223372036854775808\"9223372036854775807"
					 "\"18446744073709551615\"0")));
	buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rule_a6_line_breaks_and_controls_are_escaped),
		cmocka_unit_test(rule_a7_invalid_utf8_becomes_u_fffd),
		cmocka_unit_test(long_strings_with_escapes_at_every_place_read_back),
		cmocka_unit_test(rule_40_doubles_are_the_shortest_that_read_back),
		cmocka_unit_test(random_doubles_read_back_exactly),
		cmocka_unit_test(integers_reach_their_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
