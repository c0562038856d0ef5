#include "spanring/propagation.h"

#include "environment.h"
#include "propagate.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <cmocka.h>

#define TRACE "0af7651916cd43dd8448eb211c80319c"
#define SPAN "b7ad6b7169203331"
#define PARENT "00-" TRACE "-" SPAN "-01"

static int span_of(const char *traceparent, const char *tracestate, struct spanring_span *ret)
{
	struct spanring_context context;
	int r = spanring_context_parse(traceparent, tracestate, &context);

	return r < 0 ? r : spanring_span_from_context(ret, &context);
}

static int reset(void **state)
{
	(void)state;
	propagate_set = PROPAGATE_DEFAULT;
	(void)spanring_baggage_attach(NULL);
	return 0;
}

static int extract(const char *head, struct spanring_context *ret)
{
	return spanring_extract_headers(head, strlen(head), ret, NULL);
}

static void assert_written(const struct spanring_span *span, const char *expected)
{
	char head[SPANRING_HEADERS_SIZE];

	assert_int_equal(spanring_inject_headers(span, head, sizeof head),
			 (int)strlen(expected));
	assert_string_equal(head, expected);
}

static void a_span_goes_into_headers_and_comes_out_of_them(void **state)
{
	struct spanring_baggage baggage = {.length = 0}, read_baggage;
	struct spanring_context context;
	struct spanring_span span;
	char head[SPANRING_HEADERS_SIZE];
	int length;

	(void)state;
	assert_int_equal(span_of(PARENT, "a=1,b=2", &span), 0);
	spanring_baggage_set(&baggage, "user", "me", NULL);
	(void)spanring_baggage_attach(&baggage);
	length = spanring_inject_headers(&span, head, sizeof head);
	assert_string_equal(head, "baggage: user=me\r\ntraceparent: " PARENT
				  "\r\ntracestate: a=1,b=2\r\n");
	assert_int_equal(length, (int)strlen(head));
	assert_int_equal(
		spanring_extract_headers(head, (size_t)length, &context, &read_baggage), 0);
	assert_memory_equal(context.trace_id, span.trace_id, 16);
	assert_memory_equal(context.span_id, span.span_id, 8);
	assert_string_equal(context.tracestate, "a=1,b=2");
	assert_true(context.is_remote);
	assert_string_equal(read_baggage.text, "user=me");
}

/* A carrier of a program's own: headers with any case of letters. */
struct headers {
	int count;
	char names[8][32], values[8][128];
};

static void set_header(void *carrier, const char *name, const char *value)
{
	struct headers *headers = carrier;

	assert_in_range(headers->count, 0, 7);
	snprintf(headers->names[headers->count], 32, "%s", name);
	snprintf(headers->values[headers->count++], 128, "%s", value);
}

static const char *get_header(void *carrier, const char *name)
{
	struct headers *headers = carrier;

	for (int i = 0; i < headers->count; i++)
		if (strcasecmp(headers->names[i], name) == 0)
			return headers->values[i];
	return NULL;
}

static void a_programs_own_carrier_is_set_and_asked(void **state)
{
	struct headers out = {0}, in = {2,
					{"Traceparent", "TRACESTATE"},
					{"00-" TRACE "-00000000000000aa-01", "c=3"}};
	struct spanring_context context;
	struct spanring_span span;

	(void)state;
	assert_int_equal(span_of(PARENT, "a=1", &span), 0);
	assert_int_equal(spanring_inject(&span, set_header, &out), 0);
	assert_int_equal(out.count, 2);
	assert_string_equal(get_header(&out, "traceparent"), PARENT);
	assert_string_equal(get_header(&out, "tracestate"), "a=1");
	assert_int_equal(spanring_extract(get_header, &in, &context, NULL), 0);
	assert_int_equal(context.span_id[7], 0xaa);
	assert_string_equal(context.tracestate, "c=3");
	in.count = 0;
	assert_int_equal(spanring_extract(get_header, &in, &context, NULL), -ENOENT);
}

