#include "receive/answer.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "google/rpc/error_details.pb-c.h"
#include "google/rpc/status.pb-c.h"
#include "opentelemetry/proto/collector/trace/v1/trace_service.pb-c.h"
#include "receive/grpc_timeout.h"

#define RESPONSE(name) \
	opentelemetry__proto__collector__trace__v1__export_trace_service_response__##name

typedef Opentelemetry__Proto__Collector__Trace__V1__ExportTraceServiceResponse response;

static struct answer partial(uint64_t rejected, const char *text)
{
	struct answer answer;

	answer_fill(&answer, ANSWER_OK, false, "%s", text);
	answer.rejected = rejected;
	return answer;
}

static const char *text_of(struct buf *out)
{
	assert_int_equal(buf_append_byte(out, 0), 0);
	return (const char *)out->at;
}

static void rule_33_full_success_has_no_partial_success(void **state)
{
	struct answer answer = partial(0, "");
	struct buf out = BUF_INIT;

	(void)state;
	assert_int_equal(answer_response(&out, &answer, false, 1000), 0);
	assert_int_equal(out.len, 0);
	assert_int_equal(answer_response(&out, &answer, true, 1000), 0);
	assert_string_equal(text_of(&out), "{}");
	buf_fini(&out);
}

static void rule_33_refused_spans_and_warnings_are_told(void **state)
{
	struct answer answer = partial(3, "why");
	struct buf out = BUF_INIT;
	response *read;

	(void)state;
	assert_int_equal(answer_response(&out, &answer, false, 1000), 0);
	read = RESPONSE(unpack)(NULL, out.len, out.at);
	assert_non_null(read);
	assert_int_equal(read->partial_success->rejected_spans, 3);
	assert_string_equal(read->partial_success->error_message, "why");
	RESPONSE(free_unpacked)(read, NULL);
	buf_reset(&out);
	assert_int_equal(answer_response(&out, &answer, true, 1000), 0);
	assert_string_equal(
		text_of(&out),
		"{\"partialSuccess\":{\"rejectedSpans\":\"3\",\"errorMessage\":\"why\"}}");
	buf_reset(&out);
	answer = partial(0, "a warning");
	assert_int_equal(answer_response(&out, &answer, true, 1000), 0);
	assert_string_equal(text_of(&out),
			    "{\"partialSuccess\":{\"errorMessage\":\"a warning\"}}");
	buf_fini(&out);
}

static void rule_34_the_message_is_cut_first_then_there_is_no_answer(void **state)
{
	struct answer answer = partial(300, "na\xc3\xafve and long, as messages sometimes are");
	struct buf out = BUF_INIT;
	size_t whole;

	(void)state;
	for (int json = 0; json < 2; json++) {
		buf_reset(&out);
		assert_int_equal(answer_response(&out, &answer, json, 1000), 0);
		whole = out.len;
		for (size_t max = whole; max > 0; max--) {
			int r;

			buf_reset(&out);
			r = answer_response(&out, &answer, json, max);
			assert_true(r == 0 || r == -EMSGSIZE);
			assert_true(out.len <= max);
			/* The count stays to the end. */
			if (r == 0 && json)
				assert_non_null(strstr(text_of(&out), "\"300\""));
			if (r == -EMSGSIZE)
				assert_true(max < 50);
		}
		buf_reset(&out);
		assert_int_equal(answer_response(&out, &answer, json, 1), -EMSGSIZE);
		assert_int_equal(out.len, 0);
	}
	buf_fini(&out);
}

static void rule_33_who_may_come_again_is_told_when(void **state)
{
	struct answer answer;
	struct buf out = BUF_INIT;
	Google__Rpc__Status *status;
	Google__Rpc__RetryInfo *retry;

	(void)state;
	answer_fill(&answer, ANSWER_UNAVAILABLE, true, "the disk is %s", "full");
	assert_int_equal(answer_status(&out, &answer, false), 0);
	status = google__rpc__status__unpack(NULL, out.len, out.at);
	assert_non_null(status);
	assert_int_equal(status->code, 14);
	assert_string_equal(status->message, "the disk is full");
	assert_int_equal(status->n_details, 1);
	assert_string_equal(status->details[0]->type_url,
			    "type.googleapis.com/google.rpc.RetryInfo");
	retry = google__rpc__retry_info__unpack(NULL, status->details[0]->value.len,
						status->details[0]->value.data);
	assert_int_equal(retry->retry_delay->seconds, ANSWER_RETRY_S);
	google__rpc__retry_info__free_unpacked(retry, NULL);
	google__rpc__status__free_unpacked(status, NULL);
	buf_reset(&out);
	assert_int_equal(answer_status(&out, &answer, true), 0);
	assert_string_equal(text_of(&out), "{\"code\":14,\"message\":\"the disk is full\"}");
	buf_fini(&out);
}

static void every_code_has_its_http_status(void **state)
{
	static const struct {
		enum answer_code code;
		bool again;
		unsigned http;
	} cases[] = {
		{ANSWER_OK, false, 200},
		{ANSWER_INVALID_ARGUMENT, false, 400},
		{ANSWER_FAILED_PRECONDITION, false, 400},
		{ANSWER_UNIMPLEMENTED, false, 404},
		{ANSWER_DEADLINE_EXCEEDED, false, 408},
		{ANSWER_RESOURCE_EXHAUSTED, false, 413},
		{ANSWER_RESOURCE_EXHAUSTED, true, 429},
		{ANSWER_INTERNAL, false, 500},
		{ANSWER_UNAVAILABLE, true, 503},
	};
	struct answer answer;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		answer_fill(&answer, cases[i].code, cases[i].again, "%s", "");
		assert_int_equal(answer_http_status(&answer), cases[i].http);
	}
}

static void rule_21_a_message_is_percent_encoded(void **state)
{
	struct buf out = BUF_INIT;

	(void)state;
	assert_int_equal(answer_percent(&out, "50% na\xc3\xafve\n~"), 0);
	assert_string_equal(text_of(&out), "50%25 na%C3%AFve%0A~");
	buf_fini(&out);
}

static void rule_18_a_timeout_has_up_to_eight_digits_and_a_unit(void **state)
{
	static const struct {
		const char *text;
		uint64_t ns;
	} right[] = {
		{"1n", 1},
		{"99999999u", 99999999000},
		{"250m", 250000000},
		{"10S", 10000000000},
		{"2M", 120000000000},
		{"1H", 3600000000000},
		{"0S", 0},
		{"99999999H", INT64_MAX},
	};
	static const char *const wrong[] = {"",	   "S",		 "1",	"1s",
					    "-1S", "123456789S", "1 S", "1SS"};
	uint64_t ns;

	(void)state;
	for (size_t i = 0; i < sizeof right / sizeof right[0]; i++) {
		assert_int_equal(grpc_timeout_parse(bytes_of(right[i].text), &ns), 0);
		assert_int_equal(ns, right[i].ns);
	}
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
		assert_int_equal(grpc_timeout_parse(bytes_of(wrong[i]), &ns), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rule_33_full_success_has_no_partial_success),
		cmocka_unit_test(rule_33_refused_spans_and_warnings_are_told),
		cmocka_unit_test(rule_34_the_message_is_cut_first_then_there_is_no_answer),
		cmocka_unit_test(rule_33_who_may_come_again_is_told_when),
		cmocka_unit_test(every_code_has_its_http_status),
		cmocka_unit_test(rule_21_a_message_is_percent_encoded),
		cmocka_unit_test(rule_18_a_timeout_has_up_to_eight_digits_and_a_unit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
