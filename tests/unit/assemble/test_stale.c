/* Spans that fall silent although their process lives, and those that speak
 * again. */
#include "assemble_scene.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>

#include <cmocka.h>

#define HOUR_MS UINT64_C(3600000)

static struct scene scene;

static void begin(uint64_t ttl_ms)
{
	scene_init(&scene);
	scene.options.stale_ttl_ns = ttl_ms * 1000000;
	scene_restart(&scene);
	scene_ring(&scene, 0);
}

static void end(void)
{
	scene_check_ledger(&scene);
	scene_fini(&scene);
}

static void wait_ms(uint64_t ms)
{
	test_env_advance_ms(&scene.env, ms);
	scene_tick(&scene);
}

static void push_open_span(void)
{
	struct buf r = BUF_INIT;

	put_start(&r, 7, 1, 0, 0);
	put_string(&r, 1, "before", "x");
	scene_push(&scene, 0, 1, &r);
	scene_round(&scene, 0);
}

static void push_end(uint64_t ms)
{
	struct buf r = BUF_INIT;

	put_string(&r, 1, "after", "y");
	put_end(&r, 1, ms);
	scene_push(&scene, 0, 1, &r);
	scene_round(&scene, 0);
	scene_round(&scene, 0);
}

static const char *newest_json(void)
{
	return scene.spans[scene.span_count - 1].json;
}

static const struct assemble_counters *counters(void)
{
	return assemble_counters(scene.assemble);
}

static void without_a_limit_a_silent_span_stays_open(void **state)
{
	(void)state;
	begin(0);
	push_open_span();
	wait_ms(1000 * HOUR_MS);
	assert_int_equal(counters()->open, 1);
	assert_int_equal(scene.span_count, 0);
	end();
}

static void a_silent_span_is_ended_with_an_error_and_its_run_is_over(void **state)
{
	(void)state;
	begin(HOUR_MS);
	push_open_span();
	wait_ms(HOUR_MS - 1);
	assert_int_equal(scene.span_count, 0);
	wait_ms(HOUR_MS / 8 + 1);
	assert_says(scene_span(&scene, 1)->json, "\"stale\"");
	assert_says(scene_span(&scene, 1)->json, "said nothing of this span for 3600 s");
	assert_says(scene_span(&scene, 1)->json, scene_wall(0));
	assert_not_says(scene_span(&scene, 1)->json, "process.died");
	assert_int_equal(counters()->open, 0);
	assert_int_equal(counters()->stale, 1);
	wait_ms(10000);
	assert_int_equal(scene_run(&scene, 7)->over, 1);
	wait_ms(10 * HOUR_MS);
	assert_int_equal(scene.span_count, 1);
	end();
}

static void a_span_that_speaks_is_not_stale(void **state)
{
	(void)state;
	begin(HOUR_MS);
	push_open_span();
	for (int i = 0; i < 10; i++) {
		struct buf r = BUF_INIT;

		wait_ms(HOUR_MS / 2);
		put_string(&r, 1, "key", "x");
		scene_push(&scene, 0, 1, &r);
	}
	assert_int_equal(scene.span_count, 0);
	end();
}

static void a_late_end_finishes_it_once_more_with_everything(void **state)
{
	(void)state;
	begin(HOUR_MS);
	push_open_span();
	wait_ms(2 * HOUR_MS);
	push_end(50);
	assert_int_equal(scene_span_times(&scene, 1), 2);
	assert_not_says(newest_json(), "spanring.end.reason");
	assert_says(newest_json(), "before");
	assert_says(newest_json(), "after");
	assert_says(newest_json(), scene_wall(50));
	assert_int_equal(counters()->corrected, 1);
	assert_int_equal(counters()->after_stale, 2);
	assert_int_equal(counters()->open, 0);
	wait_ms(10000);
	assert_int_equal(scene_run(&scene, 7)->last_number, 2);
	end();
}

static void a_death_leaves_a_stale_span_as_it_was_ended(void **state)
{
	struct death death = {.cause = DEATH_SIGNAL, .signal = SIGKILL};

	(void)state;
	begin(HOUR_MS);
	push_open_span();
	wait_ms(2 * HOUR_MS);
	assert_true(assemble_ring_dead(scene.assemble, 0, &death));
	assert_int_equal(scene_span_times(&scene, 1), 1);
	assert_int_equal(counters()->open, 0);
	end();
}

static void all_of_it_holds_over_a_restart(void **state)
{
	(void)state;
	begin(HOUR_MS);
	push_open_span();
	scene_restart(&scene);
	wait_ms(2 * HOUR_MS); /* silent in two lives */
	assert_int_equal(scene_span_times(&scene, 1), 1);
	scene_ledger(&scene);
	scene_restart(&scene);
	assert_int_equal(counters()->open, 0);
	wait_ms(2 * HOUR_MS);
	assert_int_equal(scene_span_times(&scene, 1), 1);
	/* Its first segment goes: it is carried as what it is. */
	scene.segment++;
	assert_int_equal(assemble_carry(scene.assemble, scene.segment - 1), 0);
	scene_ledger(&scene);
	scene_drop_segments(&scene, scene.segment - 1);
	scene_restart(&scene);
	assert_int_equal(counters()->open, 0);
	push_end(50);
	assert_int_equal(scene_span_times(&scene, 1), 2);
	assert_says(newest_json(), "before");
	assert_not_says(newest_json(), "spanring.end.reason");
	assert_int_equal(counters()->corrected, 1);
	scene_restart(&scene);
	assert_int_equal(counters()->open, 0);
	assert_int_equal(counters()->corrected, 1);
	assert_int_equal(counters()->found_again + counters()->lost_in_log, 0);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_a_limit_a_silent_span_stays_open),
		cmocka_unit_test(a_silent_span_is_ended_with_an_error_and_its_run_is_over),
		cmocka_unit_test(a_span_that_speaks_is_not_stale),
		cmocka_unit_test(a_late_end_finishes_it_once_more_with_everything),
		cmocka_unit_test(a_death_leaves_a_stale_span_as_it_was_ended),
		cmocka_unit_test(all_of_it_holds_over_a_restart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