static void a_head_is_read_as_http_is(void **state)
{
	struct spanring_baggage baggage;
	struct spanring_context context;
	const char *head = "POST /v1/chat HTTP/1.1\r\n"
			   "Host: model\r\n"
			   "TraceParent:\t" PARENT " \r\n"
			   "TRACESTATE: a=1\r\n"
			   "baggage: x=1\r\n"
			   "tracestate: b=2\n"
			   "Baggage:y=2,x=3\r\n"
			   "\r\n"
			   "baggage: body=1\r\n";

	(void)state;
	assert_int_equal(spanring_extract_headers(head, strlen(head), &context, &baggage), 0);
	assert_string_equal(context.tracestate, "a=1,b=2");
	assert_string_equal(baggage.text, "y=2,x=3");
}

static void rule_62_nothing_is_overwritten_by_what_cannot_be_read(void **state)
{
	struct spanring_context context, before;

	(void)state;
	memset(&context, 0x5a, sizeof context);
	before = context;
	assert_int_equal(extract("", &context), -ENOENT);
	assert_int_equal(extract("host: x\r\n", &context), -ENOENT);
	assert_int_equal(extract("traceparent: nonsense\r\n", &context), -EBADMSG);
	assert_int_equal(
		extract("traceparent: " PARENT "\r\ntraceparent: " PARENT "\r\n", &context),
		-EBADMSG);
	assert_int_equal(extract("traceparentx: " PARENT "\r\n", &context), -ENOENT);
	propagate_set = PROPAGATE_B3;
	assert_int_equal(extract("b3: 0\r\n", &context), -ENOENT);
	assert_int_equal(extract("b3: x\r\n", &context), -EBADMSG);
	assert_int_equal(extract("b3: " TRACE "-" SPAN "-2\r\n", &context), -EBADMSG);
	assert_int_equal(extract("b3: " TRACE "-0000000000000000-1\r\n", &context), -EBADMSG);
	assert_int_equal(extract("X-B3-TraceId: " TRACE "\r\n", &context), -EBADMSG);
	assert_memory_equal(&context, &before, sizeof context);
}

static void rule_59_later_versions_of_any_length_are_read(void **state)
{
	const char *head = "traceparent: cc-" TRACE "-" SPAN "-01-what-the-future-will-say\r\n";
	struct spanring_context context;

	(void)state;
	assert_int_equal(extract(head, &context), 0);
	assert_int_equal(context.span_id[7], 0x31);
	assert_int_equal(extract("traceparent: cc-" TRACE "-" SPAN "-01x\r\n", &context),
			 -EBADMSG);
	assert_int_equal(extract("traceparent: " PARENT "-more\r\n", &context), -EBADMSG);
}

static void what_does_not_fit_is_not_written_at_all(void **state)
{
	struct spanring_span span;
	char head[128];
	int whole;

	(void)state;
	assert_int_equal(span_of(PARENT, "a=1", &span), 0);
	whole = spanring_inject_headers(&span, head, sizeof head);
	for (size_t size = 1; size <= (size_t)whole; size++) {
		assert_int_equal(spanring_inject_headers(&span, head, size), -ENOSPC);
		assert_string_equal(head, "");
	}
	assert_int_equal(spanring_inject_headers(&span, head, 0), -ENOSPC);
	assert_int_equal(spanring_inject_headers(&span, head, (size_t)whole + 1), whole);
}

static void the_zeroed_span_has_no_headers(void **state)
{
	struct spanring_span span = {.epoch = 0};

	(void)state;
	assert_written(&span, "");
}

