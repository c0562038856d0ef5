/* Rules that scripts set for their runs, and words on names that were given up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "archive_text.h"
#include "cli_scene.h"
#include "check.h"
#include "verbs.h"

#define SERVICE TEXT_ATTRIBUTE("service.name", "s")
#define TOKENS(input, output)                             \
	INT_ATTRIBUTE("gen_ai.usage.input_tokens", input) \
	"," INT_ATTRIBUTE("gen_ai.usage.output_tokens", output)
#define COMPLETE(value)                                                                      \
	SERVICE ",{\"key\":\"spanring.run.complete\",\"value\":{\"boolValue\":" value        \
		"}},{\"key\":\"spanring.run.incomplete_reason\",\"value\":{\"arrayValue\":{" \
		"\"values\":["                                                               \
		"{\"stringValue\":\"its end was not said\"}]}}}"

static const struct archive_text_span good[] = {
	{1, 0, "agent.run", 0, 60, NULL, 1, NULL},
	{2, 1, "llm.chat", 1, 31, TOKENS("900", "100"), 1, NULL},
	{3, 1, "llm.chat", 31, 41, TOKENS("90", "10"), 1, NULL},
	{4, 1, "tool.call", 41, 42, NULL, 1, NULL},
};

static void put_good(const char *resource)
{
	struct buf text = BUF_INIT;

	archive_text_make(&text, resource, good, 4);
	archive_text_write(scene_path, buf_bytes(&text));
	buf_fini(&text);
}

/* What is printed for the options, which end with NULL; its exit code. Free it. */
static char *verb(int *ret_code, const char *const *options)
{
	char *argv[16] = {(char *)"check", (char *)"--rules", scene_path}, *copies[16];
	int argc = 3;
	char *text;

	for (; *options; options++, argc++) /* which are written to */
		argv[argc] = copies[argc] = strdup(*options);
	text = scene_output(check_main, argc, argv, ret_code);
	while (--argc >= 3)
		free(copies[argc]);
	return text;
}

static void assert_holds(const char *option)
{
	const char *options[] = {option, NULL};
	int code;
	char *text = verb(&code, options);

	if (code != 0)
		fail_msg("%s: %s", option, text);
	free(text);
}

static void assert_violated(const char *option, const char *sentence)
{
	const char *options[] = {option, NULL};
	int code;
	char *text = verb(&code, options);

	assert_int_equal(code, 1);
	if (!strstr(text, sentence))
		fail_msg("%s: %s", option, text);
	free(text);
}

static void spans_may_take_no_longer_than_they_are_allowed(void **state)
{
	(void)state;
	put_good(SERVICE);
	assert_holds("--max=llm.chat=30s");
	assert_holds("--max=llm.*=0.5m");
	assert_holds("--max=nobody=1ns");
	assert_violated("--max=llm.chat=29999ms",
			": rule.max: span 0000000000000002 \"llm.chat\": took 30.0 s, 30.0 s "
			"at most\n");
	assert_violated("--max=*.c*=500ms", "\"tool.call\": took 1.0 s, 500 ms at most\n");
	assert_holds("--max-duration=1m");
	assert_violated("--max-duration=59s",
			": rule.max-duration: the run took 1 m 00 s, 59.0 s");
}

static void tokens_may_be_no_more_than_they_are_allowed(void **state)
{
	(void)state;
	put_good(SERVICE);
	assert_holds("--max-tokens=1100");
	assert_violated("--max-tokens=1099", ": rule.max-tokens: 1100 tokens, 1099 at most\n");
	assert_holds("--max-prompt=900");
	assert_violated("--max-prompt=899",
			"rule.max-prompt: span 0000000000000002 \"llm.chat\": "
			"900 tokens in, 899 at most\n");
}

static void spans_that_must_be_there_are_missed(void **state)
{
	(void)state;
	put_good(SERVICE);
	assert_holds("--has=tool.*");
	assert_violated("--has=tool", ": rule.has: no span is called tool\n");
}

static void errors_are_told_with_their_message(void **state)
{
	struct archive_text_span failed = good[0];
	struct buf text = BUF_INIT;

	(void)state;
	put_good(SERVICE);
	assert_holds("--no-errors");
	failed.status = 2;
	archive_text_make(&text, SERVICE, &failed, 1);
	archive_text_write(scene_path, buf_bytes(&text));
	assert_violated("--no-errors",
			"rule.no-errors: span 0000000000000001 \"agent.run\": failed\n");
	buf_fini(&text);
}

static void a_run_is_complete_when_its_file_says_so(void **state)
{
	(void)state;
	put_good(COMPLETE("true"));
	assert_holds("--complete");
	put_good(COMPLETE("false"));
	assert_violated("--complete", ": rule.complete: its end was not said\n");
}

