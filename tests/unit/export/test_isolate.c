/* Halving against peers that refuse certain spans: every good one is taken, every
 * bad one is refused alone, within the number of requests that was promised. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "export/isolate.h"

#define SPANS_MAX 65535

static bool bad[SPANS_MAX];
static uint8_t fate[SPANS_MAX]; /* 1: taken, 2: refused alone */

static bool holds_bad(uint32_t first, uint32_t n)
{
	for (uint32_t i = first; i < first + n; i++)
		if (bad[i])
			return true;
	return false;
}

/* How many requests it takes, the first included. */
static unsigned isolate(uint32_t n)
{
	struct isolation isolation;
	unsigned requests = 1;
	bool more = true;

	memset(fate, 0, n);
	assert_true(holds_bad(0, n));
	isolation_begin(&isolation, n);
	while (more) {
		struct isolation_part now = isolation.now;
		bool refused = holds_bad(now.first, now.n);

		requests++;
		assert_true(isolation.on && now.n > 0 && now.first + now.n <= n);
		if (refused && now.n > 1) {
			isolation_refused(&isolation);
			continue;
		}
		for (uint32_t i = now.first; i < now.first + now.n; i++) {
			assert_int_equal(fate[i], 0);
			fate[i] = refused ? 2 : 1;
		}
		more = isolation_next(&isolation, !refused);
	}
	assert_false(isolation.on);
	for (uint32_t i = 0; i < n; i++)
		assert_int_equal(fate[i], bad[i] ? 2 : 1);
	return requests;
}

static void one_bad_span_costs_what_was_promised_wherever_it_is(void **state)
{
	(void)state;
	for (uint32_t n = 2; n <= 300; n++)
		for (uint32_t i = 0; i < n; i++) {
			memset(bad, 0, n);
			bad[i] = true;
			assert_true(isolate(n) <= 2 * log2(n) + 2);
		}
	for (uint32_t i = 0; i < SPANS_MAX; i += 997) {
		memset(bad, 0, sizeof(bad));
		bad[i] = true;
		assert_true(isolate(SPANS_MAX) <= 2 * log2(SPANS_MAX) + 2);
	}
}

static void several_bad_spans_are_all_found(void **state)
{
	(void)state;
	srand(1);
	for (int round = 0; round < 2000; round++) {
		uint32_t n = 2 + (uint32_t)rand() % 600, k = 1 + (uint32_t)rand() % 10;
		unsigned found = 0;

		memset(bad, 0, n);
		for (uint32_t i = 0; i < k; i++)
			bad[(uint32_t)rand() % n] = true;
		for (uint32_t i = 0; i < n; i++)
			found += bad[i];
		assert_true(isolate(n) <= found * (2 * log2(n) + 2));
	}
	memset(bad, 1, 600);
	(void)isolate(600);
}

/* A peer that changes its mind: what was meant is taken after all. */
static void a_peer_that_contradicts_itself_ends_it_all_the_same(void **state)
{
	struct isolation isolation;
	unsigned spans = 0;
	bool more = true;

	(void)state;
	isolation_begin(&isolation, 100);
	while (more) {
		spans += isolation.now.n;
		more = isolation_next(&isolation, true);
	}
	assert_int_equal(spans, 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_bad_span_costs_what_was_promised_wherever_it_is),
		cmocka_unit_test(several_bad_spans_are_all_found),
		cmocka_unit_test(a_peer_that_contradicts_itself_ends_it_all_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
