/* Rounds: what is read, in which order, and when blocks go back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "drain_house.h"

#define RING_BYTES (2u << 20)

static int setup(void **state)
{
	struct house *house = malloc(sizeof *house);

	house_build(house);
	house_start(house);
	*state = house;
	return 0;
}

static int teardown(void **state)
{
	house_tear_down(*state);
	free(*state);
	return 0;
}

static void a_ring_is_seen_put_into_the_log_and_read(void **state)
{
	struct house *house = *state;
	struct ring_writer writer;
	struct ring_pen pen;
	uint32_t ring;

	ring_writer_make(&writer, house->dir, 1, RING_BYTES);
	ring_pen_init(&pen, &writer, 1);
	ring_pen_open(&pen, 0);
	ring_pen_start(&pen, 100, "step");
	ring_pen_string(&pen, 100, "key", 20);
	house_tick(house, 10);
	ring = house_ring(house, 1);
	assert_int_equal(ring, 0);
	assert_int_equal(house->rings[ring].states, 1);
	assert_int_equal(house->rings[ring].identity.pid, writer.header->pid);
	assert_int_equal(house->rings[ring].identity.block_count, writer.header->block_count);
	assert_int_equal(house_count(house, 1, 1, NULL), 2);
	ring_pen_end(&pen, 100);
	house_settle(house);
	assert_int_equal(house_count(house, 1, 1, NULL), 3);
	assert_int_equal(house_counters(house, 1).written, 3);
	house_check_ledgers(house);
	ring_writer_close(&writer);
}

/* Anybody may wake the futex, as often as he likes. */
static void the_bell_is_heard_every_other_millisecond_at_most(void **state)
{
	struct house *house = *state;
	struct ring_writer writer;
	uint64_t due_ns;

	ring_writer_make(&writer, house->dir, 1, RING_BYTES);
	house_settle(house);
	drain_wake(house->drain);
	assert_true(drain_next_due(house->drain, house->now_ns) <= house->now_ns);
	house_tick(house, 0);
	for (int i = 0; i < 1000; i++)
		drain_wake(house->drain);
	due_ns = drain_next_due(house->drain, house->now_ns);
	assert_true(due_ns >= house->now_ns + 1000000 && due_ns <= house->now_ns + 10000000);
	ring_writer_close(&writer);
}

static void an_ended_span_gets_a_round_that_began_later(void **state)
{
	struct house *house = *state;
	struct ring_writer writer;
	struct ring_pen pen;
	uint64_t rounds;

	ring_writer_make(&writer, house->dir, 1, RING_BYTES);
	ring_pen_init(&pen, &writer, 1);
	ring_pen_open(&pen, 0);
	house_settle(house);
	ring_pen_start(&pen, 100, "step");
	ring_pen_end(&pen, 100);
	rounds = house->rings[0].rounds;
	house_tick(house, 100);
	assert_int_equal(house->rings[0].rounds, rounds + 1);
	house_tick(house, 10);
	assert_int_equal(house->rings[0].rounds, rounds + 2);
	house_settle(house);
	assert_int_equal(house->rings[0].rounds, rounds + 2);
	ring_writer_close(&writer);
}

static void a_ring_whose_threads_share_no_span_is_settled_at_once(void **state)
{
	struct house *house = *state;
	struct ring_writer writer;
	struct ring_pen pen;
	uint32_t settled;

	ring_writer_make(&writer, house->dir, 1, RING_BYTES);
	ring_pen_init(&pen, &writer, 1);
	ring_pen_open(&pen, 0);
	house_settle(house);
	settled = house->rings[0].settled;
	ring_pen_start(&pen, 100, "step");
	ring_pen_end(&pen, 100);
	house_tick(house, 100);
	assert_int_equal(house->rings[0].settled, settled + 1);

	house_settle(house);
	settled = house->rings[0].settled;
	/* S1; relaxed as the client has it. */
	atomic_store_explicit(&writer.header->shared, 1, memory_order_relaxed);
	ring_pen_start(&pen, 101, "step");
	ring_pen_end(&pen, 101);
	house_settle(house);
	assert_int_equal(house->rings[0].settled, settled);
	ring_writer_close(&writer);
}

