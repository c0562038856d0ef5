/* Token counts out of the answers of vendors, and the JSON around them. */
#include "json_scan.h"
#include "spanring/genai.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void assert_usage(const char *json, int64_t input, int64_t output, int64_t read,
			 int64_t created, int64_t reasoning)
{
	struct spanring_usage usage = SPANRING_USAGE_INIT;

	assert_int_equal(spanring_usage_from_json(&usage, json, strlen(json)), 1);
	assert_int_equal(usage.input_tokens, input);
	assert_int_equal(usage.output_tokens, output);
	assert_int_equal(usage.cache_read_tokens, read);
	assert_int_equal(usage.cache_creation_tokens, created);
	assert_int_equal(usage.reasoning_tokens, reasoning);
}

static void assert_no_usage(const char *json)
{
	struct spanring_usage usage = SPANRING_USAGE_INIT;

	usage.output_tokens = 7;
	assert_int_equal(spanring_usage_from_json(&usage, json, strlen(json)), 0);
	assert_int_equal(usage.input_tokens, -1);
	assert_int_equal(usage.output_tokens, 7);
}

/* ---- the vendors -------------------------------------------------------------------- */

static void gemini_counts_thoughts_and_tool_prompts_apart(void **state)
{
	(void)state;
	assert_usage("{\"candidates\": [{\"content\": {\"parts\": [{\"text\": \"usage\"}], "
		     "\"role\": \"model\"}, \"finishReason\": \"STOP\", \"index\": 0}], "
		     "\"usageMetadata\": {\"promptTokenCount\": 415, "
		     "\"candidatesTokenCount\": 850, \"totalTokenCount\": 1265}, "
		     "\"modelVersion\": \"gemini-1.5-pro-002\"}",
		     415, 850, -1, -1, -1);
	assert_usage(
		"{\"usageMetadata\": {\"promptTokenCount\": 10, "
		"\"cachedContentTokenCount\": 4, \"toolUsePromptTokenCount\": 3, "
		"\"candidatesTokenCount\": 20, \"thoughtsTokenCount\": 100, "
		"\"promptTokensDetails\": [{\"modality\": \"TEXT\", \"tokenCount\": 10}]}}",
		13, 120, 4, -1, 100);
	assert_usage("{\"usage_metadata\": {\"prompt_token_count\": 1, "
		     "\"candidates_token_count\": 2, \"thoughts_token_count\": null}}",
		     1, 2, -1, -1, -1);
	/* Stopped by a filter: nothing was generated. */
	assert_usage("{\"promptFeedback\": {\"blockReason\": \"SAFETY\"}, "
		     "\"usageMetadata\": {\"promptTokenCount\": 8, \"totalTokenCount\": 8}}",
		     8, -1, -1, -1, -1);
}

static void openai_has_two_forms(void **state)
{
	(void)state;
	assert_usage("{\"id\": \"chatcmpl-1\", \"object\": \"chat.completion\", \"choices\": "
		     "[{\"index\": 0, \"message\": {\"role\": \"assistant\", \"content\": "
		     "\"{\\\"usage\\\": {\\\"prompt_tokens\\\": 1}}\", \"usage\": "
		     "{\"prompt_tokens\": 99}}}], \"usage\": {\"prompt_tokens\": 19, "
		     "\"completion_tokens\": 10, \"total_tokens\": 29, "
		     "\"prompt_tokens_details\": {\"cached_tokens\": 5, \"audio_tokens\": 0}, "
		     "\"completion_tokens_details\": {\"reasoning_tokens\": 6, "
		     "\"accepted_prediction_tokens\": 0}}}",
		     19, 10, 5, -1, 6);
	assert_usage(
		"{\"id\": \"resp_1\", \"object\": \"response\", \"output\": [], \"usage\": "
		"{\"input_tokens\": 36, \"input_tokens_details\": {\"cached_tokens\": 30}, "
		"\"output_tokens\": 87, \"output_tokens_details\": {\"reasoning_tokens\": "
		"0}, \"total_tokens\": 123}}",
		36, 87, 30, -1, 0);
	/* A proxy that speaks OpenAI's form for Anthropic: its prompt is whole. */
	assert_usage("{\"usage\": {\"prompt_tokens\": 50, \"completion_tokens\": 3, "
		     "\"cache_read_input_tokens\": 40, \"cache_creation_input_tokens\": 1}}",
		     50, 3, 40, 1, -1);
}

