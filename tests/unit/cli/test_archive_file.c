/* Archives are taken apart piece by piece, wherever the pieces are cut. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "archive_file.h"
#include "archive_scan.h"
#include "archive_text.h"
#include "cli_scene.h"

/* What was handed out, one after the other, with bars between. */
struct seen {
	struct buf text;
	const char *whole;
};

static int see_span(void *arg, struct bytes text, uint64_t offset, unsigned line)
{
	struct seen *seen = arg;

	assert_memory_equal(seen->whole + offset, text.at, text.len);
	(void)buf_printf(&seen->text, "S%u:%.*s|", line, (int)text.len, (const char *)text.at);
	return 0;
}

static int see_document(void *arg, struct bytes text, unsigned line)
{
	struct seen *seen = arg;

	(void)buf_printf(&seen->text, "D%u:%.*s|", line, (int)text.len, (const char *)text.at);
	return 0;
}

/* In windows of `size` bytes. Free it. */
static char *scanned(const char *text, size_t size, int expected)
{
	static const struct archive_scan_ops ops = {see_span, see_document};
	struct seen seen = {BUF_INIT, text};
	struct archive_scan scan;
	size_t len = strlen(text);

	archive_scan_init(&scan, &ops, &seen);
	for (size_t at = 0; at < len; at += size)
		assert_int_equal(
			archive_scan_push(&scan,
					  (struct bytes){(const uint8_t *)text + at,
							 len - at < size ? len - at : size}),
			0);
	assert_int_equal(archive_scan_end(&scan), expected);
	archive_scan_fini(&scan);
	assert_int_equal(buf_append_byte(&seen.text, 0), 0);
	return (char *)seen.text.at;
}

static void assert_scanned(const char *text, const char *pieces, int expected)
{
	for (size_t size = 1; size <= strlen(text) + 1; size++) {
		char *got = scanned(text, size, expected);

		if (strcmp(got, pieces) != 0)
			fail_msg("in windows of %zu: %s", size, got);
		free(got);
	}
}

static void spans_are_handed_out_and_replaced_by_their_number(void **state)
{
	(void)state;
	assert_scanned(
		"{\"resourceSpans\":[{\"resource\":{\"a\":[{}]},\"scopeSpans\":[{\"spans\":["
		"{\"a\":{\"b\":[1]}} , {\"name\":\"}\\\"]\"}]}]}]}",
		"S1:{\"a\":{\"b\":[1]}}|S1:{\"name\":\"}\\\"]\"}|"
		"D1:{\"resourceSpans\":[{\"resource\":{\"a\":[{}]},\"scopeSpans\":[{\"spans\":["
		"{\"\":0} , {\"\":1}]}]}]}|",
		0);
}

static void lines_are_counted_in_all_forms(void **state)
{
	(void)state;
	assert_scanned(
		"\n{\"x\":1}\n\n{\"resourceSpans\":\n[{\"scopeSpans\":[\n{\"spans\":[\n{\n}\n,"
		"\n"
		"{ }]}]}]}",
		"D2:{\"x\":1}|S7:{\n}|S10:{ }|"
		"D4:{\"resourceSpans\":\n[{\"scopeSpans\":[\n{\"spans\":[\n{\"\":0}\n\n,\n"
		"{\"\":1}]}]}]}|",
		0);
}

static void names_that_only_look_alike_hold_no_spans(void **state)
{
	static const char text[] =
		"{\"spans\":[{}],\"resourceSpans\":{\"scopeSpans\":[{\"spans\":[{}]}]},\"x\":[{"
		"\"scopeSpans\":[{\"spans\":[{}]}]}]}";
	char *got = scanned(text, 7, 0);

	(void)state;
	assert_string_equal(got + 3,
			    "{\"spans\":[{}],\"resourceSpans\":{\"scopeSpans\":[{\"spans\":"
			    "[{}]}]},\"x\":[{\"scopeSpans\":[{\"spans\":[{}]}]}]}|");
	free(got);
}

static void a_key_that_is_written_in_escapes_is_known(void **state)
{
	(void)state;
	assert_scanned("{\"resource\\u0053pans\":[{\"scopeSpans\":[{\"spans\":[{}]}]}]}",
		       "S1:{}|D1:{\"resource\\u0053pans\":[{\"scopeSpans\":[{\"spans\":[{\"\":"
		       "0}]}]}]}|",
		       0);
}

static void half_a_last_line_is_a_spool_that_is_being_written(void **state)
{
	(void)state;
	assert_scanned("{\"a\":1}\n{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{\"a",
		       "D1:{\"a\":1}|", 1);
	/* But not when it is not the last, or all there is. */
	assert_scanned("{\"a\":1}\n{\"b\":\n", "D1:{\"a\":1}|D2:{\"b\":\n|", 0);
	assert_scanned("{\"a\":", "D1:{\"a\":|", 0);
}

static void what_is_no_json_is_handed_out_for_its_parser_to_say_so(void **state)
{
	(void)state;
	assert_scanned("hello", "D1:hello|", 0);
	assert_scanned("}", "D1:}|", 0);
}

/* --- the file ----------------------------------------------------------- */

static void read_text(struct archive_file *file, const char *text, int expected, char *reason,
		      size_t size)
{
	archive_text_write(scene_path, bytes_of(text));
	assert_int_equal(archive_file_read(file, scene_path, reason, size), expected);
}

