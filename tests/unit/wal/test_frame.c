/* Chains, frame by frame: what counts as whole. */
#include "wal/frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const uint8_t bytes[64];

static int take(struct frame_chain *chain, uint64_t sequence, uint8_t flags, uint32_t length,
		uint32_t whole, struct bytes *ret_payload)
{
	struct frame frame = {
		.head = {.length = length,
			 .sequence = sequence,
			 .kind = WAL_SPAN,
			 .flags = flags,
			 .whole = whole},
		.offset = 1024 + sequence * 64,
		.payload = bytes,
	};
	uint64_t offset;

	return frame_chain_take(chain, &frame, ret_payload, &offset);
}

static void a_chain_counts_when_its_last_frame_completes_it(void **state)
{
	struct frame_chain chain;
	struct bytes payload;

	(void)state;
	frame_chain_init(&chain);
	assert_int_equal(take(&chain, 1, WAL_MORE, 16, 40, &payload), 0);
	assert_int_equal(take(&chain, 2, WAL_MORE | WAL_CONTINUED, 16, 40, &payload), 0);
	assert_int_equal(take(&chain, 3, WAL_CONTINUED, 8, 40, &payload), 1);
	assert_int_equal(payload.len, 40);
	assert_int_equal(chain.incomplete, 0);
	frame_chain_fini(&chain);
}

static void a_chain_that_ends_too_early_is_incomplete(void **state)
{
	struct frame_chain chain;
	struct bytes payload;

	(void)state;
	frame_chain_init(&chain);
	assert_int_equal(take(&chain, 1, WAL_MORE, 16, 40, &payload), 0);
	assert_int_equal(take(&chain, 2, WAL_CONTINUED, 16, 40, &payload), 0);
	assert_int_equal(chain.incomplete, 1);
	assert_int_equal(take(&chain, 3, WAL_CONTINUED, 8, 40, &payload), 0);
	/* One frame that says it is less than all. */
	assert_int_equal(take(&chain, 4, 0, 16, 40, &payload), 0);
	frame_chain_fini(&chain);
}

static void a_chain_with_a_gap_is_not_joined_over_it(void **state)
{
	struct frame_chain chain;
	struct bytes payload;

	(void)state;
	frame_chain_init(&chain);
	assert_int_equal(take(&chain, 1, WAL_MORE, 16, 32, &payload), 0);
	/* The rest of another chain, of the same size, behind a damaged place. */
	assert_int_equal(take(&chain, 9, WAL_CONTINUED, 16, 32, &payload), 0);
	assert_int_equal(chain.incomplete, 1);
	frame_chain_fini(&chain);
}

static void a_frame_out_of_its_place_or_too_long_is_none(void **state)
{
	struct wal_frame_head head = {.length = 100, .kind = WAL_SPAN, .offset = 1024};

	(void)state;
	assert_true(frame_plausible(&head, 1024, 1024 + frame_bytes(100)));
	assert_false(frame_plausible(&head, 1032, 4096));
	assert_false(frame_plausible(&head, 1024, 1024 + frame_bytes(100) - 1));
	head.kind = 0;
	assert_false(frame_plausible(&head, 1024, 4096));
	head.kind = WAL_SPAN;
	head.length = WAL_FRAME_BYTES_MAX + 1;
	assert_false(frame_plausible(&head, 1024, UINT32_MAX));
	head.length = UINT32_MAX;
	assert_false(frame_plausible(&head, 1024, 4096));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_chain_counts_when_its_last_frame_completes_it),
		cmocka_unit_test(a_chain_that_ends_too_early_is_incomplete),
		cmocka_unit_test(a_chain_with_a_gap_is_not_joined_over_it),
		cmocka_unit_test(a_frame_out_of_its_place_or_too_long_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
