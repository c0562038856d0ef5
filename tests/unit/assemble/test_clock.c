#include "assemble/clock.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "test_env.h"
#include "wire/abi.h"

#define SECOND UINT64_C(1000000000)

static const uint8_t boot_id[16] = {1, 2, 3};

static struct test_env env;
static struct clock clock_;

static int set_up(void **state)
{
	(void)state;
	assert_int_equal(test_env_init(&env), 0);
	env.ticks = 77 * SECOND;
	clock_init(&clock_, &env.env, boot_id, 5);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	test_env_fini(&env);
	return 0;
}

/* A TSC of 3 GHz. */
static void wait_ns(uint64_t ns)
{
	test_env_advance(&env, ns);
	env.ticks += ns * 3;
	clock_sample(&clock_);
}

static struct ring_identity ring_now(enum wire_clock kind)
{
	struct ring_identity identity = {
		.clock = kind,
		.anchor_ticks = kind == WIRE_CLOCK_TSC ? env.ticks : env.mono_ns,
		.anchor_mono_ns = env.mono_ns,
		.anchor_boot_ns = env.boot_ns,
		.anchor_wall_ns = env.wall_ns,
		.time_namespace = 5,
	};

	memcpy(identity.boot_id, boot_id, 16);
	return identity;
}

static void assert_near(uint64_t a, uint64_t b)
{
	assert_true((a > b ? a - b : b - a) <= 10);
}

static void tsc_and_monotonic_rings_tell_the_same_time(void **state)
{
	struct ring_identity identities[2] = {ring_now(WIRE_CLOCK_TSC),
					      ring_now(WIRE_CLOCK_MONOTONIC)};
	struct source_clock tsc, mono;
	int64_t offset = clock_.wall_minus_boot_ns;

	(void)state;
	source_clock_init(&tsc, &clock_, &identities[0]);
	source_clock_init(&mono, &clock_, &identities[1]);
	for (int i = 0; i < 20; i++) {
		wait_ns(SECOND / 3);
		assert_near(clock_wall_ns(&clock_, &tsc, env.ticks, offset), env.wall_ns);
		assert_near(clock_wall_ns(&clock_, &mono, env.mono_ns, offset), env.wall_ns);
	}
}

static void a_ring_of_an_earlier_boot_uses_its_own_anchors(void **state)
{
	struct ring_identity identity = ring_now(WIRE_CLOCK_MONOTONIC);
	struct source_clock source;

	(void)state;
	identity.boot_id[0] = 9;
	identity.anchor_mono_ns = 50 * SECOND;
	identity.anchor_wall_ns = 1000 * SECOND;
	source_clock_init(&source, &clock_, &identity);
	assert_true(source.other_boot);
	assert_int_equal(clock_wall_ns(&clock_, &source, 51 * SECOND, 12345), 1001 * SECOND);
}

static void a_ring_of_another_time_namespace_is_shifted(void **state)
{
	struct ring_identity identity = ring_now(WIRE_CLOCK_MONOTONIC);
	struct source_clock source;

	(void)state;
	identity.time_namespace = 6;
	identity.anchor_mono_ns += 1000000 * SECOND;
	wait_ns(SECOND);
	source_clock_init(&source, &clock_, &identity);
	assert_int_equal(clock_mono_ns(&clock_, &source, identity.anchor_mono_ns + SECOND),
			 env.mono_ns);
}

static void an_unknown_time_namespace_is_taken_for_ours(void **state)
{
	struct ring_identity identity = ring_now(WIRE_CLOCK_MONOTONIC);
	struct source_clock source;

	(void)state;
	identity.time_namespace = 0;
	identity.anchor_wall_ns += 1000 * SECOND;
	source_clock_init(&source, &clock_, &identity);
	assert_int_equal(clock_mono_ns(&clock_, &source, 123), 123);
}

static void suspends_are_remembered_by_when_they_were(void **state)
{
	uint64_t before, between, after;

	(void)state;
	wait_ns(SECOND);
	before = env.mono_ns;
	env.boot_ns += 100 * SECOND;
	wait_ns(SECOND);
	between = env.mono_ns;
	env.boot_ns += 50 * SECOND;
	wait_ns(SECOND);
	after = env.mono_ns;
	assert_int_equal(clock_suspended_ns(&clock_, before), 0);
	assert_int_equal(clock_suspended_ns(&clock_, between), 100 * SECOND);
	assert_int_equal(clock_suspended_ns(&clock_, after), 150 * SECOND);
}

static void more_suspends_than_are_kept_forget_the_oldest(void **state)
{
	(void)state;
	for (int i = 0; i < 3 * CLOCK_SUSPENDS_MAX; i++) {
		env.boot_ns += SECOND;
		wait_ns(SECOND);
	}
	assert_int_equal(clock_.suspend_count, CLOCK_SUSPENDS_MAX);
	assert_int_equal(clock_suspended_ns(&clock_, env.mono_ns),
			 3 * CLOCK_SUSPENDS_MAX * SECOND);
}

static void a_wall_clock_that_is_set_changes_only_new_offsets(void **state)
{
	struct ring_identity identity = ring_now(WIRE_CLOCK_MONOTONIC);
	int64_t offset = clock_.wall_minus_boot_ns;
	struct source_clock source;
	uint64_t wall = env.wall_ns;

	(void)state;
	source_clock_init(&source, &clock_, &identity);
	env.wall_ns = 1;
	wait_ns(SECOND);
	assert_int_equal(clock_wall_ns(&clock_, &source, env.mono_ns, offset), wall + SECOND);
	assert_int_equal(clock_wall_ns(&clock_, &source, env.mono_ns, clock_.wall_minus_boot_ns),
			 SECOND + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		T(tsc_and_monotonic_rings_tell_the_same_time),
		T(a_ring_of_an_earlier_boot_uses_its_own_anchors),
		T(a_ring_of_another_time_namespace_is_shifted),
		T(an_unknown_time_namespace_is_taken_for_ours),
		T(suspends_are_remembered_by_when_they_were),
		T(more_suspends_than_are_kept_forget_the_oldest),
		T(a_wall_clock_that_is_set_changes_only_new_offsets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
