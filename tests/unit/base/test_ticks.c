#include "base/ticks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "random_message.h"

#define SECOND UINT64_C(1000000000)
#define HOUR (3600 * SECOND)

/* A TSC of 2.5 GHz, ahead of the monotonic clock by some. */
static uint64_t tsc_of(uint64_t mono_ns)
{
	return mono_ns / 2 * 5 + 123456789;
}

static struct ticks_source tsc_ring(uint64_t mono_ns)
{
	struct ticks_source source;

	ticks_source_init(&source, true, tsc_of(mono_ns), mono_ns, 0, false);
	return source;
}

/* Samples as the agent takes them, from `from` to `to`. */
static void sample(struct ticks_table *table, uint64_t from, uint64_t to)
{
	for (uint64_t at = from; at <= to; at += SECOND / 10)
		if (ticks_table_wants(table, at))
			ticks_table_add(table, tsc_of(at), at);
}

static void assert_near(uint64_t a, uint64_t b, uint64_t distance)
{
	assert_true((a > b ? a - b : b - a) <= distance);
}

static void the_monotonic_clock_is_itself(void **state)
{
	struct ticks_table table;
	struct ticks_source source;

	(void)state;
	ticks_table_init(&table);
	ticks_source_init(&source, false, 5, 5, 0, false);
	assert_int_equal(ticks_mono_ns(&table, &source, 12345), 12345);
	assert_int_equal(ticks_mono_ns(&table, &source, UINT64_MAX), INT64_MAX);
}

static void another_time_namespace_is_shifted_both_ways(void **state)
{
	struct ticks_table table;
	struct ticks_source source;

	(void)state;
	ticks_table_init(&table);
	ticks_source_init(&source, false, 0, 0, 1000, false);
	assert_int_equal(ticks_mono_ns(&table, &source, 1500), 500);
	assert_int_equal(ticks_mono_ns(&table, &source, 500), 0);
	ticks_source_init(&source, false, 0, 0, -1000, false);
	assert_int_equal(ticks_mono_ns(&table, &source, 500), 1500);
	assert_int_equal(ticks_mono_ns(&table, &source, UINT64_MAX), INT64_MAX);
}

static void a_tsc_is_read_within_and_beyond_the_samples(void **state)
{
	struct ticks_table table;
	struct ticks_source source = tsc_ring(HOUR);

	(void)state;
	ticks_table_init(&table);
	sample(&table, HOUR, HOUR + 100 * SECOND);
	for (uint64_t at = HOUR; at < HOUR + 101 * SECOND; at += SECOND / 7)
		assert_near(ticks_mono_ns(&table, &source, tsc_of(at)), at, 10);
}

static void before_the_first_sample_the_rings_anchor_leads(void **state)
{
	struct ticks_table table;
	struct ticks_source source = tsc_ring(HOUR - 600 * SECOND);

	(void)state;
	ticks_table_init(&table);
	ticks_table_add(&table, tsc_of(HOUR), HOUR);
	/* Even when the agent has taken one sample only. */
	assert_near(ticks_mono_ns(&table, &source, tsc_of(HOUR - 300 * SECOND)),
		    HOUR - 300 * SECOND, 10);
	sample(&table, HOUR + SECOND / 10, HOUR + SECOND);
	assert_near(ticks_mono_ns(&table, &source, tsc_of(HOUR - 300 * SECOND)),
		    HOUR - 300 * SECOND, 10);
}

static void a_lying_anchor_is_not_followed(void **state)
{
	struct ticks_table table;
	struct ticks_source source;

	(void)state;
	ticks_table_init(&table);
	sample(&table, HOUR, HOUR + 10 * SECOND);
	ticks_source_init(&source, true, 1, HOUR / 2, 0, false);
	assert_near(ticks_mono_ns(&table, &source, tsc_of(HOUR - SECOND)), HOUR - SECOND, 10);
	ticks_source_init(&source, true, UINT64_MAX, UINT64_MAX, 0, false);
	assert_near(ticks_mono_ns(&table, &source, tsc_of(HOUR + SECOND)), HOUR + SECOND, 10);
}

