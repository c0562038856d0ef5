#include "base/condition.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "test_env.h"

struct heard {
	int count, priority;
	char stage[32], line[CONDITION_TEXT_BYTES];
};

static struct test_env world;
static struct heard heard;
static struct conditions conditions;

static void hear(void *arg, int priority, const char *stage, const char *line)
{
	struct heard *to = arg;

	to->count++;
	to->priority = priority;
	(void)snprintf(to->stage, sizeof to->stage, "%s", stage);
	(void)snprintf(to->line, sizeof to->line, "%s", line);
}

static int setup(void **state)
{
	(void)state;
	heard = (struct heard){0};
	if (test_env_init(&world) < 0)
		return -1;
	conditions_init(&conditions, &world.env, hear, &heard);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	test_env_fini(&world);
	return 0;
}

static void a_condition_is_said_once_and_once_when_it_is_over(void **state)
{
	(void)state;
	for (int i = 0; i < 100; i++) {
		condition_raise(&conditions, CONDITION_ARCHIVE_FAILING, "disk full, try %d", i);
		test_env_advance_ms(&world, 25);
	}
	assert_int_equal(heard.count, 1);
	assert_string_equal(heard.stage, "archive");
	assert_string_equal(heard.line, "disk full, try 0");
	assert_true(condition_is_raised(&conditions, CONDITION_ARCHIVE_FAILING));
	condition_clear(&conditions, CONDITION_ARCHIVE_FAILING);
	condition_clear(&conditions, CONDITION_ARCHIVE_FAILING);
	assert_int_equal(heard.count, 2);
	assert_string_equal(heard.line, "runs are archived again, after 2.500 s");
	assert_false(condition_is_raised(&conditions, CONDITION_ARCHIVE_FAILING));
}

static void the_newest_text_is_kept_with_the_time_of_the_first(void **state)
{
	uint64_t began = world.wall_ns;

	(void)state;
	condition_raise(&conditions, CONDITION_LOG_WRITE_FAILING, "no space");
	test_env_advance_ms(&world, 1000);
	condition_raise(&conditions, CONDITION_LOG_WRITE_FAILING, "input/output error");
	assert_string_equal(conditions.of[CONDITION_LOG_WRITE_FAILING].text,
			    "input/output error");
	assert_int_equal(conditions.of[CONDITION_LOG_WRITE_FAILING].since_wall_ns, began);
	assert_int_equal(conditions.of[CONDITION_LOG_WRITE_FAILING].times, 1);
}

static void clearing_what_was_never_raised_says_nothing(void **state)
{
	(void)state;
	for (int i = 0; i < CONDITIONS; i++)
		condition_clear(&conditions, i);
	assert_int_equal(heard.count, 0);
}

static void without_a_table_all_is_silent(void **state)
{
	(void)state;
	condition_raise(NULL, CONDITION_LOG_WRITE_FAILING, "nobody hears this");
	condition_clear(NULL, CONDITION_LOG_WRITE_FAILING);
	assert_false(condition_is_raised(NULL, CONDITION_LOG_WRITE_FAILING));
}

static void every_condition_has_a_name_of_its_own(void **state)
{
	(void)state;
	for (int i = 0; i < CONDITIONS; i++) {
		assert_non_null(condition_name(i));
		for (int j = 0; j < i; j++)
			assert_string_not_equal(condition_name(i), condition_name(j));
		condition_raise(&conditions, i, "raised");
		condition_clear(&conditions, i);
	}
	assert_int_equal(heard.count, 2 * CONDITIONS);
}

static void every_errno_has_a_remedy(void **state)
{
	(void)state;
	assert_string_equal(condition_remedy(-ENOSPC), "free some space");
	assert_string_equal(condition_remedy(-EROFS), "mount it writable");
	for (int error = 1; error < 134; error++)
		assert_true(strlen(condition_remedy(-error)) > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			a_condition_is_said_once_and_once_when_it_is_over, setup, teardown),
		cmocka_unit_test_setup_teardown(
			the_newest_text_is_kept_with_the_time_of_the_first, setup, teardown),
		cmocka_unit_test_setup_teardown(clearing_what_was_never_raised_says_nothing,
						setup, teardown),
		cmocka_unit_test_setup_teardown(without_a_table_all_is_silent, setup, teardown),
		cmocka_unit_test_setup_teardown(every_condition_has_a_name_of_its_own, setup,
						teardown),
		cmocka_unit_test(every_errno_has_a_remedy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