static void a_block_behind_an_open_one_waits_for_the_seal(void **state)
{
	struct house *house = *state;
	struct ring_writer writer;
	struct ring_pen pen, hasty;

	ring_writer_make(&writer, house->dir, 1, RING_BYTES);
	ring_pen_init(&pen, &writer, 1);
	ring_pen_open(&pen, 5);
	ring_pen_start(&pen, 1, "first");
	/* The same thread's second block, while the first is not sealed: what a
	 * snapshot may see when the sealing came after its look. */
	hasty = pen;
	ring_pen_open(&hasty, 2);
	ring_pen_start(&hasty, 2, "second");
	house_settle(house);
	assert_int_equal(house_count(house, 1, 1, NULL), 1);
	ring_pen_seal(&pen);
	house_settle(house);
	assert_int_equal(house_count(house, 1, 1, NULL), 2);
	assert_int_equal(house_counters(house, 1).dropped_damaged, 0);
	house_check_ledgers(house);
	ring_writer_close(&writer);
}

static void a_block_behind_one_not_yet_seen_waits_one_round(void **state)
{
	struct house *house = *state;
	struct ring_writer writer;
	struct ring_pen pen;
	uint32_t dropped;

	ring_writer_make(&writer, house->dir, 1, RING_BYTES);
	ring_pen_init(&pen, &writer, 1);
	pen.next_block = 2;
	pen.next_record = 11;
	ring_pen_open(&pen, 0);
	ring_pen_start(&pen, 1, "second");
	house_tick(house, 10);
	assert_int_equal(house_count(house, 1, 1, NULL), 0);
	/* A later round lacks it as well: it will never come. */
	house_settle(house);
	assert_int_equal(house_count(house, 1, 1, &dropped), 1);
	assert_int_equal(dropped, 10);
	assert_int_equal(house_counters(house, 1).dropped_damaged, 10);
	assert_int_equal(house_counters(house, 1).written, 11);
	house_check_ledgers(house);
	ring_writer_close(&writer);
}

static void many_threads_and_blocks_keep_their_order(void **state)
{
	struct house *house = *state;
	struct ring_writer writer;
	struct ring_pen pens[7];
	uint32_t written[7] = {0}, block = 124;

	ring_writer_make(&writer, house->dir, 1, RING_BYTES);
	for (uint32_t i = 0; i < 7; i++) {
		ring_pen_init(&pens[i], &writer, i + 1);
		ring_pen_open(&pens[i], --block);
	}
	for (uint32_t n = 0; n < 4000; n++) {
		struct ring_pen *pen = &pens[n * 13 % 7];

		if (pen->at + 1400 > WIRE_BLOCK_BYTES && block > 0) {
			ring_pen_seal(pen);
			ring_pen_open(pen, --block);
		}
		if (pen->at + 1400 > WIRE_BLOCK_BYTES)
			continue;
		ring_pen_string(pen, n + 1, "key", n * 37 % 1300);
		written[n * 13 % 7]++;
		if (n % 97 == 0)
			house_tick(house, 10);
	}
	house_settle(house);
	for (uint32_t i = 0; i < 7; i++) {
		uint32_t dropped;

		assert_int_equal(house_count(house, 1, i + 1, &dropped), written[i]);
		assert_int_equal(dropped, 0);
	}
	house_check_ledgers(house);
	ring_writer_close(&writer);
}

static void pen_timed(struct ring_pen *pen, uint32_t *block, uint64_t span, uint64_t ticks,
		      bool start)
{
	struct wire_start begins = {
		.head = record_make_head(WIRE_START, sizeof begins, 0, 1),
		.ticks = ticks,
		.trace_id = {1},
	};
	struct wire_end ends = {.head = record_make_head(WIRE_END, sizeof ends, 0, 0),
				.ticks = ticks};

	if (pen->block == UINT32_MAX || pen->at + sizeof begins > WIRE_BLOCK_BYTES) {
		if (pen->block != UINT32_MAX)
			ring_pen_seal(pen);
		ring_pen_open(pen, (*block)++);
	}
	memcpy(begins.span_id, &span, 8);
	memcpy(ends.span_id, &span, 8);
	if (start)
		ring_pen_record(pen, &begins, sizeof begins);
	else
		ring_pen_record(pen, &ends, sizeof ends);
}

