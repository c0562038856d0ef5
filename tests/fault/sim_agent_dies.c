/* A1: the agent dies at every operation of its life: before it, after it, in the
 * middle of a write. Then it is started again, and everything that was written
 * must be in the archive and at the collector, once. The life goes through
 * finding rings, draining, the log and its segments, cleaning, cursors, spools,
 * sealing, and the removal of rings.
 *
 * X3 (SOAK=1): the agent that recovers dies, too, at every operation of its
 * recovery. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "sim_world.h"

static const struct sim_plot plot = {
	.seed = 1,
	.modules = 4,
	.runs = 2,
	.turns_each = 12,
	.turns_apart = 4,
	.records_per_turn = 6,
	.turn_ns = 20000000,
	.flushes = true,
};

static const struct sim_settings settings = {
	.log_max_bytes = 128 << 10,
	.log_segment_bytes = 16 << 10,
};

static const struct {
	enum file_env_fault_kind kind;
	const char *when;
} deaths[] = {
	{FILE_ENV_CRASH_BEFORE, "before"},
	{FILE_ENV_CRASH_AFTER, "after"},
	{FILE_ENV_CRASH_TORN, "in the middle of"},
};
#define DEATHS (sizeof deaths / sizeof deaths[0])

static uint64_t tried, records_all;

static bool makes_a_difference(unsigned death, enum file_env_op op)
{
	if (deaths[death].kind == FILE_ENV_CRASH_AFTER)
		return sim_op_changes(op);
	if (deaths[death].kind == FILE_ENV_CRASH_TORN)
		return op == FILE_ENV_PWRITEV;
	return true;
}

static void arm(struct sim_world *world, unsigned death, uint64_t nth)
{
	world->nth = nth;
	world->fired = false;
	world->fault = sim_fault_nth;
	world->armed = (struct file_env_fault){
		.kind = deaths[death].kind,
		.bytes = sim_mix(nth, death) % 4000 + 1,
	};
}

static bool everything_is_there(const struct sim_world *world)
{
	uint64_t records;

	return sim_check_archive(world, (struct sim_leave){0}, &records) &&
	       sim_check_left(world, false) && records > 0;
}

/* What happens without a death: which operations there are. */
static struct sim_world *rehearse(void)
{
	struct sim_world *world = sim_world_new(&plot, &settings);

	if (sim_world_live(world, sim_life_finish) == SIM_LIVED &&
	    sim_check_archive(world, (struct sim_leave){0}, &records_all) &&
	    sim_check_left(world, false))
		return world;
	(void)fprintf(stderr, "the scenario fails without a death\n");
	exit(1);
}

/* The second death is `later` operations behind the first; 0: there is none. */
static bool survives(const struct sim_world *rehearsed, unsigned death, uint64_t nth,
		     unsigned second, uint64_t later, bool *ret_fired)
{
	struct sim_world *world = sim_world_new(&plot, &settings);
	enum sim_end end;
	bool right;

	arm(world, death, nth);
	end = sim_world_live(world, sim_life_finish);
	if (end == SIM_DIED && later > 0) {
		arm(world, second, world->operations + later);
		end = sim_world_live(world, sim_life_finish);
		*ret_fired = world->fired;
	}
	world->fault = NULL;
	if (end == SIM_DIED)
		end = sim_world_live(world, sim_life_finish);
	right = end == SIM_LIVED && everything_is_there(world);
	if (!right)
		(void)fprintf(
			stderr,
			"died %s operation %" PRIu64 " (%s)%s, %s %" PRIu64 " behind: end %d\n",
			deaths[death].when, nth, file_env_op_name(rehearsed->kinds[nth - 1]),
			later ? ", again" : "", deaths[second].when, later, end);
	tried++;
	sim_world_free(world);
	return right;
}

static bool every_death(const struct sim_world *rehearsed)
{
	uint64_t wrong = 0;
	bool fired;

	for (uint64_t n = 1; n <= rehearsed->operations; n++)
		for (unsigned i = 0; i < DEATHS; i++)
			if (makes_a_difference(i, rehearsed->kinds[n - 1]))
				wrong += !survives(rehearsed, i, n, 0, 0, &fired);
	if (wrong)
		return false;
	(void)printf("row A1 passed: %" PRIu64 " deaths at %" PRIu64 " operations, %" PRIu64
		     " records each, 0 lost, 0 twice\n",
		     tried, rehearsed->operations, records_all);
	return true;
}

/* Every operation of the second life, behind a first death at each twentieth
 * operation of the first. */
static bool every_pair(const struct sim_world *rehearsed)
{
	uint64_t wrong = 0, before = tried;

	for (uint64_t n = 1; n <= rehearsed->operations; n += 23)
		for (uint64_t later = 1;; later++) {
			bool fired = false;

			wrong += !survives(rehearsed, (unsigned)(n % DEATHS), n,
					   (unsigned)(later % DEATHS), later, &fired);
			if (!fired)
				break;
		}
	if (wrong)
		return false;
	(void)printf("row X3 passed: %" PRIu64 " deaths while recovering from a death\n",
		     tried - before);
	return true;
}

int main(void)
{
	const char *only = getenv("SIM_NTH");
	struct sim_world *rehearsed = rehearse();
	bool fired, right;

	if (only) {
		right = true;
		for (unsigned i = 0; i < DEATHS; i++)
			right &= survives(rehearsed, i, strtoull(only, NULL, 10), 0, 0, &fired);
	} else {
		right = every_death(rehearsed);
		if (right && getenv("SOAK"))
			right = every_pair(rehearsed);
	}
	sim_world_free(rehearsed);
	return right ? 0 : 1;
}
