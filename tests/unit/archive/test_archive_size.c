/* Large runs and many runs: time, memory and descriptors. */
#include <setjmp.h>
#include <stdarg.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "archive_world.h"

#define START UINT64_C(1767268800123456789)

static struct archive_world world;

static double cpu_seconds(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void add_many(unsigned count, uint8_t trace)
{
	for (unsigned i = 1; i <= count; i++)
		world_add(&world, &(struct span_recipe){
					  .trace = trace, .id = i, .parent = i > 1 ? i / 2 : 0,
					  .start_ns = START + i / 3, .text = bytes_of("something"),
					  .module = i % 3 ? "a" : "b"});
}

static void a_run_of_30000_spans_is_sealed_in_a_second_of_work(void **state)
{
	double before;

	(void)state;
	world_init(&world);
	add_many(30000, 1);
	world_seal(&world, 1, 30000, true);
	world_start(&world);
	before = cpu_seconds();
	assert_true(world_work(&world, 300));
	/* 0.1 s as a rule; sanitizers and loaded machines need more. */
	assert_true(cpu_seconds() - before < 5);
	assert_int_equal(world.sealed_spans, 30000);
	assert_int_equal(world_count(&world, 30000), 1);
	world_fini(&world);
}

static void ten_thousand_runs_leave_memory_and_descriptors_flat(void **state)
{
	size_t memory = 0;
	int descriptors = 0;

	(void)state;
	world_init(&world);
	world.keep_no_frames = true;
	world_start(&world);
	for (unsigned i = 0; i < 10000; i++) {
		struct finished_span *span = &world.spans[world.span_count].span;
		struct buf *bytes = &world.spans[world.span_count].bytes;

		world_add(&world, &(struct span_recipe){.trace = 1, .id = i + 1,
							.start_ns = START + i * 1000});
		/* Its trace id, in the span and beside it, is made one of a kind. */
		memcpy(span->trace_id, &i, sizeof(i));
		memcpy(bytes->at + (span->span.at - bytes->at) + 2, &i, sizeof(i));
		assert_int_equal(archive_push(world.archive, span), 0);
		world.pushed = world.span_count;
		assert_int_equal(archive_seal(world.archive, span->trace_id, span->number, true),
				 0);
		for (unsigned turn = 0; turn < 2; turn++) {
			archive_tick(world.archive, world.env.mono_ns);
			(void)world.env.env.ops->wait(&world.env.env, 0);
			file_env_advance(&world.env, 50000000);
		}
		buf_fini(bytes);
		if (i == 999) {
			memory = mallinfo2().uordblks;
			descriptors = world.env.open_count;
		}
	}
	for (unsigned i = 0; i < 20; i++)
		world_turn(&world);
	assert_int_equal(archive_counters(world.archive)->sealed, 10000);
	assert_int_equal(archive_counters(world.archive)->open_runs, 0);
	assert_int_equal(archive_mark(world.archive), 10000);
	assert_true(world.env.open_count <= descriptors + 2);
	/* 16 bytes a run in the index, in a table that doubles. */
	assert_true(mallinfo2().uordblks < memory + 10000 * 64);
	world_fini(&world);
}

static void a_thousand_runs_that_end_together_take_few_descriptors(void **state)
{
	int most = 0;

	(void)state;
	world_init(&world);
	world.keep_no_frames = true;
	world_start(&world);
	for (unsigned i = 0; i < 1000; i++) {
		struct finished_span *span = &world.spans[world.span_count].span;

		world_add(&world, &(struct span_recipe){.trace = 1, .id = i + 1,
							.start_ns = START + i * 1000});
		memcpy(span->trace_id, &i, sizeof(i));
		memcpy(world.spans[i].bytes.at + (span->span.at - world.spans[i].bytes.at) + 2, &i,
		       sizeof(i));
		assert_int_equal(archive_push(world.archive, span), 0);
		assert_int_equal(archive_seal(world.archive, span->trace_id, 1000, true), 0);
	}
	world.pushed = 1000;
	for (unsigned turn = 0; turn < 300 && archive_mark(world.archive) < 1000; turn++) {
		world_turn(&world);
		most = world.env.open_count > most ? world.env.open_count : most;
	}
	assert_int_equal(archive_counters(world.archive)->sealed, 1000);
	assert_true(most < 40);
	world_fini(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_run_of_30000_spans_is_sealed_in_a_second_of_work),
		cmocka_unit_test(a_thousand_runs_that_end_together_take_few_descriptors),
		cmocka_unit_test(ten_thousand_runs_leave_memory_and_descriptors_flat),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