/* One thread starts spans, another one ends them, and the agent comes late. */
static void threads_that_share_spans_are_read_side_by_side(void **state)
{
	struct house *house = *state;
	struct ring_writer writer;
	struct ring_pen starts, ends;
	uint32_t block = 0;
	int64_t lead = 0; /* of STARTs before ENDs */

	ring_writer_make(&writer, house->dir, 1, RING_BYTES);
	/* Relaxed: nobody reads yet. */
	atomic_store_explicit(&writer.header->shared, 1, memory_order_relaxed);
	ring_pen_init(&ends, &writer, 1);
	ring_pen_init(&starts, &writer, 2);
	for (uint64_t span = 1; span <= 20000; span++) {
		pen_timed(&starts, &block, span, 10 * span, true);
		pen_timed(&ends, &block, span, 10 * span + 5, false);
	}
	house_settle(house);
	assert_int_equal(house_count(house, 1, 1, NULL), 20000);
	assert_int_equal(house_count(house, 1, 2, NULL), 20000);
	for (uint32_t i = 0; i < house->slice_count; i++) {
		const struct slice *slice = &house->slices[i].slice;

		lead += slice->thread == 1 ? -(int64_t)slice->record_count
					   : (int64_t)slice->record_count;
		assert_in_range((uint64_t)llabs(lead), 0, 6000);
	}
	house_check_ledgers(house);
	ring_writer_close(&writer);
}

static void blocks_go_back_only_when_their_last_frame_is_logged(void **state)
{
	struct house *house = *state;
	struct ring_writer writer;
	struct ring_pen pen;

	ring_writer_make(&writer, house->dir, 1, RING_BYTES);
	ring_pen_init(&pen, &writer, 1);
	ring_pen_open(&pen, 3);
	ring_pen_start(&pen, 1, "a");
	house_settle(house);
	drain_logged(house->drain, house->sequence);
	assert_int_equal(ring_writer_returned(&writer, 3), 0);
	ring_pen_end(&pen, 1);
	ring_pen_seal(&pen);
	house_settle(house);
	drain_logged(house->drain, house->sequence - 1);
	assert_int_equal(ring_writer_returned(&writer, 3), 0);
	drain_logged(house->drain, house->sequence);
	assert_int_equal(ring_writer_returned(&writer, 3), 1);
	assert_int_equal(ring_writer_returns(&writer), 1);
	/* The block lives again, and so does an empty one. */
	ring_pen_open(&pen, 3);
	ring_pen_seal(&pen);
	house_settle(house);
	drain_logged(house->drain, house->sequence);
	assert_int_equal(ring_writer_returned(&writer, 3), 2);
	assert_int_equal(ring_writer_returns(&writer), 2);
	assert_int_equal(drain_counters(house->drain)->blocks_returned, 2);
	assert_int_equal(drain_counters(house->drain)->rings_quarantined, 0);
	ring_writer_close(&writer);
}

static void what_the_pipeline_refuses_is_offered_again(void **state)
{
	struct house *house = *state;
	struct ring_writer writer;
	struct ring_pen pens[3];

	ring_writer_make(&writer, house->dir, 1, RING_BYTES);
	house_settle(house);
	house->refuse = true;
	for (uint32_t i = 0; i < 3; i++) {
		ring_pen_init(&pens[i], &writer, i + 1);
		for (uint32_t b = 0; b < 3; b++) {
			ring_pen_open(&pens[i], 10 * i + b);
			ring_pen_string(&pens[i], 1, "key", 16000);
			ring_pen_seal(&pens[i]);
		}
	}
	house_settle(house);
	assert_int_equal(house->slice_count, 0);
	house->refuse = false;
	house_settle(house);
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(house_count(house, 1, i + 1, NULL), 3);
	assert_int_equal(house->rings[0].rounds, house_counters(house, 1).rounds);
	house_check_ledgers(house);
	ring_writer_close(&writer);
}

static void a_flooding_ring_is_read_a_budget_at_a_time(void **state)
{
	struct house *house = *state;
	struct ring_writer writer;
	struct ring_pen pen;
	uint64_t before;

	house_stop(house);
	house->options.round_bytes_max = 40000;
	house->options.batch_bytes_max = 20000;
	house_start(house);
	ring_writer_make(&writer, house->dir, 1, RING_BYTES);
	house_settle(house);
	ring_pen_init(&pen, &writer, 1);
	for (uint32_t b = 0; b < 20; b++) {
		ring_pen_open(&pen, b);
		ring_pen_string(&pen, 1, "key", 16000);
		ring_pen_seal(&pen);
	}
	house_tick(house, 100);
	before = house->rings[0].rounds;
	assert_int_equal(house_count(house, 1, 1, NULL), 3);
	house_tick(house, 0);
	assert_int_equal(house_count(house, 1, 1, NULL), 6);
	/* The round is still the same. */
	assert_int_equal(house->rings[0].rounds, before);
	house_settle(house);
	assert_int_equal(house_count(house, 1, 1, NULL), 20);
	for (uint32_t i = 1; i < house->slice_count; i++)
		assert_true(house->slices[i].batch != house->slices[i - 1].batch ||
			    house->slices[i].slice.records.len < 20000);
	ring_writer_close(&writer);
}

