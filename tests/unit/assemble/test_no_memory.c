/* Assembly finds no memory: what the log has is applied whole from what was set
 * aside, and where even that is gone it is counted. Each allocation of a batch
 * fails in turn. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "assemble_scene.h"
#include "wire/abi.h"

/* ---- memory (linked with --wrap) -------------------------------------------- */

#define LARGE_BYTES (1u << 20)

/* From the allocation `first` on all of them fail, until a large block is given
 * back if `relief`. 0: none. */
static unsigned long count, first;
static bool relief;

static bool fails(void)
{
	return ++count >= first && first;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *at, size_t size);
void *__real_reallocarray(void *at, size_t n, size_t size);
char *__real_strndup(const char *text, size_t size);
void __real_free(void *at);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *at, size_t size);
void *__wrap_reallocarray(void *at, size_t n, size_t size);
char *__wrap_strndup(const char *text, size_t size);
void __wrap_free(void *at);

void *__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *at, size_t size)
{
	return fails() ? NULL : __real_realloc(at, size);
}

void *__wrap_reallocarray(void *at, size_t n, size_t size)
{
	return fails() ? NULL : __real_reallocarray(at, n, size);
}

char *__wrap_strndup(const char *text, size_t size)
{
	return fails() ? NULL : __real_strndup(text, size);
}

void __wrap_free(void *at)
{
	if (relief && first && count >= first && at && malloc_usable_size(at) >= LARGE_BYTES)
		first = 0;
	__real_free(at);
}

/* ---- a world that allocates nothing ------------------------------------------ */

static struct {
	struct test_env env;
	struct assemble *assemble;
	int seen_error;
	unsigned finished, seen, loads;
	size_t value_bytes; /* of the longest span */
	uint64_t first_wall_ns;
	char service[64];
} world;

static int op_finished(void *arg, struct finished_span *span, const uint8_t instance[16],
		       const uint8_t span_id[8], uint64_t *ret_number)
{
	(void)arg, (void)instance, (void)span_id;
	if (span->span.len > world.value_bytes)
		world.value_bytes = span->span.len;
	*ret_number = ++world.finished;
	return 0;
}

static int op_run_seen(void *arg, const uint8_t trace_id[16], const struct run_words *words,
		       uint64_t first_wall_ns, uint32_t user)
{
	(void)arg, (void)trace_id, (void)user;
	if (world.seen_error)
		return world.seen_error;
	world.seen++;
	world.first_wall_ns = first_wall_ns;
	(void)snprintf(world.service, sizeof world.service, "%.*s", (int)words->service.len,
		       (const char *)words->service.at);
	return 0;
}

static void op_run_over(void *arg, const uint8_t trace_id[16], uint64_t last_number,
			bool complete)
{
	(void)arg, (void)trace_id, (void)last_number, (void)complete;
}

static int op_state(void *arg, const uint8_t instance[16], const uint8_t span_id[8],
		    struct bytes state, struct log_place *ret_place)
{
	(void)arg, (void)instance, (void)span_id, (void)state;
	*ret_place = (struct log_place){1, 0, 0};
	return 0;
}

static int op_run_state(void *arg, const uint8_t trace_id[16], struct bytes state,
			uint64_t *ret_segment)
{
	(void)arg, (void)trace_id, (void)state;
	*ret_segment = 1;
	return 0;
}

static int op_process_state(void *arg, const struct process_key *key, struct bytes state,
			    uint64_t *ret_segment)
{
	(void)arg, (void)key, (void)state;
	*ret_segment = 1;
	return 0;
}

static int op_load(void *arg, const struct log_place *place, size_t len, uint8_t *at)
{
	(void)arg, (void)place, (void)len, (void)at;
	return -ENOENT;
}

static void op_log(void *arg, int priority, const char *line)
{
	(void)arg, (void)priority, (void)line;
}

