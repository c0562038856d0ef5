#include "ids.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void ids_differ_from_each_other_and_are_never_zero(void **state)
{
	enum { COUNT = 4096 };
	static const uint8_t zero[8];
	static uint8_t made[COUNT][8];
	struct ids ids = {0};

	(void)state;
	for (int i = 0; i < COUNT; i++) {
		ids_span(&ids, 1, made[i]);
		assert_memory_not_equal(made[i], zero, 8);
		for (int j = i < 64 ? 0 : i - 64; j < i; j++)
			assert_memory_not_equal(made[i], made[j], 8);
	}
}

static void rule_51_both_halves_of_a_trace_id_are_random(void **state)
{
	uint8_t any_set[16] = {0}, all_set[16];
	struct ids ids = {0};

	(void)state;
	memset(all_set, 0xff, sizeof all_set);
	for (int i = 0; i < 256; i++) {
		uint8_t trace[16];

		ids_trace(&ids, 1, trace);
		for (int j = 0; j < 16; j++) {
			any_set[j] |= trace[j];
			all_set[j] &= trace[j];
		}
	}
	/* A bit that never changed in 256 ids: 2^-255 by chance. */
	for (int j = 0; j < 16; j++) {
		assert_int_equal(any_set[j], 0xff);
		assert_int_equal(all_set[j], 0);
	}
}

static void another_epoch_seeds_the_generator_anew(void **state)
{
	struct ids parent = {0}, child;
	uint8_t first[8], in_parent[8], in_child[8], in_same_epoch[8];

	(void)state;
	ids_span(&parent, 1, first);
	child = parent; /* what fork does */
	ids_span(&parent, 1, in_parent);
	ids_span(&child, 1, in_same_epoch);
	assert_memory_equal(in_parent, in_same_epoch, 8);
	ids_span(&child, 2, in_child);
	assert_memory_not_equal(in_parent, in_child, 8);
	assert_int_equal(child.epoch, 2);
}

static void two_threads_generators_do_not_share_a_seed(void **state)
{
	struct ids one = {0}, other = {0};
	uint8_t a[16], b[16];

	(void)state;
	ids_trace(&one, 1, a);
	ids_trace(&other, 1, b);
	assert_memory_not_equal(a, b, 16);
}

static void a_uuid_is_version_4_in_lower_case(void **state)
{
	char one[IDS_UUID_LENGTH + 1], other[IDS_UUID_LENGTH + 1];

	(void)state;
	errno = EXDEV;
	ids_uuid(one);
	ids_uuid(other);
	assert_int_equal(errno, EXDEV);
	assert_int_equal(strlen(one), 36);
	assert_string_not_equal(one, other);
	for (int i = 0; i < 36; i++) {
		if (i == 8 || i == 13 || i == 18 || i == 23)
			assert_int_equal(one[i], '-');
		else
			assert_non_null(strchr("0123456789abcdef", one[i]));
	}
	assert_int_equal(one[14], '4');
	assert_non_null(strchr("89ab", one[19]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ids_differ_from_each_other_and_are_never_zero),
		cmocka_unit_test(rule_51_both_halves_of_a_trace_id_are_random),
		cmocka_unit_test(another_epoch_seeds_the_generator_anew),
		cmocka_unit_test(two_threads_generators_do_not_share_a_seed),
		cmocka_unit_test(a_uuid_is_version_4_in_lower_case),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