/* A round that takes several ticks: thread 1 fills them, thread 2 has one
 * record, and the second flush, more of thread 2 and the process's death come
 * while it lasts. */
static void what_comes_while_a_round_lasts_belongs_to_the_next(void **state)
{
	struct house *house = *state;
	struct ring_writer writer;
	struct ring_pen many, few;
	uint64_t before;

	house_stop(house);
	house->options.round_bytes_max = 40000;
	house_start(house);
	ring_writer_make(&writer, house->dir, 1, RING_BYTES);
	house_settle(house);
	ring_pen_init(&many, &writer, 1);
	for (uint32_t b = 0; b < 6; b++) {
		ring_pen_open(&many, b);
		ring_pen_string(&many, 1, "key", 16000);
		ring_pen_seal(&many);
	}
	ring_pen_init(&few, &writer, 2);
	ring_pen_open(&few, 10);
	ring_pen_start(&few, 2, "first");
	atomic_store_explicit(&writer.header->flush_req, 1, memory_order_release);
	house_tick(house, 100);
	before = house->rings[0].rounds;
	assert_int_equal(house_count(house, 1, 2, NULL), 0);

	ring_pen_end(&few, 2);
	atomic_store_explicit(&writer.header->flush_req, 2, memory_order_release);
	ring_writer_die(&writer);
	for (int i = 0; i < 100 && house->rings[0].rounds == before; i++)
		house_tick(house, 0);
	assert_int_equal(house_count(house, 1, 2, NULL), 1);
	assert_int_equal(house->rings[0].flush_request, 1);
	assert_false(house->rings[0].dead);

	for (int i = 0; i < 30; i++)
		house_tick(house, 100);
	assert_true(house->rings[0].dead);
	assert_int_equal(house_count(house, 1, 2, NULL), 2);
	ring_writer_close(&writer);
}

static void assert_value(const struct house *house, uint32_t thread, uint32_t index,
			 const uint8_t *record, uint32_t length)
{
	size_t len, at = 0;
	uint8_t *all = house_records(house, 1, thread, &len);

	for (uint32_t i = 0; i < index; i++)
		at += record_padded(record_head(all + at).length);
	assert_true(len - at >= length);
	assert_memory_equal(all + at, record, length);
	free(all);
}

static void a_value_in_pieces_is_joined_where_its_first_piece_stood(void **state)
{
	struct house *house = *state;
	struct ring_writer writer;
	struct ring_pen pen;
	uint32_t length;
	uint8_t *record;

	ring_writer_make(&writer, house->dir, 1, RING_BYTES);
	ring_pen_init(&pen, &writer, 1);
	ring_pen_open(&pen, 0);
	ring_pen_start(&pen, 9, "step");
	record = ring_pen_long_string(&pen, 9, 100000, 1, &length);
	ring_pen_end(&pen, 9);
	house_settle(house);
	assert_int_equal(house_count(house, 1, 1, NULL), 3);
	assert_value(house, 1, 1, record, length);
	/* All of it in one batch, the first piece's slice first. */
	for (uint32_t i = 0; i < house->slice_count; i++)
		if (house->slices[i].slice.records.len == record_padded(length))
			for (uint32_t k = i; k < i + 6; k++)
				assert_int_equal(house->slices[k].batch,
						 house->slices[i].batch);
	house_check_ledgers(house);
	free(record);
	ring_writer_close(&writer);
}

