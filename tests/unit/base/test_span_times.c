/* Ages by span number: exact while there are marks, then too old, never too young. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/span_times.h"

#define SECOND INT64_C(1000000000)

static void an_age_counts_from_when_the_span_was_finished(void **state)
{
	struct span_times times = {0};

	(void)state;
	assert_int_equal(span_times_age(&times, 1, 100 * SECOND), 0);
	span_times_note(&times, 1, 10 * SECOND);
	span_times_note(&times, 5, 20 * SECOND);
	assert_int_equal(span_times_age(&times, 1, 100 * SECOND), 90 * SECOND);
	assert_int_equal(span_times_age(&times, 4, 100 * SECOND), 90 * SECOND);
	assert_int_equal(span_times_age(&times, 5, 100 * SECOND), 80 * SECOND);
	assert_int_equal(span_times_age(&times, 900, 100 * SECOND), 80 * SECOND);
	span_times_forget(&times, 5);
	assert_int_equal(times.count, 1);
	assert_int_equal(span_times_age(&times, 3, 100 * SECOND), 80 * SECOND);
}

static void a_long_backlog_is_never_said_younger_than_it_is(void **state)
{
	struct span_times times = {0};
	uint64_t last = 20000;

	(void)state;
	for (uint64_t i = 1; i <= last; i++)
		span_times_note(&times, i, (int64_t)i * SECOND);
	assert_true(times.count <= SPAN_TIMES_MARKS);
	for (uint64_t i = 1; i <= last; i += 7) {
		uint64_t age = span_times_age(&times, i, (int64_t)last * SECOND);

		assert_true(age >= (last - i) * SECOND);
		/* By less than a hundredth of the backlog. */
		assert_true(age <= (last - i + last / 100) * SECOND);
	}
	span_times_forget(&times, last);
	span_times_note(&times, last + 1, (int64_t)(last + 300) * SECOND);
	assert_int_equal(span_times_age(&times, last + 1, (int64_t)(last + 301) * SECOND),
			 SECOND);
}

static void times_that_go_back_make_the_older_ones_older(void **state)
{
	struct span_times times = {0};

	(void)state;
	span_times_note(&times, 1, 50 * SECOND);
	span_times_note(&times, 2, 20 * SECOND);
	span_times_note(&times, 3, -5 * SECOND);
	assert_int_equal(span_times_age(&times, 2, 60 * SECOND), 65 * SECOND);
	assert_int_equal(span_times_age(&times, 2, -7 * SECOND), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_age_counts_from_when_the_span_was_finished),
		cmocka_unit_test(a_long_backlog_is_never_said_younger_than_it_is),
		cmocka_unit_test(times_that_go_back_make_the_older_ones_older),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
