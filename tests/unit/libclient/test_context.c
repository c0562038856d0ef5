#include "context.h"

#include "environment.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define PARENT "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

static void rule_59_a_bad_tracestate_is_dropped_alone(void **state)
{
	struct spanring_context context;

	(void)state;
	assert_int_equal(spanring_context_parse(PARENT, "BAD", &context), 0);
	assert_int_equal(context.tracestate_length, 0);
	assert_string_equal(context.tracestate, "");
	assert_int_equal(spanring_context_parse(PARENT, "a=1", &context), 0);
	assert_string_equal(context.tracestate, "a=1");
	assert_int_equal(spanring_context_parse(PARENT, NULL, &context), 0);
	assert_string_equal(context.tracestate, "");
}

static void rule_62_a_bad_header_never_overwrites_a_context(void **state)
{
	struct spanring_context context, before;

	(void)state;
	assert_int_equal(spanring_context_parse(PARENT, "a=1", &context), 0);
	before = context;
	assert_int_equal(spanring_context_parse(NULL, "b=2", &context), -EBADMSG);
	assert_int_equal(spanring_context_parse("", "b=2", &context), -EBADMSG);
	assert_int_equal(spanring_context_parse("00-x", "b=2", &context), -EBADMSG);
	assert_memory_equal(&context, &before, sizeof context);
}

static void zero_ids_are_not_formatted(void **state)
{
	struct spanring_context context;
	char text[SPANRING_TRACEPARENT_SIZE] = "untouched";

	(void)state;
	assert_int_equal(spanring_context_parse(PARENT, NULL, &context), 0);
	memset(context.span_id, 0, 8);
	assert_int_equal(spanring_context_format(&context, text), -EINVAL);
	memset(context.trace_id, 0, 16);
	memset(context.span_id, 1, 8);
	assert_int_equal(spanring_context_format(&context, text), -EINVAL);
	assert_string_equal(text, "untouched");
}

static void a_context_goes_through_the_environment(void **state)
{
	struct spanring_context context, read;

	(void)state;
	unsetenv("TRACEPARENT");
	unsetenv("TRACESTATE");
	assert_int_equal(spanring_context_from_environment(&read), -ENOENT);
	assert_int_equal(spanring_context_parse(PARENT, "a=1", &context), 0);
	assert_int_equal(spanring_context_to_environment(&context), 0);
	assert_string_equal(getenv("TRACEPARENT"), PARENT);
	assert_string_equal(getenv("TRACESTATE"), "a=1");
	assert_int_equal(spanring_context_from_environment(&read), 0);
	assert_memory_equal(&read, &context, sizeof read);

	setenv("TRACEPARENT", "", 1);
	assert_int_equal(spanring_context_from_environment(&read), -ENOENT);
	setenv("TRACEPARENT", "nonsense", 1);
	assert_int_equal(spanring_context_from_environment(&read), -EBADMSG);
}

static void another_traces_tracestate_does_not_stay_in_the_environment(void **state)
{
	struct spanring_context context;

	(void)state;
	setenv("TRACESTATE", "old=1", 1);
	assert_int_equal(spanring_context_parse(PARENT, NULL, &context), 0);
	assert_int_equal(spanring_context_to_environment(&context), 0);
	assert_null(getenv("TRACESTATE"));
	memset(context.trace_id, 0, 16);
	assert_int_equal(spanring_context_to_environment(&context), -EINVAL);
	assert_string_equal(getenv("TRACEPARENT"), PARENT);
}

static void an_ignored_environment_holds_no_context(void **state)
{
	struct spanring_context context;

	(void)state;
	setenv("TRACEPARENT", PARENT, 1);
	environment_ignore(true);
	assert_int_equal(spanring_context_from_environment(&context), -ENOENT);
	environment_ignore(false);
	assert_int_equal(spanring_context_from_environment(&context), 0);
}

static void traceparent_comes_before_the_file_and_the_file_only_when_named(void **state)
{
	char path[] = "/tmp/test_context.XXXXXX";
	struct spanring_context context, read;
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	close(fd);
	unsetenv("TRACEPARENT");
	unsetenv("SPANRING_CONTEXT_FILE");
	assert_int_equal(context_inherited(&read), -ENOENT);

	setenv("SPANRING_CONTEXT_FILE", path, 1);
	assert_int_equal(context_inherited(&read), -ENOENT);
	assert_int_equal(spanring_context_parse(PARENT, NULL, &context), 0);
	context.span_id[0] = 0x11;
	assert_int_equal(spanring_context_to_file(&context, path), 0);
	assert_int_equal(context_inherited(&read), 0);
	assert_int_equal(read.span_id[0], 0x11);

	setenv("TRACEPARENT", PARENT, 1);
	assert_int_equal(context_inherited(&read), 0);
	assert_int_equal(read.span_id[0], 0xb7);
	unsetenv("TRACEPARENT");
	unsetenv("SPANRING_CONTEXT_FILE");
	unlink(path);
}

static void rule_58_ids_are_printed_as_lower_case_hex(void **state)
{
	struct spanring_span span = {.trace_id = {0x0a, [15] = 0xff}, .span_id = {0xb7}};
	char trace[SPANRING_TRACE_ID_SIZE], id[SPANRING_SPAN_ID_SIZE];

	(void)state;
	spanring_trace_id_hex(&span, trace);
	spanring_span_id_hex(&span, id);
	assert_string_equal(trace, "0a0000000000000000000000000000ff");
	assert_string_equal(id, "b700000000000000");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rule_59_a_bad_tracestate_is_dropped_alone),
		cmocka_unit_test(rule_62_a_bad_header_never_overwrites_a_context),
		cmocka_unit_test(zero_ids_are_not_formatted),
		cmocka_unit_test(a_context_goes_through_the_environment),
		cmocka_unit_test(another_traces_tracestate_does_not_stay_in_the_environment),
		cmocka_unit_test(an_ignored_environment_holds_no_context),
		cmocka_unit_test(
			traceparent_comes_before_the_file_and_the_file_only_when_named),
		cmocka_unit_test(rule_58_ids_are_printed_as_lower_case_hex),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
