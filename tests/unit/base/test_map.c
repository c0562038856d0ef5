#include "base/map.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "random_message.h"

static void *value_of(uint64_t i)
{
	return (void *)(uintptr_t)(i * 8 + 8);
}

static void an_empty_map_has_nothing_and_owns_nothing(void **state)
{
	struct map map;
	uint64_t key = 1;
	void *value;
	size_t at = 0;

	(void)state;
	map_init(&map, 8, 42);
	assert_null(map_get(&map, &key));
	assert_null(map_remove(&map, &key));
	assert_false(map_next(&map, &at, &value));
	assert_null(map.slots);
	map_fini(&map);
}

static void a_second_put_replaces(void **state)
{
	struct map map;
	uint64_t key[2] = {1, 2};

	(void)state;
	map_init(&map, 16, 42);
	assert_int_equal(map_put(&map, key, value_of(1)), 0);
	assert_int_equal(map_put(&map, key, value_of(2)), 0);
	assert_int_equal(map.count, 1);
	assert_ptr_equal(map_get(&map, key), value_of(2));
	map_fini(&map);
}

static void keys_of_three_words_differ_in_any_of_them(void **state)
{
	struct map map;

	(void)state;
	map_init(&map, 24, 42);
	for (uint64_t i = 0; i < 3; i++) {
		uint64_t key[3] = {0};

		key[i] = 1;
		assert_int_equal(map_put(&map, key, value_of(i)), 0);
	}
	assert_int_equal(map.count, 3);
	map_fini(&map);
}

/* Against a plain array, through growing, shrinking and all collisions. */
static void random_work_matches_a_plain_array(void **state)
{
	enum { KEYS = 3000 };
	static bool present[KEYS];
	uint64_t seed = 7;
	struct map map;
	size_t count = 0;

	(void)state;
	memset(present, 0, sizeof present);
	map_init(&map, 8, 42);
	for (int step = 0; step < 200000; step++) {
		/* First mostly adding, then mostly removing. */
		bool add = random_next(&seed) % 100 < (step < 100000 ? 60u : 30u);
		uint64_t key = random_next(&seed) % KEYS;

		assert_ptr_equal(map_get(&map, &key), present[key] ? value_of(key) : NULL);
		if (add) {
			count += !present[key];
			present[key] = true;
			assert_int_equal(map_put(&map, &key, value_of(key)), 0);
		} else {
			count -= present[key];
			assert_ptr_equal(map_remove(&map, &key),
					 present[key] ? value_of(key) : NULL);
			present[key] = false;
		}
		assert_int_equal(map.count, count);
	}
	map_fini(&map);
}

static void walking_meets_every_entry_once(void **state)
{
	bool seen[1000] = {false};
	struct map map;
	size_t at = 0;
	void *value;

	(void)state;
	map_init(&map, 8, 42);
	for (uint64_t key = 0; key < 1000; key++)
		assert_int_equal(map_put(&map, &key, value_of(key)), 0);
	while (map_next(&map, &at, &value)) {
		size_t i = (uintptr_t)value / 8 - 1;

		assert_false(seen[i]);
		seen[i] = true;
	}
	for (size_t i = 0; i < 1000; i++)
		assert_true(seen[i]);
	map_fini(&map);
}

static void an_emptied_map_gives_its_memory_back(void **state)
{
	struct map map;

	(void)state;
	map_init(&map, 8, 42);
	for (uint64_t key = 0; key < 100000; key++)
		assert_int_equal(map_put(&map, &key, value_of(key)), 0);
	for (uint64_t key = 0; key < 100000; key++)
		assert_non_null(map_remove(&map, &key));
	assert_true(map.capacity <= 64);
	map_fini(&map);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_map_has_nothing_and_owns_nothing),
		cmocka_unit_test(a_second_put_replaces),
		cmocka_unit_test(keys_of_three_words_differ_in_any_of_them),
		cmocka_unit_test(random_work_matches_a_plain_array),
		cmocka_unit_test(walking_meets_every_entry_once),
		cmocka_unit_test(an_emptied_map_gives_its_memory_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
