/* A good archive passes; without any one property it fails by that name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "check.h"
#include "cli_scene.h"
#include "verbs.h"

#define TRACE "\"traceId\":\"5b8efff798038103d269b633813fc60c\","
#define AT(start, end)                                                                             \
	"\"startTimeUnixNano\":\"17000000000000000" start "\",\"endTimeUnixNano\":"                \
	"\"17000000000000000" end "\","
#define TEXT(key, value) "{\"key\":\"" key "\",\"value\":{\"stringValue\":\"" value "\"}}"
#define INT(key, value) "{\"key\":\"" key "\",\"value\":{\"intValue\":\"" value "\"}}"
#define LLM                                                                                        \
	TEXT("openinference.span.kind", "LLM")                                                     \
	"," TEXT("gen_ai.operation.name", "chat") "," TEXT("gen_ai.system", "openai") ","          \
	TEXT("gen_ai.request.model", "gpt-4") "," INT("gen_ai.usage.input_tokens", "12") ","       \
	INT("gen_ai.usage.output_tokens", "34")

#define ROOT                                                                                       \
	"{" TRACE "\"spanId\":\"0000000000000001\",\"name\":\"root\",\"kind\":1," AT("10", "90")   \
	"\"attributes\":[" TEXT("openinference.span.kind", "AGENT") ","                            \
	TEXT("user_goal", "a plan") "],\"status\":{}}"
#define CHILD                                                                                      \
	"{" TRACE "\"spanId\":\"0000000000000002\",\"parentSpanId\":\"0000000000000001\","         \
	"\"name\":\"call\",\"kind\":3," AT("20", "30") "\"attributes\":[" LLM "]}"
#define OTHER                                                                                      \
	"{" TRACE "\"spanId\":\"0000000000000003\",\"parentSpanId\":\"0000000000000001\","         \
	"\"name\":\"step\",\"kind\":1," AT("40", "50")                                             \
	"\"attributes\":[" TEXT("openinference.span.kind", "CHAIN") "]}"
#define RESOURCE(module)                                                                           \
	"\"resource\":{\"attributes\":[" TEXT("service.name", "demo") ","                          \
	TEXT("demo.module", module) "]},"
#define GOOD                                                                                       \
	"{\"resourceSpans\":[{" RESOURCE("one") "\"scopeSpans\":[{\"scope\":{\"name\":\"lib\"},"   \
	"\"spans\":[" ROOT "," CHILD "]}]},{" RESOURCE("two")                                      \
	"\"scopeSpans\":[{\"scope\":{\"name\":\"lib\"},\"spans\":[" OTHER "]}]}]}\n"

static void write_file(struct bytes text)
{
	FILE *file = fopen(scene_path, "wb");

	assert_non_null(file);
	assert_int_equal(fwrite(text.at, 1, text.len, file), text.len);
	fclose(file);
}

/* What is said of the text; "" when it is good. Free it. */
static char *said(struct bytes text)
{
	struct buf out = BUF_INIT;
	bool ok;

	write_file(text);
	ok = check_path(scene_path, &(struct check_options){.quiet = true}, &out);
	assert_int_equal(buf_append_byte(&out, 0), 0);
	if (ok)
		out.at[0] = '\0';
	return (char *)out.at;
}

static void assert_fails(const char *text, const char *property)
{
	char *report = said(bytes_of(text)), named[64];

	snprintf(named, sizeof(named), ": %s: ", property);
	if (!strstr(report, named))
		fail_msg("%s is not named in: %s", property, report);
	free(report);
}

/* GOOD with the first `from` behind `after` replaced. */
static void change(char text[8192], const char *after, const char *from, const char *to)
{
	const char *at = strstr(GOOD, after);

	if (at)
		at = strstr(at, from);
	if (!at)
		fail_msg("the good archive has no %s", from);
	snprintf(text, 8192, "%.*s%s%s", (int)(at - GOOD), GOOD, to, at + strlen(from));
}

static void assert_change_fails(const char *after, const char *from, const char *to,
				const char *property)
{
	char text[8192];

	change(text, after, from, to);
	assert_fails(text, property);
}

static void a_good_archive_passes(void **state)
{
	char *report = said(bytes_of(GOOD));

	(void)state;
	assert_string_equal(report, "");
	free(report);
}

