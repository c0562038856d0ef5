/* The log on the real world, with io_uring where this kernel allows it and
 * without: written, synced in the background, cleaned, recovered. */
#include "wal/wal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/env_linux.h"
#include "wal_fixture.h"

#define SPANS 3000
#define PATIENCE_NS UINT64_C(20000000000)

static int count_entry(void *arg, const struct wal_entry *entry)
{
	uint64_t *count = arg;

	*count += entry->kind == WAL_SPAN;
	return 0;
}

static void append(struct wal *wal)
{
	uint64_t i, number;

	for (i = 1; i <= SPANS; i++) {
		assert_int_equal(wal_add_span_pattern(wal, 300, i, 1, &number), 0);
		assert_int_equal(number, i);
		if (i % 100 == 0)
			assert_int_equal(wal_commit(wal), 0);
	}
}

static void read_all(struct wal *wal, uint64_t from)
{
	struct wal_reader *reader;
	struct finished_span span;

	assert_int_equal(wal_reader_new(&reader, wal, from - 1), 0);
	for (; from <= SPANS; from++) {
		assert_int_equal(wal_reader_next(reader, &span), 1);
		assert_int_equal(span.number, from);
		wal_pattern_check(span.span.at, span.span.len, from);
	}
	assert_int_equal(wal_reader_next(reader, &span), 0);
	wal_reader_free(reader);
}

/* Until everything is synced and what was released is deleted. */
static void settle(struct env *env, struct wal *wal, uint64_t deleted)
{
	uint64_t end = env->ops->mono_ns(env) + PATIENCE_NS;

	while (wal_synced_sequence(wal) < wal_logged_sequence(wal) ||
	       wal_counters(wal)->segments_deleted < deleted) {
		assert_true(env->ops->mono_ns(env) < end);
		(void)wal_tick(wal, env->ops->mono_ns(env));
		assert_true(env->ops->wait(env, 1000000) >= 0);
	}
	assert_int_equal(wal_counters(wal)->sync_failures, 0);
}

static void life(enum env_linux_uring uring, bool sync_each)
{
	struct env_linux_options linux_options = {.uring = uring};
	int descriptors = test_open_descriptors();
	struct wal_options options = {
		.dir = test_directory_new(),
		.segment_bytes = 64 << 10,
		.sync_interval_ns = 1000000,
		.sync_each = sync_each,
	};
	uint64_t found = 0, first;
	struct env *env;
	struct wal *wal;
	int i;

	assert_int_equal(env_linux_new(&env, &linux_options), 0);
	assert_int_equal(wal_new(&wal, env, &options), 0);
	assert_int_equal(wal_recover(wal, count_entry, &found), 0);
	append(wal);
	read_all(wal, 1);
	for (i = 0; i < 5; i++)
		wal_release(wal, wal_oldest(wal).segment);
	settle(env, wal, 5);
	wal_free(wal);

	assert_int_equal(wal_new(&wal, env, &options), 0);
	assert_int_equal(wal_recover(wal, count_entry, &found), 0);
	assert_int_equal(wal_last_span_number(wal), SPANS);
	first = SPANS - found + 1;
	assert_true(first > 1);
	read_all(wal, first);
	wal_free(wal);
	env_linux_free(env);
	test_directory_remove(options.dir);
	free((char *)(uintptr_t)options.dir);
	assert_int_equal(test_open_descriptors(), descriptors);
}

static void the_log_lives_with_io_uring_where_it_is_allowed(void **state)
{
	(void)state;
	life(ENV_LINUX_URING_AUTO, false);
	life(ENV_LINUX_URING_AUTO, true);
}

static void the_log_lives_without_io_uring(void **state)
{
	(void)state;
	life(ENV_LINUX_URING_NEVER, false);
	life(ENV_LINUX_URING_NEVER, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_log_lives_with_io_uring_where_it_is_allowed),
		cmocka_unit_test(the_log_lives_without_io_uring),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
