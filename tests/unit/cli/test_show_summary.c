/* What `spanring show` answers below the tree. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "archive_text.h"
#include "cli_scene.h"
#include "show.h"

#define SERVICE TEXT_ATTRIBUTE("service.name", "assets")
#define TOKENS(input) INT_ATTRIBUTE("gen_ai.usage.input_tokens", input)
#define TURN(index, input) INT_ATTRIBUTE("turn.index", index) "," TOKENS(input)
#define CALL(input) TEXT_ATTRIBUTE("gen_ai.request.model", "m") "," TOKENS(input)

static const struct archive_text_span turns[] = {
	{1, 0, "agent.run", 0, 60, NULL, 0, NULL},
	{2, 1, "agent.turn", 0, 10, TURN("0", "900"), 0, NULL},
	{3, 2, "chat", 1, 8, CALL("900"), 0, NULL},
	{4, 1, "agent.turn", 10, 40, TURN("1", "14021"), 0, NULL},
	{5, 4, "chat", 11, 38, CALL("14021"), 0, NULL},
	{6, 1, "agent.turn", 40, 60, TURN("2", "7000"), 0, NULL}, /* its call is not traced */
};

static void read_spans(struct archive_file *file, const struct archive_text_span *spans,
		       size_t count)
{
	struct buf text = BUF_INIT;
	char reason[256];

	archive_text_make(&text, SERVICE, spans, count);
	archive_text_write(scene_path, buf_bytes(&text));
	buf_fini(&text);
	assert_int_equal(archive_file_read(file, scene_path, reason, sizeof(reason)), 0);
}

/* Only the summary; free it. */
static char *summary(const struct archive_text_span *spans, size_t count, unsigned top,
		     unsigned columns)
{
	struct archive_file file;
	struct show show = {.file = &file,
			    .no_tree = true,
			    .top = top,
			    .terminal = {.tty = columns > 0, .columns = columns}};

	read_spans(&file, spans, count);
	assert_int_equal(show_text(&show), 0);
	assert_int_equal(buf_append_byte(&show.out, 0), 0);
	run_times_free(&show.times);
	archive_file_free(&file);
	return (char *)show.out.at;
}

static void the_turn_of_the_widest_prompt_is_named(void **state)
{
	char *text = summary(turns, 6, 2, 80);

	(void)state;
	assert_non_null(strstr(
		text, "widest prompts\n"
		      "  tokens in        out         at  call\n"
		      "     14,021          -     11.0 s  chat          in agent.turn 1\n"
		      "      7,000          -     40.0 s  agent.turn 2  in agent.run\n"));
	assert_null(strstr(text, "  900"));
	free(text);
}

static void lists_are_as_long_as_is_asked_for(void **state)
{
	char *all = summary(turns, 6, 0, 80), *one = summary(turns, 6, 1, 80);

	(void)state;
	assert_non_null(strstr(all, "        900          -      1.0 s  chat"));
	assert_null(strstr(one, "7,000          -     40.0 s"));
	free(all);
	free(one);
}

static void machines_are_told_the_turn_too(void **state)
{
	struct archive_file file;
	struct show show = {.file = &file, .top = 1};
	json_t *root, *widest;

	(void)state;
	read_spans(&file, turns, 6);
	assert_int_equal(show_json(&show), 0);
	root = json_loadb((const char *)show.out.at, show.out.len, 0, NULL);
	widest = json_object_get(
		json_object_get(json_array_get(json_object_get(root, "traces"), 0), "summary"),
		"widestPrompts");
	assert_int_equal(json_array_size(widest), 1);
	widest = json_array_get(widest, 0);
	assert_int_equal(json_integer_value(json_object_get(widest, "inputTokens")), 14021);
	assert_int_equal(json_integer_value(json_object_get(widest, "turn")), 1);
	assert_string_equal(json_string_value(json_object_get(widest, "turnSpanId")),
			    "0000000000000004");
	assert_string_equal(json_string_value(json_object_get(widest, "spanId")),
			    "0000000000000005");
	json_decref(root);
	show_fini(&show);
	archive_file_free(&file);
}

static void many_spans_that_say_nothing_are_warned_of(void **state)
{
	struct archive_text_span spans[121];
	char *text;

	(void)state;
	spans[0] = turns[0];
	for (unsigned i = 1; i < 121; i++)
		spans[i] = (struct archive_text_span){
			.id = i + 1,
			.parent = 1,
			.name = i % 3 ? "parse_json" : "save_file",
			.start = i,
			.end = i + 0.0009,
		};
	text = summary(spans, 121, 5, 80);
	assert_non_null(strstr(text,
			       "120 of 121 spans took less than 1 ms, 80 of them parse_json: "
			       "trace the steps\nthat mean something, not every function.\n"));
	free(text);
	/* Some are nobody's concern. */
	text = summary(spans, 99, 5, 80);
	assert_null(strstr(text, "less than"));
	free(text);
}

static void gaps_between_modules_are_told(void **state)
{
	static const struct archive_text_span spans[] = {
		{1, 0, "plan", 0, 25, NULL, 0, NULL},
		{2, 1, "chat", 0, 25, CALL("10"), 0, NULL},
		{3, 1, "ingest", 75, 100, NULL, 0, NULL},
	};
	char *text = summary(spans, 3, 5, 80);

	(void)state;
	assert_non_null(strstr(text, "critical path\n"
				     "  models 25.0 s (25 %), other spans 25.0 s (25 %), "
				     "no span 50.0 s (50 %)\n"));
	free(text);
}

static void each_of_several_traces_has_its_own(void **state)
{
	struct archive_text_span spans[2] = {turns[2], turns[4]};
	char *text;

	(void)state;
	spans[0].parent = spans[1].parent = 0;
	spans[1].trace = "00000000000000000000000000000001";
	text = summary(spans, 2, 5, 80);
	assert_non_null(strstr(text, "tokens 900 in and 0 out"));
	assert_non_null(strstr(text, "tokens 14,021 in and 0 out"));
	free(text);
}

static void every_width_is_kept(void **state)
{
	(void)state;
	for (unsigned columns = 40; columns < 130; columns++) {
		char *text = summary(turns, 6, 0, columns);

		for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
			if (terminal_width(bytes_of(line)) > columns)
				fail_msg("%u columns: %s", columns, line);
		free(text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_turn_of_the_widest_prompt_is_named),
		cmocka_unit_test(lists_are_as_long_as_is_asked_for),
		cmocka_unit_test(machines_are_told_the_turn_too),
		cmocka_unit_test(many_spans_that_say_nothing_are_warned_of),
		cmocka_unit_test(gaps_between_modules_are_told),
		cmocka_unit_test(each_of_several_traces_has_its_own),
		cmocka_unit_test(every_width_is_kept),
	};

	return cmocka_run_group_tests(tests, scene_setup, scene_teardown);
}
