/* Who may take a block: full rings, the reserve, what comes back. */
#include "budget.h"
#include "client.h"
#include "client_fixture.h"
#include "life.h"
#include "shrink.h"
#include "wire/record.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include <cmocka.h>

#define SMALL_RING (1u << 20)
#define SPANS_MAX 20000

static struct spanring_span spans[SPANS_MAX];

/* Starts spans until one is refused; returns how many were started. */
static int start_until_full(void)
{
	for (int i = 0; i < SPANS_MAX; i++) {
		int r = spanring_start(&spans[i], "span", NULL);

		if (r == 0)
			continue;
		assert_int_equal(r, -ENOBUFS);
		assert_false(spanring_is_recording(&spans[i]));
		return i;
	}
	fail();
	return 0;
}

static void a_full_ring_refuses_starts_whole_and_counts_them(void **state)
{
	struct client_fixture *fixture = *state;
	struct spanring_report asked = SPANRING_REPORT_INIT;
	struct ring_view view;
	int started;

	client_fixture_init(fixture, SMALL_RING);
	started = start_until_full();
	assert_true(started > 4000);
	for (int i = 0; i < 10; i++)
		assert_int_equal(spanring_start(&spans[SPANS_MAX - 1], "more", NULL), -ENOBUFS);
	assert_int_equal(spanring_state(&asked), 1);
	assert_int_equal(asked.refused_ring_full, 11);
	client_fixture_read(fixture, &view);
	assert_int_equal(ring_view_count(&view, WIRE_START), started);
	ring_view_close(&view);
}

static void every_span_that_was_started_can_be_ended_with_a_short_status(void **state)
{
	struct client_fixture *fixture = *state;
	struct spanring_report asked = SPANRING_REPORT_INIT;
	struct ring_view view;
	int started, refused = 0;

	client_fixture_init(fixture, SMALL_RING);
	started = start_until_full();
	for (int i = 0; i < started; i++) {
		/* Greedy: takes what is left, and what is given back early. */
		int tries = 0;

		while (tries++ < 100 && spanring_set_int(&spans[i], "k", i) == 0)
			;
		refused += tries <= 100;
		assert_int_equal(spanring_set_status(&spans[i], SPANRING_STATUS_ERROR,
						     "sixty-four characters of what has "
						     "gone wrong in this one span"),
				 0);
		assert_int_equal(spanring_end(&spans[i]), 0);
	}
	assert_int_equal(spanring_state(&asked), 1);
	assert_int_equal(asked.ends_lost, 0);
	client_fixture_read(fixture, &view);
	assert_int_equal(ring_view_count(&view, WIRE_END), started);
	assert_int_equal(ring_view_count(&view, WIRE_STATUS), started);
	assert_int_equal(ring_view_count(&view, WIRE_DROPPED), refused);
	assert_true(refused > started / 2);
	ring_view_close(&view);
}

static void *end_one(void *argument)
{
	spanring_end(argument);
	return NULL;
}

/* Ends on so many threads that the reserve's blocks cannot do: each thread
 * needs a block of its own. */
static void an_end_without_room_is_noted_in_the_header_by_its_id(void **state)
{
	struct client_fixture *fixture = *state;
	struct spanring_report asked = SPANRING_REPORT_INIT;
	const struct wire_ring_header *header;
	struct ring_view view;
	pthread_t thread;
	int started;
	uint32_t lost;

	client_fixture_init(fixture, SMALL_RING);
	started = start_until_full();
	for (int i = 0; i < 200 && i < started; i++) {
		pthread_create(&thread, NULL, end_one, &spans[i]);
		pthread_join(thread, NULL);
	}
	spanring_state(&asked);
	lost = asked.ends_lost;
	assert_true(lost > 0 && lost < 200);
	client_fixture_read(fixture, &view);
	header = ring_view_header(&view);
	assert_int_equal(ring_view_count(&view, WIRE_END), 200 - lost);
	assert_true(header->lost_end_next >= (lost < 128 ? lost : 128));
	assert_int_equal(header->lost_end[0].ready, 1);
	assert_memory_equal(header->lost_end[0].span_id, spans[200 - lost].span_id, 8);
	ring_view_close(&view);
}

