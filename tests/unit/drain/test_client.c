/* The drain and the real client library, in real processes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "drain_house.h"
#include "spanring.h"

#define SPANS 3000
/* Only a broken build needs it, or a machine with much else to do. */
#define PATIENCE_NS UINT64_C(120000000000)

/* The address sanitizer makes a kill cost seconds. */
#ifdef __SANITIZE_ADDRESS__
#define KILLS 4
#else
#define KILLS 20
#endif

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

static void *write_spans(void *arg)
{
	static char text[60000];
	uint32_t count = *(uint32_t *)arg;

	memset(text, 'x', sizeof text - 1);
	for (uint32_t i = 0; i < count; i++) {
		struct spanring_span span;

		spanring_start(&span, "step", NULL);
		spanring_set_int(&span, "n", (int64_t)i);
		if (i % 500 == 499)
			spanring_set_string(&span, "long", text);
		spanring_end(&span);
	}
	return NULL;
}

static void in_child(struct house *house, void (*body)(void), pid_t *ret_pid)
{
	pid_t pid = fork();

	if (pid == 0) {
		struct spanring_options options = {
			.size = sizeof options,
			.service_name = "test",
			.directory = house->dir,
			.ring_bytes_max = 64 << 20,
		};

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		/* The agent's lock must not be kept by us. */
		close_range(3, ~0u, 0);
		if (spanring_init(&options) < 0)
			_exit(97);
		body();
		_exit(0);
	}
	*ret_pid = pid;
}

static void tick_until(struct house *house, bool (*done)(struct house *house))
{
	uint64_t until = house->env->ops->mono_ns(house->env) + PATIENCE_NS;

	while (!done(house) && house->env->ops->mono_ns(house->env) < until) {
		/* No faster than the real clock: how long a cause of death is waited
		 * for must not be shorter than a busy machine takes for one. */
		house_tick(house, 2);
		drain_logged(house->drain, house->sequence);
		for (uint32_t i = 0; i < HOUSE_RINGS; i++)
			if (house->rings[i].flushes)
				drain_flush_ack(house->drain, i, house->rings[i].flush_request);
		house->env->ops->wait(house->env, 2000000);
	}
	assert_true(done(house));
}

static bool first_is_dead(struct house *house)
{
	return house->rings[0].dead;
}

/* How many records of one type all threads of the first ring gave. */
static uint32_t count_type(const struct house *house, enum wire_record_type type)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < house->slice_count; i++) {
		struct bytes records = house->slices[i].slice.records;

		if (house->slices[i].ring != 0)
			continue;
		for (size_t at = 0; at < records.len;
		     at += record_padded(record_head(records.at + at).length))
			count += record_head(records.at + at).type == type;
	}
	return count;
}

static void kill_in_the_middle(void)
{
	uint32_t count = SPANS;
	struct spanring_span open;
	pthread_t threads[3];

	/* How a process died that nobody had seen alive is not known. */
	if (spanring_flush(10000) < 0)
		_exit(96);
	for (int i = 0; i < 3; i++)
		pthread_create(&threads[i], NULL, write_spans, &count);
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	spanring_start(&open, "open", NULL);
	raise(SIGKILL);
}

static void everything_a_killed_process_wrote_is_drained(void **state)
{
	struct house *house = *state;
	struct drain_ring_counters counters;
	int status;
	pid_t pid;

	in_child(house, kill_in_the_middle, &pid);
	/* Nobody waits for it before the drain has seen it: a zombie. */
	tick_until(house, first_is_dead);
	waitpid(pid, &status, 0);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(house->rings[0].death.cause, DEATH_SIGNAL);
	assert_int_equal(house->rings[0].death.signal, SIGKILL);
	assert_int_equal(count_type(house, WIRE_START), 3 * SPANS + 1);
	assert_int_equal(count_type(house, WIRE_END), 3 * SPANS);
	assert_int_equal(count_type(house, WIRE_ATTRIBUTE), 3 * (SPANS + SPANS / 500));
	assert_true(drain_counters(house->drain)->blocks_returned > 0);
	assert_int_equal(drain_counters(house->drain)->rings_quarantined, 0);
	counters = house_counters(house, house->rings[0].identity.instance[0]);
	assert_int_equal(counters.dropped_abandoned + counters.dropped_damaged, 0);
	for (int i = 0; i < WIRE_REFUSED_COUNT; i++)
		assert_int_equal(counters.refused[i], 0);
	house_check_ledgers(house);
}

static void write_until_killed(void)
{
	uint32_t count = UINT32_MAX;
	pthread_t threads[4];

	for (int i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, write_spans, &count);
	pause();
}

/* A killed process has no say in the moment; whatever the moment, what its
 * threads committed is a prefix without damage. The agent dies, too. */