static void absurd_ticks_give_the_nearest_possible_time(void **state)
{
	struct ticks_table table;
	struct ticks_source source = tsc_ring(HOUR);

	(void)state;
	ticks_table_init(&table);
	sample(&table, HOUR, HOUR + 10 * SECOND);
	assert_int_equal(ticks_mono_ns(&table, &source, 0), 0);
	assert_true(ticks_mono_ns(&table, &source, UINT64_MAX) > HOUR);
	assert_true(ticks_mono_ns(&table, &source, UINT64_MAX) <= INT64_MAX);
}

static void what_was_said_of_a_past_moment_is_said_for_ever(void **state)
{
	struct ticks_table table;
	struct ticks_source source = tsc_ring(HOUR);
	uint64_t seed = 3, said[50], moment[50];

	(void)state;
	ticks_table_init(&table);
	for (uint64_t i = 0; i < 50; i++) {
		/* The clocks drift against each other and readings jitter. */
		uint64_t at = HOUR + i * SECOND, jitter = random_next(&seed) % 200;

		ticks_table_add(&table, tsc_of(at + jitter + i * 10), at);
		moment[i] = tsc_of(at + SECOND / 2);
		said[i] = ticks_mono_ns(&table, &source, moment[i]);
	}
	for (int i = 2; i < 50; i++) {
		assert_int_equal(ticks_mono_ns(&table, &source, moment[i]), said[i]);
		assert_near(said[i], HOUR + (uint64_t)i * SECOND + SECOND / 2, 2000);
	}
}

static void it_rises_through_drift_steps_and_thinning(void **state)
{
	struct ticks_table table;
	struct ticks_source source = tsc_ring(HOUR);
	uint64_t seed = 5, slept = 0, last = 0;

	(void)state;
	ticks_table_init(&table);
	for (uint64_t i = 0; i < 1000; i++) {
		uint64_t at = HOUR + i * SECOND;

		if (i % 300 == 299)
			slept += 100 * SECOND; /* the TSC goes on, the clock does not */
		ticks_table_add(&table, tsc_of(at + slept + random_next(&seed) % 300), at);
		assert_true(table.count <= TICKS_KNOTS_MAX);
	}
	for (uint64_t ticks = tsc_of(HOUR - SECOND); ticks < tsc_of(HOUR + 1300 * SECOND);
	     ticks += SECOND / 3) {
		uint64_t now = ticks_mono_ns(&table, &source, ticks);

		assert_true(now >= last);
		last = now;
	}
	assert_near(ticks_mono_ns(&table, &source, tsc_of(HOUR + 999 * SECOND + slept)),
		    HOUR + 999 * SECOND, 1000);
}

static void a_tsc_that_goes_back_is_refused(void **state)
{
	struct ticks_table table;

	(void)state;
	ticks_table_init(&table);
	sample(&table, HOUR, HOUR + 10 * SECOND);
	ticks_table_add(&table, 17, HOUR + 20 * SECOND);
	assert_int_equal(table.refused, 1);
	ticks_table_add(&table, 0, HOUR + 20 * SECOND);
	assert_int_equal(table.refused, 1);
}

static void a_ring_of_another_boot_counts_from_its_anchor(void **state)
{
	struct ticks_table table;
	struct ticks_source source;

	(void)state;
	ticks_table_init(&table);
	sample(&table, HOUR, HOUR + 10 * SECOND);
	ticks_source_init(&source, true, 1000, 50 * SECOND, 0, true);
	assert_near(ticks_mono_ns(&table, &source, 1000 + tsc_of(SECOND) - tsc_of(0)),
		    51 * SECOND, 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_monotonic_clock_is_itself),
		cmocka_unit_test(another_time_namespace_is_shifted_both_ways),
		cmocka_unit_test(a_tsc_is_read_within_and_beyond_the_samples),
		cmocka_unit_test(before_the_first_sample_the_rings_anchor_leads),
		cmocka_unit_test(a_lying_anchor_is_not_followed),
		cmocka_unit_test(absurd_ticks_give_the_nearest_possible_time),
		cmocka_unit_test(what_was_said_of_a_past_moment_is_said_for_ever),
		cmocka_unit_test(it_rises_through_drift_steps_and_thinning),
		cmocka_unit_test(a_tsc_that_goes_back_is_refused),
		cmocka_unit_test(a_ring_of_another_boot_counts_from_its_anchor),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
