#include "sim_story.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

const struct sim_plot sim_story = {
	.seed = 1,
	.modules = 4,
	.runs = 2,
	.turns_each = 12,
	.turns_apart = 4,
	.records_per_turn = 6,
	.turn_ns = 20000000,
	.flushes = true,
};

const struct sim_settings sim_story_settings = {
	.log_max_bytes = 128 << 10,
	.log_segment_bytes = 16 << 10,
};

static const struct {
	enum file_env_fault_kind kind;
	const char *when;
} deaths[SIM_DEATHS] = {
	{FILE_ENV_CRASH_BEFORE, "before"},
	{FILE_ENV_CRASH_AFTER, "after"},
	{FILE_ENV_CRASH_TORN, "in the middle of"},
};

const char *sim_death_when(unsigned death)
{
	assert(death < SIM_DEATHS);
	return deaths[death].when;
}

bool sim_death_matters(unsigned death, enum file_env_op op)
{
	if (deaths[death].kind == FILE_ENV_CRASH_AFTER)
		return sim_op_changes(op);
	if (deaths[death].kind == FILE_ENV_CRASH_TORN)
		return op == FILE_ENV_PWRITEV;
	return true;
}

struct file_env_fault sim_death_fault(unsigned death, uint64_t nth)
{
	return (struct file_env_fault){
		.kind = deaths[death].kind,
		.bytes = sim_mix(nth, death) % 4000 + 1,
	};
}

void sim_death_arm(struct sim_world *world, unsigned death, uint64_t nth)
{
	world->nth = nth;
	world->fired = false;
	world->fault = sim_fault_nth;
	world->armed = sim_death_fault(death, nth);
}

bool sim_story_is_whole(const struct sim_world *world)
{
	struct sim_leave leave = {.undelivered = world->gave_up};
	uint64_t records;

	return sim_check_archive(world, leave, &records) && sim_check_left(world, false) &&
	       records > 0;
}

struct sim_world *sim_story_rehearsed(sim_fault_fn *note, uint64_t *ret_records)
{
	struct sim_world *world = sim_world_new(&sim_story, &sim_story_settings);
	enum sim_end end;

	world->fault = note;
	end = sim_world_live(world, sim_life_finish);
	world->fault = NULL;
	if (end == SIM_LIVED && sim_check_archive(world, (struct sim_leave){0}, ret_records) &&
	    sim_check_left(world, false))
		return world;
	(void)fprintf(stderr, "the story fails without a fault\n");
	exit(1);
}
