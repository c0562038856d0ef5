#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "export/retry.h"

#define SECOND 1000000000u

static void rule_03_retryable_codes(void **state)
{
	static const bool retryable[17] = {
		[GRPC_CANCELLED] = true,   [GRPC_DEADLINE_EXCEEDED] = true,
		[GRPC_ABORTED] = true,	   [GRPC_OUT_OF_RANGE] = true,
		[GRPC_UNAVAILABLE] = true, [GRPC_DATA_LOSS] = true,
	};

	(void)state;
	for (int code = 0; code < 17; code++) {
		assert_int_equal(retry_allowed((enum grpc_status)code, false), retryable[code]);
		if (code != GRPC_RESOURCE_EXHAUSTED)
			assert_int_equal(retry_allowed((enum grpc_status)code, true),
					 retryable[code]);
	}
	assert_false(retry_allowed((enum grpc_status)17, true));
}

static void rule_04_resource_exhausted_only_with_retry_info(void **state)
{
	(void)state;
	assert_false(retry_allowed(GRPC_RESOURCE_EXHAUSTED, false));
	assert_true(retry_allowed(GRPC_RESOURCE_EXHAUSTED, true));
}

static void rule_07_waits_grow_with_jitter_up_to_a_minute(void **state)
{
	struct backoff backoff = BACKOFF_RETRY;
	uint64_t middle = SECOND, different = 0;

	(void)state;
	for (uint32_t i = 0; i < 20; i++) {
		uint64_t wait = backoff_next(&backoff, i * 2654435761u);

		assert_in_range(wait, middle / 10 * 8, middle / 10 * 12);
		different += wait != middle;
		middle = middle * 2 > 60ull * SECOND ? 60ull * SECOND : middle * 2;
	}
	assert_true(different > 15);
	backoff_reset(&backoff);
	assert_in_range(backoff_next(&backoff, 5), SECOND / 10 * 8, SECOND / 10 * 12);
}

static void rule_27_reconnects_grow_by_1_6_up_to_two_minutes(void **state)
{
	struct backoff backoff = BACKOFF_CONNECT;
	uint64_t wait = 0;

	(void)state;
	assert_int_equal(backoff_next(&backoff, 20), SECOND);
	assert_int_equal(backoff_next(&backoff, 20), 1600000000);
	assert_int_equal(backoff_next(&backoff, 20), 2560000000);
	for (int i = 0; i < 20; i++)
		wait = backoff_next(&backoff, 20);
	assert_int_equal(wait, 120ull * SECOND);
}

static void rule_06_the_hold_is_never_shorter_than_asked(void **state)
{
	(void)state;
	for (uint32_t random = 0; random < 100; random++) {
		struct throttle throttle = {0};

		throttle_failed(&throttle, 100, 200, 30ull * SECOND, random);
		assert_in_range(throttle.until_ns, 200 + 30ull * SECOND, 200 + 36ull * SECOND);
	}
}

static void rule_06_further_failures_grow_from_the_delay(void **state)
{
	struct throttle throttle = {0};
	uint64_t now = 1000;

	(void)state;
	throttle_failed(&throttle, now, now, SECOND, 0);
	/* Another request of the same volley: one failure, not two. */
	throttle_failed(&throttle, now, now + 1, SECOND, 0);
	assert_int_equal(throttle.delay_ns, SECOND);
	/* The retry fails, with and without a new RetryInfo. */
	now = throttle.until_ns;
	throttle_failed(&throttle, now, now, SECOND, 0);
	assert_int_equal(throttle.until_ns, now + 2ull * SECOND);
	now = throttle.until_ns;
	throttle_failed(&throttle, now, now, 0, 0);
	assert_int_equal(throttle.until_ns, now + 4ull * SECOND);
	for (int i = 0; i < 20; i++) {
		now = throttle.until_ns;
		throttle_failed(&throttle, now, now, SECOND, 0);
	}
	assert_int_equal(throttle.until_ns, now + 120ull * SECOND);
	throttle_succeeded(&throttle);
	now = throttle.until_ns;
	throttle_failed(&throttle, now, now, SECOND, 0);
	assert_int_equal(throttle.until_ns, now + SECOND);
}

static void rule_06_a_very_long_delay_is_respected_and_does_not_wrap(void **state)
{
	struct throttle throttle = {0};

	(void)state;
	throttle_failed(&throttle, 1000, 1000, 3600ull * SECOND, 0);
	assert_int_equal(throttle.until_ns, 1000 + 3600ull * SECOND);
	throttle_failed(&throttle, throttle.until_ns, throttle.until_ns, 0, 0);
	assert_int_equal(throttle.delay_ns, 3600ull * SECOND);
	throttle_failed(&throttle, 1000, 1000, INT64_MAX, 0);
	throttle_failed(&throttle, 1000, INT64_MAX, INT64_MAX, 20);
	assert_int_equal(throttle.until_ns, UINT64_MAX);
}

static void without_retry_info_there_is_no_hold(void **state)
{
	struct throttle throttle = {0};

	(void)state;
	throttle_failed(&throttle, 10, 20, 0, 0);
	assert_int_equal(throttle.until_ns, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rule_03_retryable_codes),
		cmocka_unit_test(rule_04_resource_exhausted_only_with_retry_info),
		cmocka_unit_test(rule_07_waits_grow_with_jitter_up_to_a_minute),
		cmocka_unit_test(rule_27_reconnects_grow_by_1_6_up_to_two_minutes),
		cmocka_unit_test(rule_06_the_hold_is_never_shorter_than_asked),
		cmocka_unit_test(rule_06_further_failures_grow_from_the_delay),
		cmocka_unit_test(rule_06_a_very_long_delay_is_respected_and_does_not_wrap),
		cmocka_unit_test(without_retry_info_there_is_no_hold),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
