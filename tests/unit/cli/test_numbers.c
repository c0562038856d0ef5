/* Lines of numbers for people, and ledgers that add up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "numbers.h"

static const struct counter rows[] = {
	{"taken", 0, COUNTER_TOTAL, LEDGER_IN, NULL, NULL, NULL, NULL},
	{"archived", 0, COUNTER_TOTAL, LEDGER_OUT, NULL, NULL, NULL, NULL},
	{"waiting", 0, COUNTER_NOW, LEDGER_OUT, NULL, NULL, NULL, NULL},
	{"dropped_late", 0, COUNTER_TOTAL, LEDGER_OUT, "late", NULL, NULL, NULL},
	{"kept_aside", 0, COUNTER_TOTAL, LEDGER_NONE, NULL, NULL, NULL, NULL},
	{NULL, 0, COUNTER_TOTAL, LEDGER_IN, NULL, "other", NULL, NULL},
};
static const struct counter_table table = {rows, sizeof rows / sizeof rows[0]};

typedef void print_fn(const char *title, const struct numbers *numbers);

/* What `print` puts on standard output. */
static void printed(print_fn *print, const char *json, char *text, size_t size)
{
	json_t *part = json_loads(json, 0, NULL);
	FILE *file = tmpfile();
	int kept = dup(STDOUT_FILENO);
	size_t n;

	assert_non_null(part);
	(void)fflush(stdout);
	assert_true(dup2(fileno(file), STDOUT_FILENO) >= 0);
	print("archive", &(struct numbers){part, {&table}});
	(void)fflush(stdout);
	assert_true(dup2(kept, STDOUT_FILENO) >= 0);
	close(kept);
	rewind(file);
	n = fread(text, 1, size - 1, file);
	text[n] = '\0';
	(void)fclose(file);
	json_decref(part);
}

static void a_ledger_shows_its_first_terms_and_those_that_are_not_zero(void **state)
{
	char text[512];

	(void)state;
	printed(numbers_print_ledger,
		"{\"taken\":5,\"archived\":0,\"waiting\":0,\"dropped_late\":5,\"kept_aside\":"
		"3}",
		text, sizeof text);
	assert_string_equal(text, "archive  taken 5 = archived 0 + late 5\n");
}

static void what_is_no_term_is_told_when_it_is_not_zero(void **state)
{
	char text[512];

	(void)state;
	printed(numbers_print_others, "{\"taken\":5,\"kept_aside\":3}", text, sizeof text);
	assert_string_equal(text, "archive  kept aside 3\n");
	printed(numbers_print_others, "{\"taken\":5,\"kept_aside\":0}", text, sizeof text);
	assert_string_equal(text, "");
}

static void long_lines_break_between_words(void **state)
{
	char text[512];

	(void)state;
	printed(numbers_print_ledger,
		"{\"taken\":10000000000000000,\"archived\":10000000000000000,"
		"\"waiting\":10000000000000000,\"dropped_late\":10000000000000000}",
		text, sizeof text);
	assert_string_equal(text, "archive  taken 10000000000000000 = archived "
				  "10000000000000000 +\n         waiting 10000000000000000 + "
				  "late 10000000000000000\n");
}

static void a_ledger_that_does_not_add_up_is_found(void **state)
{
	json_t *part = json_loads("{\"taken\":5,\"archived\":1,\"waiting\":3}", 0, NULL);
	uint64_t in, out;

	(void)state;
	assert_false(numbers_add_up(&(struct numbers){part, {&table}}, &in, &out));
	assert_int_equal(in, 5);
	assert_int_equal(out, 4);
	assert_int_equal(json_object_set_new(part, "dropped_late", json_integer(1)), 0);
	assert_true(numbers_add_up(&(struct numbers){part, {&table}}, &in, &out));
	json_decref(part);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_ledger_shows_its_first_terms_and_those_that_are_not_zero),
		cmocka_unit_test(what_is_no_term_is_told_when_it_is_not_zero),
		cmocka_unit_test(long_lines_break_between_words),
		cmocka_unit_test(a_ledger_that_does_not_add_up_is_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
