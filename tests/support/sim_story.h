/* A short story for faults at its every operation, and the ways to die at one:
 * before it, when it is done, in the middle of a write. The agent finds rings,
 * drains them, writes and cleans segments of its log, moves cursors, spools,
 * seals, and removes rings. */
#ifndef SUPPORT_SIM_STORY_H
#define SUPPORT_SIM_STORY_H

#include "sim_world.h"

extern const struct sim_plot sim_story;
extern const struct sim_settings sim_story_settings;

#define SIM_DEATHS 3u
/* "before", "after", "in the middle of" */
const char *sim_death_when(unsigned death);
/* Whether it can leave anything behind that the others do not. */
bool sim_death_matters(unsigned death, enum file_env_op op);
struct file_env_fault sim_death_fault(unsigned death, uint64_t nth);
/* This death at that operation, counted from the world's beginning. */
void sim_death_arm(struct sim_world *world, unsigned death, uint64_t nth);

typedef bool sim_fault_fn(struct sim_world *world, enum file_env_op op,
			  struct file_env_fault *ret_fault);

/* The story without a fault; exits if it fails. `note` is asked about every
 * operation, and may be NULL; the world has their kinds. */
struct sim_world *sim_story_rehearsed(sim_fault_fn *note, uint64_t *ret_records);
/* I2, I3, I8, I10: everything is there, and nothing is left. The collector need not
 * have what it was too late for: world->gave_up. */
bool sim_story_is_whole(const struct sim_world *world);

#endif