static void processes_killed_at_any_moment_leave_no_damage(void **state)
{
	struct house *house = *state;
	uint64_t seed = 12345;

	for (int run = 0; run < KILLS; run++) {
		uint32_t ring = HOUSE_RINGS;
		int status;
		pid_t pid;

		in_child(house, write_until_killed, &pid);
		seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
		/* After so many records were seen, not after some time. */
		for (uint64_t bytes = seed >> 44, begin = drain_counters(house->drain)->bytes;
		     drain_counters(house->drain)->bytes - begin < bytes;) {
			house_tick(house, 10);
			drain_logged(house->drain, house->sequence);
		}
		if (run % 4 == 3)
			house_restart(house);
		kill(pid, SIGKILL);
		for (uint32_t i = 0; i < HOUSE_RINGS; i++)
			if (house->rings[i].seen && !house->rings[i].gone)
				ring = i;
		assert_true(ring < HOUSE_RINGS);
		for (int i = 0; i < 2000 && !house->rings[ring].dead; i++) {
			house_tick(house, 10);
			drain_logged(house->drain, house->sequence);
			house->env->ops->wait(house->env, 2000000);
		}
		assert_true(house->rings[ring].dead);
		assert_int_equal(house->rings[ring].death.signal, SIGKILL);
		waitpid(pid, &status, 0);
		assert_int_equal(drain_counters(house->drain)->rings_quarantined, 0);
		assert_int_equal(house_counters(house, house->rings[ring].identity.instance[0])
					 .dropped_damaged,
				 0);
		house_check_ledgers(house);
		drain_remove(house->drain, ring);
	}
	assert_int_equal(house_files(house), 0);
}

static void flush_then_die(void)
{
	struct spanring_span span;

	spanring_start(&span, "flushed", NULL);
	spanring_end(&span);
	_exit(spanring_flush(15000) == 0 ? 42 : 43);
}

static void a_flush_succeeds_once_the_log_has_it(void **state)
{
	struct house *house = *state;
	int status;
	pid_t pid;

	in_child(house, flush_then_die, &pid);
	tick_until(house, first_is_dead);
	waitpid(pid, &status, 0);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 42);
	assert_int_equal(house->rings[0].death.cause, DEATH_EXIT);
	assert_int_equal(house->rings[0].death.code, 42);
	assert_int_equal(count_type(house, WIRE_END), 1);
}

static void shut_down_and_live_on(void)
{
	struct spanring_span span;

	spanring_start(&span, "open at the end", NULL);
	spanring_shutdown();
	pause();
}

static void a_shutdown_ends_the_ring_of_a_living_process(void **state)
{
	struct house *house = *state;
	int status;
	pid_t pid;

	in_child(house, shut_down_and_live_on, &pid);
	tick_until(house, first_is_dead);
	assert_int_equal(house->rings[0].death.cause, DEATH_SHUTDOWN);
	assert_int_equal(count_type(house, WIRE_START), 1);
	assert_int_equal(count_type(house, WIRE_PROCESS_END), 1);
	drain_remove(house->drain, 0);
	assert_int_equal(house_files(house), 0);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
}

static void be_refused_and_die(void)
{
	static char huge[17 << 20];
	struct spanring_span span;

	memset(huge, 'x', sizeof huge);
	spanring_start(&span, "step", NULL);
	spanring_set_string_n(&span, "huge", huge, sizeof huge);
	spanring_set_string(&span, NULL, "no key");
	spanring_set_string(&span, NULL, "no key");
	raise(SIGKILL);
}

static void what_a_dead_process_was_refused_stays_counted(void **state)
{
	struct house *house = *state;
	const struct drain_counters *counters = drain_counters(house->drain);
	struct drain_ring_counters before, dead, gone;
	pid_t pid;

	in_child(house, be_refused_and_die, &pid);
	waitpid(pid, NULL, 0);
	drain_ring_totals(house->drain, &before);
	tick_until(house, first_is_dead);
	drain_ring_totals(house->drain, &dead);
	drain_closed(house->drain, 0);
	drain_remove(house->drain, 0);
	assert_int_equal(house_files(house), 0);
	assert_int_equal(counters->refused[WIRE_REFUSED_TOO_LARGE], 1);
	assert_int_equal(counters->refused[WIRE_REFUSED_INVALID], 2);
	assert_int_equal(counters->refused[WIRE_REFUSED_RING_FULL], 0);
	assert_non_null(strstr(house->said, "refused: too_large 1, invalid 2"));
	/* Totals neither fall nor count twice when the ring dies and goes. */
	drain_ring_totals(house->drain, &gone);
	assert_true(before.written <= dead.written && dead.written > 0);
	assert_memory_equal(dead.refused, counters->refused, sizeof dead.refused);
	assert_memory_equal(gone.refused, dead.refused, sizeof gone.refused);
	assert_int_equal(gone.written, dead.written);
	assert_int_equal(gone.written, gone.drained + gone.held + gone.dropped_abandoned +
					       gone.dropped_damaged + gone.dropped_too_large);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(everything_a_killed_process_wrote_is_drained),
		TEST(processes_killed_at_any_moment_leave_no_damage),
		TEST(a_flush_succeeds_once_the_log_has_it),
		TEST(a_shutdown_ends_the_ring_of_a_living_process),
		TEST(what_a_dead_process_was_refused_stays_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