static int setup(void **state)
{
	const struct assemble_ops ops = {
		.finished = op_finished,
		.run_seen = op_run_seen,
		.run_over = op_run_over,
		.state = op_state,
		.run_state = op_run_state,
		.process_state = op_process_state,
		.load = op_load,
		.log = op_log,
	};
	const struct assemble_options options = {
		.memory_bytes_max = 64 << 20,
		.idle_timeout_ns = UINT64_C(10000000000),
		.run_forget_ns = UINT64_C(86400000000000),
		.open_spans_max = 1000,
	};
	struct ring_identity identity = {.instance = {1}, .clock = WIRE_CLOCK_MONOTONIC};

	(void)state;
	memset(&world, 0, sizeof world);
	assert_int_equal(test_env_init(&world.env), 0);
	identity.anchor_ticks = identity.anchor_mono_ns = world.env.mono_ns;
	identity.anchor_boot_ns = world.env.boot_ns;
	identity.anchor_wall_ns = world.env.wall_ns;
	assert_int_equal(assemble_new(&world.assemble, &world.env.env, &options, &ops), 0);
	assemble_recovered(world.assemble);
	assert_int_equal(assemble_ring_seen(world.assemble, 0, &identity), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	first = 0;
	assemble_free(world.assemble);
	test_env_fini(&world.env);
	return 0;
}

#define VALUE_BYTES 20000u
#define RECORDS 5u

/* A service, two spans of a new run, one of them with a large value, and nothing
 * said of it before. */
static void make_batch(struct buf *r)
{
	static char value[VALUE_BYTES + 1];

	memset(value, 'v', VALUE_BYTES);
	buf_reset(r);
	put_service(r, "shop");
	put_start(r, 1, 11, 0, 0);
	put_string(r, 11, "large", value);
	put_start(r, 1, 12, 11, 1);
	put_end(r, 11, 2);
}

static void push(const struct buf *r)
{
	const struct slice slice = {
		.thread = 1, .record_count = RECORDS, .records = {r->at, r->len}};

	assemble_push(world.assemble, 0, &slice, 1, 1, 0, &(uint32_t){0});
}

static int set_aside(const struct buf *r)
{
	const struct slice slice = {
		.thread = 1, .record_count = RECORDS, .records = {r->at, r->len}};

	return assemble_reserve(world.assemble, 0, &slice, 1);
}

static void check_sum(void)
{
	const struct assemble_counters *counters = assemble_counters(world.assemble);

	assert_int_equal(counters->records, RECORDS);
	assert_int_equal(counters->applied + counters->parked + counters->dropped_late +
				 counters->dropped_no_memory,
			 RECORDS);
}

/* What was done for want of memory is made good by the tick. */
static void settle(void)
{
	first = 0;
	world.seen_error = 0;
	assemble_round_end(world.assemble, 0, 1);
	assemble_round_end(world.assemble, 0, 2);
	assemble_tick(world.assemble, world.env.mono_ns);
}

/* ---- the tests ---------------------------------------------------------------- */

static void what_the_log_has_is_applied_from_the_reserve(void **state)
{
	struct buf r = BUF_INIT;
	unsigned long total, nth;

	make_batch(&r);
	for (nth = 1, total = 1; nth <= total; nth++) {
		teardown(state);
		setup(state);
		assert_int_equal(set_aside(&r), 0);
		count = 0;
		first = nth;
		relief = true;
		push(&r);
		total = count > total ? count : total;
		settle();
		check_sum();
		assert_int_equal(assemble_counters(world.assemble)->applied, RECORDS);
		assert_int_equal(world.finished, 1);
		assert_true(world.value_bytes > VALUE_BYTES);
		assert_int_equal(world.seen, 1);
		assert_string_equal(world.service, "shop");
	}
	assert_true(total > 5); /* allocations there are */
	buf_fini(&r);
}

static void what_finds_no_memory_at_all_is_counted(void **state)
{
	struct buf r = BUF_INIT;
	unsigned long total, nth;
	uint64_t counted = 0;

	make_batch(&r);
	for (nth = 1, total = 1; nth <= total; nth++) {
		teardown(state);
		setup(state);
		count = 0;
		first = nth;
		relief = false;
		push(&r);
		total = count > total ? count : total;
		settle();
		check_sum();
		counted += assemble_counters(world.assemble)->dropped_no_memory;
		/* A run of which no span began is nobody's, and has no time. */
		if (world.seen > 0)
			assert_true(world.first_wall_ns >= world.env.wall_ns);
	}
	assert_true(counted > 0);
	buf_fini(&r);
}

static void a_batch_is_not_taken_while_nothing_can_be_set_aside(void **state)
{
	struct buf r = BUF_INIT;

	(void)state;
	make_batch(&r);
	count = 0;
	first = 1;
	relief = false;
	assert_int_equal(set_aside(&r), -ENOMEM);
	first = 0;
	assert_int_equal(set_aside(&r), 0);
	/* It is there already: nothing is asked for. */
	count = 0;
	first = 1;
	assert_int_equal(set_aside(&r), 0);
	assert_int_equal(count, 0);
	first = 0;
	buf_fini(&r);
}

static void a_run_that_could_not_be_told_is_told_again(void **state)
{
	struct buf r = BUF_INIT;

	(void)state;
	make_batch(&r);
	world.seen_error = -ENOMEM;
	push(&r);
	assert_int_equal(world.seen, 0);
	settle();
	assert_int_equal(world.seen, 1);
	assert_string_equal(world.service, "shop");
	settle();
	assert_int_equal(world.seen, 1);
	buf_fini(&r);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_the_log_has_is_applied_from_the_reserve),
		TEST(what_finds_no_memory_at_all_is_counted),
		TEST(a_batch_is_not_taken_while_nothing_can_be_set_aside),
		TEST(a_run_that_could_not_be_told_is_told_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