static void b3_in_one_header(void **state)
{
	struct spanring_context context;
	struct spanring_span span;

	(void)state;
	propagate_set = PROPAGATE_B3;
	assert_int_equal(span_of(PARENT, NULL, &span), 0);
	assert_written(&span, "b3: " TRACE "-" SPAN "-1\r\n");
	assert_int_equal(span_of("00-" TRACE "-" SPAN "-00", NULL, &span), 0);
	assert_written(&span, "b3: " TRACE "-" SPAN "-0\r\n");

	assert_int_equal(extract("b3: " TRACE "-" SPAN "-0-05e3ac9a4f6e3b90\r\n", &context), 0);
	assert_int_equal(context.trace_flags, 0);
	assert_int_equal(extract("b3: " TRACE "-" SPAN "\r\n", &context), 0);
	assert_int_equal(context.trace_flags, 1); /* ours to choose */
	assert_int_equal(extract("b3: 0AF7651916CD43DD-B7AD6B7169203331-1\r\n", &context), 0);
	assert_memory_equal(context.trace_id,
			    "\0\0\0\0\0\0\0\0\x0a\xf7\x65\x19\x16\xcd\x43\xdd", 16);
}

static void b3_in_many_headers(void **state)
{
	struct spanring_context context;
	struct spanring_span span;

	(void)state;
	propagate_set = PROPAGATE_B3MULTI;
	assert_int_equal(span_of(PARENT, NULL, &span), 0);
	assert_written(&span, "x-b3-traceid: " TRACE "\r\nx-b3-spanid: " SPAN
			      "\r\nx-b3-sampled: 1\r\n");
	assert_int_equal(extract("X-B3-TraceId: " TRACE "\r\nX-B3-SpanId: " SPAN
				 "\r\nX-B3-Sampled: 0\r\n",
				 &context),
			 0);
	assert_int_equal(context.trace_flags, 0);
	assert_int_equal(extract("X-B3-TraceId: " TRACE "\r\nX-B3-SpanId: " SPAN
				 "\r\nX-B3-Sampled: true\r\n",
				 &context),
			 0);
	assert_int_equal(context.trace_flags, 1);
	/* Each of both is understood, whichever is configured. */
	assert_int_equal(extract("b3: " TRACE "-" SPAN "-1\r\n", &context), 0);
}

static void b3_debug_means_sampled_and_is_passed_on(void **state)
{
	struct spanring_context context;
	struct spanring_span span;

	(void)state;
	propagate_set = PROPAGATE_B3;
	assert_int_equal(extract("b3: " TRACE "-" SPAN "-d\r\n", &context), 0);
	assert_int_equal(context.trace_flags, 1);
	assert_int_equal(spanring_span_from_context(&span, &context), 0);
	assert_written(&span, "b3: " TRACE "-" SPAN "-d\r\n");
	propagate_set = PROPAGATE_B3MULTI;
	assert_written(&span,
		       "x-b3-traceid: " TRACE "\r\nx-b3-spanid: " SPAN "\r\nx-b3-flags: 1\r\n");
	assert_int_equal(extract("X-B3-TraceId: " TRACE "\r\nX-B3-SpanId: " SPAN
				 "\r\nX-B3-Flags: 1\r\nX-B3-Sampled: 0\r\n",
				 &context),
			 0);
	assert_true(context.b3_debug);
	assert_int_equal(context.trace_flags, 1);
}

static void the_first_propagator_that_finds_something_wins(void **state)
{
	struct spanring_context context;

	(void)state;
	propagate_set = PROPAGATE_TRACECONTEXT | PROPAGATE_B3;
	assert_int_equal(extract("b3: " TRACE "-00000000000000aa-1\r\ntraceparent: " PARENT
				 "\r\n",
				 &context),
			 0);
	assert_int_equal(context.span_id[7], 0x31);
	assert_int_equal(
		extract("b3: " TRACE "-00000000000000aa-1\r\ntraceparent: x\r\n", &context), 0);
	assert_int_equal(context.span_id[7], 0xaa);
	propagate_set = 0;
	assert_int_equal(extract("traceparent: " PARENT "\r\n", &context), -ENOENT);
}

/* ---- environments ------------------------------------------------------------ */

static const char *variable(char **envp, const char *name)
{
	size_t length = strlen(name);

	for (; *envp; envp++)
		if (!strncmp(*envp, name, length) && (*envp)[length] == '=')
			return *envp + length + 1;
	return NULL;
}