static void anthropic_counts_cached_tokens_apart(void **state)
{
	(void)state;
	assert_usage("{\"type\": \"message\", \"content\": [{\"type\": \"text\", \"text\": "
		     "\"...\"}], \"usage\": {\"input_tokens\": 2095, \"output_tokens\": 503}}",
		     2095, 503, -1, -1, -1);
	assert_usage("{\"usage\": {\"input_tokens\": 21, \"cache_creation_input_tokens\": 188, "
		     "\"cache_read_input_tokens\": 1000, \"output_tokens\": 393, "
		     "\"cache_creation\": {\"ephemeral_5m_input_tokens\": 188}, "
		     "\"service_tier\": \"standard\"}}",
		     1209, 393, 1000, 188, -1);
}

static void events_of_a_stream_add_up(void **state)
{
	static const char *const anthropic[] = {
		("{\"type\": \"message_start\", \"message\": {\"id\": \"msg_1\", "
		 "\"content\": [], \"usage\": {\"input_tokens\": 25, "
		 "\"cache_read_input_tokens\": 5, \"output_tokens\": 1}}}"),
		"{\"type\": \"content_block_delta\", \"delta\": {\"text\": \"Hello\"}}",
		("{\"type\": \"message_delta\", \"delta\": {\"stop_reason\": \"end_turn\"}, "
		 "\"usage\": {\"output_tokens\": 15}}"),
	};
	struct spanring_usage usage = SPANRING_USAGE_INIT;

	(void)state;
	for (int i = 0; i < 3; i++)
		assert_int_equal(
			spanring_usage_from_json(&usage, anthropic[i], strlen(anthropic[i])),
			i != 1);
	assert_int_equal(usage.input_tokens, 30);
	assert_int_equal(usage.output_tokens, 15);
	assert_usage("{\"type\": \"response.completed\", \"response\": {\"usage\": "
		     "{\"input_tokens\": 3, \"output_tokens\": 4}}}",
		     3, 4, -1, -1, -1);
	assert_usage("[{\"usageMetadata\": {\"promptTokenCount\": 3, \"candidatesTokenCount\": "
		     "1}}, {\"usageMetadata\": {\"promptTokenCount\": 3, "
		     "\"candidatesTokenCount\": 9}}]",
		     3, 9, -1, -1, -1);
	assert_usage("{\"choices\": [], \"usage\": {\"prompt_tokens\": 0, "
		     "\"completion_tokens\": 0}}",
		     0, 0, -1, -1, -1);
}

static void an_answer_without_usage_is_fine(void **state)
{
	(void)state;
	assert_no_usage("{}");
	assert_no_usage("[]");
	assert_no_usage(" null ");
	assert_no_usage("12");
	assert_no_usage("{\"usage\": null}");
	assert_no_usage("{\"usage\": {}}");
	assert_no_usage("{\"usage\": [{\"prompt_tokens\": 1}]}");
	assert_no_usage("{\"usage\": \"prompt_tokens\"}");
	assert_no_usage("{\"data\": {\"usage\": {\"prompt_tokens\": 1}}}");
	assert_no_usage("{\"usage\": {\"nested\": {\"prompt_tokens\": 1}}}");
	assert_no_usage("{\"error\": {\"code\": 429, \"message\": \"quota\"}}");
	assert_no_usage("[[{\"usage\": {\"prompt_tokens\": 1}}]]");
}

static void what_is_no_count_is_not_known(void **state)
{
	(void)state;
	assert_no_usage("{\"usage\": {\"prompt_tokens\": -1}}");
	assert_no_usage("{\"usage\": {\"prompt_tokens\": 1.5}}");
	assert_no_usage("{\"usage\": {\"prompt_tokens\": 1e3}}");
	assert_no_usage("{\"usage\": {\"prompt_tokens\": \"12\"}}");
	assert_no_usage("{\"usage\": {\"prompt_tokens\": true}}");
	assert_no_usage("{\"usage\": {\"prompt_tokens\": [1]}}");
	assert_no_usage("{\"usage\": {\"prompt_tokens\": 1000000000000000000}}");
	assert_usage("{\"usage\": {\"input_tokens\": 999999999999999999, "
		     "\"cache_read_input_tokens\": 999999999999999999, "
		     "\"cache_creation_input_tokens\": 999999999999999999}}",
		     INT64_C(2999999999999999997), -1, INT64_C(999999999999999999),
		     INT64_C(999999999999999999), -1);
}