static void mistakes_are_told_by_their_line(void **state)
{
	struct archive_file file;
	char reason[512];

	(void)state;
	read_text(&file,
		  "{\"a\":1}\n{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[\n{\n\"a\": "
		  "x}]}]}]}\n",
		  -EBADMSG, reason, sizeof(reason));
	assert_non_null(strstr(reason, "line 4 is not JSON"));
	archive_file_free(&file);
	read_text(&file, "{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[\n{\n}\n],,\n",
		  -EBADMSG, reason, sizeof(reason));
	assert_non_null(strstr(reason, "line 4 is not JSON"));
	archive_file_free(&file);
}

static void a_span_can_be_had_whole_later(void **state)
{
	static const struct archive_text_span spans[] = {
		{1, 0, "run", 0, 10, TEXT_ATTRIBUTE("input.value", "first"), 0, NULL},
		{2, 1, "call", 1, 2, TEXT_ATTRIBUTE("input.value", "second"), 0, NULL},
	};
	struct archive_file file;
	struct buf text = BUF_INIT;
	char reason[256];
	json_t *whole;

	(void)state;
	archive_text_make(&text, "", spans, 2);
	archive_text_write(scene_path, buf_bytes(&text));
	buf_fini(&text);
	assert_int_equal(archive_file_read(&file, scene_path, reason, sizeof(reason)), 0);
	whole = archive_span_load(&file, &file.spans[1]);
	assert_string_equal(otlp_text(whole, "input.value"), "second");
	json_decref(whole);
	/* Who has changed the file meanwhile gets nothing, and nothing worse. */
	archive_text_write(scene_path, bytes_of("{}"));
	assert_null(archive_span_load(&file, &file.spans[1]));
	archive_file_free(&file);
}

static void what_is_no_json_is_not_read_to_its_end(void **state)
{
	struct archive_file file;
	char reason[256];

	(void)state;
	assert_int_equal(truncate(scene_path, 0), 0);
	assert_int_equal(truncate(scene_path, (off_t)1 << 32), 0); /* of zeros, on no disk */
	assert_int_equal(archive_file_read(&file, scene_path, reason, sizeof(reason)),
			 -EBADMSG);
	assert_non_null(strstr(reason, "line 1 is not JSON"));
	archive_file_free(&file);
}

static void items_that_are_no_spans_say_nothing(void **state)
{
	struct archive_file file;
	char reason[256];

	(void)state;
	read_text(&file,
		  "{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[7,{\"name\":\"a\"},null,[{}"
		  "]]}]},5]}",
		  0, reason, sizeof(reason));
	assert_int_equal(file.span_count, 4);
	assert_string_equal(file.spans[0].name, "");
	assert_string_equal(file.spans[1].name, "a");
	assert_null(archive_span_load(&file, &file.spans[0]));
	archive_file_free(&file);
}

/* What pretends to be a span's number is none. */
static void numbers_of_spans_are_believed_only_where_there_are_spans(void **state)
{
	struct archive_file file;
	char reason[256];

	(void)state;
	read_text(&file,
		  "{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{\"name\":\"lost\"}],"
		  "\"spans\":[{\"\":99},{\"\":-1}]}]}]}",
		  0, reason, sizeof(reason));
	assert_int_equal(file.span_count, 2);
	assert_string_equal(file.spans[0].name, "");
	archive_file_free(&file);
}

static void a_pipe_is_read_like_a_file(void **state)
{
	static const struct archive_text_span span = {1, 0, "run", 0, 10, NULL, 2, NULL};
	struct archive_file file;
	struct buf text = BUF_INIT;
	char reason[256];
	json_t *whole;
	int ends[2], kept;

	(void)state;
	archive_text_make(&text, "", &span, 1);
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(write(ends[1], text.at, text.len), (ssize_t)text.len);
	close(ends[1]);
	kept = dup(STDIN_FILENO);
	assert_true(dup2(ends[0], STDIN_FILENO) >= 0);
	close(ends[0]);
	assert_int_equal(archive_file_read(&file, "-", reason, sizeof(reason)), 0);
	assert_int_equal(file.span_count, 1);
	whole = archive_span_load(&file, &file.spans[0]);
	assert_non_null(whole);
	json_decref(whole);
	archive_file_free(&file);
	if (kept >= 0) {
		dup2(kept, STDIN_FILENO);
		close(kept);
	}
	buf_fini(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(spans_are_handed_out_and_replaced_by_their_number),
		cmocka_unit_test(lines_are_counted_in_all_forms),
		cmocka_unit_test(names_that_only_look_alike_hold_no_spans),
		cmocka_unit_test(a_key_that_is_written_in_escapes_is_known),
		cmocka_unit_test(half_a_last_line_is_a_spool_that_is_being_written),
		cmocka_unit_test(what_is_no_json_is_handed_out_for_its_parser_to_say_so),
		cmocka_unit_test(mistakes_are_told_by_their_line),
		cmocka_unit_test(a_span_can_be_had_whole_later),
		cmocka_unit_test(what_is_no_json_is_not_read_to_its_end),
		cmocka_unit_test(items_that_are_no_spans_say_nothing),
		cmocka_unit_test(numbers_of_spans_are_believed_only_where_there_are_spans),
		cmocka_unit_test(a_pipe_is_read_like_a_file),
	};

	return cmocka_run_group_tests(tests, scene_setup, scene_teardown);
}
