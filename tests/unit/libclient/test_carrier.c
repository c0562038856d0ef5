#include "carrier.h"

#include "context.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define PARENT "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

static int parse(const char *text, struct spanring_context *ret)
{
	return carrier_parse(text, strlen(text), ret);
}

static void assert_reads(const char *text, const char *tracestate)
{
	struct spanring_context context;
	char parent[SPANRING_TRACEPARENT_SIZE];

	if (parse(text, &context) != 0)
		fail_msg("refused: %s", text);
	assert_int_equal(spanring_context_format(&context, parent), 0);
	assert_string_equal(parent, PARENT);
	assert_string_equal(context.tracestate, tracestate);
	assert_int_equal(context.tracestate_length, strlen(tracestate));
}

static void what_python_writes_is_read(void **state)
{
	(void)state;
	assert_reads("{\"traceparent\": \"" PARENT "\"}", "");
	assert_reads("{\"traceparent\": \"" PARENT "\", \"tracestate\": \"a=1,b=2\"}",
		     "a=1,b=2");
	assert_reads("{\n  \"traceparent\": \"" PARENT "\",\n  \"baggage\": \"k=v\"\n}\n", "");
}

static void unknown_members_of_any_type_are_skipped(void **state)
{
	(void)state;
	assert_reads("{\"a\":1.5e-3,\"b\":[1,[],{\"traceparent\":\"x\"}],\"c\":{},\"d\":null,"
		     "\"e\":true,\"f\":\"\\u00e9\\n\\\"\",\"traceparent\":\"" PARENT "\"}",
		     "");
}

static void of_equal_names_the_last_counts(void **state)
{
	struct spanring_context context;

	(void)state;
	assert_reads("{\"traceparent\":\"x\",\"traceparent\":\"" PARENT "\"}", "");
	assert_int_equal(parse("{\"traceparent\":\"" PARENT "\",\"traceparent\":7}", &context),
			 -EBADMSG);
}

static void escapes_are_understood(void **state)
{
	(void)state;
	assert_reads("{\"trace\\u0070arent\":\"\\u0030"
		     "0-0af7651916cd43dd8448eb211c80319c-"
		     "b7ad6b7169203331-01\",\"tracestate\":\"a=\\\"\\\\\\/\"}",
		     "a=\"\\/");
}

static void a_bad_tracestate_is_dropped_alone(void **state)
{
	char text[2048];

	(void)state;
	assert_reads("{\"traceparent\":\"" PARENT "\",\"tracestate\":\"BAD\"}", "");
	assert_reads("{\"traceparent\":\"" PARENT "\",\"tracestate\":\"a=\\u00e9\"}", "");
	assert_reads("{\"traceparent\":\"" PARENT "\",\"tracestate\":12}", "");
	sprintf(text, "{\"traceparent\":\"" PARENT "\",\"tracestate\":\"a=%0600d\"}", 1);
	assert_reads(text, "");
}

static void what_is_not_a_whole_object_is_refused(void **state)
{
	static const char good[] = "{\"a\":[{\"b\":\"c\\u0041\"},-1],\"traceparent\":\"" PARENT
				   "\",\"tracestate\":\"a=1\"}";
	static const char *const bad[] = {
		"",
		" ",
		"null",
		"[]",
		"{}",
		"\"traceparent\"",
		"garbage",
		"{\"traceparent\":\"" PARENT "\"} x",
		"{\"traceparent\":\"" PARENT "\",}",
		"{\"traceparent\" \"" PARENT "\"}",
		"{\"traceparent\":" PARENT "}",
		"{'traceparent':'" PARENT "'}",
		"{\"a\":tru,\"traceparent\":\"" PARENT "\"}",
		"{\"a\":\"\\x\",\"traceparent\":\"" PARENT "\"}",
		"{\"a\":\"\n\",\"traceparent\":\"" PARENT "\"}",
		"{\"traceparent\":\"00-00000000000000000000000000000000-b7ad6b7169203331-01\"}",
		"{\"traceparent\":\"00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01\"}",
		"{\"traceparent\":\"00-0af7651916cd43dd8448eb211c80319-b7ad6b7169203331-01\"}",
		"{\"tracestate\":\"a=1\"}",
	};
	struct spanring_context context;

	(void)state;
	assert_int_equal(parse(good, &context), 0);
	for (size_t length = 0; length < sizeof good - 1; length++)
		assert_int_equal(carrier_parse(good, length, &context), -EBADMSG);
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		if (parse(bad[i], &context) != -EBADMSG)
			fail_msg("accepted: %s", bad[i]);
}

static void deep_nesting_is_refused_before_it_hurts(void **state)
{
	static char text[60000];
	struct spanring_context context;

	(void)state;
	memset(text, '[', sizeof text);
	memcpy(text, "{\"a\":", 5);
	assert_int_equal(carrier_parse(text, sizeof text, &context), -EBADMSG);
}

static void what_is_formatted_is_read_again(void **state)
{
	static const char *const tracestates[] = {"", "a=1", "a=\"x\\y\"\t,\tb=2"};

	(void)state;
	for (size_t i = 0; i < sizeof tracestates / sizeof tracestates[0]; i++) {
		char text[CARRIER_LENGTH_MAX + 1];
		struct spanring_context context;

		assert_int_equal(spanring_context_parse(PARENT, tracestates[i], &context), 0);
		text[carrier_format(&context, text)] = '\0';
		assert_reads(text, tracestates[i]);
	}
}

static void the_plain_text_is_the_one_python_would_write(void **state)
{
	char text[CARRIER_LENGTH_MAX + 1];
	struct spanring_context context;

	(void)state;
	assert_int_equal(spanring_context_parse(PARENT, NULL, &context), 0);
	text[carrier_format(&context, text)] = '\0';
	assert_string_equal(text, "{\"traceparent\": \"" PARENT "\"}\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_python_writes_is_read),
		cmocka_unit_test(unknown_members_of_any_type_are_skipped),
		cmocka_unit_test(of_equal_names_the_last_counts),
		cmocka_unit_test(escapes_are_understood),
		cmocka_unit_test(a_bad_tracestate_is_dropped_alone),
		cmocka_unit_test(what_is_not_a_whole_object_is_refused),
		cmocka_unit_test(deep_nesting_is_refused_before_it_hurts),
		cmocka_unit_test(what_is_formatted_is_read_again),
		cmocka_unit_test(the_plain_text_is_the_one_python_would_write),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
