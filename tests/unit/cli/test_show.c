/* What `spanring show` prints, for a terminal of any width and for a pipe. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli_scene.h"
#include "show.h"
#include "span_tree.h"
#include "verbs.h"

#define SPAN(id, parent, name, start, end, more)                                                   \
	"{\"traceId\":\"5b8efff798038103d269b633813fc60c\",\"spanId\":\"000000000000000" id        \
	"\",\"parentSpanId\":\"" parent "\",\"name\":\"" name                                      \
	"\",\"kind\":1,\"startTimeUnixNano\":\"17672688" start                                     \
	"000000000\",\"endTimeUnixNano\":\"17672688" end "000000000\"" more "}"
#define P(id) "000000000000000" id
#define RESOURCE(module)                                                                           \
	"\"resource\":{\"attributes\":[{\"key\":\"service.name\",\"value\":{\"stringValue\":"      \
	"\"demo\"}},{\"key\":\"demo.module\",\"value\":{\"stringValue\":\"" module "\"}}]},"
#define LINE(module, spans)                                                                        \
	"{\"resourceSpans\":[{" RESOURCE(module) "\"scopeSpans\":[{\"scope\":{},\"spans\":[" spans \
	"]}]}]}\n"
#define TEXT(key, value) "{\"key\":\"" key "\",\"value\":{\"stringValue\":\"" value "\"}}"
#define INT(key, value) "{\"key\":\"" key "\",\"value\":{\"intValue\":\"" value "\"}}"

#define RUN                                                                                        \
	LINE("one",                                                                                \
	     SPAN("1", "", "pipeline", "00", "10", "") "," SPAN(                                   \
		     "2", P("1"), "call", "00", "04",                                              \
		     ",\"attributes\":[" TEXT("gen_ai.request.model", "gpt-4") ","                 \
		     INT("gen_ai.usage.input_tokens", "1200") ","                                  \
		     INT("gen_ai.usage.output_tokens", "34") "]"))                                 \
	LINE("two",                                                                                \
	     SPAN("3", P("1"), "revise", "05", "08",                                               \
		  ",\"attributes\":[" TEXT("spanring.end.reason", "killed") ","                    \
		  INT("spanring.end.signal", "9") ","                                              \
		  INT("spanring.died_after_unix_nano", "1767268807900000000") ","                  \
		  INT("spanring.died_before_unix_nano", "1767268808000000000")                     \
		  "],\"status\":{\"code\":2,\"message\":\"killed by SIGKILL\"}") ","               \
	     SPAN("4", P("3"), "step", "06", "07",                                                 \
		  ",\"status\":{\"code\":2,\"message\":\"no\\u001b[31m luck\"}"))

static void write_file(const char *text)
{
	FILE *file = fopen(scene_path, "wb");

	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
	fclose(file);
}

/* Free it. */
static char *shown(const char *text, struct terminal terminal)
{
	struct archive_file file;
	struct show show = {.file = &file, .terminal = terminal, .top = 2};
	char reason[256];

	write_file(text);
	assert_int_equal(archive_file_read(&file, scene_path, reason, sizeof(reason)), 0);
	assert_int_equal(show_text(&show), 0);
	assert_int_equal(buf_append_byte(&show.out, 0), 0);
	run_times_free(&show.times);
	archive_file_free(&file);
	return (char *)show.out.at;
}

static void a_pipe_gets_plain_uncut_text(void **state)
{
	char *text = shown(RUN, (struct terminal){.columns = 0});

	(void)state;
	assert_string_equal(
		text,
		"demo  run 5b8efff798038103d269b633813fc60c\n"
		"2026-01-01 12:00:00.000 UTC, 10.0 s\n"
		"4 spans, 2 processes, 1 error, 1 closed by the agent, tokens 1,200 in and 34 out\n"
		"\n"
		"                              0                       10.0 s\n"
		"pipeline [one]        10.0 s  ##############################\n"
		"|- call                4.0 s  ############                    1200>34 gpt-4\n"
		"`- revise ! [two]      3.0 s                 #########\n"
		"   |  closed by the agent: its process was killed by SIGKILL, between 7.9 s and "
		"8.0 s into the run\n"
		"   `- step !           1.0 s                    ###\n"
		"         error: no\\x1b[31m luck\n"
		"\n"
		"models   calls  tokens in        out       time  errors  retries\n"
		"  gpt-4      1      1,200         34      4.0 s       -        -\n"
		"\n"
		"critical path\n"
		"  models 4.0 s (40 %), other spans 6.0 s (60 %)\n"
		"\n"
		"slowest\n"
		"   own time   critical         at  span\n"
		"      4.0 s      4.0 s          -  call      in pipeline\n"
		"      3.0 s      3.0 s          -  pipeline\n"
		"\n"
		"widest prompts\n"
		"  tokens in        out         at  call\n"
		"      1,200         34          -  call  in pipeline\n");
	free(text);
}

