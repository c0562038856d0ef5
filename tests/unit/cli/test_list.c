/* Runs of a directory: what is listed of each, and which. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "archive_text.h"
#include "cli_scene.h"
#include "list.h"
#include "verbs.h"

#define SERVICE(name) TEXT_ATTRIBUTE("service.name", name)
#define IN_2026 1790000000
#define NOON "17672688" /* and 2 digits of seconds */
#define BOOL(key, value) "{\"key\":\"" key "\",\"value\":{\"boolValue\":" value "}}"
#define WORDS(key, words) \
	"{\"key\":\"" key "\",\"value\":{\"arrayValue\":{\"values\":[" words "]}}}"
#define WORD(text) "{\"stringValue\":\"" text "\"}"
/* clang-format off */
#define FACTS_BECAUSE(reason, name, complete, errors, start, end) \
	SERVICE("agento") \
	"," TEXT_ATTRIBUTE("spanring.run.id", "00000000000000000000000000000" name) \
	"," TEXT_ATTRIBUTE("spanring.run.name", "run " name) \
	"," BOOL("spanring.run.complete", complete) \
	"," WORDS("spanring.run.modules", WORD("plan") "," WORD("revise")) \
	"," WORDS("spanring.run.exit_codes", WORD("exit 0") "," WORD("signal SIGKILL")) \
	"," WORDS("spanring.run.incomplete_reason", WORD(reason)) \
	"," INT_ATTRIBUTE("spanring.run.spans", "17") \
	"," INT_ATTRIBUTE("spanring.run.errors", errors) \
	"," INT_ATTRIBUTE("spanring.run.input_tokens", "12345") \
	"," INT_ATTRIBUTE("spanring.run.output_tokens", "678") \
	"," INT_ATTRIBUTE("spanring.run.start_unix_nano", NOON start "000000000") \
	"," INT_ATTRIBUTE("spanring.run.end_unix_nano", NOON end "000000000")
/* clang-format on */
#define FACTS(...) FACTS_BECAUSE("spans closed by the agent", __VA_ARGS__)

static char directory[] = "/tmp/spanring-list-XXXXXX";
static char problems[1024];

static void note_problem(void *arg, const char *sentence)
{
	(void)arg;
	(void)strncat(problems, sentence, sizeof(problems) - strlen(problems) - 1);
	(void)strncat(problems, "\n", sizeof(problems) - strlen(problems) - 1);
}

static void put(const char *name, const char *text)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/%s", directory, name);
	archive_text_write(path, bytes_of(text));
}

/* Only the head is as it should be: who reads on finds nothing. */
static void put_head(const char *name, const char *attributes)
{
	struct buf text = BUF_INIT;

	(void)buf_printf(
		&text,
		"{\"resourceSpans\":[{\"resource\":{\"attributes\":[%s]},\"scopeSpans\":[",
		attributes);
	(void)buf_append_byte(&text, 0);
	put(name, (const char *)text.at);
	buf_fini(&text);
}

static void put_spans(const char *name, const char *service, const char *attributes, int status,
		      double start)
{
	const struct archive_text_span spans[] = {
		{1, 0, "root", start, start + 5, NULL, 0, NULL},
		{2, 1, "call", start + 1, start + 2, attributes, status, NULL},
	};
	struct buf text = BUF_INIT;

	archive_text_make(&text, service, spans, 2);
	(void)buf_append_byte(&text, 0);
	put(name, (const char *)text.at);
	buf_fini(&text);
}

static void clear(void)
{
	char command[128];

	problems[0] = '\0';
	(void)snprintf(command, sizeof(command), "rm -rf %s/*", directory);
	assert_int_equal(system(command), 0);
}

/* All of the directory as a table for `columns`; free it. */
static char *listed(unsigned columns, time_t now)
{
	struct terminal terminal = {.unicode = true, .columns = columns};
	struct buf out = BUF_INIT;
	struct run_list list;

	run_list_init(&list, note_problem, NULL);
	assert_int_equal(run_list_add(&list, directory), 0);
	run_list_sort(&list);
	list_table(&out, &terminal, now, list.entries, list.count);
	run_list_fini(&list);
	assert_int_equal(buf_append_byte(&out, 0), 0);
	return (char *)out.at;
}

