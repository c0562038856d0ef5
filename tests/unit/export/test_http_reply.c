#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "export/http_reply.h"

static struct http_words words;

static struct transport_answer judge(long status, const char *type, const char *body)
{
	struct http_reply reply = {
		.status = status, .content_type = type, .body = bytes_of(body)};
	struct transport_answer answer;

	http_reply_judge(&reply, &words, &answer);
	return answer;
}

static void rule_29_the_status_decides_about_another_attempt(void **state)
{
	(void)state;
	for (long status = 200; status < 600; status++) {
		struct transport_answer answer = judge(status, NULL, "");
		bool again = status == 429 || (status >= 502 && status <= 504);

		assert_int_equal(answer.verdict, status < 300 ? TRANSPORT_ACCEPTED
						 : again      ? TRANSPORT_RETRY
							      : TRANSPORT_REFUSED);
		assert_int_equal(answer.content_refused, status == 400 || status == 413);
		assert_int_equal(answer.form_refused, status == 415);
	}
}

static void rule_30_a_delay_is_taken_within_a_day(void **state)
{
	static const struct {
		int64_t s;
		uint64_t ns;
	} cases[] = {{0, 0},
		     {-5, 0},
		     {INT64_MIN, 0},
		     {7, UINT64_C(7000000000)},
		     {INT64_MAX, UINT64_C(86400000000000)}};
	struct transport_answer answer;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct http_reply reply = {.status = 503, .retry_after_s = cases[i].s};

		http_reply_judge(&reply, &words, &answer);
		assert_int_equal(answer.delay_ns, cases[i].ns);
	}
}

static void rule_08_a_partial_success_is_read_in_both_forms(void **state)
{
	struct transport_answer answer;

	(void)state;
	answer = judge(200, "application/x-protobuf", "\x0a\x06\x08\x03\x12\x02no");
	assert_int_equal(answer.rejected, 3);
	assert_string_equal(answer.message, "no");
	answer =
		judge(200, "application/json; charset=utf-8",
		      "{\"partialSuccess\":{\"rejectedSpans\":\"4\",\"errorMessage\":\"no\"}}");
	assert_int_equal(answer.rejected, 4);
	assert_string_equal(answer.message, "no");
	answer = judge(200, "application/json", "{\"partialSuccess\":{\"rejectedSpans\":5}}");
	assert_int_equal(answer.rejected, 5);
	answer = judge(200, "application/json", "{}");
	assert_int_equal(answer.rejected, 0);
	assert_string_equal(answer.message, "");
}

static void what_is_no_answer_of_a_collector_is_a_warning(void **state)
{
	static const char *const cases[][2] = {
		{"text/html", "<p>Log in"},
		{"application/jsonp", "{}"},
		{"application/json", "[]"},
		{"application/json", "{\"partialSuccess\":{\"rejectedSpans\":{}}}"},
		{"application/x-protobuf", "\xff\xff"},
		{NULL, "x"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct transport_answer answer = judge(200, cases[i][0], cases[i][1]);

		assert_int_equal(answer.verdict, TRANSPORT_ACCEPTED);
		assert_int_equal(answer.rejected, 0);
		assert_non_null(strstr(answer.message, "OTLP server?"));
	}
}

static void rule_33_the_words_of_an_error_are_those_of_its_status(void **state)
{
	(void)state;
	assert_string_equal(judge(403, "application/x-protobuf", "\x08\x07\x12\x02no").message,
			    "no");
	assert_string_equal(judge(403, "application/json", "{\"message\":\"no\"}").message,
			    "no");
	assert_string_equal(judge(403, "application/json", "{\"message\":1}").message, "");
	assert_string_equal(judge(403, "application/json", "nothing").message, "");
	assert_string_equal(judge(403, "text/plain", "no").message, "no");
	assert_string_equal(judge(403, "text/html", "<p>no").message, "");
	assert_string_equal(judge(403, NULL, "no").status, "HTTP 403");
}

static void words_of_any_length_are_cut_to_their_room(void **state)
{
	char *body = malloc(100000);

	(void)state;
	assert_non_null(body);
	memset(body, 'x', 99999);
	body[2000] = '\0';
	assert_int_equal(strlen(judge(500, "text/plain", body).message),
			 HTTP_REPLY_MESSAGE_MAX - 1);
	body[2000] = 'x';
	body[99999] = '\0';
	assert_string_equal(judge(500, "text/plain", body).message, "");
	free(body);
}

static void rule_31_without_a_whole_answer_it_is_tried_again(void **state)
{
	struct http_reply none = {.trouble = "nobody there"};
	struct http_reply cut = {.status = 200, .cut = true, .trouble = "cut"};
	struct http_reply refused = {.status = 403, .cut = true, .trouble = "cut"};
	struct transport_answer answer;

	(void)state;
	http_reply_judge(&none, &words, &answer);
	assert_int_equal(answer.verdict, TRANSPORT_RETRY);
	assert_string_equal(answer.message, "nobody there");
	http_reply_judge(&cut, &words, &answer);
	assert_int_equal(answer.verdict, TRANSPORT_RETRY);
	http_reply_judge(&refused, &words, &answer);
	assert_int_equal(answer.verdict, TRANSPORT_REFUSED);
}

static void
rule_10_an_answer_over_the_limit_is_for_good_unless_its_status_says_more(void **state)
{
	struct http_reply reply = {.status = 200, .cut = true, .too_large = true};
	struct transport_answer answer;

	(void)state;
	http_reply_judge(&reply, &words, &answer);
	assert_int_equal(answer.verdict, TRANSPORT_REFUSED);
	reply.status = 503;
	http_reply_judge(&reply, &words, &answer);
	assert_int_equal(answer.verdict, TRANSPORT_RETRY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rule_29_the_status_decides_about_another_attempt),
		cmocka_unit_test(rule_30_a_delay_is_taken_within_a_day),
		cmocka_unit_test(rule_08_a_partial_success_is_read_in_both_forms),
		cmocka_unit_test(what_is_no_answer_of_a_collector_is_a_warning),
		cmocka_unit_test(rule_33_the_words_of_an_error_are_those_of_its_status),
		cmocka_unit_test(words_of_any_length_are_cut_to_their_room),
		cmocka_unit_test(rule_31_without_a_whole_answer_it_is_tried_again),
		cmocka_unit_test(
			rule_10_an_answer_over_the_limit_is_for_good_unless_its_status_says_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
