/* D6: the machine loses power after every change of the disk, and finds what a
 * journaling file system might have kept: unsynced writes dropped, reordered or
 * torn at 512 bytes, names that came or not. Start succeeds; what was written
 * longer ago than a sync takes is in the archive; every archive file is whole;
 * each thread's records are a prefix, unless the log says that it passed over a
 * damaged place. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "sim_world.h"

/* wal.sync_interval (250 ms), the drain's turn (100 ms), and the turns in which
 * directory and segments are synced one after the other. */
#define SLACK_NS UINT64_C(600000000)
#define SEEDS 4
#define SEEDS_SOAK 60

static const struct sim_plot plot = {
	.seed = 6,
	.modules = 4,
	.runs = 2,
	.turns_each = 45,
	.turns_apart = 20,
	.records_per_turn = 2,
	.turn_ns = 20000000,
	.flushes = true,
};

static struct sim_world *recorded(bool sync_each)
{
	struct sim_settings settings = {
		.log_max_bytes = 128 << 10,
		.log_segment_bytes = 16 << 10,
		.sync_each = sync_each,
	};
	struct sim_world *world = sim_world_new(&plot, &settings);
	uint64_t records;

	if (sim_world_live(world, sim_life_finish) == SIM_LIVED &&
	    sim_check_archive(world, (struct sim_leave){0}, &records))
		return world;
	(void)fprintf(stderr, "the scenario fails with its power on\n");
	exit(1);
}

static bool starts_again(struct sim_world *world, const struct sim_cut *cut, uint64_t changes,
			 uint64_t seed, uint64_t when_ns)
{
	struct sim_leave leave = {.undelivered = true};
	enum sim_end end;
	uint64_t records;

	/* Which flushes were answered by then is not known any more. */
	for (uint32_t i = 0; i < world->module_count; i++) {
		world->modules[i].lost = false;
		world->modules[i].flush_asked = 0;
		world->modules[i].flushed_ns = 0;
	}
	sim_world_lose_rings(world, when_ns, SLACK_NS);
	sim_world_lose_disk(world, cut, seed);
	world->damaged = 0;
	end = sim_world_live(world, sim_life_finish);
	leave.gaps = world->damaged > 0;
	if (end == SIM_LIVED && sim_check_archive(world, leave, &records) &&
	    sim_check_left(world, true))
		return true;
	(void)fprintf(stderr,
		      "power lost after change %" PRIu64 ", seed %" PRIu64
		      ", log damaged in %" PRIu64 " places: end %d\n",
		      changes, seed, world->damaged, end);
	return false;
}

static uint64_t cuts, wrong;

static void cut_everywhere(bool sync_each, uint64_t seeds, uint64_t first_seed)
{
	struct sim_world *world = recorded(sync_each);
	struct sim_cut *cut = sim_cut_new(world->disk);
	uint64_t when_ns = 0;

	world->env.disk = NULL; /* what comes now is not to be cut */
	for (uint64_t n = 0; sim_cut_advance(cut, n, &when_ns); n++)
		for (uint64_t seed = 0; seed < seeds; seed++, cuts++)
			wrong += !starts_again(world, cut, n, first_seed + seed, when_ns);
	sim_cut_free(cut);
	sim_world_free(world);
}

int main(void)
{
	const char *given = getenv("SEED");
	uint64_t seeds = getenv("SOAK") ? SEEDS_SOAK : SEEDS;
	uint64_t first = given ? strtoull(given, NULL, 10) : 1;

	cut_everywhere(false, seeds, first);
	cut_everywhere(true, seeds / 2, first);
	if (wrong)
		return 1;
	(void)printf("row D6 passed: %" PRIu64 " cuts, start succeeded each time, nothing "
		     "synced was lost\n",
		     cuts);
	return 0;
}
