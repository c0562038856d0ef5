/* Records in blocks: every length, every place, cut and whole. */
#include "client_fixture.h"
#include "writer.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define RING (4u << 20)

static char *pattern(size_t length, unsigned seed)
{
	char *text = malloc(length + 1);

	for (size_t i = 0; i < length; i++)
		text[i] = (char)('a' + (i * 7 + seed) % 26);
	return text;
}

/* Begins at `offset` of a fresh block: fills the rest of the one in use first. */
static void go_to_offset(struct spanring_span *span, uint32_t offset)
{
	struct thread *thread = thread_self;
	uint32_t missing;

	assert_true(offset % 8 == 0);
	if (!thread->block || thread->offset > offset)
		assert_int_equal(block_take(thread, BLOCK_FOR_VALUE), 0);
	while (thread->offset < offset) {
		static const char zero[4000];
		uint32_t left = offset - thread->offset;

		/* A record of "k" and n characters is 17 + n bytes. */
		missing = left > 4000 ? 2000 : left;
		if (left - missing != 0 && left - missing < 24)
			missing -= 24;
		assert_int_equal(spanring_set_string_n(span, "k", zero, missing - 17), 0);
	}
	assert_int_equal(thread->offset, offset);
}

static void assert_value(const struct ring_view *view, const struct ring_record *record,
			 const char *value, size_t length)
{
	struct record_attribute attribute = record_get_attribute(record->bytes);

	(void)view;
	assert_int_equal(attribute.entry.type, WIRE_STRING);
	assert_int_equal(attribute.entry.value_length, length);
	assert_memory_equal(attribute.entry.value, value, length);
}

static const struct ring_record *last_attribute(const struct ring_view *view)
{
	size_t count = ring_view_count(view, WIRE_ATTRIBUTE);

	return ring_view_nth(view, WIRE_ATTRIBUTE, count - 1);
}

static void check_length_at(struct client_fixture *fixture, uint32_t offset, size_t length)
{
	struct spanring_span span;
	struct ring_view view;
	char *value = pattern(length, offset);

	client_fixture_init(fixture, RING);
	assert_int_equal(spanring_start(&span, "span", NULL), 0);
	go_to_offset(&span, offset);
	assert_int_equal(spanring_set_string_n(&span, "value", value, length), 0);
	assert_int_equal(spanring_end(&span), 0);
	client_fixture_read(fixture, &view);
	assert_int_equal(view.incomplete, 0);
	assert_value(&view, last_attribute(&view), value, length);
	assert_int_equal(ring_view_count(&view, WIRE_END), 1);
	ring_view_close(&view);
	free(value);
	spanring_shutdown();
	client_fixture_teardown_files(fixture);
}

/* The last kilobyte of a block, and all lengths around what fits there, what
 * is small, and what fills whole blocks. */
static void values_of_every_length_survive_around_the_end_of_a_block(void **state)
{
	static const uint32_t offsets[] = {0, 24, 12288, 15360, 16256, 16304, 16312,
					   16320, 16328, 16352, 16360, 16368, 16376, 16384};

	for (size_t i = 0; i < sizeof offsets / sizeof offsets[0]; i++) {
		uint32_t rest = WIRE_BLOCK_BYTES - offsets[i];

		for (int near = -20; near <= 12; near += 4)
			if ((int)rest - 21 + near >= 0)
				check_length_at(*state, offsets[i],
						(size_t)((int)rest - 21 + near));
	}
}

static void values_of_every_length_survive_around_the_limits(void **state)
{
	static const uint32_t around[] = {0, 8, 4096 - 21, 16384 - 21, 16384 - 8, 16384 - 16,
					  2 * 16384 - 40, 3 * 16384 - 64};

	for (size_t i = 0; i < sizeof around / sizeof around[0]; i++)
		for (int near = -9; near <= 9; near += 3)
			if ((int)around[i] + near >= 0)
				check_length_at(*state, 8192,
						(size_t)((int)around[i] + near));
}

