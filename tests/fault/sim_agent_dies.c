/* A1: the agent dies at every operation of its life: before it, after it, in the
 * middle of a write. Then it is started again, and everything that was written
 * must be in the archive and at the collector, once. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "sim_story.h"

static bool survives(const struct sim_world *rehearsed, unsigned death, uint64_t nth)
{
	struct sim_world *world = sim_world_new(&sim_story, &sim_story_settings);
	enum sim_end end;
	bool right;

	sim_death_arm(world, death, nth);
	end = sim_world_live(world, sim_life_finish);
	world->fault = NULL;
	if (end == SIM_DIED)
		end = sim_world_live(world, sim_life_finish);
	right = end == SIM_LIVED && !world->gave_up && sim_story_is_whole(world);
	if (!right)
		(void)fprintf(stderr, "SIM_NTH=%" PRIu64 ": died %s %s: end %d\n", nth,
			      sim_death_when(death),
			      file_env_op_name(rehearsed->kinds[nth - 1]), end);
	sim_world_free(world);
	return right;
}

int main(void)
{
	const char *only = getenv("SIM_NTH");
	uint64_t records, tried = 0, wrong = 0;
	struct sim_world *rehearsed = sim_story_rehearsed(NULL, &records);
	uint64_t first = only ? strtoull(only, NULL, 10) : 1;
	uint64_t last = only ? first : rehearsed->operations;

	for (uint64_t n = first; n <= last; n++)
		for (unsigned death = 0; death < SIM_DEATHS; death++)
			if (sim_death_matters(death, rehearsed->kinds[n - 1])) {
				wrong += !survives(rehearsed, death, n);
				tried++;
			}
	if (wrong)
		return 1;
	(void)printf("row A1 passed: %" PRIu64 " deaths at %" PRIu64 " operations, %" PRIu64
		     " records each, 0 lost, 0 twice\n",
		     tried, rehearsed->operations, records);
	sim_world_free(rehearsed);
	return 0;
}
