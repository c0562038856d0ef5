#include "receive/recent.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "otlp/pb.h"

static const uint64_t seed[2] = {0x1234567, 0x89abcdef};
static struct recent recent;

static int setup(void **state)
{
	(void)state;
	return recent_init(&recent, seed);
}

static int teardown(void **state)
{
	(void)state;
	recent_fini(&recent);
	return 0;
}

static uint64_t key_of(uint64_t trace, uint64_t id, uint64_t start, uint64_t end)
{
	uint8_t trace_id[16] = {0}, span_id[8];
	struct span_view span = {{trace_id, 16}, {span_id, 8}, {NULL, 0}, start, end};

	memcpy(trace_id + 8, &trace, 8);
	memcpy(span_id, &id, 8);
	return recent_key(&recent, &span);
}

static void a_span_is_its_ids_and_its_times(void **state)
{
	uint64_t key = key_of(1, 2, 3, 4);

	(void)state;
	assert_false(recent_has(&recent, key));
	recent_add(&recent, key);
	assert_true(recent_has(&recent, key_of(1, 2, 3, 4)));
	assert_false(recent_has(&recent, key_of(2, 2, 3, 4)));
	assert_false(recent_has(&recent, key_of(1, 3, 3, 4)));
	assert_false(recent_has(&recent, key_of(1, 2, 4, 4)));
	assert_false(recent_has(&recent, key_of(1, 2, 3, 5)));
}

static void the_last_ones_are_known_and_the_first_forgotten(void **state)
{
	unsigned known = 0;

	(void)state;
	for (uint64_t i = 0; i < 4 * RECENT_SPANS; i++)
		recent_add(&recent, key_of(i, i + 1, 7, 8));
	for (uint64_t i = 0; i < 4 * RECENT_SPANS; i++)
		known += recent_has(&recent, key_of(i, i + 1, 7, 8));
	assert_int_equal(known, RECENT_SPANS);
	for (uint64_t i = 4 * RECENT_SPANS - 1000; i < 4 * RECENT_SPANS; i++)
		assert_true(recent_has(&recent, key_of(i, i + 1, 7, 8)));
}

static void the_order_of_its_fields_does_not_matter(void **state)
{
	static const uint8_t id[16] = {1, 2, 3};
	struct buf there = BUF_INIT, back = BUF_INIT;
	struct span_view one, other;

	(void)state;
	(void)pb_bytes(&there, 1, (struct bytes){id, 16});
	(void)pb_bytes(&there, 2, (struct bytes){id, 8});
	(void)pb_bytes(&there, 5, bytes_of("name"));
	(void)pb_fixed64(&there, 7, 11);
	(void)pb_fixed64(&there, 8, 12);
	(void)pb_fixed64(&back, 8, 12);
	(void)pb_bytes(&back, 5, bytes_of("name"));
	(void)pb_bytes(&back, 2, (struct bytes){id, 8});
	(void)pb_bytes(&back, 1, (struct bytes){id, 16});
	(void)pb_fixed64(&back, 7, 11);
	one = span_view_of(buf_bytes(&there));
	other = span_view_of(buf_bytes(&back));
	assert_int_equal(recent_key(&recent, &one), recent_key(&recent, &other));
	buf_fini(&there);
	buf_fini(&back);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_span_is_its_ids_and_its_times),
		TEST(the_last_ones_are_known_and_the_first_forgotten),
		TEST(the_order_of_its_fields_does_not_matter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