/* ---- the JSON ---------------------------------------------------------------------------- */

static int scan(const char *json, size_t length)
{
	struct json_scan scan;
	int token, tokens = 0;

	json_scan_init(&scan, json, length);
	while ((token = json_scan_next(&scan)) > 0)
		tokens++;
	if (token < 0)
		assert_int_equal(json_scan_next(&scan), -EBADMSG);
	return token < 0 ? token : tokens;
}

static void json_is_read_to_its_last_byte(void **state)
{
	static const char *const good[] = {
		"0",
		"-0",
		"10",
		"0.5",
		"-1.25e+10",
		"1E5",
		"2e-3",
		"\"\"",
		"true",
		"false",
		"null",
		"[]",
		"{}",
		" [ 1 , 2 ] ",
		"{\"a\":{\"b\":[]}}",
		"\"\\u00e4\\\"\\\\\\/\\b\\f\\n\\r\\t\"",
		"[[],[],{}]",
		"\t\r\n1\n",
		"\"\xc3\xa4\xff\"",
	};
	static const char *const bad[] = {
		"",
		" ",
		"01",
		"-",
		"+1",
		".5",
		"1.",
		"1e",
		"1e+",
		"tru",
		"truee",
		"nul",
		"'a'",
		"\"",
		"\"\\",
		"\"\\x\"",
		"\"\\u12\"",
		"\"\\u12g4\"",
		"\"\n\"",
		"\"\x01\"",
		"[",
		"[1",
		"[1,",
		"[1,]",
		"[,1]",
		"[1 2]",
		"{",
		"{\"a\"",
		"{\"a\":",
		"{\"a\":1",
		"{\"a\":1,}",
		"{\"a\" 1}",
		"{a:1}",
		"{1:1}",
		"{\"a\":1,\"b\"}",
		"]",
		"}",
		"[}",
		"{]",
		"[1}",
		"1 2",
		"{} {}",
		"\xef\xbb\xbf{}",
		"NaN",
		"[1]]",
		"{\"a\":}",
		"[1],",
	};

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
		if (scan(good[i], strlen(good[i])) <= 0)
			fail_msg("refused: %s", good[i]);
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		if (scan(bad[i], strlen(bad[i])) != -EBADMSG)
			fail_msg("taken: %s", bad[i]);
	assert_int_equal(scan("{\"a\":[1,\"s\",null,true,false]}", 29), 10);
	assert_int_equal(scan("1\0", 2), -EBADMSG);
	assert_int_equal(scan("\"\\\0\"", 4), -EBADMSG);
}

static void json_may_be_64_levels_deep(void **state)
{
	char text[2 * 65];

	(void)state;
	memset(text, '[', 64);
	memset(text + 64, ']', 64);
	assert_int_equal(scan(text, 128), 128);
	memset(text, '[', 65);
	memset(text + 65, ']', 65);
	assert_int_equal(scan(text, 130), -EBADMSG);
}

static void a_text_that_is_cut_off_changes_nothing(void **state)
{
	static const char json[] = "{\"usage\": {\"prompt_tokens\": 19, \"completion_tokens\": "
				   "10}, \"choices\": [\"\\u0041\", -1.5e3, true]}";
	struct spanring_usage usage = SPANRING_USAGE_INIT;

	(void)state;
	for (size_t length = 0; length < sizeof json - 1; length++) {
		/* Where a byte beyond would be seen. */
		char *copy = malloc(length + 1);

		memcpy(copy, json, length);
		assert_int_equal(spanring_usage_from_json(&usage, length ? copy : "", length),
				 -EBADMSG);
		assert_int_equal(usage.input_tokens, -1);
		free(copy);
	}
	assert_int_equal(spanring_usage_from_json(&usage, NULL, 0), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gemini_counts_thoughts_and_tool_prompts_apart),
		cmocka_unit_test(openai_has_two_forms),
		cmocka_unit_test(anthropic_counts_cached_tokens_apart),
		cmocka_unit_test(events_of_a_stream_add_up),
		cmocka_unit_test(an_answer_without_usage_is_fine),
		cmocka_unit_test(what_is_no_count_is_not_known),
		cmocka_unit_test(json_is_read_to_its_last_byte),
		cmocka_unit_test(json_may_be_64_levels_deep),
		cmocka_unit_test(a_text_that_is_cut_off_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