/* All small lengths in one ring, one after the other, read back as written. */
static void every_small_length_is_read_back_as_written(void **state)
{
	struct client_fixture *fixture = *state;
	struct spanring_span span;
	struct ring_view view;
	size_t n = 0;

	client_fixture_init(fixture, 64u << 20);
	assert_int_equal(spanring_start(&span, "span", NULL), 0);
	for (size_t length = 0; length <= 5000; length++) {
		char *value = pattern(length, (unsigned)length);

		assert_int_equal(spanring_set_string_n(&span, "v", value, length), 0);
		free(value);
	}
	client_fixture_read(fixture, &view);
	for (size_t i = 0; i < view.count; i++) {
		char *value;

		if (record_head(view.records[i].bytes).type != WIRE_ATTRIBUTE)
			continue;
		value = pattern(n, (unsigned)n);
		assert_value(&view, &view.records[i], value, n);
		free(value);
		n++;
	}
	assert_int_equal(n, 5001);
	ring_view_close(&view);
}

static void a_value_of_a_quarter_of_the_ring_fits_and_one_more_byte_is_refused(void **state)
{
	struct client_fixture *fixture = *state;
	struct spanring_report asked = SPANRING_REPORT_INIT;
	size_t largest = (size_t)(wire_block_count(RING) / 4) * WIRE_BLOCK_BYTES - 17;
	char *value = pattern(largest + 1, 3);
	struct spanring_span span;
	struct wire_dropped dropped;
	struct ring_view view;

	client_fixture_init(fixture, RING);
	spanring_start(&span, "span", NULL);
	assert_int_equal(spanring_set_string_n(&span, "v", value, largest), 0);
	assert_int_equal(spanring_set_string_n(&span, "v", value, largest + 1), -EMSGSIZE);
	assert_int_equal(spanring_set_string_n(&span, "v", value, (size_t)1 << 40), -EMSGSIZE);
	spanring_end(&span);
	spanring_state(&asked);
	assert_int_equal(asked.refused_too_large, 2);
	client_fixture_read(fixture, &view);
	assert_value(&view, last_attribute(&view), value, largest);
	dropped = record_get_dropped(ring_view_nth(&view, WIRE_DROPPED, 0)->bytes);
	assert_int_equal(dropped.attributes, 2);
	assert_int_equal(dropped.reason, WIRE_REFUSED_TOO_LARGE);
	assert_memory_equal(dropped.span_id, span.span_id, 8);
	ring_view_close(&view);
	free(value);
}

static void a_value_without_room_for_all_its_blocks_leaves_nothing_behind(void **state)
{
	struct client_fixture *fixture = *state;
	struct spanring_report asked = SPANRING_REPORT_INIT;
	char *value = pattern(200000, 1);
	struct spanring_span span;
	struct ring_view view;
	int r = 0, written = 0;

	client_fixture_init(fixture, 1 << 20);
	spanring_start(&span, "span", NULL);
	while (r == 0) {
		r = spanring_set_string_n(&span, "v", value, 200000);
		written += r == 0;
	}
	assert_int_equal(r, -ENOBUFS);
	/* What was claimed for it is free again. */
	assert_int_equal(spanring_set_string_n(&span, "v", value, 40000), 0);
	assert_int_equal(spanring_end(&span), 0);
	spanring_state(&asked);
	assert_int_equal(asked.refused_ring_full, 1);
	client_fixture_read(fixture, &view);
	assert_int_equal(ring_view_count(&view, WIRE_ATTRIBUTE), written + 1);
	assert_int_equal(view.incomplete, 0);
	ring_view_close(&view);
	free(value);
}

/* ---- threads --------------------------------------------------------------- */

struct shared_span {
	struct spanring_span span;
	unsigned number;
};

