/* T1, T2, T4: what happens to clocks while spans are open. The wall clock is set,
 * the machine is suspended with a connection open, CLOCK_MONOTONIC goes back.
 * Durations, and the distance of a module's spans, are exactly those that were
 * measured; what happened is marked; the agent waits about as often as it does
 * without. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "sim_world.h"

#define SECOND INT64_C(1000000000)
#define STEP_TURN 20
#define SUSPENDED_NS (8 * 3600 * SECOND)

static const struct sim_settings settings = {.log_max_bytes = 64 << 20};

static struct sim_plot plot = {
	.seed = 7,
	.modules = 4,
	.runs = 2,
	.turns_each = 40,
	.turns_apart = 4,
	.records_per_turn = 3,
	.turn_ns = 20000000,
};

/* What a row does to the clocks at STEP_TURN. */
static int64_t wall_step_ns, suspend_ns, mono_back_ns, slew_ns;
static uint64_t waits_usual;

static void on_turn(struct sim_world *world)
{
	world->env.wall_ns += (uint64_t)slew_ns;
	if (world->turn != STEP_TURN)
		return;
	world->env.wall_ns += (uint64_t)wall_step_ns;
	world->env.boot_ns += (uint64_t)suspend_ns;
	world->env.mono_ns -= (uint64_t)mono_back_ns;
}

/* The world after it all; the caller frees it. NULL: something was wrong. */
static struct sim_world *lived(struct sim_leave leave)
{
	struct sim_world *world = sim_world_new(&plot, &settings);
	uint64_t records;

	world->each_turn = on_turn;
	if (sim_world_live(world, sim_life_finish) == SIM_LIVED &&
	    sim_check_archive(world, leave, &records) && sim_check_left(world, false) &&
	    (waits_usual == 0 || world->waits <= waits_usual + waits_usual / 4 + 20))
		return world;
	(void)fprintf(stderr,
		      "wall %+" PRId64 " ns, suspended %" PRId64 " ns, back %" PRId64
		      " ns: wrong, %" PRIu64 " waits instead of %" PRIu64 "\n",
		      wall_step_ns, suspend_ns, mono_back_ns, world->waits, waits_usual);
	sim_world_free(world);
	return NULL;
}

static bool wall_is_set(int64_t by_ns)
{
	struct sim_world *world;
	uint64_t marks;

	wall_step_ns = by_ns;
	world = lived((struct sim_leave){0});
	wall_step_ns = 0;
	if (!world)
		return false;
	marks = sim_count_marks(world, "spanring.clock_step_ns", by_ns);
	if (marks == 0)
		(void)fprintf(stderr, "a step of %" PRId64 " ns is marked nowhere\n", by_ns);
	sim_world_free(world);
	return marks > 0;
}

static bool t1(void)
{
	const int64_t now = 1750000000 * SECOND; /* about, when the step comes */
	const int64_t steps[] = {
		3600 * SECOND,
		-3600 * SECOND,
		31536000 * SECOND,
		-31536000 * SECOND,
		-now, /* 1970 */
		(INT64_C(2147483648) + 60) * SECOND - now,
		(INT64_C(4294967296) + 60) * SECOND - now,
	};
	struct sim_world *world;
	unsigned done = 0;

	for (unsigned i = 0; i < sizeof steps / sizeof steps[0]; i++)
		done += wall_is_set(steps[i]);
	slew_ns = 10000; /* 500 ppm */
	world = lived((struct sim_leave){0});
	slew_ns = 0;
	if (!world || done != sizeof steps / sizeof steps[0])
		return false;
	sim_world_free(world);
	(void)printf("row T1 passed: %u steps to 1970, 2038, 2106 and less, and a slew: "
		     "durations exact, marked, no more waits\n",
		     done);
	return true;
}

static bool t2(void)
{
	struct sim_world *world;
	uint64_t marks;

	suspend_ns = SUSPENDED_NS;
	world = lived((struct sim_leave){.steps = true});
	suspend_ns = 0;
	if (!world)
		return false;
	marks = sim_count_marks(world, "spanring.suspended_ns", SUSPENDED_NS);
	sim_world_free(world);
	if (marks == 0)
		(void)fprintf(stderr, "eight hours of sleep are marked nowhere\n");
	else
		(void)printf("row T2 passed: %" PRIu64 " open spans lived through 8 h of sleep "
			     "and say so, everything was delivered\n",
			     marks);
	return marks > 0;
}

/* Turns so short that spans begin before and end after a step back of 1 ms. */
static bool t4(void)
{
	struct sim_world *world;
	bool right = true;

	plot.turn_ns = 100000;
	waits_usual = 0; /* other turns, other waits */
	mono_back_ns = 1000000;
	for (plot.seed = 1; plot.seed <= 20 && right; plot.seed++) {
		world = lived((struct sim_leave){.other_clocks = true, .steps = true});
		right = world != NULL;
		if (world)
			sim_world_free(world);
	}
	mono_back_ns = 0;
	if (right)
		(void)printf("row T4 passed: CLOCK_MONOTONIC back by 1 ms under open spans, 20 "
			     "seeds: none ends before it starts, none is lost\n");
	return right;
}

int main(void)
{
	struct sim_world *usual = lived((struct sim_leave){0});
	bool right;

	if (!usual)
		return 1;
	waits_usual = usual->waits;
	sim_world_free(usual);
	right = t1();
	right &= t2();
	right &= t4();
	return right ? 0 : 1;
}