static void an_incomplete_value_stays_in_the_ring_until_it_is_whole(void **state)
{
	struct house *house = *state;
	struct ring_writer writer;
	struct ring_pen pen;
	uint8_t bytes[8000], record[16016];
	uint32_t whole = 8000 * 2 + 8;

	ring_writer_make(&writer, house->dir, 1, RING_BYTES);
	ring_pen_init(&pen, &writer, 1);
	ring_pen_open(&pen, 0);
	ring_pen_start(&pen, 9, "step");
	memset(record, 0, sizeof record);
	memset(bytes, 'x', sizeof bytes);
	memcpy(record, &(struct wire_text){record_make_head(WIRE_NAME, whole, 0, 0), {1}}, 16);
	memset(record + 16, 'x', whole - 16);
	ring_pen_fragment(&pen, WIRE_FRAGMENT_FIRST, whole, record, 8000);
	house_settle(house);
	assert_int_equal(house_count(house, 1, 1, NULL), 1);
	assert_int_equal(house_counters(house, 1).held, 1);
	ring_pen_fragment(&pen, 0, 0, record + 8000, 8000);
	house_settle(house);
	assert_int_equal(house_counters(house, 1).held, 2);
	house_check_ledgers(house);
	ring_pen_seal(&pen);
	house_settle(house);
	drain_logged(house->drain, house->sequence);
	assert_int_equal(ring_writer_returned(&writer, 0), 0);
	ring_pen_open(&pen, 1);
	ring_pen_fragment(&pen, WIRE_FRAGMENT_LAST, 0, record + 16000, 8);
	house_settle(house);
	assert_int_equal(house_count(house, 1, 1, NULL), 2);
	assert_value(house, 1, 1, record, whole);
	assert_int_equal(house_counters(house, 1).held, 0);
	house_check_ledgers(house);
	drain_logged(house->drain, house->sequence);
	assert_int_equal(ring_writer_returned(&writer, 0), 1);
	ring_writer_close(&writer);
}

static void a_value_given_up_is_counted_and_the_rest_goes_on(void **state)
{
	struct house *house = *state;
	struct ring_writer writer;
	struct ring_pen pen;
	uint8_t bytes[8000] = {0};
	uint32_t dropped;

	ring_writer_make(&writer, house->dir, 1, RING_BYTES);
	ring_pen_init(&pen, &writer, 1);
	ring_pen_open(&pen, 0);
	ring_pen_fragment(&pen, WIRE_FRAGMENT_FIRST, 20000, bytes, 8000);
	ring_pen_fragment(&pen, 0, 0, bytes, 8000);
	ring_pen_start(&pen, 9, "step");
	ring_pen_seal(&pen);
	ring_pen_open(&pen, 1);
	/* Pieces nobody began, between good records. */
	ring_pen_end(&pen, 9);
	ring_pen_fragment(&pen, WIRE_FRAGMENT_LAST, 0, bytes, 100);
	ring_pen_start(&pen, 10, "next");
	/* One chain right behind another's beginning. */
	ring_pen_fragment(&pen, WIRE_FRAGMENT_FIRST, 20000, bytes, 100);
	ring_pen_fragment(&pen, WIRE_FRAGMENT_FIRST, 20000, bytes, 100);
	ring_pen_end(&pen, 10);
	house_settle(house);
	assert_int_equal(house_count(house, 1, 1, &dropped), 4);
	assert_int_equal(dropped, 5);
	assert_int_equal(house_counters(house, 1).dropped_abandoned, 5);
	house_check_ledgers(house);
	ring_writer_close(&writer);
}

static void a_value_whose_pieces_do_not_add_up_is_damaged(void **state)
{
	struct house *house = *state;
	struct ring_writer writer;
	struct ring_pen pen;
	uint8_t bytes[1000] = {0}, claim[1000] = {0};

	ring_writer_make(&writer, house->dir, 1, RING_BYTES);
	ring_pen_init(&pen, &writer, 1);
	ring_pen_open(&pen, 0);
	ring_pen_fragment(&pen, WIRE_FRAGMENT_FIRST, 1200, bytes, 1000);
	ring_pen_fragment(&pen, WIRE_FRAGMENT_LAST, 0, bytes, 1000); /* too much */
	ring_pen_fragment(&pen, WIRE_FRAGMENT_FIRST, 5000, bytes, 1000);
	ring_pen_fragment(&pen, WIRE_FRAGMENT_LAST, 0, bytes, 1000);	    /* too little */
	ring_pen_fragment(&pen, WIRE_FRAGMENT_FIRST, UINT32_MAX, bytes, 8); /* absurd */
	/* Too little, and its own head says what the chain said. */
	memcpy(claim, &(struct wire_text){record_make_head(WIRE_NAME, 5000, 0, 0), {1}}, 16);
	ring_pen_fragment(&pen, WIRE_FRAGMENT_FIRST, 5000, claim, 1000);
	ring_pen_fragment(&pen, WIRE_FRAGMENT_LAST, 0, bytes, 1000);
	/* It adds up, but is not a record. */
	ring_pen_fragment(&pen, WIRE_FRAGMENT_FIRST | WIRE_FRAGMENT_LAST, 1000, bytes, 1000);
	ring_pen_start(&pen, 1, "good");
	house_settle(house);
	assert_int_equal(house_count(house, 1, 1, NULL), 1);
	assert_int_equal(house_counters(house, 1).dropped_damaged, 8);
	house_check_ledgers(house);
	ring_writer_close(&writer);
}