static void every_process_is_shown_with_its_owner_where_attributes_are(void **state)
{
	struct show show = {.attributes = true};
	struct archive_file file;
	static const char run[] = RUN;
	char reason[256], text[8192] = "";
	const char *at;

	(void)state;
	/* Behind the first resource's own attributes. */
	at = strstr(run, "]},\"scopeSpans\"");
	assert_non_null(at);
	(void)snprintf(text, sizeof(text), "%.*s,%s,%s%s", (int)(at - run), run,
		       INT("spanring.uid", "1000"), INT("spanring.pid", "77"), at);
	write_file(text);
	assert_int_equal(archive_file_read(&file, scene_path, reason, sizeof(reason)), 0);
	show.file = &file;
	assert_int_equal(show_text(&show), 0);
	run_times_free(&show.times);
	assert_int_equal(show_json(&show), 0);
	assert_int_equal(buf_append_byte(&show.out, 0), 0);
	at = strstr((char *)show.out.at, "process 77 of user 1000");
	assert_non_null(at);
	assert_null(strstr(at + 1, "process 77 of user 1000"));
	assert_non_null(strstr(at, "\"uid\":1000,"));
	assert_non_null(strstr(at, "\"pid\":77,"));
	show_fini(&show);
	archive_file_free(&file);
}

static void a_terminal_gets_lines_that_fit(void **state)
{
	(void)state;
	for (unsigned columns = 40; columns < 240; columns++) {
		struct terminal terminal = {
			.tty = true, .unicode = columns % 2, .columns = columns};
		char *text = shown(RUN, terminal);

		for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
			if (terminal_width(bytes_of(line)) > columns)
				fail_msg("%u columns: %s", columns, line);
		free(text);
	}
}

#define LONG_MODEL "claude-3-5-sonnet-20240620-v2:0"
#define LONG_CALL                                                                                  \
	",\"attributes\":[" TEXT("gen_ai.request.model", LONG_MODEL) ","                           \
	INT("gen_ai.usage.input_tokens", "14000") "]"

static void a_wide_terminal_has_room_for_a_models_whole_name(void **state)
{
	char *text = shown(LINE("one", SPAN("1", "", "call", "00", "01", LONG_CALL)),
			   (struct terminal){.tty = true, .columns = 200});
	char *tree = strstr(text, "\ncall");

	(void)state;
	*strchr(tree + 1, '\n') = '\0';
	assert_non_null(strstr(tree, LONG_MODEL));
	free(text);
}

#define SUMMARISED(name)                                                                           \
	"{\"resourceSpans\":[{\"resource\":{\"attributes\":[" TEXT("service.name", "demo") ","       \
	"{\"key\":\"spanring.run.complete\",\"value\":{\"boolValue\":true}},"                      \
	INT("spanring.run.dropped_records", "1") "," TEXT("spanring.run.name", name) "]},\"scopeSpans\":[{\"scope\":{},\"spans\":["               \
	SPAN("1", "", "call", "00", "01", "") "]}]}]}\n"

static void what_a_run_says_is_said_once_and_nothing_that_is_not(void **state)
{
	char *text = shown(SUMMARISED("nightly"), (struct terminal){.columns = 0});

	(void)state;
	assert_non_null(strstr(text, "name: nightly"));
	free(text);
	text = shown(SUMMARISED("demo"), (struct terminal){.columns = 0});
	assert_null(strstr(text, "name: demo"));
	assert_non_null(strstr(text, "\ndropped: 1 record\n"));
	free(text);
}

static void the_shape_has_nothing_that_differs_from_run_to_run(void **state)
{
	struct archive_file file;
	struct show show = {.file = &file, .shape = true, .no_summary = true};
	char reason[256];

	(void)state;
	write_file(RUN);
	assert_int_equal(archive_file_read(&file, scene_path, reason, sizeof(reason)), 0);
	assert_int_equal(show_text(&show), 0);
	assert_int_equal(buf_append_byte(&show.out, 0), 0);
	assert_string_equal((char *)show.out.at, "pipeline [one]\n"
						 "|- call\n"
						 "`- revise ! [two]\n"
						 "   `- step !\n");
	show_fini(&show);
	archive_file_free(&file);
}

