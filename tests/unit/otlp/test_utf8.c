#include "otlp/utf8.h"

#include <errno.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void assert_repaired(const char *text, const char *expected)
{
	struct buf out = BUF_INIT;

	assert_int_equal(utf8_append_repaired(&out, bytes_of(text)), 0);
	assert_int_equal(out.len, strlen(expected));
	assert_memory_equal(out.at, expected, out.len);
	assert_int_equal(utf8_is_valid(bytes_of(text)), strcmp(text, expected) == 0);
	buf_fini(&out);
}

#define R UTF8_REPLACEMENT

static void valid_text_is_kept(void **state)
{
	(void)state;
	assert_repaired("", "");
	assert_repaired("plain ASCII of more than sixteen bytes",
			"plain ASCII of more than sixteen bytes");
	assert_repaired("\xc2\x80\xdf\xbf", "\xc2\x80\xdf\xbf");
	assert_repaired("\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80",
			"\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80");
	assert_repaired("\xf0\x90\x80\x80\xf4\x8f\xbf\xbf", "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf");
}

/* The examples of the Unicode standard, table 3-8 and its neighbours. */
static void each_longest_beginning_of_a_character_becomes_one_replacement(void **state)
{
	(void)state;
	assert_repaired("\xc0\xaf\xe0\x80\xbf\xf0\x81\x82"
			"A",
			R R R R R R R R "A");
	assert_repaired("\xed\xa0\x80\xed\xbf\xbf\xed\xaf"
			"A",
			R R R R R R R R "A");
	assert_repaired("\xf4\x91\x92\x93\xff"
			"A\x80\xbf"
			"B",
			R R R R R "A" R R "B");
	assert_repaired("\xe1\x80\xe2\xf0\x91\x92\xf1\xbf"
			"A",
			R R R R "A");
	assert_repaired("a\xe6\xbc", "a" R);
	assert_repaired("\xc2", R);
	assert_repaired("\xfe", R);
}

/* Every length around the words that ASCII is skipped by. */
static void a_wrong_byte_is_found_at_every_place(void **state)
{
	uint8_t text[48];

	(void)state;
	for (size_t len = 1; len <= sizeof(text); len++) {
		for (size_t wrong = 0; wrong < len; wrong++) {
			memset(text, 'a', sizeof(text));
			text[wrong] = 0xff;
			assert_int_equal(utf8_valid_len((struct bytes){text, len}), wrong);
			assert_false(utf8_is_ascii((struct bytes){text, len}));
			assert_false(utf8_is_valid((struct bytes){text, len}));
			text[wrong] = 'a';
			assert_true(utf8_is_ascii((struct bytes){text, len}));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(valid_text_is_kept),
		cmocka_unit_test(each_longest_beginning_of_a_character_becomes_one_replacement),
		cmocka_unit_test(a_wrong_byte_is_found_at_every_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