/* The marks are taken block by block: a value's last block may be seen before
 * the one in its middle. */
static void a_value_waits_for_the_block_in_its_middle(void **state)
{
	struct house *house = *state;
	struct ring_writer writer;
	struct ring_pen pen;
	uint32_t length;
	uint8_t *record;

	ring_writer_make(&writer, house->dir, 1, RING_BYTES);
	house_settle(house);
	ring_pen_init(&pen, &writer, 1);
	ring_pen_open(&pen, 0);
	record = ring_pen_long_string(&pen, 9, 40000, 1, &length);
	ring_pen_end(&pen, 9);
	atomic_store_explicit(&writer.lines[1].generation, 0, memory_order_release);
	house_tick(house, 100);
	assert_int_equal(house_count(house, 1, 1, NULL), 0);
	atomic_store_explicit(&writer.lines[1].generation, 1, memory_order_release);
	house_settle(house);
	assert_int_equal(house_count(house, 1, 1, NULL), 2);
	assert_value(house, 1, 0, record, length);
	assert_int_equal(house_counters(house, 1).dropped_damaged, 0);
	house_check_ledgers(house);
	free(record);
	ring_writer_close(&writer);
}

static void a_value_the_log_cannot_take_is_counted_without_the_rest(void **state)
{
	struct house *house = *state;
	struct ring_writer writer;
	struct ring_pen pen;
	uint32_t length;

	ring_writer_make(&writer, house->dir, 1, RING_BYTES);
	house->too_big = 50000;
	ring_pen_init(&pen, &writer, 1);
	ring_pen_open(&pen, 0);
	ring_pen_start(&pen, 9, "step");
	free(ring_pen_long_string(&pen, 9, 100000, 1, &length));
	ring_pen_end(&pen, 9);
	house_settle(house);
	assert_int_equal(house_count(house, 1, 1, NULL), 2);
	assert_int_equal(house_counters(house, 1).dropped_too_large, 7);
	house_check_ledgers(house);
	ring_writer_close(&writer);
}

static void a_large_value_goes_alone_when_the_batch_is_small(void **state)
{
	struct house *house = *state;
	struct ring_writer writer;
	struct ring_pen pen;
	uint32_t length;

	house_stop(house);
	house->options.batch_bytes_max = 20000;
	house_start(house);
	ring_writer_make(&writer, house->dir, 1, RING_BYTES);
	ring_pen_init(&pen, &writer, 1);
	ring_pen_open(&pen, 0);
	ring_pen_string(&pen, 1, "short", 9000);
	free(ring_pen_long_string(&pen, 9, 60000, 1, &length));
	ring_pen_string(&pen, 1, "short", 9000);
	house_settle(house);
	assert_int_equal(house_count(house, 1, 1, NULL), 3);
	for (uint32_t i = 0; i < house->slice_count; i++)
		if (house->slices[i].slice.records.len > 20000)
			assert_true(house->slices[i].batch != house->slices[i - 1].batch);
	house_check_ledgers(house);
	ring_writer_close(&writer);
}

/* What clients look at before they ring. */
static uint32_t page_sleeping(const struct house *house)
{
	uint32_t sleeping;
	char path[128];
	int fd;

	(void)snprintf(path, sizeof path, "%s/" WIRE_PAGE_NAME, house->dir);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(pread(fd, &sleeping, sizeof sleeping,
			       offsetof(struct wire_agent_page, sleeping)),
			 sizeof sleeping);
	close(fd);
	return sleeping;
}