static void each_removed_property_is_named(void **state)
{
	static const struct {
		const char *after, *from, *to, *property;
	} changes[] = {
		{"", "]}\n", "]}", "A2.one-line"},
		{"", "{\"resourceSpans\"", "\n{\"resourceSpans\"", "A2.one-line"},
		{"", "]}\n", "]}\n{\"resourceSpans\":[]}\n", "A11.one-object"},
		{"", "\"resourceSpans\"", "\"spans\"", "A3.resource-spans"},
		{"", "\"scopeSpans\"", "\"scope_spans\"", "A4.camel-case"},
		{"", "\"startTimeUnixNano\"", "\"start_time_unix_nano\"", "A4.camel-case"},
		{"", "\"attributes\":[", "\"attributes\":{},\"x\":[", "A5.attributes"},
		{"user_goal", "{\"stringValue\":\"a plan\"}", "{}", "A5.attributes"},
		{"user_goal", "\"stringValue\":\"a plan\"", "\"stringValue\":\"a\",\"intValue\":\"1\"",
		 "A5.attributes"},
		{"AGENT", "\"user_goal\"", "\"openinference.span.kind\"", "A5.attributes"},
		{"", "a plan", "a\xc2\x85plan", "A6.escapes"},
		{"", "a plan", "a\xe2\x80\xa8plan", "A6.escapes"},
		{"", "a plan", "a\xffplan", "A1.utf8"},
		{"", "{\"resourceSpans\"", "\xef\xbb\xbf{\"resourceSpans\"", "A1.utf8"},
		{"", "{\"resourceSpans\"", "archive {\"resourceSpans\"", "readable"},
		{"", TRACE, "", "A8.ids"},
		{"", "5b8efff", "5B8EFFF", "A8.ids"},
		{"", "\"spanId\":\"0000000000000002\",", "", "A8.ids"},
		{"", "\"spanId\":\"0000000000000002\"", "\"spanId\":\"AAAAAAAAAAI=\"", "A8.ids"},
		{"", "\"spanId\":\"0000000000000003\"", "\"spanId\":\"0000000000000002\"",
		 "ids.unique"},
		{"", "\"endTimeUnixNano\":\"1700000000000000090\"",
		 "\"endTimeUnixNano\":1700000000000000090", "A9.numbers"},
		{"", "\"kind\":3", "\"kind\":\"SPAN_KIND_CLIENT\"", "A9.numbers"},
		{"", "\"intValue\":\"12\"", "\"intValue\":12", "A9.numbers"},
		{"", "\"name\":\"call\",", "", "span.name"},
		{"", "\"kind\":3,", "", "span.kind"},
		{"", "\"startTimeUnixNano\":\"1700000000000000020\",", "", "span.times"},
		{"", "\"endTimeUnixNano\":\"1700000000000000030\",", "", "span.times"},
		{"", "1700000000000000030", "1700000000000000003", "span.times"},
		{"", TEXT("service.name", "demo") ",", "", "resource.service"},
		{"", RESOURCE("two"), "", "resource.service"},
		{"", "\"parentSpanId\":\"0000000000000001\",", "", "root.single"},
		{"", ROOT ",", "", "root.single"},
		{"", ROOT ",", "", "parents.present"},
		{"", "\"parentSpanId\":\"0000000000000001\"", "\"parentSpanId\":\"0000000000000009\"",
		 "parents.present"},
		{"", TEXT("openinference.span.kind", "AGENT") ",", "", "first.kind"},
		{"", "\"AGENT\"", "\"CHAIN\"", "first.kind"},
		{"", "\"CHAIN\"", "\"chain\"", "openinference.kind"},
		{"", TEXT("openinference.span.kind", "LLM") ",", "", "llm.kind"},
		{"", TEXT("gen_ai.request.model", "gpt-4") ",", "", "llm.model"},
		{"", TEXT("gen_ai.system", "openai") ",", "", "llm.system"},
		{"", INT("gen_ai.usage.input_tokens", "12") ",", "", "llm.tokens"},
		{"", "," INT("gen_ai.usage.output_tokens", "34"), "", "llm.tokens"},
		{"", "1700000000000000040", "1700000000000000005", "A12.order"},
		{"", "1700000000000000020", "1700000000000000009", "A12.order"},
		{"", "\"two\"", "\"one\"", "A12.order"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++)
		assert_change_fails(changes[i].after, changes[i].from, changes[i].to,
				    changes[i].property);
}

static void rule_A14_a_goal_that_is_blank_or_missing_is_named(void **state)
{
	(void)state;
	assert_change_fails("", "," TEXT("user_goal", "a plan"), "", "first.user_goal");
	assert_change_fails("", "a plan", " ", "first.user_goal");
}

static void a_trace_id_of_another_run_is_named(void **state)
{
	(void)state;
	assert_change_fails("\"two\"", "5b8efff7", "6b8efff7", "A10.one-trace");
}

static void a_failed_call_needs_no_tokens(void **state)
{
	char text[8192];
	char *report;

	(void)state;
	snprintf(text, sizeof(text), "%s",
		 "{\"resourceSpans\":[{" RESOURCE("one") "\"scopeSpans\":[{\"spans\":[" ROOT ",{" TRACE
		 "\"spanId\":\"0000000000000002\",\"parentSpanId\":\"0000000000000001\","
		 "\"name\":\"call\",\"kind\":3," AT("20", "30") "\"attributes\":["
		 TEXT("openinference.span.kind", "LLM") "," TEXT("gen_ai.system", "x") ","
		 TEXT("gen_ai.request.model", "y") "],\"status\":{\"code\":2}}]}]}]}\n");
	report = said(bytes_of(text));
	assert_string_equal(report, "");
	free(report);
}

/* Instrumentations of today write no other. */
static void the_newer_name_of_a_vendor_is_enough(void **state)
{
	char text[8192];
	char *report;

	(void)state;
	change(text, "", "gen_ai.system", "gen_ai.provider.name");
	report = said(bytes_of(text));
	assert_string_equal(report, "");
	free(report);
}

#define WRAPPED(child)                                                                             \
	"{\"resourceSpans\":[{" RESOURCE("one") "\"scopeSpans\":[{\"spans\":[{" TRACE              \
	"\"spanId\":\"0000000000000009\",\"name\":\"run\",\"kind\":1," AT("01", "99")              \
	"\"attributes\":[" TEXT("spanring.run.command", "make") "]}" child "]}]}]}\n"
#define WRAPPED_CHILD(goal)                                                                        \
	",{" TRACE "\"spanId\":\"0000000000000001\",\"parentSpanId\":\"0000000000000009\","        \
	"\"name\":\"first\",\"kind\":1," AT("10", "90") "\"attributes\":["                         \
	TEXT("openinference.span.kind", "AGENT") goal "]}"

static void under_the_wrapper_the_earliest_child_is_the_first_module(void **state)
{
	char *report = said(bytes_of(WRAPPED(WRAPPED_CHILD("," TEXT("user_goal", "g")))));

	(void)state;
	assert_string_equal(report, "");
	free(report);
	assert_fails(WRAPPED(WRAPPED_CHILD("")), "first.user_goal");
	assert_fails(WRAPPED(""), "first.span");
}

static void the_json_report_says_the_same(void **state)
{
	struct buf out = BUF_INIT;
	json_t *root;

	(void)state;
	write_file(bytes_of(GOOD));
	assert_true(check_path(scene_path, &(struct check_options){.json = true}, &out));
	root = json_loadb((char *)out.at, out.len, 0, NULL);
	assert_true(json_is_true(json_object_get(root, "ok")));
	assert_int_equal(json_integer_value(json_object_get(root, "spans")), 3);
	json_decref(root);
	buf_reset(&out);
	assert_false(check_path("/nowhere/at/all", &(struct check_options){.json = true}, &out));
	root = json_loadb((char *)out.at, out.len, 0, NULL);
	assert_true(json_is_false(json_object_get(root, "ok")));
	assert_int_equal(json_integer_value(json_object_get(json_object_get(root, "failed"),
							    "readable")),
			 1);
	json_decref(root);
	buf_fini(&out);
}

static void control_sequences_of_the_file_do_not_reach_the_terminal(void **state)
{
	char text[8192];
	const char *at = strstr(GOOD, "\"name\":\"call\"");
	char *report;

	(void)state;
	snprintf(text, sizeof(text), "%.*s\"name\":\"\\u001b[2J\\u202e\"%s", (int)(at - GOOD), GOOD,
		 at + strlen("\"name\":\"call\""));
	at = strstr(text, "\"kind\":3");
	text[at - text + 7] = '9';
	report = said(bytes_of(text));
	assert_non_null(strstr(report, "\\x1b[2J\\u202e"));
	assert_null(strchr(report, '\033'));
	free(report);
}

static void exit_codes_tell_good_bad_and_misused(void **state)
{
	char verb[] = "check", option[] = "--bogus", missing[] = "/nowhere/at/all";
	char *good[] = {verb, scene_path, NULL}, *bad[] = {verb, scene_path, missing, NULL};
	char *misused[] = {verb, option, NULL};

	(void)state;
	write_file(bytes_of(GOOD));
	assert_int_equal(check_main(2, good), 0);
	assert_int_equal(check_main(3, bad), 1);
	assert_int_equal(check_main(1, good), 2);
	assert_int_equal(check_main(2, misused), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_good_archive_passes),
		cmocka_unit_test(each_removed_property_is_named),
		cmocka_unit_test(rule_A14_a_goal_that_is_blank_or_missing_is_named),
		cmocka_unit_test(a_trace_id_of_another_run_is_named),
		cmocka_unit_test(a_failed_call_needs_no_tokens),
		cmocka_unit_test(the_newer_name_of_a_vendor_is_enough),
		cmocka_unit_test(under_the_wrapper_the_earliest_child_is_the_first_module),
		cmocka_unit_test(the_json_report_says_the_same),
		cmocka_unit_test(control_sequences_of_the_file_do_not_reach_the_terminal),
		cmocka_unit_test(exit_codes_tell_good_bad_and_misused),
	};

	return cmocka_run_group_tests(tests, scene_setup, scene_teardown);
}
