#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "archive/layout.h"
#include "random_message.h"

#define SPANS 200
#define GROUPS 6

/* Groups 0 and 3 have one resource, and so on. */
static void fill_groups(struct groups *groups, struct group at[GROUPS])
{
	memset(at, 0, GROUPS * sizeof(*at));
	for (uint32_t i = 0; i < GROUPS; i++)
		at[i].resource = i % 3;
	*groups = (struct groups){.at = at, .count = GROUPS, .cap = GROUPS};
}

static struct spool_entry random_entry(uint64_t *seed, uint32_t id)
{
	return (struct spool_entry){
		.start_ns = random_next(seed) % 20,
		.span_id = id + 1,
		/* Any parent, also one that comes later, or itself, or none. */
		.parent_id = random_next(seed) % 3 ? random_next(seed) % SPANS + 1 : 0,
		.group = (uint32_t)(random_next(seed) % GROUPS),
	};
}

static void assert_ordered(const struct spool_entry *entries, const uint32_t *order,
			   const struct groups *groups)
{
	bool group_seen[GROUPS] = {false}, resource_seen[GROUPS] = {false};
	uint64_t first[GROUPS], resource_first[GROUPS];
	uint64_t last_group = 0, last_resource = 0;

	memset(first, 0xff, sizeof(first));
	memset(resource_first, 0xff, sizeof(resource_first));
	for (uint32_t i = 0; i < SPANS; i++) {
		uint32_t group = entries[i].group, resource = groups->at[group].resource;

		if (entries[i].start_ns < first[group])
			first[group] = entries[i].start_ns;
		if (entries[i].start_ns < resource_first[resource])
			resource_first[resource] = entries[i].start_ns;
	}
	for (uint32_t i = 0; i < SPANS; i++) {
		const struct spool_entry *entry = &entries[order[i]];
		const struct spool_entry *before = i ? &entries[order[i - 1]] : NULL;
		uint32_t resource = groups->at[entry->group].resource;

		if (before && before->group == entry->group) {
			assert_true(before->start_ns <= entry->start_ns);
			continue;
		}
		assert_false(group_seen[entry->group]);
		group_seen[entry->group] = true;
		if (before && groups->at[before->group].resource == resource) {
			assert_true(last_group <= first[entry->group]);
		} else {
			assert_false(resource_seen[resource]);
			resource_seen[resource] = true;
			assert_true(last_resource <= resource_first[resource]);
			last_resource = resource_first[resource];
		}
		last_group = first[entry->group];
	}
}

static void any_spans_are_ordered_and_stay_so(void **state)
{
	struct spool_entry entries[SPANS], again[SPANS];
	struct group at[GROUPS];
	struct groups groups;
	uint32_t order[SPANS], taken;
	uint64_t seed = 11;

	(void)state;
	fill_groups(&groups, at);
	for (unsigned round = 0; round < 200; round++) {
		for (uint32_t i = 0; i < SPANS; i++)
			entries[i] = random_entry(&seed, i);
		assert_int_equal(layout_make(order, &taken, entries, SPANS, &groups, 7, NULL), 0);
		assert_int_equal(taken, SPANS);
		assert_ordered(entries, order, &groups);
		/* As if the file were read back: it keeps its order. */
		for (uint32_t i = 0; i < SPANS; i++)
			again[i] = entries[order[i]];
		assert_int_equal(layout_make(order, &taken, again, SPANS, &groups, 7, NULL), 0);
		for (uint32_t i = 0; i < SPANS; i++)
			assert_int_equal(order[i], i);
	}
}

static void a_long_chain_that_started_together_stands_parents_first(void **state)
{
	enum { LENGTH = 20000 };
	struct spool_entry *entries = calloc(LENGTH, sizeof(*entries));
	uint32_t *order = calloc(LENGTH, sizeof(*order)), taken;
	struct group at[GROUPS];
	struct groups groups;

	(void)state;
	fill_groups(&groups, at);
	/* The deepest comes first. */
	for (uint32_t i = 0; i < LENGTH; i++)
		entries[i] = (struct spool_entry){
			.start_ns = 5, .span_id = LENGTH - i, .parent_id = LENGTH - i - 1};
	assert_int_equal(layout_make(order, &taken, entries, LENGTH, &groups, 7, NULL), 0);
	for (uint32_t i = 0; i < LENGTH; i++)
		assert_int_equal(order[i], LENGTH - 1 - i);
	free(entries);
	free(order);
}

static void parents_in_a_loop_do_not_hold_it_up(void **state)
{
	struct spool_entry entries[3] = {
		{.start_ns = 1, .span_id = 1, .parent_id = 2},
		{.start_ns = 1, .span_id = 2, .parent_id = 1},
		{.start_ns = 1, .span_id = 3, .parent_id = 3},
	};
	struct group at[GROUPS];
	struct groups groups;
	uint32_t order[3] = {9, 9, 9}, taken;

	(void)state;
	fill_groups(&groups, at);
	assert_int_equal(layout_make(order, &taken, entries, 3, &groups, 7, NULL), 0);
	assert_int_equal(order[0] + order[1] + order[2], 3);
}

static void of_one_span_id_the_one_that_says_more_is_taken(void **state)
{
	struct spool_entry entries[] = {
		{.span_id = 1, .start_ns = 9, .length = 50, .ended_by_us = 1},
		{.span_id = 2, .start_ns = 1, .length = 10},
		{.span_id = 3, .start_ns = 2, .length = 70},
		{.span_id = 1, .start_ns = 8, .length = 40}, /* ended by itself */
		{.span_id = 2, .start_ns = 1, .length = 11}, /* longer */
		{.span_id = 3, .start_ns = 2, .length = 70}, /* came later */
		{.span_id = 1, .start_ns = 7, .length = 90, .ended_by_us = 1},
		{.span_id = 4, .start_ns = 8, .parent_id = 1, .length = 5},
	};
	static const uint32_t expected[] = {4, 2, 3, 7};
	struct group at[GROUPS];
	struct groups groups;
	uint32_t order[8], taken;

	(void)state;
	fill_groups(&groups, at);
	assert_int_equal(layout_make(order, &taken, entries, 8, &groups, 7, NULL), 0);
	assert_int_equal(taken, 4);
	assert_memory_equal(order, expected, sizeof(expected));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_spans_are_ordered_and_stay_so),
		cmocka_unit_test(a_long_chain_that_started_together_stands_parents_first),
		cmocka_unit_test(parents_in_a_loop_do_not_hold_it_up),
		cmocka_unit_test(of_one_span_id_the_one_that_says_more_is_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