/* Whether open spans are those of a crash hangs on this one record. */
static void a_process_says_its_end_in_a_ring_that_is_full(void **state)
{
	struct client_fixture *fixture = *state;
	struct spanring_report asked = SPANRING_REPORT_INIT;
	struct ring_view view;
	pthread_t thread;
	uint32_t lost;
	int started;

	client_fixture_init(fixture, SMALL_RING);
	started = start_until_full();
	/* Ends take what the reserve has, and then some. */
	for (int i = 0; i < 200 && i < started; i++) {
		pthread_create(&thread, NULL, end_one, &spans[i]);
		pthread_join(thread, NULL);
	}
	spanring_state(&asked);
	lost = asked.ends_lost;
	assert_true(lost > 0);
	assert_int_equal(client_say_process_end(WIRE_PROCESS_SIGTERM, 15), 0);
	assert_int_equal(client_say_process_end(WIRE_PROCESS_EXIT, 0), 0);
	spanring_state(&asked);
	assert_int_equal(asked.ends_lost, lost);
	client_fixture_read(fixture, &view);
	assert_int_equal(ring_view_count(&view, WIRE_PROCESS_END), 2);
	ring_view_close(&view);
}

/* What it takes is its own: the spans' reserve stays as large as it was. */
static void ends_find_room_behind_the_end_of_the_process(void **state)
{
	struct client_fixture *fixture = *state;
	struct spanring_report asked = SPANRING_REPORT_INIT;
	char value[4000] = "";
	int started = 0;

	client_fixture_init(fixture, SMALL_RING);
	/* As many as two blocks of the reserve are worth. */
	while (started < 227 && spanring_start(&spans[started], "span", NULL) == 0)
		started++;
	while (spanring_set_string_n(&spans[0], "k", value, sizeof value) == 0)
		;
	while (spanring_set_int(&spans[0], "k", 1) == 0)
		;
	assert_int_equal(client_say_process_end(WIRE_PROCESS_SIGTERM, 15), 0);
	for (int i = 0; i < started; i++) {
		assert_int_equal(spanring_set_status(&spans[i], SPANRING_STATUS_ERROR,
						     "sixty-four characters of what has "
						     "gone wrong in this one span"),
				 0);
		assert_int_equal(spanring_end(&spans[i]), 0);
	}
	spanring_state(&asked);
	assert_int_equal(asked.ends_lost, 0);
}

/* Other threads and the agent at work, seen from afar: as many blocks come back
 * as are taken again, so that as many are free as before. */
static void come_and_go(struct fake_agent *agent, uint32_t blocks)
{
	atomic_fetch_add(&agent->ctl->returns, blocks);
	atomic_fetch_add(&thread_self->ring->budget, blocks * BUDGET_TAKEN_ONE);
}

/* A thread that is held up between its two loads has an old count of what came
 * back and a new one of what was taken. */
static void an_end_is_not_refused_for_blocks_that_come_and_go_while_it_counts(void **state)
{
	struct client_fixture *fixture = *state;
	struct spanring_span span;
	struct fake_agent agent;
	char value[4000] = "";
	uint32_t returned;
	uint64_t budget;

	client_fixture_init(fixture, SMALL_RING);
	fake_agent_open(&agent, fixture->directory);
	fake_agent_found();
	spanring_start(&span, "span", NULL);
	while (spanring_set_string_n(&span, "k", value, sizeof value) == 0)
		;
	for (uint32_t blocks = 1; blocks <= 3 * thread_self->ring->block_count; blocks++) {
		returned = budget_returned(agent.ctl);
		come_and_go(&agent, blocks);
		budget = budget_now(thread_self->ring);
		assert_false(
			budget_is_full(thread_self->ring, BLOCK_FOR_END, &budget, &returned));
		assert_int_equal(returned, budget_returned(agent.ctl));
		assert_int_equal(budget_spend(thread_self->ring, BLOCK_FOR_END), 0);
		budget_refund(thread_self->ring, 1);
		/* For values it is full, and stays so. */
		returned = budget_returned(agent.ctl);
		come_and_go(&agent, blocks);
		budget = budget_now(thread_self->ring);
		assert_true(
			budget_is_full(thread_self->ring, BLOCK_FOR_VALUE, &budget, &returned));
		assert_int_equal(budget, budget_now(thread_self->ring));
	}
	fake_agent_close(&agent);
}