static void a_file_that_says_nothing_is_complete_when_nothing_is_missed(void **state)
{
	static const struct {
		struct archive_text_span span;
		const char *sentence;
	} cases[] = {
		{{2, 0, "a", 0, 1, TEXT_ATTRIBUTE("spanring.end.reason", "killed"), 2, NULL},
		 "1 spans were cut off"},
		{{2, 9, "a", 0, 1, NULL, 0, NULL}, "the root is missing"},
		{{2, 9, "a", 0, 1, NULL, 0, NULL}, "the parents of 1 spans are missing"},
	};

	(void)state;
	put_good(SERVICE);
	assert_holds("--complete");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf text = BUF_INIT;

		archive_text_make(&text, SERVICE, &cases[i].span, 1);
		archive_text_write(scene_path, buf_bytes(&text));
		assert_violated("--complete", cases[i].sentence);
		buf_fini(&text);
	}
}

static void a_spool_is_not_complete(void **state)
{
	char spool[64], check[] = "check", rules[] = "--rules", complete[] = "--complete";
	char *argv[] = {check, rules, complete, spool, NULL};

	(void)state;
	put_good(SERVICE);
	(void)snprintf(spool, sizeof(spool), "%s.partial", scene_path);
	assert_int_equal(rename(scene_path, spool), 0);
	assert_int_equal(check_main(4, argv), 1);
	assert_int_equal(rename(spool, scene_path), 0);
}

static void rules_that_are_none_are_refused(void **state)
{
	static const char *const options[] = {
		"--max",	  "--max=llm.chat",   "--max==3s",
		"--max=a=3",	  "--max-tokens=0",   "--max-tokens=-1",
		"--max-prompt=x", "--max-duration=5", "--json"};

	(void)state;
	put_good(SERVICE);
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		const char *only[] = {options[i], NULL};
		int code;

		free(verb(&code, only));
		assert_int_equal(code, 2);
	}
}

/* --- names -------------------------------------------------------------- */

static void older_names_are_a_warning_where_the_newer_one_is_missing(void **state)
{
	static const struct archive_text_span spans[] = {
		{1, 0, "a", 0, 1,
		 TEXT_ATTRIBUTE("http.method", "GET") "," TEXT_ATTRIBUTE(
			 "gen_ai.system", "x") "," TEXT_ATTRIBUTE("gen_ai.provider.name", "x"),
		 0, NULL},
		{2, 1, "b", 0, 1, TEXT_ATTRIBUTE("http.method", "GET"), 0, NULL},
	};
	const char *lines[] = {"--no-errors", NULL},
		   *quiet[] = {"--no-errors", "--quiet", NULL};
	const char *json[] = {"--no-errors", "--json", NULL};
	struct buf text = BUF_INIT;
	int code;
	char *said;
	json_t *report;

	(void)state;
	archive_text_make(&text, SERVICE "," TEXT_ATTRIBUTE("deployment.environment", "test"),
			  spans, 2);
	archive_text_write(scene_path, buf_bytes(&text));
	buf_fini(&text);
	said = verb(&code, lines);
	assert_int_equal(code, 0);
	assert_non_null(strstr(said, ": warning: http.method (2 times) is an older name; write "
				     "http.request.method beside it\n"));
	assert_non_null(
		strstr(said, ": warning: deployment.environment (once) is an older name"));
	assert_null(strstr(said, "gen_ai.system"));
	free(said);
	said = verb(&code, quiet);
	assert_string_equal(said, "");
	free(said);
	said = verb(&code, json);
	report = json_loads(said, 0, NULL);
	assert_int_equal(json_array_size(json_object_get(report, "warnings")), 2);
	assert_true(json_is_true(json_object_get(report, "ok")));
	json_decref(report);
	free(said);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(spans_may_take_no_longer_than_they_are_allowed),
		cmocka_unit_test(tokens_may_be_no_more_than_they_are_allowed),
		cmocka_unit_test(spans_that_must_be_there_are_missed),
		cmocka_unit_test(errors_are_told_with_their_message),
		cmocka_unit_test(a_run_is_complete_when_its_file_says_so),
		cmocka_unit_test(a_file_that_says_nothing_is_complete_when_nothing_is_missed),
		cmocka_unit_test(a_spool_is_not_complete),
		cmocka_unit_test(rules_that_are_none_are_refused),
		cmocka_unit_test(older_names_are_a_warning_where_the_newer_one_is_missing),
	};

	return cmocka_run_group_tests(tests, scene_setup, scene_teardown);
}
