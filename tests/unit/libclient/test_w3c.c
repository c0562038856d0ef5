#include "w3c.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define TRACE "0af7651916cd43dd8448eb211c80319c"
#define SPAN "b7ad6b7169203331"

static int parse(const char *text, struct w3c_traceparent *ret)
{
	return w3c_parse_traceparent(text, strlen(text), ret);
}

static void assert_refused(const char *text)
{
	struct w3c_traceparent before, after;

	memset(&before, 0xa5, sizeof before);
	after = before;
	if (parse(text, &after) != -EBADMSG)
		fail_msg("accepted: %s", text);
	assert_memory_equal(&before, &after, sizeof before);
}

static void assert_emitted(const char *given, const char *expected)
{
	char text[W3C_TRACEPARENT_LENGTH + 1];
	struct w3c_traceparent parent;

	if (parse(given, &parent) != 0)
		fail_msg("refused: %s", given);
	w3c_format_traceparent(&parent, text);
	assert_string_equal(text, expected);
}

static void rule_59_version_00_is_read_and_emitted_byte_exact(void **state)
{
	static const uint8_t trace[16] = {0x0a, 0xf7, 0x65, 0x19, 0x16, 0xcd, 0x43, 0xdd,
					  0x84, 0x48, 0xeb, 0x21, 0x1c, 0x80, 0x31, 0x9c};
	static const uint8_t span[8] = {0xb7, 0xad, 0x6b, 0x71, 0x69, 0x20, 0x33, 0x31};
	struct w3c_traceparent parent;

	(void)state;
	assert_int_equal(parse("00-" TRACE "-" SPAN "-01", &parent), 0);
	assert_memory_equal(parent.trace_id, trace, 16);
	assert_memory_equal(parent.span_id, span, 8);
	assert_int_equal(parent.flags, 1);
	assert_emitted("00-" TRACE "-" SPAN "-01", "00-" TRACE "-" SPAN "-01");
	assert_emitted("00-" TRACE "-" SPAN "-00", "00-" TRACE "-" SPAN "-00");
}

static void rule_59_version_00_is_exactly_55_characters(void **state)
{
	char text[80];
	struct w3c_traceparent parent;

	(void)state;
	strcpy(text, "00-" TRACE "-" SPAN "-01");
	for (size_t length = 0; length < 55; length++)
		assert_int_equal(w3c_parse_traceparent(text, length, &parent), -EBADMSG);
	assert_refused("00-" TRACE "-" SPAN "-01-");
	assert_refused("00-" TRACE "-" SPAN "-01-what-the-future-will-be-like");
	assert_refused("00-" TRACE "-" SPAN "-01 ");
	assert_refused(" 00-" TRACE "-" SPAN "-01");
	assert_refused("00-" TRACE "-" SPAN "-011");
}

static void rule_59_upper_case_hex_is_invalid(void **state)
{
	(void)state;
	assert_refused("00-0AF7651916CD43DD8448EB211C80319C-" SPAN "-01");
	assert_refused("00-" TRACE "-B7AD6B7169203331-01");
	assert_refused("00-" TRACE "-" SPAN "-0A");
	assert_refused("0A-" TRACE "-" SPAN "-01");
}

static void rule_59_every_position_refuses_a_wrong_character(void **state)
{
	static const char good[] = "00-" TRACE "-" SPAN "-01";

	(void)state;
	for (size_t i = 0; i < 55; i++) {
		static const char wrong[] = "gG.: _Z/\t\x7f";

		for (size_t j = 0; j < sizeof wrong; j++) {
			struct w3c_traceparent parent;
			char text[56];

			memcpy(text, good, 56);
			text[i] = wrong[j];
			assert_int_equal(w3c_parse_traceparent(text, 55, &parent), -EBADMSG);
		}
	}
}

static void rule_59_version_ff_is_invalid(void **state)
{
	(void)state;
	assert_refused("ff-" TRACE "-" SPAN "-01");
	assert_refused("ff-" TRACE "-" SPAN "-01-more");
}

static void rule_59_zero_ids_are_invalid(void **state)
{
	(void)state;
	assert_refused("00-00000000000000000000000000000000-" SPAN "-01");
	assert_refused("00-" TRACE "-0000000000000000-01");
	assert_emitted("00-00000000000000000000000000000001-0000000000000001-01",
		       "00-00000000000000000000000000000001-0000000000000001-01");
}

