/* Writers and a reader over one mapping of one ring, for the thread sanitizer:
 * it sees a race only between accesses through the same addresses, so the
 * stand-in for the agent looks through the client's own mapping. Nothing is
 * checked by pread here; the orderings of abi.h are. */
#include "client.h"
#include "client_fixture.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#include <cmocka.h>

#define WRITERS 3
#define SPANS 20000

static _Atomic int done;
static uint64_t seen_starts, seen_ends, seen_attributes;

/* Counts the records of [from, to), which the writer has published. */
static void read_records(const uint8_t *block, uint32_t from, uint32_t to)
{
	while (from < to) {
		int64_t advance = record_check(block + from, to - from);

		if (advance <= 0)
			abort();
		switch (record_head(block + from).type) {
		case WIRE_START:
			seen_starts++;
			break;
		case WIRE_END:
			seen_ends++;
			break;
		case WIRE_ATTRIBUTE:
			seen_attributes++;
			break;
		default:
			break;
		}
		from += (uint32_t)advance;
	}
}

struct reading {
	uint32_t drained[1024];
};

/* One block as the agent does it: C1, C2, the bytes, and R1 with R2 when it is
 * sealed and read to its end. */
static void drain_block(struct ring *ring, struct fake_agent *agent, struct reading *reading,
			uint32_t index)
{
	struct wire_block_line *line = &ring->lines[index];
	const uint8_t *block = ring->blocks + (size_t)index * WIRE_BLOCK_BYTES;
	/* C1 pairs with P1, C2 with P2. */
	uint32_t generation = atomic_load_explicit(&line->generation, memory_order_acquire);
	uint32_t committed;

	/* Relaxed: only this thread writes it. */
	if (generation == atomic_load_explicit(&agent->returned[index], memory_order_relaxed))
		return;
	/* The plain fields come with the generation, before anything is committed. */
	if (line->thread == 0 || line->thread_block == 0 || line->first_record == 0)
		abort();
	committed = atomic_load_explicit(&line->committed, memory_order_acquire);
	read_records(block, reading->drained[index], committed & ~WIRE_SEALED);
	reading->drained[index] = committed & ~WIRE_SEALED;
	if (!(committed & WIRE_SEALED))
		return;
	reading->drained[index] = 0;
	atomic_store_explicit(&agent->returned[index], generation, memory_order_release);
	atomic_fetch_add_explicit(&agent->ctl->returns, 1, memory_order_release);
}

static void *drain(void *argument)
{
	static struct reading reading;
	struct fake_agent *agent = argument;
	const struct timespec moment = {.tv_nsec = 50000};
	int last = 0;

	while (!last) {
		struct ring *ring = client_ring();
		uint32_t ready;

		last = atomic_load_explicit(&done, memory_order_acquire);
		/* C3 pairs with P3. */
		ready = atomic_load_explicit(&ring->header->blocks_ready, memory_order_acquire);
		for (uint32_t i = 0; i < ready; i++)
			drain_block(ring, agent, &reading, i);
		nanosleep(&moment, NULL);
	}
	return NULL;
}

static void *write_spans(void *argument)
{
	static char large[20000];
	uint64_t *recorded = argument;

	for (int i = 0; i < SPANS; i++) {
		struct spanring_span span;

		if (spanring_start(&span, "span", NULL) != 0)
			continue;
		if (i % 100 == 0)
			(void)spanring_set_string_n(&span, "large", large, sizeof large);
		(void)spanring_set_int(&span, "i", i);
		(void)spanring_end(&span);
		++*recorded;
	}
	return NULL;
}

static void what_writers_publish_a_reader_may_read_and_give_back(void **state)
{
	struct client_fixture *fixture = *state;
	struct spanring_report asked = SPANRING_REPORT_INIT;
	uint64_t recorded[WRITERS] = {0}, sum = 0;
	pthread_t writers[WRITERS], reader;
	struct fake_agent agent;

	client_fixture_init(fixture, 2u << 20);
	fake_agent_open(&agent, fixture->directory);
	/* The answers, too, through one mapping, which is the ring's from now on.
	 * K1 pairs with the acquire in blocks.c. */
	atomic_store_explicit(&client_ring()->ctl, agent.ctl, memory_order_release);
	assert_int_equal(pthread_create(&reader, NULL, drain, &agent), 0);
	for (int i = 0; i < WRITERS; i++)
		assert_int_equal(pthread_create(&writers[i], NULL, write_spans, &recorded[i]),
				 0);
	for (int i = 0; i < WRITERS; i++) {
		assert_int_equal(pthread_join(writers[i], NULL), 0);
		sum += recorded[i];
	}
	atomic_store_explicit(&done, 1, memory_order_release);
	assert_int_equal(pthread_join(reader, NULL), 0);
	assert_int_equal(seen_starts, sum);
	assert_int_equal(spanring_state(&asked), 1);
	assert_int_equal(seen_ends + asked.ends_lost, sum);
	munmap(agent.ring, agent.ring_size);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			what_writers_publish_a_reader_may_read_and_give_back,
			client_fixture_setup, client_fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