static void colours_come_only_when_allowed(void **state)
{
	char *text = shown(RUN, (struct terminal){.tty = true, .colour = true, .columns = 80});

	(void)state;
	assert_non_null(strstr(text, "\033[1;31m"));
	free(text);
	text = shown(RUN, (struct terminal){.tty = true, .columns = 80});
	assert_null(strchr(text, '\033'));
	free(text);
}

static void orphans_and_several_roots_are_shown_and_counted(void **state)
{
	char *text = shown(LINE("one", SPAN("1", "", "a", "00", "01", "") "," SPAN(
					       "2", "", "b", "01", "02", "") "," SPAN(
					       "3", P("9"), "c", "02", "03", "")),
			   (struct terminal){.columns = 0});

	(void)state;
	assert_non_null(strstr(text, "2 roots, 1 without its parent"));
	assert_non_null(strstr(text, "c ? [one]"));
	assert_non_null(strstr(text, "parent 0000000000000009 is not in this file"));
	free(text);
}

static void a_loop_of_parents_is_cut(void **state)
{
	char *text = shown(LINE("one", SPAN("1", P("2"), "a", "00", "01", "") "," SPAN(
					       "2", P("1"), "b", "01", "02", "") "," SPAN(
					       "3", P("2"), "c", "02", "03", "") "," SPAN(
					       "4", P("4"), "d", "02", "03", "")),
			   (struct terminal){.columns = 0});

	(void)state;
	assert_non_null(strstr(text, "no root"));
	for (const char *name = "abcd"; *name; name++) {
		char line[8] = {*name, ' ', '\0'};

		assert_non_null(strstr(text, line));
	}
	free(text);
}

static void a_spool_that_is_being_written_is_shown(void **state)
{
	char *text = shown(LINE("one", SPAN("1", "", "a", "00", "01", "")) "{\"resourceSpa",
			   (struct terminal){.columns = 0});

	(void)state;
	assert_non_null(strstr(text, "1 span, 1 process\n"));
	assert_non_null(strstr(text, "still being written"));
	free(text);
}

static void a_prettified_file_with_two_traces_is_shown_trace_by_trace(void **state)
{
	char *text = shown("{\n \"resourceSpans\": [{\n" RESOURCE("m")
			   "\"scopeSpans\": [ {\"spans\": [" SPAN("1", "", "a", "05", "06", "") "\n,"
			   "{\"traceId\":\"00000000000000000000000000000001\",\"spanId\":\"01\","
			   "\"name\":\"other\",\"startTimeUnixNano\":1767268800000000000,"
			   "\"endTimeUnixNano\":1767268801000000000}"
			   "]}]}]}",
			   (struct terminal){.columns = 0});

	(void)state;
	assert_true(strstr(text, "run 00000000000000000000000000000001") <
		    strstr(text, "run 5b8efff798038103d269b633813fc60c"));
	assert_non_null(strstr(text, "other"));
	free(text);
}

static void a_very_deep_run_is_shown(void **state)
{
	struct buf text = BUF_INIT;
	char *out;

	(void)state;
	for (unsigned i = 1; i <= 3000; i++)
		(void)buf_printf(&text,
				 "{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{\"traceId\":"
				 "\"5b8efff798038103d269b633813fc60c\",\"spanId\":\"%016x\","
				 "\"parentSpanId\":\"%016x\",\"name\":\"s%u\","
				 "\"startTimeUnixNano\":\"%u\"}]}]}]}\n",
				 i, i - 1, i, 1000 + i);
	(void)buf_append_byte(&text, 0);
	out = shown((char *)text.at,
		    (struct terminal){.tty = true, .unicode = true, .columns = 80});
	assert_non_null(strstr(out, "s3000"));
	for (char *line = strtok(out, "\n"); line; line = strtok(NULL, "\n"))
		assert_true(terminal_width(bytes_of(line)) <= 80);
	free(out);
	out = shown((char *)text.at, (struct terminal){.columns = 0});
	assert_non_null(strstr(out, "`- s101"));
	assert_non_null(strstr(out, "(2999) s3000"));
	assert_true(strlen(out) < 3000 * 500);
	free(out);
	buf_fini(&text);
}

static void short_names_take_no_more_room_than_they_have(void **state)
{
	char *text = shown(LINE("", SPAN("1", "", "a", "00", "10", "") "," SPAN(
					      "2", P("1"), "b", "00", "10", "")),
			   (struct terminal){.tty = true, .columns = 60});

	(void)state;
	assert_non_null(strstr(text, "\n`- b "));
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
		assert_true(terminal_width(bytes_of(line)) <= 60);
	free(text);
}