static void *write_in_thread(void *argument)
{
	struct shared_span *shared = argument;

	for (int i = 0; i < 2000; i++) {
		char value[64];

		memset(value, (int)('A' + shared->number), sizeof value);
		if (spanring_set_string_n(&shared->span, "from", value, 1 + (size_t)i % 64) < 0)
			abort();
		if (i == 1000 && spanring_set_int(&shared->span, "thread", shared->number) < 0)
			abort();
	}
	return NULL;
}

static void a_span_may_be_written_by_many_threads_each_in_its_own_block(void **state)
{
	struct client_fixture *fixture = *state;
	struct shared_span shared[8];
	struct spanring_span span;
	pthread_t threads[8];
	struct ring_view view;

	client_fixture_init(fixture, 0);
	spanring_start(&span, "span", NULL);
	for (unsigned i = 0; i < 8; i++) {
		shared[i] = (struct shared_span){span, i};
		assert_int_equal(pthread_create(&threads[i], NULL, write_in_thread, &shared[i]),
				 0);
	}
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	assert_int_equal(spanring_end(&span), 0);
	client_fixture_read(fixture, &view);
	assert_int_equal(ring_view_count(&view, WIRE_ATTRIBUTE), 8 * 2001);
	for (size_t i = 0; i < view.count; i++) {
		struct record_attribute attribute;

		if (record_head(view.records[i].bytes).type != WIRE_ATTRIBUTE)
			continue;
		attribute = record_get_attribute(view.records[i].bytes);
		assert_memory_equal(attribute.span_id, span.span_id, 8);
		for (uint32_t j = 1; attribute.entry.type == WIRE_STRING &&
				     j < attribute.entry.value_length;
		     j++)
			assert_int_equal(attribute.entry.value[j], attribute.entry.value[0]);
	}
	ring_view_close(&view);
}

static void *end_in_thread(void *argument)
{
	return (void *)(intptr_t)spanring_end(argument);
}

static void a_span_may_be_ended_by_another_thread_which_seals_its_block(void **state)
{
	struct client_fixture *fixture = *state;
	struct spanring_span span;
	struct ring_view view;
	pthread_t thread;
	void *result;

	client_fixture_init(fixture, 1 << 20);
	spanring_start(&span, "span", NULL);
	assert_int_equal(pthread_create(&thread, NULL, end_in_thread, &span), 0);
	assert_int_equal(pthread_join(thread, &result), 0);
	assert_null(result);
	client_fixture_read(fixture, &view);
	assert_int_equal(ring_view_nth(&view, WIRE_START, 0)->thread, 1);
	assert_int_equal(ring_view_nth(&view, WIRE_END, 0)->thread, 2);
	ring_view_close(&view);
	/* 59 more threads than there are blocks left: each gave its own back as
	 * far as it could, so ends still find room only if blocks are sealed. */
	for (int i = 0; i < 40; i++) {
		spanring_start(&span, "span", NULL);
		assert_int_equal(pthread_create(&thread, NULL, end_in_thread, &span), 0);
		assert_int_equal(pthread_join(thread, &result), 0);
		assert_null(result);
	}
}

#define IN_DIRECTORY(test)                                                                     \
	cmocka_unit_test_setup_teardown(test, client_fixture_setup, client_fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_DIRECTORY(values_of_every_length_survive_around_the_end_of_a_block),
		IN_DIRECTORY(values_of_every_length_survive_around_the_limits),
		IN_DIRECTORY(every_small_length_is_read_back_as_written),
		IN_DIRECTORY(a_value_of_a_quarter_of_the_ring_fits_and_one_more_byte_is_refused),
		IN_DIRECTORY(a_value_without_room_for_all_its_blocks_leaves_nothing_behind),
		IN_DIRECTORY(a_span_may_be_written_by_many_threads_each_in_its_own_block),
		IN_DIRECTORY(a_span_may_be_ended_by_another_thread_which_seals_its_block),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