static void while_it_sleeps_its_page_says_so(void **state)
{
	struct house *house = *state;

	house_settle(house);
	assert_int_equal(page_sleeping(house), 0);
	assert_false(drain_before_sleep(house->drain));
	assert_int_equal(page_sleeping(house), 1);
	drain_after_sleep(house->drain);
	assert_int_equal(page_sleeping(house), 0);
}

static void a_flush_is_told_after_a_round_that_began_later(void **state)
{
	struct house *house = *state;
	struct ring_writer writer;
	struct ring_pen pen;

	ring_writer_make(&writer, house->dir, 1, RING_BYTES);
	ring_pen_init(&pen, &writer, 1);
	ring_pen_open(&pen, 0);
	house_settle(house);
	assert_int_equal(house->rings[0].flushes, 0);
	ring_pen_start(&pen, 1, "a");
	atomic_store_explicit(&writer.header->flush_req, 1, memory_order_release);
	assert_true(drain_before_sleep(house->drain));
	drain_after_sleep(house->drain);
	house_tick(house, 0);
	assert_int_equal(house->rings[0].flushes, 1);
	assert_int_equal(house->rings[0].flush_request, 1);
	assert_int_equal(house_count(house, 1, 1, NULL), 1);
	assert_int_equal(ring_writer_flush_ack(&writer), 0);
	drain_flush_ack(house->drain, 0, 1);
	assert_int_equal(ring_writer_flush_ack(&writer), 1);
	assert_false(drain_before_sleep(house->drain));
	house_settle(house);
	assert_int_equal(house->rings[0].flushes, 1);
	ring_writer_close(&writer);
}

static void a_bell_makes_every_ring_due(void **state)
{
	struct house *house = *state;
	struct ring_writer writer;
	struct ring_pen pen;

	ring_writer_make(&writer, house->dir, 1, RING_BYTES);
	ring_pen_init(&pen, &writer, 1);
	ring_pen_open(&pen, 0);
	house_settle(house);
	ring_pen_start(&pen, 1, "a");
	house_tick(house, 0);
	assert_int_equal(house_count(house, 1, 1, NULL), 0);
	drain_wake(house->drain);
	assert_true(drain_next_due(house->drain, house->now_ns) <= house->now_ns);
	house_tick(house, 0);
	assert_int_equal(house_count(house, 1, 1, NULL), 1);
	ring_writer_close(&writer);
}

static void an_end_without_room_is_told_once(void **state)
{
	struct house *house = *state;
	struct ring_writer writer;
	uint64_t span = 0x1122334455667788;

	ring_writer_make(&writer, house->dir, 1, RING_BYTES);
	house_settle(house);
	memcpy(writer.header->lost_end[0].span_id, &span, 8);
	atomic_store_explicit(&writer.header->lost_end_next, 1, memory_order_relaxed);
	house_settle(house);
	assert_int_equal(house->rings[0].ends_lost, 0);
	atomic_store_explicit(&writer.header->lost_end[0].ready, 1, memory_order_release);
	house_settle(house);
	assert_int_equal(house->rings[0].ends_lost, 1);
	assert_memory_equal(house->rings[0].lost_span, &span, 8);
	house_settle(house);
	assert_int_equal(house->rings[0].ends_lost, 1);
	ring_writer_close(&writer);
}

/* Killed between taking a slot for a lost END and filling it. */
static void a_death_is_seen_beside_a_lost_end_that_never_came(void **state)
{
	struct house *house = *state;
	struct ring_writer writer;

	ring_writer_make(&writer, house->dir, 1, RING_BYTES);
	house_settle(house);
	atomic_store_explicit(&writer.header->lost_end_next, 1, memory_order_relaxed);
	house_settle(house);
	ring_writer_die(&writer);
	for (int i = 0; i < 30; i++)
		house_tick(house, 100);
	assert_true(house->rings[0].dead);
	ring_writer_close(&writer);
}

static void refusals_are_shown_as_the_client_counts_them(void **state)
{
	struct house *house = *state;
	struct ring_writer writer;

	ring_writer_make(&writer, house->dir, 1, RING_BYTES);
	house_settle(house);
	atomic_store_explicit(&writer.header->refused[WIRE_REFUSED_RING_FULL], 42,
			      memory_order_relaxed);
	assert_int_equal(house_counters(house, 1).refused[WIRE_REFUSED_RING_FULL], 42);
	ring_writer_close(&writer);
}