static void rule_63_a_childs_environment_is_a_copy(void **state)
{
	const char *mine[] = {"PATH=/bin", "TRACEPARENT=old", "TRACESTATE=old=1",  "B3=old",
			      "HOME=/",	   "BAGGAGE=old=1",   "TRACEPARENTS=ours", NULL};
	struct spanring_baggage baggage = {.length = 0};
	struct spanring_context context;
	struct spanring_span span;
	char **envp;

	(void)state;
	spanring_baggage_set(&baggage, "a", "1", NULL);
	(void)spanring_baggage_attach(&baggage);
	assert_int_equal(span_of(PARENT, NULL, &span), 0);
	assert_int_equal(spanring_environment_for_child(&span, (char **)mine, &envp), 0);
	assert_string_equal(variable(envp, "TRACEPARENT"), PARENT);
	assert_string_equal(variable(envp, "BAGGAGE"), "a=1");
	assert_null(variable(envp, "TRACESTATE"));
	assert_null(variable(envp, "B3"));
	assert_string_equal(variable(envp, "TRACEPARENTS"), "ours");
	assert_ptr_equal(envp[0], mine[0]);
	assert_string_equal(mine[1], "TRACEPARENT=old");
	assert_int_equal(spanring_extract(spanring_get_variable, (void *)envp, &context, NULL),
			 0);
	assert_memory_equal(context.span_id, span.span_id, 8);
	free(envp);
}

static void rule_63_names_are_normalised(void **state)
{
	const char *envp[] = {"X_B3_TRACEID=" TRACE, "X_B3_SPANID=" SPAN, "x-b3-sampled=0",
			      "B3=", NULL};
	struct spanring_context context;

	(void)state;
	propagate_set = PROPAGATE_B3MULTI;
	assert_int_equal(spanring_extract(spanring_get_variable, (void *)envp, &context, NULL),
			 0);
	assert_int_equal(context.trace_flags, 1); /* the lower-case name is not ours */
	assert_null(spanring_get_variable((void *)envp, "b3"));
	assert_null(spanring_get_variable((void *)envp, ""));
	assert_null(spanring_get_variable((void *)envp,
					  "a-name-that-is-much-longer-than-any-of-ours"));
}

static void without_a_span_a_childs_environment_is_clean(void **state)
{
	const char *mine[] = {"TRACEPARENT=" PARENT, NULL};
	struct spanring_span none = {.epoch = 0};
	char **envp;

	(void)state;
	assert_int_equal(spanring_environment_for_child(&none, (char **)mine, &envp), -ENOENT);
	assert_non_null(envp);
	assert_null(envp[0]);
	free(envp);
	setenv("SPANRING_TEST_VARIABLE", "here", 1);
	assert_int_equal(spanring_environment_for_child(&none, NULL, &envp), -ENOENT);
	assert_string_equal(variable(envp, "SPANRING_TEST_VARIABLE"), "here");
	free(envp);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_span_goes_into_headers_and_comes_out_of_them, reset),
		cmocka_unit_test_setup(a_programs_own_carrier_is_set_and_asked, reset),
		cmocka_unit_test_setup(a_head_is_read_as_http_is, reset),
		cmocka_unit_test_setup(rule_62_nothing_is_overwritten_by_what_cannot_be_read,
				       reset),
		cmocka_unit_test_setup(rule_59_later_versions_of_any_length_are_read, reset),
		cmocka_unit_test_setup(what_does_not_fit_is_not_written_at_all, reset),
		cmocka_unit_test_setup(the_zeroed_span_has_no_headers, reset),
		cmocka_unit_test_setup(b3_in_one_header, reset),
		cmocka_unit_test_setup(b3_in_many_headers, reset),
		cmocka_unit_test_setup(b3_debug_means_sampled_and_is_passed_on, reset),
		cmocka_unit_test_setup(the_first_propagator_that_finds_something_wins, reset),
		cmocka_unit_test_setup(rule_63_a_childs_environment_is_a_copy, reset),
		cmocka_unit_test_setup(rule_63_names_are_normalised, reset),
		cmocka_unit_test_setup(without_a_span_a_childs_environment_is_clean, reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