static void make_some(void)
{
	clear();
	put_head("a_run_1.otlp.json", FACTS("aaa", "true", "0", "00", "40"));
	put_head("a_run_2.otlp.json", FACTS("bbb", "true", "3", "30", "31"));
	put_head("a_run_3.otlp.json", FACTS("ccc", "false", "1", "50", "52"));
	put_spans("other.otlp.json", SERVICE("web"),
		  INT_ATTRIBUTE("gen_ai.usage.input_tokens", "1500"), 0, 10);
	put_spans("b.otlp.json.partial", SERVICE("still"), NULL, 2, 20);
	put_spans("cut.otlp.json", SERVICE("cut"),
		  TEXT_ATTRIBUTE("spanring.end.reason", "killed"), 2, 70);
}

static void runs_are_listed_newest_first_with_their_status(void **state)
{
	char *text;

	(void)state;
	make_some();
	text = listed(80, IN_2026);
	assert_string_equal(problems, "");
	assert_string_equal(
		text,
		"id        status      start          duration  spans  err     tokens  name\n"
		"5b8efff7  incomplete  Jan 01 12:01      5.0 s      2    1          -  cut\n"
		"00000000  incomplete  Jan 01 12:00      2.0 s     17    1    12k>678  run "
		"ccc\n"
		"00000000  error       Jan 01 12:00      1.0 s     17    3    12k>678  run "
		"bbb\n"
		"5b8efff7  open        Jan 01 12:00      5.0 s      2    1          -  still\n"
		"5b8efff7  ok          Jan 01 12:00      5.0 s      2    -     1.5k>0  web\n"
		"00000000  ok          Jan 01 12:00     40.0 s     17    -    12k>678  run "
		"aaa\n");
	free(text);
	text = listed(80, IN_2026 + 366 * 86400);
	assert_non_null(strstr(text, "5b8efff7  incomplete  2026-01-01        5.0 s"));
	free(text);
}

/* Nobody says the end of a server's trace, or of one by OpenTelemetry's SDKs. */
static void a_run_whose_end_alone_was_not_said_is_quiet(void **state)
{
	static const char *const statuses[] = {"quiet", "error", "incomplete"};
	struct run_list list;

	(void)state;
	clear();
	put_head("a.otlp.json", FACTS_BECAUSE("end not said", "001", "false", "0", "30", "40"));
	put_head("b.otlp.json", FACTS_BECAUSE("end not said", "002", "false", "1", "20", "30"));
	put_head("c.otlp.json", FACTS("003", "false", "0", "10", "20"));
	run_list_init(&list, note_problem, NULL);
	assert_int_equal(run_list_add(&list, directory), 0);
	run_list_sort(&list);
	assert_int_equal(list.count, 3);
	for (size_t i = 0; i < 3; i++)
		assert_string_equal(run_status_name(list.entries[i].status), statuses[i]);
	run_list_fini(&list);
}

static void lines_fit_every_terminal(void **state)
{
	(void)state;
	make_some();
	put_head("long.otlp.json",
		 FACTS("ddd", "true", "123456", "10", "20") "," TEXT_ATTRIBUTE(
			 "spanring.run.name",
			 "ein Name, der breiter ist als jede Spalte \xe6\x96\x87\xe5\xad\x97"));
	for (unsigned columns = 40; columns < 200; columns++) {
		char *text = listed(columns, IN_2026);

		for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
			if (terminal_width(bytes_of(line)) > columns)
				fail_msg("%u columns: %s", columns, line);
		free(text);
	}
}

static void what_cannot_be_read_is_told_and_the_rest_is_listed(void **state)
{
	char *text;

	(void)state;
	clear();
	put_head("a_run_1.otlp.json", FACTS("aaa", "true", "0", "00", "40"));
	put("none.otlp.json", "{}\n");
	put("bad.otlp.json", "hello\n");
	put("notes.txt", "no archive, and not called so\n");
	put("just_begun.otlp.json.partial", "");
	text = listed(80, IN_2026);
	assert_non_null(strstr(text, "run aaa"));
	assert_non_null(strstr(problems, "none.otlp.json: no spans in it"));
	assert_non_null(strstr(problems, "bad.otlp.json: line 1 is not JSON"));
	assert_null(strstr(problems, "notes.txt"));
	assert_null(strstr(problems, "just_begun"));
	free(text);
}