static void durations_are_short_and_readable(void **state)
{
	static const struct {
		uint64_t ns;
		const char *text;
	} cases[] = {
		{0, "0 ns"},
		{999, "999 ns"},
		{1500, "1.5 us"},
		{36000, "36.0 us"},
		{123456, "123 us"},
		{999499, "999 us"},
		{999500, "1.0 ms"},
		{13087905000, "13.1 s"},
		{59949999999, "59.9 s"},
		{60000000000, "1 m 00 s"},
		{221223181000, "3 m 41 s"},
		{UINT64_C(52920000000000), "14 h 42 m"},
		{UINT64_C(600000000000000), "6 d 22 h"},
		{UINT64_C(8640000000000000), "100 d"},
		{UINT64_C(86400000000000000), "2 y"},
		{UINT64_MAX, "584 y"},
	};
	char text[32];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		human_duration(text, sizeof(text), cases[i].ns);
		assert_string_equal(text, cases[i].text);
	}
}

static void the_json_has_every_span_in_tree_order(void **state)
{
	struct archive_file file;
	struct show show = {.file = &file};
	json_t *root, *spans;
	char reason[256];

	(void)state;
	write_file(RUN);
	assert_int_equal(archive_file_read(&file, scene_path, reason, sizeof(reason)), 0);
	assert_int_equal(show_json(&show), 0);
	root = json_loadb((char *)show.out.at, show.out.len, 0, NULL);
	spans = json_object_get(json_array_get(json_object_get(root, "traces"), 0), "spans");
	assert_int_equal(json_array_size(spans), 4);
	assert_string_equal(json_string_value(json_object_get(json_array_get(spans, 3), "name")),
			    "step");
	assert_int_equal(json_integer_value(json_object_get(json_array_get(spans, 3), "depth")), 2);
	assert_string_equal(
		json_string_value(json_object_get(json_array_get(spans, 2), "endReason")), "killed");
	json_decref(root);
	show_fini(&show);
	archive_file_free(&file);
}

static void exit_codes_tell_shown_unreadable_and_misused(void **state)
{
	char verb[] = "show", missing[] = "/nowhere/at/all", option[] = "--bogus", help[] = "-h";
	char *good[] = {verb, scene_path, NULL}, *bad[] = {verb, missing, NULL};
	char *misused[] = {verb, option, NULL}, *two[] = {verb, scene_path, scene_path, NULL};
	char *helped[] = {verb, help, NULL};

	(void)state;
	write_file(RUN);
	assert_int_equal(show_main(2, good), 0);
	assert_int_equal(show_main(2, helped), 0);
	assert_int_equal(show_main(2, bad), 1);
	assert_int_equal(show_main(1, good), 2);
	assert_int_equal(show_main(2, misused), 2);
	assert_int_equal(show_main(3, two), 0);
	write_file("not json\n");
	assert_int_equal(show_main(2, good), 1);
	write_file("{\"resourceSpans\":[]}\n");
	assert_int_equal(show_main(2, good), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_pipe_gets_plain_uncut_text),
		cmocka_unit_test(every_process_is_shown_with_its_owner_where_attributes_are),
		cmocka_unit_test(a_terminal_gets_lines_that_fit),
		cmocka_unit_test(a_wide_terminal_has_room_for_a_models_whole_name),
		cmocka_unit_test(what_a_run_says_is_said_once_and_nothing_that_is_not),
		cmocka_unit_test(the_shape_has_nothing_that_differs_from_run_to_run),
		cmocka_unit_test(colours_come_only_when_allowed),
		cmocka_unit_test(orphans_and_several_roots_are_shown_and_counted),
		cmocka_unit_test(a_loop_of_parents_is_cut),
		cmocka_unit_test(a_spool_that_is_being_written_is_shown),
		cmocka_unit_test(a_prettified_file_with_two_traces_is_shown_trace_by_trace),
		cmocka_unit_test(a_very_deep_run_is_shown),
		cmocka_unit_test(short_names_take_no_more_room_than_they_have),
		cmocka_unit_test(durations_are_short_and_readable),
		cmocka_unit_test(the_json_has_every_span_in_tree_order),
		cmocka_unit_test(exit_codes_tell_shown_unreadable_and_misused),
	};

	return cmocka_run_group_tests(tests, scene_setup, scene_teardown);
}
