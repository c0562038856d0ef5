#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "terminal.h"

static void assert_text(const char *text, unsigned columns, const char *expect)
{
	const struct terminal terminal = {.unicode = true, .columns = 80};
	struct buf out = BUF_INIT;
	unsigned used = terminal_text(&out, &terminal, bytes_of(text), columns);

	assert_int_equal(buf_append_byte(&out, 0), 0);
	assert_string_equal((char *)out.at, expect);
	assert_int_equal(used, terminal_width(bytes_of(expect)));
	buf_fini(&out);
}

static void text_is_cut_by_columns_never_within_a_character(void **state)
{
	(void)state;
	assert_text("short", 10, "short");
	assert_text("exactly", 7, "exactly");
	assert_text("longer than that", 7, "longer\xe2\x80\xa6");
	assert_text("\xc3\xa4\xc3\xb6\xc3\xbc\xc3\x9f", 3, "\xc3\xa4\xc3\xb6\xe2\x80\xa6");
	/* Wide characters take two columns: half of one does not fit. */
	assert_text("\xe4\xbd\xa0\xe5\xa5\xbd\xe4\xb8\x96", 6,
		    "\xe4\xbd\xa0\xe5\xa5\xbd\xe4\xb8\x96");
	assert_text("\xe4\xbd\xa0\xe5\xa5\xbd\xe4\xb8\x96", 4, "\xe4\xbd\xa0\xe2\x80\xa6");
	assert_text("", 4, "");
}

static void of_dotted_names_the_last_parts_stay(void **state)
{
	static const struct {
		const char *name;
		unsigned columns;
		const char *expect;
	} cases[] = {
		{"llm.openai.draft.Step_1", 23, "llm.openai.draft.Step_1"},
		{"llm.openai.draft.Step_1", 22, "\xe2\x80\xa6openai.draft.Step_1"},
		{"llm.openai.draft.Step_1", 12, "\xe2\x80\xa6Step_1"},
		{"llm.openai.draft.Step_1", 5, "\xe2\x80\xa6Ste\xe2\x80\xa6"},
		{"no_dots_in_it", 8, "no_dots\xe2\x80\xa6"},
		{"ends.in.one.", 8, "\xe2\x80\xa6in.one."},
		{"llm.openai.draft.Step_1", 1, "\xe2\x80\xa6"},
		{"llm.openai.draft.Step_1", 0, "llm.openai.draft.Step_1"},
	};
	const struct terminal terminal = {.unicode = true, .columns = 80};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf out = BUF_INIT;
		unsigned used = terminal_name(&out, &terminal, bytes_of(cases[i].name),
					      cases[i].columns);

		assert_int_equal(buf_append_byte(&out, 0), 0);
		assert_string_equal((char *)out.at, cases[i].expect);
		assert_int_equal(used, terminal_width(bytes_of(cases[i].expect)));
		buf_fini(&out);
	}
}

static void text_goes_on_in_the_next_line_behind_a_space(void **state)
{
	(void)state;
	assert_int_equal(terminal_fit(bytes_of("all of it"), 9), 9);
	assert_int_equal(terminal_fit(bytes_of("two lines"), 8), 4);
	/* Where a space would leave most of the line empty, within the word. */
	assert_int_equal(terminal_fit(bytes_of("a verylongword"), 8), 8);
	assert_int_equal(terminal_fit(bytes_of("\xe4\xbd\xa0\xe5\xa5\xbd"), 3), 3);
	/* One character always goes, or nobody would get on. */
	assert_int_equal(terminal_fit(bytes_of("\xe4\xbd\xa0\xe5\xa5\xbd"), 1), 3);
	assert_int_equal(terminal_fit(bytes_of(""), 5), 0);
}

static void what_could_move_the_cursor_is_escaped(void **state)
{
	(void)state;
	assert_text("a\033[2Jb", 0, "a\\x1b[2Jb");
	assert_text("a\nb\tc\r", 0, "a\\nb\\tc\\r");
	assert_text("\x7f", 0, "\\x7f");
	assert_text("\xc2\x9b" "31m", 0, "\\x9b31m");
	assert_text("\xe2\x80\xae" "abc", 0, "\\u202eabc");
	assert_text("\xff\xfe", 0, "\xef\xbf\xbd\xef\xbf\xbd");
	assert_text("a\033b", 4, "a\xe2\x80\xa6");
}

static void json_says_the_same_without_what_could_move_the_cursor(void **state)
{
	static const char text[] = "{\"\xc3\xa4\":\"\xc2\x9b"
				   "31m \x7f \xe2\x80\xae"
				   "abc\xd8\x9c\xe2\x81\xa9 \xe4\xbd\xa0 \xf0\x9f\x98\x80\"}";
	struct buf out = BUF_INIT;
	json_t *before, *after;

	(void)state;
	terminal_json(&out, bytes_of(text));
	assert_int_equal(buf_append_byte(&out, 0), 0);
	assert_string_equal((char *)out.at,
			    "{\"\xc3\xa4\":\"\\u009b31m \\u007f \\u202eabc\\u061c\\u2069 "
			    "\xe4\xbd\xa0 \xf0\x9f\x98\x80\"}");
	before = json_loads(text, 0, NULL);
	after = json_loads((char *)out.at, 0, NULL);
	assert_non_null(before);
	assert_true(json_equal(before, after));
	json_decref(before);
	json_decref(after);
	buf_reset(&out);
	/* Not even text that is no UTF-8 makes it read beyond the end. */
	terminal_json(&out, (struct bytes){(const uint8_t *)"a\xc2", 2});
	assert_int_equal(out.len, 2);
	buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_is_cut_by_columns_never_within_a_character),
		cmocka_unit_test(of_dotted_names_the_last_parts_stay),
		cmocka_unit_test(text_goes_on_in_the_next_line_behind_a_space),
		cmocka_unit_test(what_could_move_the_cursor_is_escaped),
		cmocka_unit_test(json_says_the_same_without_what_could_move_the_cursor),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