static void a_run_that_is_open_again_is_listed_once(void **state)
{
	char *text;

	(void)state;
	clear();
	put_head("a_run_1.otlp.json", FACTS("aaa", "true", "0", "00", "40"));
	put_spans("a_run_1.otlp.json.partial", SERVICE("again"), NULL, 0, 0);
	text = listed(80, IN_2026);
	assert_non_null(strstr(text, "again"));
	assert_null(strstr(text, "run aaa"));
	free(text);
}

/* The agent seals a run between the names and the files: seen here from behind. */
static void a_run_that_is_sealed_meanwhile_is_listed_by_its_new_name(void **state)
{
	char spool[128], gone[128];
	char *text;

	(void)state;
	clear();
	put_head("a_run_1.otlp.json", FACTS("aaa", "true", "0", "00", "40"));
	(void)snprintf(spool, sizeof(spool), "%s/a_run_1.otlp.json.partial", directory);
	(void)snprintf(gone, sizeof(gone), "%s/b_run_1.otlp.json", directory);
	assert_int_equal(symlink("/nowhere/at/all", spool), 0);
	assert_int_equal(symlink("/nowhere/at/all", gone), 0);
	text = listed(80, IN_2026);
	assert_non_null(strstr(text, "run aaa"));
	assert_string_equal(problems, "");
	free(text);
}

static void nobody_waits_for_what_is_no_file(void **state)
{
	char fifo[128];
	char *text;

	(void)state;
	clear();
	put_head("a_run_1.otlp.json", FACTS("aaa", "true", "0", "00", "40"));
	(void)snprintf(fifo, sizeof(fifo), "%s/fifo.otlp.json", directory);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	text = listed(80, IN_2026);
	assert_non_null(strstr(text, "run aaa"));
	assert_non_null(strstr(problems, "fifo.otlp.json: not a file\n"));
	free(text);
}

static void a_name_that_could_move_the_cursor_is_escaped(void **state)
{
	char *text;

	(void)state;
	clear();
	put_head("a_run_1.otlp.json", FACTS("aaa", "true", "0", "00", "40") "," TEXT_ATTRIBUTE(
					      "spanring.run.name", "\\u001b[2J"));
	text = listed(80, IN_2026);
	assert_non_null(strstr(text, "\\x1b[2J"));
	assert_null(strchr(text, '\033'));
	free(text);
}

/* --- the verb ----------------------------------------------------------- */

/* What it prints; its exit code. Free it. */
static char *verb(int *ret_code, const char *const *options)
{
	char *argv[16] = {(char *)"list"};
	int argc = 1;

	for (; *options; options++)
		argv[argc++] = (char *)*options;
	argv[argc++] = directory;
	return scene_output(list_main, argc, argv, ret_code);
}

/* The names of the runs that are left, in their order. */
static void assert_lists(const char *names, const char *first, const char *second)
{
	const char *options[] = {"--json", first, second, NULL};
	char got[256] = "", *line, *rest;
	int code;
	char *text = verb(&code, options);

	assert_int_equal(code, 0);
	for (line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		json_t *run = json_loads(line, 0, NULL);

		assert_non_null(run);
		(void)strcat(got, json_string_value(json_object_get(run, "name")));
		(void)strcat(got, ";");
		json_decref(run);
	}
	assert_string_equal(got, names);
	free(text);
}

static void filters_leave_what_is_asked_for(void **state)
{
	(void)state;
	make_some();
	assert_lists("cut;run ccc;run bbb;still;web;run aaa;", NULL, NULL);
	assert_lists("cut;run ccc;", "--last", "2");
	assert_lists("cut;run ccc;run bbb;still;", "--errors", NULL);
	assert_lists("run bbb;still;", "--status", "error,open");
	assert_lists("run ccc;run bbb;run aaa;", "--service", "agento");
	assert_lists("run bbb;", "--name", "run b*");
	assert_lists("run ccc;run bbb;run aaa;", "--module", "rev*");
	assert_lists("run aaa;", "--min-duration", "30s");
	assert_lists("cut;", "--since", "2026-01-01T12:01");
	assert_lists("run ccc;run bbb;still;web;run aaa;", "--until=2026-01-01T12:01:00Z",
		     NULL);
	assert_lists("", "--until", "2025-12-31");
}