static void rule_59_a_higher_version_is_read_and_emitted_as_00(void **state)
{
	(void)state;
	assert_emitted("cc-" TRACE "-" SPAN "-01", "00-" TRACE "-" SPAN "-01");
	assert_emitted("01-" TRACE "-" SPAN "-00-what-the-future-will-be-like",
		       "00-" TRACE "-" SPAN "-00");
	assert_emitted("fe-" TRACE "-" SPAN "-01-", "00-" TRACE "-" SPAN "-01");
	assert_refused("cc-" TRACE "-" SPAN "-01.what");
	assert_refused("cc-" TRACE "-" SPAN "-011");
	assert_refused("cc-" TRACE "-" SPAN "-0");
}

static void rule_59_unknown_flags_are_cleared_on_emit(void **state)
{
	(void)state;
	assert_emitted("00-" TRACE "-" SPAN "-ff", "00-" TRACE "-" SPAN "-03");
	assert_emitted("00-" TRACE "-" SPAN "-fc", "00-" TRACE "-" SPAN "-00");
	assert_emitted("00-" TRACE "-" SPAN "-02", "00-" TRACE "-" SPAN "-02");
	assert_emitted("42-" TRACE "-" SPAN "-85-x", "00-" TRACE "-" SPAN "-01");
}

static bool valid(const char *text)
{
	return w3c_tracestate_valid(text, strlen(text));
}

static void rule_60_common_tracestates_are_kept(void **state)
{
	(void)state;
	assert_true(valid(""));
	assert_true(valid("rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"));
	assert_true(valid("ot=th:8;rv:01234567890abc , fw529a3039@dt=FfAxAJAjDADAABAA"));
	assert_true(valid("a=1,,b=2,\t"));
	assert_true(valid("0tenant@system=x, a_-*/@z=a b"));
}

static void rule_60_bad_members_make_a_bad_tracestate(void **state)
{
	(void)state;
	assert_false(valid("foo"));
	assert_false(valid("=1"));
	assert_false(valid("foo="));
	assert_false(valid("FOO=1"));
	assert_false(valid("foo =1"));
	assert_false(valid("foo=1=2"));
	assert_false(valid("_foo=1"));
	assert_false(valid("foo=\x01"));
	assert_false(valid("foo=caf\xc3\xa9"));
	assert_false(w3c_tracestate_valid("f\0o=1", 5));
}

static void rule_60_thirty_two_members_and_512_characters_are_the_most(void **state)
{
	char text[W3C_TRACESTATE_LENGTH_MAX + 2];
	size_t length = 0;

	(void)state;
	for (int i = 0; i < 33; i++)
		length += (size_t)sprintf(text + length, "%sk%d=v", i ? "," : "", i);
	assert_false(w3c_tracestate_valid(text, length));
	assert_true(w3c_tracestate_valid(text, length - strlen(",k32=v")));

	memset(text, 'v', sizeof text);
	memcpy(text, "a=", 2);
	assert_true(w3c_tracestate_valid(text, 2 + 256));
	assert_false(w3c_tracestate_valid(text, 2 + 257));
	memcpy(text + 258, ",b=", 3);
	assert_true(w3c_tracestate_valid(text, 512));
	assert_false(w3c_tracestate_valid(text, 513));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rule_59_version_00_is_read_and_emitted_byte_exact),
		cmocka_unit_test(rule_59_version_00_is_exactly_55_characters),
		cmocka_unit_test(rule_59_upper_case_hex_is_invalid),
		cmocka_unit_test(rule_59_every_position_refuses_a_wrong_character),
		cmocka_unit_test(rule_59_version_ff_is_invalid),
		cmocka_unit_test(rule_59_zero_ids_are_invalid),
		cmocka_unit_test(rule_59_a_higher_version_is_read_and_emitted_as_00),
		cmocka_unit_test(rule_59_unknown_flags_are_cleared_on_emit),
		cmocka_unit_test(rule_60_common_tracestates_are_kept),
		cmocka_unit_test(rule_60_bad_members_make_a_bad_tracestate),
		cmocka_unit_test(rule_60_thirty_two_members_and_512_characters_are_the_most),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