static void a_new_threads_first_block_is_found_in_a_large_ring(void **state)
{
	struct house *house = *state;
	struct ring_writer writer;
	struct ring_pen pen, late;

	ring_writer_make(&writer, house->dir, 1, 64 << 20);
	/* The lines must be memory, as the client makes them. */
	for (uint32_t i = 0; i < writer.header->block_count; i++)
		writer.lines[i].next_claimed = UINT32_MAX;
	ring_pen_init(&pen, &writer, 1);
	ring_pen_open(&pen, writer.header->block_count - 1);
	ring_pen_start(&pen, 1, "a");
	house_settle(house);
	assert_int_equal(house_count(house, 1, 1, NULL), 1);
	ring_pen_init(&late, &writer, 2);
	ring_pen_open(&late, 2000);
	ring_pen_start(&late, 2, "b");
	for (int i = 0; i < 8; i++)
		house_tick(house, 100);
	assert_int_equal(house_count(house, 1, 2, NULL), 1);
	ring_writer_close(&writer);
}

static void it_says_since_when_a_ring_waits(void **state)
{
	struct house *house = *state;
	struct ring_writer writer;
	struct ring_pen pen;
	uint64_t since_ns;

	assert_int_equal(drain_behind_since_ns(house->drain), 0);
	/* The log does not even take the ring. */
	house->refuse = true;
	ring_writer_make(&writer, house->dir, 1, RING_BYTES);
	ring_pen_init(&pen, &writer, 1);
	ring_pen_open(&pen, 0);
	house_tick(house, 10);
	since_ns = drain_behind_since_ns(house->drain);
	assert_int_equal(since_ns, house->now_ns);
	for (int i = 0; i < 20; i++)
		house_tick(house, 100);
	assert_int_equal(drain_behind_since_ns(house->drain), since_ns);
	house->refuse = false;
	house_settle(house);
	assert_int_equal(drain_behind_since_ns(house->drain), 0);

	/* It does not take what is in it. */
	house->refuse = true;
	ring_pen_start(&pen, 100, "step");
	house_tick(house, 100);
	since_ns = drain_behind_since_ns(house->drain);
	assert_int_equal(since_ns, house->now_ns);
	for (int i = 0; i < 20; i++)
		house_tick(house, 100);
	assert_int_equal(drain_behind_since_ns(house->drain), since_ns);
	house->refuse = false;
	house_settle(house);
	assert_int_equal(drain_behind_since_ns(house->drain), 0);
	ring_writer_close(&writer);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_ring_is_seen_put_into_the_log_and_read),
		TEST(the_bell_is_heard_every_other_millisecond_at_most),
		TEST(an_ended_span_gets_a_round_that_began_later),
		TEST(a_ring_whose_threads_share_no_span_is_settled_at_once),
		TEST(a_block_behind_an_open_one_waits_for_the_seal),
		TEST(a_block_behind_one_not_yet_seen_waits_one_round),
		TEST(many_threads_and_blocks_keep_their_order),
		TEST(threads_that_share_spans_are_read_side_by_side),
		TEST(blocks_go_back_only_when_their_last_frame_is_logged),
		TEST(what_the_pipeline_refuses_is_offered_again),
		TEST(it_says_since_when_a_ring_waits),
		TEST(a_flooding_ring_is_read_a_budget_at_a_time),
		TEST(what_comes_while_a_round_lasts_belongs_to_the_next),
		TEST(a_value_waits_for_the_block_in_its_middle),
		TEST(a_value_in_pieces_is_joined_where_its_first_piece_stood),
		TEST(an_incomplete_value_stays_in_the_ring_until_it_is_whole),
		TEST(a_value_given_up_is_counted_and_the_rest_goes_on),
		TEST(a_value_whose_pieces_do_not_add_up_is_damaged),
		TEST(a_value_the_log_cannot_take_is_counted_without_the_rest),
		TEST(a_large_value_goes_alone_when_the_batch_is_small),
		TEST(a_flush_is_told_after_a_round_that_began_later),
		TEST(while_it_sleeps_its_page_says_so),
		TEST(a_bell_makes_every_ring_due),
		TEST(an_end_without_room_is_told_once),
		TEST(a_death_is_seen_beside_a_lost_end_that_never_came),
		TEST(refusals_are_shown_as_the_client_counts_them),
		TEST(a_new_threads_first_block_is_found_in_a_large_ring),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