static void assert_list(json_t *run, const char *key, const char *expect)
{
	char *text = json_dumps(json_object_get(run, key), JSON_COMPACT);

	assert_string_equal(text, expect);
	free(text);
}

static void everything_that_is_known_is_in_the_json(void **state)
{
	const char *options[] = {"--json", "--name=run ccc", NULL};
	json_t *run;
	int code;
	char *text;

	(void)state;
	make_some();
	text = verb(&code, options);
	run = json_loads(text, 0, NULL);
	assert_string_equal(json_string_value(json_object_get(run, "traceId")),
			    "00000000000000000000000000000ccc");
	assert_string_equal(json_string_value(json_object_get(run, "status")), "incomplete");
	assert_list(run, "incompleteReason", "[\"spans closed by the agent\"]");
	assert_list(run, "modules", "[\"plan\",\"revise\"]");
	assert_list(run, "exitCodes", "[\"exit 0\",\"signal SIGKILL\"]");
	assert_string_equal(json_string_value(json_object_get(run, "start")),
			    "2026-01-01 12:00:50");
	assert_int_equal(json_integer_value(json_object_get(run, "durationNs")), 2000000000);
	assert_int_equal(json_integer_value(json_object_get(run, "inputTokens")), 12345);
	json_decref(run);
	free(text);
}

static void exit_codes_tell_listed_unreadable_and_misused(void **state)
{
	static const char *const wrong[][3] = {
		{"--bogus", NULL, NULL},
		{"--since", "yesterday-ish", NULL},
		{"--last", "many", NULL},
		{"--status", "fine", NULL},
		{"--min-duration", "30 parsecs", NULL},
	};
	char list[] = "list", missing[] = "/nowhere/at/all", last[] = "--last";
	char *nowhere[] = {list, missing, NULL}, *bare[] = {list, last, NULL};
	const char *none[] = {NULL};
	int code;

	(void)state;
	clear();
	free(verb(&code, none));
	assert_int_equal(code, 0); /* nothing there is no failure */
	make_some();
	put("bad.otlp.json", "hello\n");
	free(verb(&code, none));
	assert_int_equal(code, 1);
	assert_int_equal(list_main(2, nowhere), 1);
	assert_int_equal(list_main(2, bare), 2);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		free(verb(&code, wrong[i]));
		assert_int_equal(code, 2);
	}
}

static void a_run_is_found_by_id_file_or_name(void **state)
{
	static const struct {
		const char *word, *name;
	} words[] = {
		{"00000000000000000000000000000bbb", "run bbb"},
		{"00000000", "run ccc"}, /* the newest */
		{"a_run_1", "run aaa"},
		{"a_run_1.otlp.json", "run aaa"},
		{"run bbb", "run bbb"},
		{"0000000", NULL}, /* too little to be meant */
		{"nobody", NULL},
	};

	(void)state;
	make_some();
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		const struct run_entry *entry = NULL;
		struct run_list list;
		int r;

		run_list_init(&list, note_problem, NULL);
		r = run_list_find(&list, directory, words[i].word, &entry);
		assert_int_equal(r, words[i].name != NULL);
		if (r)
			assert_string_equal(entry->name, words[i].name);
		run_list_fini(&list);
	}
}

static int setup(void **state)
{
	(void)state;
	return mkdtemp(directory) ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	clear();
	return rmdir(directory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(runs_are_listed_newest_first_with_their_status),
		cmocka_unit_test(a_run_whose_end_alone_was_not_said_is_quiet),
		cmocka_unit_test(lines_fit_every_terminal),
		cmocka_unit_test(what_cannot_be_read_is_told_and_the_rest_is_listed),
		cmocka_unit_test(a_run_that_is_open_again_is_listed_once),
		cmocka_unit_test(a_run_that_is_sealed_meanwhile_is_listed_by_its_new_name),
		cmocka_unit_test(nobody_waits_for_what_is_no_file),
		cmocka_unit_test(a_name_that_could_move_the_cursor_is_escaped),
		cmocka_unit_test(filters_leave_what_is_asked_for),
		cmocka_unit_test(everything_that_is_known_is_in_the_json),
		cmocka_unit_test(exit_codes_tell_listed_unreadable_and_misused),
		cmocka_unit_test(a_run_is_found_by_id_file_or_name),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