static void a_refused_span_stands_in_for_its_parent(void **state)
{
	struct client_fixture *fixture = *state;
	struct spanring_span root, refused, child;

	client_fixture_init(fixture, SMALL_RING);
	spanring_start(&root, "root", NULL);
	(void)start_until_full();
	assert_int_equal(spanring_start_with(&refused, "refused", .parent = &root), -ENOBUFS);
	assert_memory_equal(refused.span_id, root.span_id, 8);
	assert_memory_equal(refused.trace_id, root.trace_id, 16);
	assert_int_equal(spanring_set_int(&refused, "k", 1), 0);
	assert_int_equal(spanring_start_with(&child, "child", .parent = &refused), -ENOBUFS);
	assert_memory_equal(child.trace_id, root.trace_id, 16);
	assert_int_equal(spanring_end(&refused), 0);
}

/* ---- with an agent --------------------------------------------------------- */

static void returned_blocks_are_taken_again_for_as_long_as_it_goes(void **state)
{
	struct client_fixture *fixture = *state;
	struct spanring_report asked = SPANRING_REPORT_INIT;
	struct fake_agent agent;
	struct spanring_span span;

	client_fixture_init(fixture, SMALL_RING);
	fake_agent_open(&agent, fixture->directory);
	fake_agent_found();
	for (int i = 0; i < 200000; i++) {
		assert_int_equal(spanring_start(&span, "span", NULL), 0);
		assert_int_equal(spanring_set_int(&span, "i", i), 0);
		assert_int_equal(spanring_end(&span), 0);
		if (i % 500 == 0)
			(void)fake_agent_return(&agent, UINT32_MAX);
	}
	assert_int_equal(spanring_state(&asked), 1);
	assert_int_equal(asked.refused_ring_full, 0);
	assert_true(agent.ctl->returns > 1000);
	fake_agent_close(&agent);
}

static void looking_for_an_agent_that_is_not_there_leaves_errno_alone(void **state)
{
	struct client_fixture *fixture = *state;
	struct spanring_span span;

	client_fixture_init(fixture, SMALL_RING);
	spanring_start(&span, "span", NULL);
	atomic_store(&thread_self->ring->looked_ns, 0);
	errno = EXDEV;
	ring_look_for_agent(thread_self->ring, true);
	assert_true(atomic_load(&thread_self->ring->looked_ns) != 0);
	assert_int_equal(errno, EXDEV);
	assert_int_equal(spanring_end(&span), 0);
}

/* Between P1 and the first P2 a reader may look, and a process may die. */
static void a_block_taken_again_is_empty_before_anything_is_written(void **state)
{
	struct client_fixture *fixture = *state;
	static char value[4000];
	struct spanring_span span;
	struct fake_agent agent;
	uint32_t generation, length;
	const uint8_t *record;

	memset(value, 'v', sizeof value);
	client_fixture_init(fixture, SMALL_RING);
	fake_agent_open(&agent, fixture->directory);
	fake_agent_found();
	spanring_start(&span, "span", NULL);
	while (spanring_set_string_n(&span, "k", value, sizeof value) == 0)
		;
	assert_true(fake_agent_return(&agent, UINT32_MAX) > 0);
	assert_int_equal(block_take(thread_self, BLOCK_FOR_VALUE), 0);
	generation = atomic_load(&thread_self->line->generation);
	assert_true(generation > 1);
	assert_int_equal(atomic_load(&thread_self->line->committed), 0);
	/* Nor does the padding show what was there. */
	record = thread_self->block;
	assert_int_equal(spanring_set_string_n(&span, "k", "odd", 3), 0);
	length = record_head(record).length;
	assert_true(length % WIRE_RECORD_ALIGN != 0);
	for (; length < record_padded(record_head(record).length); length++)
		assert_int_equal(record[length], 0);
	assert_int_equal(spanring_end(&span), 0);
	fake_agent_close(&agent);
}

static void a_ring_that_was_full_goes_on_when_one_block_comes_back(void **state)
{
	struct client_fixture *fixture = *state;
	struct fake_agent agent;
	struct spanring_span span;
	int before, after;

	client_fixture_init(fixture, SMALL_RING);
	fake_agent_open(&agent, fixture->directory);
	fake_agent_found();
	before = start_until_full();
	assert_int_equal(fake_agent_return(&agent, 2), 2);
	after = 0;
	while (spanring_start(&span, "span", NULL) == 0 && spanring_end(&span) == 0)
		after++;
	assert_true(before > 0 && after > 100);
	fake_agent_close(&agent);
}

