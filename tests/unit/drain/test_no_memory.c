/* Memory that is not there for a moment, whichever array of the drain asks for it:
 * nothing is forgotten, and nothing is said twice. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "drain_house.h"

#include <errno.h>
#include <stdlib.h>

#define RING_BYTES (4 << 20)
#define THREADS 100
#define KEPT_SLICES 8192

/* In front of libc's: the n-th call from now on fails; 0: none does. */
static unsigned fail_nth;
static bool failed;

void *reallocarray(void *at, size_t count, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(count, size, &bytes) || (fail_nth && --fail_nth == 0)) {
		failed = true;
		errno = ENOMEM;
		return NULL;
	}
	return realloc(at, bytes);
}

/* Threads come in two waves, so that every array grows while it is in use. */
static void write_story(struct house *house, struct ring_writer *writer, struct ring_pen *pens)
{
	for (uint32_t i = 0; i < THREADS; i++) {
		ring_pen_init(&pens[i], writer, i + 1);
		ring_pen_open(&pens[i], i);
		ring_pen_start(&pens[i], i + 1, "a");
		if (i == THREADS / 4)
			house_settle(house);
	}
	house_settle(house);
	for (uint32_t i = 0; i < THREADS; i++) {
		ring_pen_seal(&pens[i]);
		ring_pen_open(&pens[i], THREADS + i);
		ring_pen_end(&pens[i], i + 1);
	}
	house_settle(house);
}

static bool a_story_with_a_failure(unsigned nth)
{
	static struct ring_pen pens[THREADS];
	struct ring_writer writer;
	struct house house;

	house_build(&house);
	house.slices = calloc(KEPT_SLICES, sizeof *house.slices);
	house.slice_cap = KEPT_SLICES;
	house_start(&house);
	failed = false;
	fail_nth = nth;
	ring_writer_make(&writer, house.dir, 1, RING_BYTES);
	write_story(&house, &writer, pens);
	fail_nth = 0;
	/* A name that found no memory is found again by the next listing. */
	house_tick(&house, 20000);
	house_settle(&house);
	for (uint32_t i = 0; i < THREADS; i++)
		assert_int_equal(house_count(&house, 1, i + 1, NULL), 2);
	assert_int_equal(house_counters(&house, 1).drained, 2 * THREADS);
	house_check_ledgers(&house);
	assert_int_equal(drain_counters(house.drain)->rings_quarantined, 0);
	ring_writer_close(&writer);
	house_tear_down(&house);
	return failed;
}

static void a_moment_without_memory_forgets_no_block(void **state)
{
	unsigned nth = 1;

	(void)state;
	while (a_story_with_a_failure(nth))
		nth++;
	assert_true(nth > 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_moment_without_memory_forgets_no_block),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
