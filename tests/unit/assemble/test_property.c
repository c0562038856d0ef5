/* Random threads of two processes write spans, the records are drained in
 * random portions and rounds, and a plain model that knows only what happened
 * when says what must come out. */
#include "assemble_scene.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "random_message.h"

enum { RINGS = 2, THREADS = 3, SPANS = 40, STEPS = 600 };

/* What one thread has written and the drain has not yet read. */
struct queue {
	struct buf records;
	uint64_t marked; /* up to here in the round that is going on */
	uint64_t read;
};

struct model_span {
	bool started, ended;
	unsigned ring;
	unsigned attributes; /* that must be there */
	unsigned end_thread;
};

struct play {
	struct scene scene;
	uint64_t seed;
	struct queue queues[RINGS][THREADS];
	struct model_span spans[RINGS * SPANS + 1];
	uint64_t next_span;
	uint64_t written;
};

static uint64_t below(struct play *play, uint64_t n)
{
	return random_next(&play->seed) % n;
}

static void write_attribute(struct play *play, uint64_t id, struct buf *out)
{
	struct model_span *span = &play->spans[id];
	char key[32];

	(void)snprintf(key, sizeof key, "attribute-%u", span->attributes++);
	put_string(out, id, key, "x");
	play->written++;
}

/* One call of the API by one thread. A handle reaches any thread of its
 * process, so what happens here happens in this order. */
static void write_something(struct play *play)
{
	unsigned ring = (unsigned)below(play, RINGS), thread = (unsigned)below(play, THREADS);
	struct buf *out = &play->queues[ring][thread].records;
	uint64_t id = 1 + below(play, play->next_span + 1);
	struct model_span *span;

	if (id > play->next_span) {
		if (play->next_span == RINGS * SPANS)
			return;
		play->next_span = id;
		play->spans[id] = (struct model_span){.started = true, .ring = ring};
		put_start(out, id % 7 + 1, id, 0, id);
		play->written++;
		return;
	}
	span = &play->spans[id];
	if (span->ended || span->ring != ring)
		return;
	if (below(play, 5)) {
		write_attribute(play, id, out);
		return;
	}
	put_end(out, id, 1000 + id);
	play->written++;
	span->ended = true;
	span->end_thread = thread;
}

static void read_up_to(struct play *play, unsigned ring, unsigned thread, uint64_t mark)
{
	struct queue *queue = &play->queues[ring][thread];
	struct buf part = BUF_INIT;

	if (queue->read == mark)
		return;
	assert_int_equal(buf_append(&part, queue->records.at + queue->read, mark - queue->read),
			 0);
	queue->read = mark;
	scene_push(&play->scene, ring, thread + 1, &part);
}

/* A round marks what is there, then reads it in any order, while the threads go
 * on writing. */
static void play_round(struct play *play, unsigned ring)
{
	unsigned first = (unsigned)below(play, THREADS);

	for (unsigned t = 0; t < THREADS; t++)
		play->queues[ring][t].marked = play->queues[ring][t].records.len;
	for (unsigned t = 0; t < THREADS; t++) {
		unsigned thread = (first + t) % THREADS;

		read_up_to(play, ring, thread, play->queues[ring][thread].marked);
		for (uint64_t n = below(play, 4); n > 0; n--)
			write_something(play);
	}
	scene_round(&play->scene, ring);
	if (below(play, 20) == 0)
		scene_tick(&play->scene);
}

static void finish_all(struct play *play)
{
	struct death death = {.cause = DEATH_UNKNOWN, .seen_mono_ns = scene_ticks(5000)};

	for (unsigned ring = 0; ring < RINGS; ring++) {
		for (unsigned t = 0; t < THREADS; t++)
			read_up_to(play, ring, t, play->queues[ring][t].records.len);
		scene_round(&play->scene, ring);
		assert_true(assemble_ring_dead(play->scene.assemble, ring, &death));
	}
}

static void check(struct play *play)
{
	const struct assemble_counters *c = assemble_counters(play->scene.assemble);
	char key[32];

	assert_true(play->next_span > 10);
	assert_int_equal(play->scene.span_count, play->next_span);
	for (uint64_t id = 1; id <= play->next_span; id++) {
		const struct model_span *span = &play->spans[id];
		const char *json = scene_span(&play->scene, id)->json;

		for (unsigned i = 0; i < span->attributes; i++) {
			(void)snprintf(key, sizeof key, "\"attribute-%u\"", i);
			assert_says(json, key);
		}
		if (span->ended)
			assert_not_says(json, "spanring.");
		else
			assert_says(json, "spanring.end.reason");
	}
	/* Everything was written before its span's END: nothing may be late. */
	assert_int_equal(c->records, play->written);
	assert_int_equal(c->applied, play->written);
	assert_int_equal(c->parked, 0);
	assert_int_equal(c->open, 0);
	assert_int_equal(c->memory_bytes, 0);
	assert_int_equal(c->started, play->next_span);
	scene_check_ledger(&play->scene);
}

static void whatever_happened_before_an_end_is_in_the_span(void **state)
{
	static struct play play;

	(void)state;
	for (uint64_t seed = 1; seed <= 100; seed++) {
		play = (struct play){.seed = seed * UINT64_C(0x9e3779b97f4a7c15)};
		scene_init(&play.scene);
		for (unsigned ring = 0; ring < RINGS; ring++)
			scene_ring(&play.scene, ring);
		for (int step = 0; step < STEPS; step++) {
			if (below(&play, 8))
				write_something(&play);
			else
				play_round(&play, (unsigned)below(&play, RINGS));
		}
		finish_all(&play);
		check(&play);
		for (unsigned i = 0; i < RINGS * THREADS; i++)
			buf_fini(&play.queues[i / THREADS][i % THREADS].records);
		scene_fini(&play.scene);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whatever_happened_before_an_end_is_in_the_span),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