static void *return_blocks_later(void *argument)
{
	struct timespec pause = {.tv_nsec = 20000000};

	nanosleep(&pause, NULL);
	(void)fake_agent_return(argument, UINT32_MAX);
	return NULL;
}

static void a_call_waits_for_room_where_it_may_and_that_is_counted(void **state)
{
	struct client_fixture *fixture = *state;
	struct spanring_options options = SPANRING_OPTIONS_INIT;
	struct spanring_report asked = SPANRING_REPORT_INIT;
	struct spanring_span span;
	struct fake_agent agent;
	pthread_t thread;

	options.directory = fixture->directory;
	options.ring_bytes_max = SMALL_RING;
	options.wait_ms = 5000;
	options.flags = SPANRING_IGNORE_ENVIRONMENT;
	assert_int_equal(spanring_init(&options), 0);
	fake_agent_open(&agent, fixture->directory);
	fake_agent_found();
	spanring_start(&span, "span", NULL);
	for (int i = 0; i < 9000; i++)
		if (i == 1000)
			assert_int_equal(
				pthread_create(&thread, NULL, return_blocks_later, &agent), 0);
		else
			assert_int_equal(spanring_set_string(&span, "key",
							     "so long that one thread fills "
							     "the ring before it is emptied "
							     "by the other, which sleeps. "
							     "Here are some more words."),
					 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(spanring_state(&asked), 1);
	assert_true(asked.waited > 0);
	assert_int_equal(asked.refused_ring_full, 0);
	fake_agent_close(&agent);
}

static long kilobytes_of_ring(void)
{
	struct spanring_report asked = SPANRING_REPORT_INIT;
	struct stat st;

	assert_int_equal(spanring_state(&asked), 1);
	assert_int_equal(stat(asked.path, &st), 0);
	return st.st_blocks / 2;
}

static void memory_goes_back_to_the_system_after_a_burst(void **state)
{
	struct client_fixture *fixture = *state;
	struct timespec pause = {.tv_nsec = 5000000};
	static char value[4000];
	struct spanring_span span;
	struct fake_agent agent;
	long after_burst;

	shrink_period_ns = 50000000;
	client_fixture_init(fixture, 32u << 20);
	fake_agent_open(&agent, fixture->directory);
	fake_agent_found();
	spanring_start(&span, "span", NULL);
	for (int i = 0; i < 1600; i++)
		assert_int_equal(spanring_set_string_n(&span, "k", value, sizeof value), 0);
	after_burst = kilobytes_of_ring();
	assert_true(after_burst > 6000);
	/* Calm periods: some blocks now and then. */
	for (int i = 0; i < 150; i++) {
		(void)fake_agent_return(&agent, UINT32_MAX);
		for (int j = 0; j < 40; j++)
			assert_int_equal(spanring_set_string_n(&span, "k", value, sizeof value),
					 0);
		nanosleep(&pause, NULL);
	}
	assert_true(kilobytes_of_ring() < after_burst / 3);
	shrink_period_ns = 1000000000;
	assert_int_equal(spanring_end(&span), 0);
	fake_agent_close(&agent);
}

static void an_agent_file_that_is_not_the_agents_is_not_believed(void **state)
{
	struct client_fixture *fixture = *state;
	struct spanring_report asked = SPANRING_REPORT_INIT;
	struct fake_agent agent;

	client_fixture_init(fixture, SMALL_RING);
	fake_agent_open(&agent, fixture->directory);
	agent.ctl->instance[0] ^= 1;
	(void)spanring_flush(150);
	spanring_state(&asked);
	assert_int_equal(asked.agent, 0);
	agent.ctl->instance[0] ^= 1;
	agent.ctl->incompat = 4;
	(void)spanring_flush(150);
	spanring_state(&asked);
	assert_int_equal(asked.agent, 0);
	agent.ctl->incompat = 0;
	(void)spanring_flush(150);
	spanring_state(&asked);
	assert_int_equal(asked.agent, 1);
	fake_agent_close(&agent);
}

static void *start_one(void *argument)
{
	spanring_start(argument, "span", NULL);
	return NULL;
}

static void threads_that_leave_spans_to_others_leave_no_reserve_behind(void **state)
{
	struct client_fixture *fixture = *state;
	struct fake_agent agent;

	client_fixture_init(fixture, SMALL_RING);
	fake_agent_open(&agent, fixture->directory);
	fake_agent_found();
	for (int i = 0; i < 500; i++) {
		struct spanring_span span;
		pthread_t thread;

		assert_int_equal(pthread_create(&thread, NULL, start_one, &span), 0);
		assert_int_equal(pthread_join(thread, NULL), 0);
		assert_true(spanring_is_recording(&span));
		assert_int_equal(spanring_end(&span), 0);
		(void)fake_agent_return(&agent, UINT32_MAX);
	}
	fake_agent_close(&agent);
}

/* As if it was cancelled there, or left by longjmp() out of a handler. */
static void *end_in_a_write(void *argument)
{
	struct spanring_span span;

	if (spanring_start(&span, "span", NULL) < 0)
		return NULL;
	*(uint32_t *)argument = thread_self->block_index;
	thread_write_begin(thread_self);
	return (void *)(intptr_t)(block_claim_chain(thread_self, 3) == 0);
}

static void a_thread_that_ends_in_a_write_keeps_nothing(void **state)
{
	struct client_fixture *fixture = *state;
	struct spanring_span span;
	uint32_t taken, block = 0;
	pthread_t thread;
	void *claimed;

	client_fixture_init(fixture, SMALL_RING);
	assert_int_equal(spanring_start(&span, "span", NULL), 0);
	taken = budget_taken(budget_now(thread_self->ring));
	assert_int_equal(pthread_create(&thread, NULL, end_in_a_write, &block), 0);
	pthread_join(thread, &claimed);
	assert_non_null(claimed);
	/* All but the block that has its span. */
	assert_int_equal(budget_taken(budget_now(thread_self->ring)), taken + 1);
	assert_true(atomic_load(&thread_self->ring->lines[block].committed) & WIRE_SEALED);
	assert_int_equal(spanring_end(&span), 0);
}

static void a_ring_the_agent_wants_no_more_of_takes_ends_only(void **state)
{
	struct client_fixture *fixture = *state;
	struct fake_agent agent;
	int started = 0;

	client_fixture_init(fixture, SMALL_RING);
	fake_agent_open(&agent, fixture->directory);
	fake_agent_found();
	agent.ctl->please_stop = 1;
	while (spanring_start(&spans[started], "span", NULL) == 0)
		started++;
	assert_true(started < 500);
	for (int i = 0; i < started; i++)
		assert_int_equal(spanring_end(&spans[i]), 0);
	fake_agent_close(&agent);
}

static void spans_started_here_and_ended_there_do_not_wear_the_reserve_out(void **state)
{
	struct client_fixture *fixture = *state;
	struct spanring_report asked = SPANRING_REPORT_INIT;
	struct fake_agent agent;
	static struct spanring_span handed[64];

	client_fixture_init(fixture, SMALL_RING);
	fake_agent_open(&agent, fixture->directory);
	fake_agent_found();
	for (int round = 0; round < 300; round++) {
		pthread_t thread;

		for (int i = 0; i < 64; i++) {
			assert_int_equal(spanring_start(&handed[i], "span", NULL), 0);
			if (i % 8)
				continue;
			assert_int_equal(pthread_create(&thread, NULL, end_one, &handed[i]), 0);
			assert_int_equal(pthread_join(thread, NULL), 0);
		}
		for (int i = 0; i < 64; i++)
			if (i % 8)
				assert_int_equal(spanring_end(&handed[i]), 0);
		(void)fake_agent_return(&agent, UINT32_MAX);
	}
	assert_int_equal(spanring_state(&asked), 1);
	assert_int_equal(asked.ends_lost, 0);
	assert_int_equal(asked.refused_ring_full, 0);
	fake_agent_close(&agent);
}

static void a_refused_start_gives_its_room_in_the_reserve_back(void **state)
{
	struct client_fixture *fixture = *state;
	static char value[4000];
	struct spanring_span span, refused;
	uint32_t credit;

	client_fixture_init(fixture, SMALL_RING);
	spanring_start(&span, "span", NULL);
	while (spanring_set_string_n(&span, "k", value, sizeof value) == 0)
		;
	while (spanring_set_int(&span, "k", 1) == 0)
		;
	credit = thread_self->credit;
	assert_true(credit >= RESERVE_PER_SPAN);
	assert_int_equal(spanring_start(&refused, "plain", NULL), -ENOBUFS);
	assert_int_equal(thread_self->credit, credit);
	assert_int_equal(spanring_start_with(&refused, "full", .kind = SPANRING_KIND_CLIENT),
			 -ENOBUFS);
	assert_int_equal(thread_self->credit, credit);
	assert_int_equal(spanring_end(&span), 0);
}

/* Blocks that wait for the agent lie above those that came back. */
static void memory_of_blocks_in_use_stays_when_the_rest_goes(void **state)
{
	struct client_fixture *fixture = *state;
	struct timespec pause = {.tv_nsec = 5000000};
	static char value[4000];
	struct spanring_span span;
	const uint8_t *blocks;
	struct fake_agent agent;
	long after_burst;
	uint32_t high;

	memset(value, 'v', sizeof value);
	shrink_period_ns = 20000000;
	client_fixture_init(fixture, 32u << 20);
	fake_agent_open(&agent, fixture->directory);
	fake_agent_found();
	spanring_start(&span, "span", NULL);
	for (int i = 0; i < 1600; i++)
		assert_int_equal(spanring_set_string_n(&span, "k", value, sizeof value), 0);
	after_burst = kilobytes_of_ring();
	high = atomic_load(&thread_self->ring->high);
	assert_true(high > 300);
	(void)fake_agent_return(&agent, high - 50);
	for (int i = 0; i < 300 && kilobytes_of_ring() >= after_burst - 1000; i++) {
		for (int j = 0; j < 8; j++)
			assert_int_equal(spanring_set_string_n(&span, "k", value, sizeof value),
					 0);
		(void)fake_agent_return(&agent, 1);
		nanosleep(&pause, NULL);
	}
	assert_true(kilobytes_of_ring() < after_burst - 1000);
	blocks = thread_self->ring->blocks;
	for (uint32_t i = high - 30; i < high - 1; i++)
		assert_int_equal(blocks[(size_t)i * WIRE_BLOCK_BYTES + 200], 'v');
	shrink_period_ns = 1000000000;
	assert_int_equal(spanring_end(&span), 0);
	fake_agent_close(&agent);
}

#define IN_DIRECTORY(test) \
	cmocka_unit_test_setup_teardown(test, client_fixture_setup, client_fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_DIRECTORY(a_full_ring_refuses_starts_whole_and_counts_them),
		IN_DIRECTORY(every_span_that_was_started_can_be_ended_with_a_short_status),
		IN_DIRECTORY(an_end_without_room_is_noted_in_the_header_by_its_id),
		IN_DIRECTORY(a_process_says_its_end_in_a_ring_that_is_full),
		IN_DIRECTORY(ends_find_room_behind_the_end_of_the_process),
		IN_DIRECTORY(an_end_is_not_refused_for_blocks_that_come_and_go_while_it_counts),
		IN_DIRECTORY(a_refused_span_stands_in_for_its_parent),
		IN_DIRECTORY(returned_blocks_are_taken_again_for_as_long_as_it_goes),
		IN_DIRECTORY(looking_for_an_agent_that_is_not_there_leaves_errno_alone),
		IN_DIRECTORY(a_block_taken_again_is_empty_before_anything_is_written),
		IN_DIRECTORY(a_ring_that_was_full_goes_on_when_one_block_comes_back),
		IN_DIRECTORY(a_call_waits_for_room_where_it_may_and_that_is_counted),
		IN_DIRECTORY(memory_goes_back_to_the_system_after_a_burst),
		IN_DIRECTORY(an_agent_file_that_is_not_the_agents_is_not_believed),
		IN_DIRECTORY(threads_that_leave_spans_to_others_leave_no_reserve_behind),
		IN_DIRECTORY(a_thread_that_ends_in_a_write_keeps_nothing),
		IN_DIRECTORY(a_ring_the_agent_wants_no_more_of_takes_ends_only),
		IN_DIRECTORY(spans_started_here_and_ended_there_do_not_wear_the_reserve_out),
		IN_DIRECTORY(a_refused_start_gives_its_room_in_the_reserve_back),
		IN_DIRECTORY(memory_of_blocks_in_use_stays_when_the_rest_goes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
